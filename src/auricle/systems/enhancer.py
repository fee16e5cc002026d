"""What an enhancer is: anything with `enhance(waveform, sample_rate)`.

Those of this package are made of a `Meter`, which hears a whole channel once, and a `process` that is given one piece
of it after another; so files of any length go through in bounded memory, and a piece is treated as in the whole.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from auricle import audio
from auricle.errors import AuricleError
from auricle.systems.overlap import Pieces


class Enhances(Protocol):
    """The black box that the rest of the package takes."""

    def enhance(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Speech out of `(time,)` or `(channels, time)` at `sample_rate` Hz, of the same shape and rate."""
        ...


class Meter:
    """What has to be known of a whole channel before its first sample can be processed; here nothing."""

    def add(self, block: np.ndarray) -> None:
        """Hear the next block `(time,)`."""


class LevelMeter(Meter):
    """The root mean square of a channel."""

    def __init__(self) -> None:
        self._energy = 0.0
        self._n_samples = 0

    def add(self, block: np.ndarray) -> None:
        self._energy += float(np.square(block, dtype=np.float64).sum())
        self._n_samples += block.size

    @property
    def rms(self) -> float:
        return float(np.sqrt(self._energy / max(1, self._n_samples)))


class Enhancer:
    """Base of the enhancers: subclasses have `meter` and `process`, at `sample_rate` Hz, in `pieces`."""

    sample_rate: int = 16000
    pieces: Pieces = Pieces.around(8 * 16000, 0, 0)

    @property
    def latency(self) -> str:
        """What has to be heard before a sample can come out, in words."""
        return "it hears the whole recording before its first sample comes out"

    def meter(self) -> Meter:
        """A meter for one channel."""
        return Meter()

    def process(self, piece: np.ndarray, meter: Meter) -> np.ndarray:
        """Speech out of a piece `(time,)` of the channel that `meter` has heard; the same length."""
        raise NotImplementedError

    def enhance(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Speech out of `(time,)` or `(channels, time)` at `sample_rate` Hz, of the same shape; channels by themselves.

        What lies above half of the enhancer's own rate is lost.
        """
        waveform = np.asarray(waveform)
        if waveform.ndim not in (1, 2) or waveform.size == 0 or not np.issubdtype(waveform.dtype, np.floating):
            raise AuricleError(
                f"a waveform is floats of shape (time,) or (channels, time), not {waveform.dtype} of {waveform.shape}"
            )
        if not np.isfinite(waveform).all():
            raise AuricleError("the waveform holds NaN or infinite samples")
        channels = audio.resample(np.atleast_2d(waveform).astype(np.float32), sample_rate, self.sample_rate)
        done = np.stack([self._whole(channel) for channel in channels])
        back = audio.resample(done, self.sample_rate, sample_rate)[:, : waveform.shape[-1]]
        return back.reshape(waveform.shape)

    def _whole(self, channel: np.ndarray) -> np.ndarray:
        meter = self.meter()
        meter.add(channel)
        joined = self.pieces.join(self.pieces.cut(channel), lambda piece: self.process(piece, meter))
        return np.concatenate(list(joined))


class Identity(Enhancer):
    """What comes in goes out: what any enhancer is to be compared with."""

    def process(self, piece: np.ndarray, meter: Meter) -> np.ndarray:
        return piece.copy()

    def enhance(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        return np.array(waveform)
