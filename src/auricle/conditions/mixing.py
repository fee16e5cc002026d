"""Noise added to a clip at a signal-to-noise ratio, and the power of the parts where there is a signal."""

from __future__ import annotations

import numpy as np

from auricle.errors import AuricleError

FRAME_S = 0.01
MARGIN_DB = 15.9


def mean_power(waveform: np.ndarray) -> float:
    """Mean square of `(time,)`; 0 for an empty array."""
    return float(np.mean(np.square(waveform, dtype=np.float64))) if waveform.size else 0.0


def active_power(waveform: np.ndarray, sample_rate: int) -> float:
    """Mean square of `(time,)` over the frames in which something sounds; 0 where nothing does.

    Runs of zeros of 10 ms or more (padding, digital silence) are taken out, the rest is cut into frames of 10 ms with
    powers p_k, and the active ones are the largest set A with

        p_k ≥ 10^(-1.59) · mean of p over A   for all k in A

    so none lies more than 15.9 dB below their mean, the margin of ITU-T P.56. For a steady sound it is the mean power.
    """
    frame = max(1, round(FRAME_S * sample_rate))
    sound = waveform[~_silence(waveform, frame)].astype(np.float64)
    if sound.size == 0:
        return 0.0
    starts = np.arange(0, sound.size, frame)
    energies = np.add.reduceat(np.square(sound), starts)
    counts = np.diff(np.append(starts, sound.size))
    active = np.ones(starts.size, dtype=bool)
    while True:
        power = float(energies[active].sum() / counts[active].sum())
        louder = active & (energies / counts >= power * 10.0 ** (-MARGIN_DB / 10.0))
        if np.array_equal(louder, active):
            return power
        active = louder


def _silence(waveform: np.ndarray, shortest: int) -> np.ndarray:
    """Whether each sample of `(time,)` is in a run of at least `shortest` zeros."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], waveform == 0, [False]]).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    long = ends - begins >= shortest
    steps = np.zeros(waveform.size + 1, dtype=np.int8)
    steps[begins[long]] += 1
    steps[ends[long]] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)


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
