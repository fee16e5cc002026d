"""Clips as windows of equal length."""

from __future__ import annotations

import numpy as np

from auricle.errors import AuricleError

SHORT = ("pad", "repeat")
WINDOWS_AT_ONCE, SAMPLES_AT_ONCE = 64, 2**21  # that a classifier is given


def fit_length(waveform: np.ndarray, n_samples: int, short: str = "pad", offset: int = 0) -> np.ndarray:
    """`(time,)` made at least `n_samples` long: by zeros ("pad") or by itself over and over ("repeat").

    `offset` is the sample at which the clip begins when it is padded. A clip that is long enough is returned as it is.
    """
    if short not in SHORT:
        raise AuricleError(f"unknown way {short!r} to lengthen short clips: 'pad' or 'repeat'")
    missing = n_samples - len(waveform)
    if missing <= 0:
        return waveform
    if short == "repeat" and len(waveform):
        return np.resize(waveform, n_samples)
    return np.pad(waveform, (offset, missing - offset))


def windows_at_once(window: int) -> int:
    """How many windows of `window` samples a classifier is given at once, so that memory stays bounded."""
    return max(1, min(WINDOWS_AT_ONCE, SAMPLES_AT_ONCE // window))


def window_count(n_samples: int, window: int) -> int:
    """How many consecutive windows a clip has: a rest of half a window or more is one, a clip has at least one."""
    whole, rest = divmod(n_samples, window)
    return max(1, whole + (2 * rest >= window))


def whole_windows(waveform: np.ndarray, window: int, short: str = "pad") -> np.ndarray:
    """`(time,)` lengthened or cut to consecutive non-overlapping windows: `(window_count · window,)`."""
    n_samples = window_count(len(waveform), window) * window
    if len(waveform) < window:
        return fit_length(waveform, window, short)
    return fit_length(waveform[:n_samples], n_samples)
