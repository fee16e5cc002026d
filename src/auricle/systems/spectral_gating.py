"""Spectral gating: noise reduction without training that attenuates spectral bins near the noise floor."""

from __future__ import annotations

import numpy as np

from auricle.systems.enhancer import Meter, PiecewiseEnhancer
from auricle.systems.overlap import OverlapAdd

N_FFT, HOP = 512, 128
LOWEST_DB, HIGHEST_DB, STEP_DB = -160.0, 60.0, 0.5
_BLOCK = 4096  # frames that are transformed at once


class NoiseFloor(Meter):
    """A histogram of the levels of each frequency bin, from which quantiles can be read.

    Levels are counted in steps of 0.5 dB, so memory is constant and the division into blocks does not matter. Digital
    silence is not counted.
    """

    def __init__(self) -> None:
        self._n_levels = round((HIGHEST_DB - LOWEST_DB) / STEP_DB)
        self._counts = np.zeros((N_FFT // 2 + 1, self._n_levels), dtype=np.int64)
        self._rest = np.zeros(0, dtype=np.float32)

    def add(self, block: np.ndarray) -> None:
        signal = np.concatenate([self._rest, block])
        n_frames = max(0, (len(signal) - N_FFT) // HOP + 1)
        for first in range(0, n_frames, _BLOCK):
            last = min(n_frames, first + _BLOCK)
            levels = _levels_db(_spectra(signal[first * HOP : (last - 1) * HOP + N_FFT]))
            steps = np.clip((levels - LOWEST_DB) / STEP_DB, 0, self._n_levels - 1).astype(np.int64)
            places = np.arange(N_FFT // 2 + 1) * self._n_levels + steps
            self._counts += np.bincount(places.ravel(), minlength=self._counts.size).reshape(self._counts.shape)
        self._rest = signal[n_frames * HOP :]

    def quantile_db(self, share: float) -> np.ndarray:
        """The level in dB, `(bins,)`, below which a `share` of the frames of each bin lies.

        If no frame has been counted, it is the lowest level of the histogram.
        """
        sounding = np.where(np.arange(self._n_levels) > 0, self._counts, 0)
        steps = (np.cumsum(sounding, axis=1) < share * sounding.sum(1, keepdims=True)).sum(1)
        return LOWEST_DB + STEP_DB * (np.minimum(steps, self._n_levels - 1) + 0.5)


class SpectralGating(PiecewiseEnhancer):
    """Noise reduction that attenuates each spectral bin whose level is close to its noise floor.

    The noise floor F of a bin is a `quantile` of its levels over the whole recording. A bin of level L, in dB, gets

        gain in dB = −`reduction_db` · σ((F + `threshold_db` − L) / `softness_db`),  σ(x) = 1 / (1 + exp(−x)),

    smoothed over 5 frames (40 ms) and 3 bins (94 Hz).
    """

    quantile = 0.2
    threshold_db = 8.0
    softness_db = 3.0
    reduction_db = 18.0
    smoothing = (5, 3)

    def __init__(self) -> None:
        context = -(-(N_FFT + self.smoothing[0] * HOP) // HOP) * HOP
        self.overlap_add = OverlapAdd.with_hop(8 * self.sample_rate, context, round(0.25 * self.sample_rate), grid=HOP)

    def meter(self) -> NoiseFloor:
        return NoiseFloor()

    def process(self, piece: np.ndarray, meter: Meter) -> np.ndarray:
        assert isinstance(meter, NoiseFloor)
        floor_db = meter.quantile_db(self.quantile)
        size = -(-len(piece) // HOP) * HOP
        padded = np.concatenate([np.zeros(N_FFT), piece, np.zeros(size - len(piece) + N_FFT)])
        spectra = _spectra(padded)
        above_db = _levels_db(spectra) - floor_db - self.threshold_db
        attenuation = 1 / (1 + np.exp(np.clip(above_db / self.softness_db, -50, 50)))
        gains = 10 ** (-self.reduction_db / 20 * _smoothed(attenuation, self.smoothing))
        return _overlap_add(spectra * gains, len(padded))[N_FFT : N_FFT + len(piece)].astype(piece.dtype)


def _window() -> np.ndarray:
    return np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT))


def _spectra(signal: np.ndarray) -> np.ndarray:
    """Spectra `(frames, bins)` of all frames that lie entirely within `(time,)`."""
    frames = np.lib.stride_tricks.sliding_window_view(signal, N_FFT)[::HOP]
    return np.fft.rfft(frames * _window())


def _overlap_add(spectra: np.ndarray, n_samples: int) -> np.ndarray:
    """The inverse of `_spectra`, `(n_samples,)`; exact for samples that four frames cover."""
    frames = np.fft.irfft(spectra, N_FFT) * _window() * (2 * HOP / N_FFT)
    signal = np.zeros(n_samples)
    for k, frame in enumerate(frames):
        signal[k * HOP : k * HOP + N_FFT] += frame
    return signal


def _levels_db(spectra: np.ndarray) -> np.ndarray:
    return 20 * np.log10(np.maximum(np.abs(spectra), 10 ** (LOWEST_DB / 20)))


def _smoothed(values: np.ndarray, sizes: tuple[int, int]) -> np.ndarray:
    """Moving averages of odd lengths along both axes, with the edge values repeated beyond the ends."""
    for axis, size in enumerate(sizes):
        padding = [(size // 2, size // 2) if k == axis else (0, 0) for k in range(2)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, padding, mode="edge"), size, axis=axis)
        values = windows.mean(-1)
    return values
