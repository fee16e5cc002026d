"""Synthetic noise, music, speech and room impulse responses, used if no recordings are given.

Each is a function of a length in samples, a sample rate in Hz and two random generators: `source` draws the parameters
of a source (a machine, a talker), `rng` those that vary between its excerpts. They only roughly resemble real sounds:
results obtained with them show how a system degrades, not how well it works on real recordings.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from auricle.conditions.filtering import shaped

Random = np.random.Generator
Formula = Callable[[int, int, Random, Random], np.ndarray]

_BLOCK = 256  # samples
VOWELS_HZ = np.array([[730, 1090, 2440], [270, 2290, 3010], [300, 870, 2240], [530, 1840, 2480], [570, 840, 2410]])
"""The first three formants of the vowels in hod, heed, who'd, head and hawed, of men (Peterson and Barney, 1952)."""
FORMANT_WIDTHS_HZ = (90.0, 130.0, 180.0)
_CHORDS = np.array([[0, 4, 7], [9, 12, 16], [5, 9, 12], [7, 11, 14], [2, 5, 9], [4, 7, 11]])


def noise(n_samples: int, sample_rate: int, source: Random, rng: Random) -> np.ndarray:
    """One of three kinds of environmental noise: a fluctuating hiss, a humming machine, or clatter."""
    return _ENVIRONMENTS[source.integers(len(_ENVIRONMENTS))](n_samples, sample_rate, source, rng)


def hiss(n_samples: int, sample_rate: int, source: Random, rng: Random) -> np.ndarray:
    """Coloured Gaussian noise, falling by 0 to 6 dB per octave, whose level varies slowly by up to ±6 dB."""
    slope_db, depth_db = source.uniform(-6.0, 0.0), source.uniform(0.0, 6.0)
    level = _random_curve(n_samples, sample_rate, source.uniform(0.2, 1.5), rng)
    return coloured(n_samples, sample_rate, slope_db, rng) * 10 ** (depth_db * level / 20)


def machine(n_samples: int, sample_rate: int, source: Random, rng: Random) -> np.ndarray:
    """Harmonics of a rotation frequency that drifts by 1 %, with noise modulated at that frequency."""
    pitch_hz, weights = source.uniform(25.0, 120.0), source.uniform(0.1, 1.0, 20) / np.arange(1, 21) ** 0.7
    drift = 1 + 0.01 * _random_curve(n_samples, sample_rate, 1.0, rng)
    phase = 2 * np.pi * (np.cumsum(pitch_hz * drift) / sample_rate + rng.uniform())
    offsets = source.uniform(0, 2 * np.pi, 20)
    audible = [k for k in range(1, 21) if k * pitch_hz < 0.45 * sample_rate]
    hum = sum(weights[k - 1] * np.sin(k * phase + offsets[k - 1]) for k in audible)
    hissing = (1 + 0.5 * np.sin(phase)) * coloured(n_samples, sample_rate, -3.0, rng)
    return np.asarray(hum) + source.uniform(0.1, 0.8) * hissing


def clatter(n_samples: int, sample_rate: int, source: Random, rng: Random) -> np.ndarray:
    """Decaying tones (knocks) at random times over coloured noise."""
    per_s, pitch_hz = source.uniform(2.0, 10.0), source.uniform(200.0, 2000.0)
    sound = 0.3 * coloured(n_samples, sample_rate, source.uniform(-6.0, -3.0), rng)
    time_s = np.arange(round(0.08 * sample_rate)) / sample_rate
    for _ in range(rng.poisson(per_s * n_samples / sample_rate)):
        f_hz = min(pitch_hz * 2 ** rng.uniform(-0.5, 0.5), 0.45 * sample_rate)
        knock = rng.exponential() * np.exp(-time_s / 0.015) * np.sin(2 * np.pi * f_hz * time_s)
        start = int(rng.integers(n_samples))
        sound[start : start + knock.size] += 3.0 * knock[: n_samples - start]
    return sound


