"""Noise added to a clip at a signal-to-noise ratio."""

from __future__ import annotations

import numpy as np

from auricle.errors import AuricleError


def mean_power(waveform: np.ndarray) -> float:
    """Mean square of `(time,)`; 0 for an empty array."""
    return float(np.mean(np.square(waveform, dtype=np.float64))) if waveform.size else 0.0


def add_noise(clip: np.ndarray, noise: np.ndarray, snr_db: float, power: float | None = None) -> np.ndarray:
    """`clip` + g·`noise`, with g such that `power` / mean_power(g·noise) is `snr_db` in decibels.

    `clip` and `noise` `(time,)` of the same length. `power` is the signal's (mean square); by default the clip's
    own, which is too low where the clip has been padded with zeros. Where either power is 0 there is no ratio,
    and the clip comes back unchanged; so it does for an `snr_db` of infinity.
    """
    if clip.shape != noise.shape:
        raise AuricleError(f"a clip of shape {clip.shape} and noise of shape {noise.shape} cannot be mixed")
    signal_power = mean_power(clip) if power is None else power
    noise_power = mean_power(noise)
    if signal_power == 0.0 or noise_power == 0.0 or snr_db == float("inf"):
        return clip.copy()
    gain = np.sqrt(signal_power / noise_power) * 10.0 ** (-snr_db / 20.0)
    return (clip + gain * noise).astype(clip.dtype)


def gaussian_noise(clip: np.ndarray, snr_db: float, seed: int, power: float | None = None) -> np.ndarray:
    """`clip` `(time,)` with white Gaussian noise at `snr_db`; see `add_noise` for `power`."""
    noise: np.ndarray = np.random.default_rng(seed).standard_normal(clip.shape)
    return add_noise(clip, noise, snr_db, power)
