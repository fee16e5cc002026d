"""Frequency scales, and mel filterbank matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from auricle.errors import AuricleError
from auricle.registry import unknown_name

Array = np.ndarray
MAX_BANK = 2**24  # values of the filters of a filterbank together


def hz_to_mel(freq_hz: Array | float) -> Array:
    """Mel scale of HTK, 1127·ln(1 + f/700)."""
    return 1127.0 * np.log1p(np.asarray(freq_hz) / 700.0)


def mel_to_hz(mel: Array | float) -> Array:
    return 700.0 * np.expm1(np.asarray(mel) / 1127.0)


_KNEE_HZ, _KNEE = 1000.0, 15.0  # below the knee a mel is 200 / 3 Hz, above it 27 mels are a factor of 6.4


def hz_to_auditory_mel(freq_hz: Array | float) -> Array:
    """Mel scale of the Auditory Toolbox (Slaney, 1998): linear up to 1 kHz, logarithmic above."""
    freq_hz = np.asarray(freq_hz, dtype=float)
    above = _KNEE + 27.0 * np.log(np.maximum(freq_hz, _KNEE_HZ) / _KNEE_HZ) / np.log(6.4)
    return np.where(freq_hz < _KNEE_HZ, _KNEE * freq_hz / _KNEE_HZ, above)


def auditory_mel_to_hz(mel: Array | float) -> Array:
    mel = np.asarray(mel, dtype=float)
    above = _KNEE_HZ * 6.4 ** ((np.maximum(mel, _KNEE) - _KNEE) / 27.0)
    return np.where(mel < _KNEE, _KNEE_HZ * mel / _KNEE, above)


def hz_to_erb(freq_hz: Array | float) -> Array:
    """Number of equivalent rectangular bandwidths below `freq_hz` (Glasberg & Moore, 1990)."""
    return 21.4 * np.log10(1.0 + 0.00437 * np.asarray(freq_hz))


def erb_to_hz(erb: Array | float) -> Array:
    return (10.0 ** (np.asarray(erb) / 21.4) - 1.0) / 0.00437


def _identity(freq_hz: Array | float) -> Array:
    return np.asarray(freq_hz)


SCALES: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {
    "mel": (hz_to_mel, mel_to_hz),
    "auditory-mel": (hz_to_auditory_mel, auditory_mel_to_hz),
    "erb": (hz_to_erb, erb_to_hz),
    "linear": (_identity, _identity),
}


def spaced_freqs(n: int, min_freq_hz: float, max_freq_hz: float, scale: str = "mel") -> Array:
    """`n` frequencies in Hz from `min_freq_hz` to `max_freq_hz`, both included, evenly spaced on `scale`."""
    if scale not in SCALES:
        raise AuricleError(unknown_name("frequency scale", scale, SCALES))
    forward, backward = SCALES[scale]
    return backward(np.linspace(forward(min_freq_hz), forward(max_freq_hz), n))


def _check_size(n_filters: int, n_fft: int) -> None:
    if n_filters * (n_fft // 2 + 1) > MAX_BANK:
        raise AuricleError(f"n_filters={n_filters}, n_fft={n_fft}: a filterbank of more than {MAX_BANK} values")


def _triangles(bins: Array, edges: Array) -> Array:
    """Triangles of height 1 over `bins` `(bins, 1)`, each from one of the `edges` to the next but one."""
    lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
    return np.maximum(np.minimum((bins - lower) / (center - lower), (upper - bins) / (upper - center)), 0.0)


def mel_matrix(n_filters: int, n_fft: int, sample_rate: int, min_freq_hz: float, max_freq_hz: float) -> Array:
    """Mel filterbank `(n_fft // 2 + 1, n_filters)`: triangles of height 1, linear on the mel axis.

    As TensorFlow's `linear_to_mel_weight_matrix`; the bin at 0 Hz has weight 0.
    """
    _check_size(n_filters, n_fft)
    bins = hz_to_mel(np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1))[:, None]
    edges = np.linspace(hz_to_mel(min_freq_hz), hz_to_mel(max_freq_hz), n_filters + 2)
    triangles = _triangles(bins, edges)
    triangles[0] = 0.0
    return triangles


def auditory_mel_matrix(n_filters: int, n_fft: int, sample_rate: int, min_freq_hz: float, max_freq_hz: float) -> Array:
    """Mel filterbank `(n_fft // 2 + 1, n_filters)`: triangles of area 1 Hz, linear on the axis in Hz.

    The corners are evenly spaced on the Auditory Toolbox's mel scale. As librosa's `filters.mel`.
    """
    _check_size(n_filters, n_fft)
    bins = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)[:, None]
    edges = spaced_freqs(n_filters + 2, min_freq_hz, max_freq_hz, "auditory-mel")
    return _triangles(bins, edges) * 2.0 / (edges[2:] - edges[:-2])
