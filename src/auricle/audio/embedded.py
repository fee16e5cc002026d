"""Sounds and pictures within a page: WAV bytes in memory, and addresses that hold their content."""

from __future__ import annotations

import base64
import io
import wave

import numpy as np
from matplotlib.image import imsave
from numpy.typing import ArrayLike

from auricle.errors import AuricleError

WAV, PNG = "audio/wav", "image/png"


def wav_bytes(waveform: ArrayLike, sample_rate: int) -> bytes:
    """The bytes of a 16-bit WAV file of `waveform`, `(time,)` or `(channels, time)`, at `sample_rate` Hz.

    A waveform that exceeds ±1 is scaled down to a peak of 1. Raises `AuricleError` for an empty or non-finite one.
    """
    samples = np.atleast_2d(np.asarray(waveform, dtype=np.float64))
    if samples.ndim != 2 or samples.size == 0 or not np.isfinite(samples).all():
        raise AuricleError(
            f"a waveform of shape {np.shape(waveform)} cannot be written as a sound: it should be (time,) or "
            "(channels, time), not empty, and finite"
        )
    samples = samples / max(1.0, float(np.abs(samples).max()))
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(len(samples))
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(np.round(samples.T * 32767.0).astype("<i2").tobytes())
    return file.getvalue()


def heat_png(values: np.ndarray, low: float, high: float) -> bytes:
    """The bytes of a PNG of `values` `(rows, columns)`, a pixel for each, the first row below; colours by magma."""
    file = io.BytesIO()
    imsave(file, values[::-1], cmap="magma", vmin=low, vmax=high, format="png")
    return file.getvalue()


def data_uri(content: bytes, media_type: str) -> str:
    """An address that holds `content` itself."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
