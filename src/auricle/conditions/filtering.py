"""Filters, applied by FFT."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from auricle.powers import fast_length

_STOPBAND_DB = 60.0
_BETA = 0.1102 * (_STOPBAND_DB - 8.7)


def convolve(x: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Full linear convolution of `(n,)` and `(m,)`: `(n + m - 1,)`."""
    n_samples = x.size + h.size - 1
    n_fft = fast_length(n_samples)
    return np.fft.irfft(np.fft.rfft(x, n_fft) * np.fft.rfft(h, n_fft), n_fft)[:n_samples]


def shaped(x: np.ndarray, sample_rate: float, gains: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`x` `(time,)` with its frequencies multiplied by their gains, without delay: `(time,)`.

    `gains` is given frequencies in Hz `(bins,)`; where it returns several filters `(n, bins)`, so is the result.
    """
    n_fft = fast_length(x.size)
    gains_of_bins = gains(np.fft.rfftfreq(n_fft, 1 / sample_rate))
    return np.fft.irfft(np.fft.rfft(x, n_fft) * gains_of_bins, n_fft)[..., : x.size]


def band_pass(x: np.ndarray, sample_rate: int, low_hz: float, high_hz: float, *, transition_hz: float) -> np.ndarray:
    """Band-pass filter `(time,)` between two frequencies in Hz with linear phase and no delay.

    A sinc with a Kaiser window (Oppenheim and Schafer, section 7.5): half the amplitude at either frequency, and 60 dB
    attenuation from `transition_hz` / 2 beyond it. A `low_hz` of 0 makes it a low-pass, a `high_hz` of half the sample
    rate or more a high-pass filter; nothing is left of a clip whose frequencies all lie below `low_hz`.
    """
    nyquist_hz = sample_rate / 2
    if low_hz <= 0 and high_hz >= nyquist_hz:
        return x
    half = int(np.ceil((_STOPBAND_DB - 8.0) / (2.285 * np.pi * transition_hz / nyquist_hz) / 2))
    n = np.arange(-half, half + 1)
    low, high = (min(1.0, max(0.0, hz / nyquist_hz)) for hz in (low_hz, high_hz))
    taps = (high * np.sinc(high * n) - low * np.sinc(low * n)) * np.kaiser(n.size, _BETA)
    return convolve(x, taps)[half : half + x.size]