def music(n_samples: int, sample_rate: int, source: Random, rng: Random) -> np.ndarray:
    """Chords and single notes of decaying harmonic tones with a bass, in a steady tempo."""
    beat_s, key_hz = source.uniform(0.25, 0.6), 110.0 * 2 ** (source.integers(12) / 12)
    brightness, decay_s = source.uniform(1.0, 2.0), source.uniform(0.3, 1.2)
    progression = source.permutation(len(_CHORDS))[:4]
    sound = np.zeros(n_samples)
    beat = int(rng.integers(16))
    start_s = -rng.uniform(0.0, beat_s)
    while start_s < n_samples / sample_rate:
        chord = _CHORDS[progression[(beat // 4) % 4]]
        struck = chord if beat % 4 == 0 else [chord[rng.integers(3)] + 12]
        first = max(0, round(start_s * sample_rate))
        last = min(n_samples, round((start_s + 3 * decay_s) * sample_rate))
        onset_s = np.arange(first, min(last, first + round(0.005 * sample_rate) + 1)) / sample_rate - start_s
        rise = np.clip(onset_s / 0.005, 0.0, 1.0)
        pitches_hz = key_hz * 2 ** (np.array([*struck, chord[0] - 12]) / 12)
        for k in range(1, 9):
            played_hz = k * pitches_hz[k <= 0.45 * sample_rate / pitches_hz]
            tone = decaying_tones(played_hz, decay_s / k**0.5, first / sample_rate - start_s, last - first, sample_rate)
            tone[: rise.size] *= rise**k**0.5
            sound[first:last] += tone / k**brightness
        beat += 1
        start_s += beat_s
    return sound


def decaying_tones(
    frequencies_hz: np.ndarray, decay_s: float, start_s: float, n_samples: int, sample_rate: int
) -> np.ndarray:
    """The sum over f of e^(−t / decay_s)·sin(2πft) at the times t `(n_samples,)` from `start_s` on.

    As e^(p(a + b)) = e^(pa)·e^(pb), it is a product of one matrix for where blocks start and one for places in a block,
    of which the imaginary part alone is computed.
    """
    poles = 2j * np.pi * frequencies_hz - 1.0 / decay_s
    starts_s = start_s + np.arange(0, n_samples, _BLOCK) / sample_rate
    starts, places = np.exp(np.outer(starts_s, poles)), np.exp(np.outer(poles, np.arange(_BLOCK) / sample_rate))
    blocks = np.hstack([np.real(starts), np.imag(starts)]) @ np.vstack([np.imag(places), np.real(places)])
    return blocks.ravel()[:n_samples]


def speech(n_samples: int, sample_rate: int, source: Random, rng: Random) -> np.ndarray:
    """A talker: a voice of gliding pitch, filtered by vowel formants, in syllables with fricatives and pauses."""
    pitch_hz, tract = source.uniform(85.0, 250.0), source.uniform(0.85, 1.2)
    syllable_s = source.uniform(0.14, 0.28)
    n_syllables = int(n_samples / sample_rate / syllable_s) + 3
    position = np.arange(n_samples) / (syllable_s * sample_rate) + rng.uniform()
    at = np.arange(n_syllables)
    f0_hz = pitch_hz * 2 ** np.interp(position, at, rng.uniform(-0.25, 0.25, n_syllables))
    buzz = 2.0 * ((np.cumsum(f0_hz) / sample_rate) % 1.0) - 1.0
    excitation = buzz + 0.02 * rng.standard_normal(n_samples)
    spoken = rng.integers(len(VOWELS_HZ), size=n_syllables)
    voice = np.zeros(n_samples)
    for vowel, sound in enumerate(shaped(excitation, sample_rate, lambda f_hz: resonances(f_hz, VOWELS_HZ * tract))):
        voice += np.interp(position, at, (spoken == vowel).astype(float)) * sound
    fricative = shaped(rng.standard_normal(n_samples), sample_rate, friction)
    talks = (rng.uniform(size=n_syllables) < 0.85) * rng.uniform(0.3, 1.0, n_syllables)
    loudness = np.interp(position, at, talks) * np.abs(np.sin(np.pi * position)) ** 0.7
    edges = 1.0 - np.abs(np.sin(np.pi * position)) ** 0.3
    consonants = np.interp(position, at, talks * (rng.uniform(size=n_syllables) < 0.5)) * edges
    return loudness * _normalise(voice) + 0.5 * consonants * _normalise(fricative)


def resonances(f_hz: np.ndarray, formants_hz: np.ndarray) -> np.ndarray:
    """The gains `(vowels, bins)` of a mouth at frequencies `(bins,)`, by the formants `(vowels, 3)` of vowels."""
    widths_hz = np.array(FORMANT_WIDTHS_HZ)[:, None]
    return 0.01 + np.exp(-0.5 * ((f_hz - formants_hz[..., None]) / widths_hz) ** 2).sum(axis=1)


def friction(f_hz: np.ndarray) -> np.ndarray:
    """The gains `(bins,)` of a fricative at frequencies `(bins,)`."""
    return np.exp(-0.5 * (np.log2((f_hz + 1) / 4500) / 0.4) ** 2)


def room(n_samples: int, sample_rate: int, source: Random, rng: Random) -> np.ndarray:
    """A room impulse response with an RT60 of 0.2 to 1 s and a direct-to-reverberant ratio within ±3 dB.

    Its length is the RT60, independent of `n_samples`; it depends on `source` only.
    """
    return impulse_response(source.uniform(0.2, 1.0), source.uniform(-3.0, 3.0), sample_rate, source)


def impulse_response(rt60_s: float, drr_db: float, sample_rate: int, rng: Random) -> np.ndarray:
    """A synthetic room impulse response `(time,)` of length `rt60_s`: Polack's model (1988).

    h(t) = δ(t) + c·n(t)·10^(-3 t / RT60), with Gaussian noise n and c such that the energy of the direct sound (sample
    0, of height 1) is `drr_db` decibels above that of the reverberation.
    """
    time_s = np.arange(max(2, round(rt60_s * sample_rate))) / sample_rate
    response = rng.standard_normal(time_s.size) * 10 ** (-3.0 * time_s / rt60_s)
    response[0] = 0.0
    response *= 10 ** (-drr_db / 20) / np.sqrt(np.sum(np.square(response)))
    response[0] = 1.0
    return response


def coloured(n_samples: int, sample_rate: int, slope_db: float, rng: Random) -> np.ndarray:
    """Gaussian noise `(n_samples,)` with a spectral slope of `slope_db` dB per octave above 50 Hz; mean 0, RMS 1."""

    def gains(f_hz: np.ndarray) -> np.ndarray:
        return np.where(f_hz > 0, 10 ** (slope_db * _octaves(f_hz) / 20), 0.0)

    noise = shaped(rng.standard_normal(n_samples), sample_rate, gains)
    return _normalise(noise - noise.mean())


def randomly_coloured(n_samples: int, sample_rate: int, rng: Random) -> np.ndarray:
    """Gaussian noise `(n_samples,)` whose spectrum and level over time are random curves.

    In dB over octaves above 50 Hz, the spectrum is a slope of −6 to 2 per octave plus a line through 2 to 12 levels,
    between −40 and 0; the level over time is a line through 0.5 to 16 levels per second, which differ by up to 25.
    """
    white = rng.standard_normal(n_samples)
    at = np.linspace(0.0, _octaves(np.array(sample_rate / 2)), int(rng.integers(2, 13)))
    levels_db, slope_db = rng.uniform(-rng.uniform(0.0, 40.0), 0.0, at.size), rng.uniform(-6.0, 2.0)
    level_db = 0.5 * rng.uniform(0.0, 25.0) * _random_curve(n_samples, sample_rate, 2.0 ** rng.uniform(-1.0, 4.0), rng)

    def gains(f_hz: np.ndarray) -> np.ndarray:
        octaves = _octaves(f_hz)
        return 10 ** ((slope_db * octaves + np.interp(octaves, at, levels_db)) / 20)

    return shaped(white, sample_rate, gains) * 10 ** (level_db / 20)


def _random_curve(n_samples: int, sample_rate: int, rate_hz: float, rng: Random) -> np.ndarray:
    """A random curve `(n_samples,)`: linear interpolation of `rate_hz` uniform values in [-1, 1] per second."""
    n_points = int(rate_hz * n_samples / sample_rate) + 3
    position = np.arange(n_samples) * rate_hz / sample_rate + rng.uniform()
    return np.interp(position, np.arange(n_points), rng.uniform(-1.0, 1.0, n_points))


def _octaves(f_hz: np.ndarray) -> np.ndarray:
    """The octaves by which each frequency lies above 50 Hz, at least 0."""
    return np.log2(np.maximum(f_hz, 50.0) / 50.0)


def _normalise(x: np.ndarray) -> np.ndarray:
    """`x` scaled to an RMS of 1."""
    return x / np.sqrt(np.mean(np.square(x)))


_ENVIRONMENTS: tuple[Formula, ...] = (hiss, machine, clatter)
FORMULAS: dict[str, Formula] = {"music": music, "noise": noise, "room": room, "speech": speech}
