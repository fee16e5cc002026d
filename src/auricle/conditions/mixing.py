"""Adding noise at a given signal-to-noise ratio, and the active power of a signal."""

from __future__ import annotations

import numpy as np

from auricle.errors import AuricleError

FRAME_S = 0.01
PAUSE_S = 0.2
MARGIN_DB = 15.9


def mean_power(waveform: np.ndarray) -> float:
    """Mean square of `(time,)`, 0 for an empty array."""
    return float(np.mean(np.square(waveform, dtype=np.float64))) if waveform.size else 0.0


def active_power(waveform: np.ndarray, sample_rate: int) -> float:
    """Mean square of `(time,)` without its pauses; 0 for a silent signal.

    Zeros at either end and runs of at least 200 ms of zeros (padding, digital silence) are removed, and the rest is cut
    into frames of 10 ms with powers p_k. The active frames are the largest set A that satisfies

        A = {k: p_k ≥ 10^(-1.59) · mean of p over A}, and gaps of less than 200 ms between these frames

    A pause is thus a segment of at least 200 ms that stays 15.9 dB below the mean active level. Margin and time are
    those of ITU-T P.56, which thresholds an envelope and also counts the first 200 ms of each pause. For a steady sound
    the active power is the mean power.
    """
    sound = waveform[~_silence(waveform, round(PAUSE_S * sample_rate))].astype(np.float64)
    if sound.size == 0:
        return 0.0
    frame = max(1, round(FRAME_S * sample_rate))
    starts = np.arange(0, sound.size, frame)
    energies = np.add.reduceat(np.square(sound), starts)
    counts = np.diff(np.append(starts, sound.size))
    active = np.ones(starts.size, dtype=bool)
    while True:
        power = float(energies[active].sum() / counts[active].sum())
        louder = np.flatnonzero(energies / counts >= power * 10.0 ** (-MARGIN_DB / 10.0))
        close = np.diff(louder) <= round(PAUSE_S / FRAME_S)
        now = _inside(louder[:-1][close], louder[1:][close], starts.size)
        now[louder] = True
        if np.array_equal(now, active):
            return power
        active = now


def _silence(waveform: np.ndarray, shortest: int) -> np.ndarray:
    """Mask of `(time,)`: runs of zeros that touch either end or have at least `shortest` samples."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], waveform == 0, [False]]).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    silent = (begins == 0) | (ends == waveform.size) | (ends - begins >= shortest)
    return _inside(begins[silent], ends[silent], waveform.size)


def _inside(begins: np.ndarray, ends: np.ndarray, size: int) -> np.ndarray:
    """Mask `(size,)` of the positions within the intervals [begin, end), which do not overlap."""
    steps = np.zeros(size + 1, dtype=np.int8)
    steps[begins] += 1
    steps[ends] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)


def add_noise(clip: np.ndarray, noise: np.ndarray, snr_db: float, power: float | None = None) -> np.ndarray:
    """`clip` + g·`noise`, with the gain g for which 10 log10(power / mean_power(g·noise)) equals `snr_db`.

    `clip` and `noise` are `(time,)` of the same length. `power` is the signal power (mean square), by default the
    clip's mean power, which is too low for a clip with pauses or padding: see `active_power`. If either power is 0, and
    for an infinite `snr_db`, a copy of the clip is returned.
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
    """Add white Gaussian noise to `clip` `(time,)` at `snr_db`; see `add_noise` for `power`."""
    noise: np.ndarray = np.random.default_rng(seed).standard_normal(clip.shape)
    return add_noise(clip, noise, snr_db, power)
