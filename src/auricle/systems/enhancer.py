"""Speech enhancers: the protocol `Enhancer`, and the base class `PiecewiseEnhancer` for recordings of any length.

A piecewise enhancer goes through each channel twice. In the first pass a `Meter` measures the channel as a whole, such
as its level; in the second pass `process` enhances one overlapping piece after another, each with the measurements of
the whole channel. Memory does not grow with the length, and a piece is enhanced as it would be within the whole.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from auricle import audio
from auricle.errors import AuricleError
from auricle.layers import as_array
from auricle.systems.overlap import OverlapAdd


class Enhancer(Protocol):
    """Anything that enhances a waveform held in memory."""

    def enhance(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """The enhanced `(time,)` or `(channels, time)`, of the same shape, at the same `sample_rate` in Hz."""
        ...


class Meter:
    """Measures a whole channel before its first sample is processed; this base class measures nothing."""

    def add(self, block: np.ndarray) -> None:
        """Take the next block `(time,)` of the channel, of any length, into account."""


class LevelMeter(Meter):
    """Measures the root mean square of a channel."""

    def __init__(self) -> None:
        self._energy = 0.0
        self._n_samples = 0

    def add(self, block: np.ndarray) -> None:
        self._energy += float(np.square(block, dtype=np.float64).sum())
        self._n_samples += block.size

    @property
    def rms(self) -> float:
        """√(Σ x² / n) over all blocks so far; 0 before the first."""
        return float(np.sqrt(self._energy / max(1, self._n_samples)))


class PiecewiseEnhancer:
    """Base class of enhancers that process each channel in overlapping pieces.

    A subclass sets `sample_rate`, in Hz, at which it works, and `overlap_add`, which says how channels are cut into
    pieces and joined again; it implements `process`, and `meter` if it has to measure a channel first.
    """

    sample_rate: int = 16000
    overlap_add: OverlapAdd = OverlapAdd.with_hop(8 * 16000, 0, 0)

    @property
    def latency(self) -> str:
        """How much input is needed before output begins, in words."""
        return "it needs the whole recording before its first sample comes out"

    def meter(self) -> Meter:
        """A new meter for one channel."""
        return Meter()

    def process(self, piece: np.ndarray, meter: Meter) -> np.ndarray:
        """Enhance one piece `(time,)` of a channel that `meter` has measured; the result has the same length."""
        raise NotImplementedError

    def process_checked(self, piece: np.ndarray, meter: Meter) -> np.ndarray:
        """`process`; raises `AuricleError` where its result is not finite."""
        done = self.process(piece, meter)
        if not np.isfinite(done).all():
            raise AuricleError("the enhancer gave NaN or infinite samples")
        return done

    def enhance(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Enhance `(time,)` or `(channels, time)` at `sample_rate` Hz; the result has the same shape and rate.

        Each channel is enhanced independently. Frequencies above half of the enhancer's own sample rate are lost.
        Raises an `AuricleError` unless the waveform is finite floats of one of these shapes.
        """
        waveform = as_array(waveform)
        if waveform.ndim not in (1, 2) or waveform.size == 0 or not np.issubdtype(waveform.dtype, np.floating):
            raise AuricleError(
                f"a waveform is floats of shape (time,) or (channels, time), not {waveform.dtype} of {waveform.shape}"
            )
        if not np.isfinite(waveform).all():
            raise AuricleError("the waveform holds NaN or infinite samples")
        channels = audio.resample(np.atleast_2d(waveform).astype(np.float32), sample_rate, self.sample_rate)
        enhanced = np.stack([self._enhance_channel(channel) for channel in channels])
        back = audio.resample(enhanced, self.sample_rate, sample_rate)[:, : waveform.shape[-1]]
        return back.reshape(waveform.shape)

    def _enhance_channel(self, channel: np.ndarray) -> np.ndarray:
        meter = self.meter()
        meter.add(channel)
        joined = self.overlap_add.join(self.overlap_add.cut(channel), lambda piece: self.process_checked(piece, meter))
        return np.concatenate(list(joined))


class Identity(PiecewiseEnhancer):
    """Changes nothing: the reference that any enhancer is compared with."""

    def process(self, piece: np.ndarray, meter: Meter) -> np.ndarray:
        return piece.copy()

    def enhance(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        return np.array(waveform)
