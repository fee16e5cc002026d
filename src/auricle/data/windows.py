"""Windows of equal length, the input of classifiers, and the loudest segment of a clip."""

from __future__ import annotations

import numpy as np

from auricle.errors import AuricleError

SHORT = ("pad", "repeat")
MAX_WINDOW = 2**24
"""Samples of the longest window."""
MAX_WINDOWS, MAX_SAMPLES = 64, 2**21  # per batch


def fit_length(waveform: np.ndarray, n_samples: int, short: str = "pad", offset: int = 0) -> np.ndarray:
    """Lengthen `(time,)` to `n_samples`, with zeros ("pad") or by repeating it ("repeat").

    `offset` is the number of zeros before a padded clip. A clip that is long enough is returned unchanged.
    """
    if short not in SHORT:
        raise AuricleError(f"short={short!r}: it should be 'pad' or 'repeat'")
    missing = n_samples - len(waveform)
    if missing <= 0:
        return waveform
    if short == "repeat" and len(waveform):
        return np.resize(waveform, n_samples)
    return np.pad(waveform, (offset, missing - offset))


def windows_at_once(window: int) -> int:
    """Number of windows of `window` samples in one batch, which bounds the memory that a classifier needs."""
    return max(1, min(MAX_WINDOWS, MAX_SAMPLES // window))


def window_count(n_samples: int, window: int) -> int:
    """Number of consecutive windows of a clip: at least one; a remainder of half a window or more counts as one."""
    whole, remainder = divmod(n_samples, window)
    return max(1, whole + (2 * remainder >= window))


def whole_windows(waveform: np.ndarray, window: int, short: str = "pad") -> np.ndarray:
    """Cut or lengthen `(time,)` to consecutive windows without overlap: `(window_count · window,)`."""
    n_samples = window_count(len(waveform), window) * window
    if len(waveform) < window:
        return fit_length(waveform, window, short)
    return fit_length(waveform[:n_samples], n_samples)


def loudest_start(waveform: np.ndarray, n_samples: int) -> int:
    """Start of the `n_samples` of `waveform` `(time,)` with the most energy; the first of equals."""
    if len(waveform) <= n_samples:
        return 0
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    return int(np.argmax(energy[n_samples:] - energy[:-n_samples]))
