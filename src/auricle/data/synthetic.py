"""Synthetic sound events: a small data set for demonstrations and tests, without a download.

    from auricle.data.synthetic import make_sound_events

    manifest = make_sound_events("data/sound-events")

Nine classes of sound are synthesised. Results on them show that a system works and how it degrades in noise, not how
good it is on real sounds. Each class is a function of the time in seconds `(time,)` and two random generators: `source`
draws the parameters of a source (a siren, a bell), `clip` those that vary between its clips. The pitches and bands of
the classes overlap, and their levels are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from auricle.audio import write
from auricle.conditions.filtering import shaped
from auricle.conditions.synthetic import FORMANT_WIDTHS_HZ, VOWELS_HZ
from auricle.errors import AuricleError
from auricle.files import write_rows

CLIPS_PER_SOURCE = 5
TEST_SHARE = 0.25
LEVEL_DBFS = -30.0
LEVEL_RANGE_DB = 10.0
BACKGROUND_SNR_DB = (15.0, 40.0)
PEAK = 0.95

Random = np.random.Generator
Event = Callable[[np.ndarray, Random, Random], np.ndarray]


def make_sound_events(
    folder: str | Path, *, n_clips: int = 540, sample_rate: int = 16_000, duration_s: float = 1.5, seed: int = 0
) -> Path:
    """Write a synthetic data set of sound events to `folder`; returns the path of its `manifest.csv`.

    Clips are mono 16-bit FLAC files `audio/<label>-<source>-<clip>.flac`; the manifest has the columns path, label,
    group (the source) and split. A quarter of the sources of each class are the split "test", the others "train". The
    numbers of clips per class differ by at most one. Each clip contains one event, background noise 15 to 40 dB below
    the event, and has a level of -30 dBFS ± 10 dB (RMS).

    Args:
        folder: folder to write to; files of the same name are replaced.
        n_clips: number of clips; at least two per class, one for training and one for testing.
        sample_rate: in Hz, at least 8000.
        duration_s: length of a clip in seconds, at least 1.
        seed: the same arguments give the same samples.

    Raises:
        AuricleError: for arguments outside these ranges.
    """
    labels = list(EVENTS)
    if n_clips < 2 * len(labels):
        raise AuricleError(f"n_clips is {n_clips}; it must be at least {2 * len(labels)}, two for each class")
    if sample_rate < 8000:
        raise AuricleError(f"sample_rate is {sample_rate} Hz; it must be at least 8000 Hz")
    if duration_s < 1:
        raise AuricleError(f"duration_s is {duration_s}; a clip must last at least 1 s")
    folder = Path(folder)
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    n_sources = max(2, n_clips // len(labels) // CLIPS_PER_SOURCE)
    n_train = n_sources - max(1, round(TEST_SHARE * n_sources))
    rows = []
    for index in range(n_clips):
        label = labels[index % len(labels)]
        number, source = divmod(index // len(labels), n_sources)
        group = f"{label}-{source:02d}"
        path = f"audio/{group}-{number:02d}.flac"
        waveform = sound_event(label, source, number, sample_rate=sample_rate, duration_s=duration_s, seed=seed)
        write(folder / path, waveform, sample_rate)
        rows.append([path, label, group, "train" if source < n_train else "test"])
    manifest = folder / "manifest.csv"
    write_rows(manifest, ("path", "label", "group", "split"), sorted(rows))
    return manifest


def sound_event(
    label: str, source: int, number: int, *, sample_rate: int = 16_000, duration_s: float = 1.5, seed: int = 0
) -> np.ndarray:
    """Clip `number` of a source of the class `label`: an event in noise, float32 `(time,)` with a peak below 1."""
    class_index = list(EVENTS).index(label)
    source_random = np.random.default_rng([seed, class_index, source])
    clip_random = np.random.default_rng([seed, class_index, source, number + 1])
    t = np.arange(round(duration_s * sample_rate)) / sample_rate
    onset = clip_random.uniform(0.0, 0.3) * duration_s
    length = clip_random.uniform(0.55, 1.0) * (duration_s - onset)
    inside = (t >= onset) & (t < onset + length)
    event = np.zeros_like(t)
    event[inside] = _fade(EVENTS[label](t[: inside.sum()], source_random, clip_random), round(0.01 * sample_rate))
    event = _tilt(event, t, clip_random.uniform(-3.0, 3.0))
    background = _tilt(clip_random.standard_normal(t.size), t, clip_random.uniform(-9.0, -3.0))
    background_db = -clip_random.uniform(*BACKGROUND_SNR_DB)
    waveform = event / _rms(event) + 10 ** (background_db / 20) * background / _rms(background)
    level_db = LEVEL_DBFS + clip_random.uniform(-LEVEL_RANGE_DB, LEVEL_RANGE_DB)
    waveform *= 10 ** (level_db / 20) / _rms(waveform)
    return (waveform * min(1.0, PEAK / np.abs(waveform).max())).astype(np.float32)


def siren(t: np.ndarray, source: Random, clip: Random) -> np.ndarray:
    """A harmonic tone that continuously sweeps up and down."""
    low_hz, octaves = source.uniform(400, 1100), source.uniform(0.4, 1.1)
    rate_hz, sharpness = source.uniform(0.7, 4.0), source.uniform(0.5, 2.0)
    phase = clip.uniform(0, 1) + rate_hz * clip.uniform(0.9, 1.1) * t
    sweep = (0.5 - 0.5 * np.cos(2 * np.pi * phase)) ** sharpness
    return _tone(low_hz * 2 ** (octaves * sweep), t, overtones=source.uniform(0, 0.6, 3))


def alarm(t: np.ndarray, source: Random, clip: Random) -> np.ndarray:
    """Beeps of one pitch, or of two alternating pitches, in a regular rhythm."""
    pitch_hz, interval = source.uniform(500, 2600), source.choice([1.0, 1.0, 1.19, 1.33])
    period_s, share = source.uniform(0.12, 0.45), source.uniform(0.4, 0.85)
    position = t / period_s + clip.uniform(0, 1)
    f_hz = np.where(np.floor(position) % 2 == 0, pitch_hz, pitch_hz * interval)
    on = np.clip(np.minimum(position % 1, share - position % 1) * period_s / 0.005, 0, 1)
    return on * _tone(f_hz, t, overtones=source.uniform(0, 0.6, 3))


def bird(t: np.ndarray, source: Random, clip: Random) -> np.ndarray:
    """Short chirps of gliding pitch with irregular gaps."""
    pitch_hz, glide_octaves = source.uniform(1300, 3200), source.uniform(0.15, 0.7) * source.choice([-1, 1])
    chirp_s, gap_s = source.uniform(0.05, 0.16), source.uniform(0.03, 0.22)
    trill_hz, trill_octaves = source.uniform(20, 45), source.choice([0.0, 0.08])
    song = np.zeros_like(t)
    start_s = clip.uniform(0, gap_s)
    while start_s < t[-1]:
        position = (t - start_s) / (chirp_s * clip.uniform(0.8, 1.2))
        inside = (position >= 0) & (position < 1)
        octaves = glide_octaves * position[inside] + trill_octaves * np.sin(2 * np.pi * trill_hz * t[inside])
        f_hz = pitch_hz * 2 ** (octaves + clip.uniform(-0.1, 0.1))
        song[inside] += np.sin(np.pi * position[inside]) ** 2 * _tone(f_hz, t, overtones=[0.15]) * clip.uniform(0.5, 1)
        start_s += chirp_s + gap_s * clip.uniform(0.4, 1.6)
    return song


def bell(t: np.ndarray, source: Random, clip: Random) -> np.ndarray:
    """Strikes of inharmonic partials that decay, the high ones faster."""
    pitch_hz = source.uniform(350, 1500)
    partials = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.74, 3.76]) * source.uniform(0.97, 1.03, 7)
    weights, decay_s = source.uniform(0.2, 1.0, 7), source.uniform(0.12, 0.7)
    period_s = source.uniform(0.25, 0.9)
    ring = np.zeros_like(t)
    start_s = clip.uniform(0, 0.15)
    while start_s < t[-1]:
        for ratio, weight in zip(partials, weights, strict=True):
            ring += weight * _damped(t - start_s, pitch_hz * ratio, decay_s / ratio**0.7)
        start_s += period_s * clip.uniform(0.9, 1.1)
    return ring


def knocks(t: np.ndarray, source: Random, clip: Random) -> np.ndarray:
    """Irregular impacts, each with a few strongly damped resonances."""
    resonances_hz, decays_s = source.uniform(120, 1800, 4), source.uniform(0.008, 0.05, 4)
    period_s = source.uniform(0.08, 0.35)
    blows = np.zeros_like(t)
    start_s = clip.uniform(0, 0.1)
    while start_s < t[-1]:
        strength = clip.uniform(0.4, 1.0)
        for f_hz, decay_s in zip(resonances_hz, decays_s, strict=True):
            blows += strength * clip.uniform(0.5, 1) * _damped(t - start_s, f_hz, decay_s)
        start_s += period_s * clip.uniform(0.5, 1.7)
    return blows


def rain(t: np.ndarray, source: Random, clip: Random) -> np.ndarray:
    """A steady hiss with short random drops."""
    centre_hz, width_octaves = source.uniform(1500, 4000), source.uniform(0.7, 1.6)
    drops_per_s, drop_level = source.uniform(15, 60), source.uniform(0.5, 3.0)
    hiss = _band_noise(t, clip, centre_hz, width_octaves)
    drop_t = t[: int(0.02 / t[1])]
    for _ in range(clip.poisson(drops_per_s * t[-1])):
        start = int(clip.integers(t.size - drop_t.size))
        drop = _damped(drop_t, centre_hz * 2 ** clip.uniform(-1.3, 0.5), clip.uniform(0.001, 0.004))
        hiss[start : start + drop.size] += drop_level * clip.exponential() * drop
    return hiss


def wind(t: np.ndarray, source: Random, clip: Random) -> np.ndarray:
    """Noise whose band and level vary slowly, in gusts."""
    low_hz, octaves = source.uniform(180, 900), source.uniform(1.0, 3.0)
    gust_hz, width_octaves = source.uniform(0.5, 2.5), source.uniform(0.5, 1.2)
    gust = 0.5 - 0.5 * np.cos(2 * np.pi * (gust_hz * t + clip.uniform(0, 1)))
    gust = gust * (0.7 + 0.3 * np.sin(2 * np.pi * (clip.uniform(2, 5) * t + clip.uniform(0, 1))))
    bands = np.linspace(0, octaves, 6)
    nearness = np.exp(-0.5 * ((bands[:, None] - octaves * gust) / 0.6) ** 2)
    whoosh = sum(n * _band_noise(t, clip, low_hz * 2**b, width_octaves) for n, b in zip(nearness, bands, strict=True))
    return (0.15 + gust) * whoosh


def engine(t: np.ndarray, source: Random, clip: Random) -> np.ndarray:
    """Many harmonics of a low pitch, and noise, both modulated at half that pitch."""
    pitch_hz, throb = source.uniform(35, 130), source.uniform(0.2, 0.9)
    weights = source.uniform(0.1, 1.0, 24) / np.arange(1, 25) ** source.uniform(0.2, 1.0)
    hiss_level, hiss_hz = source.uniform(0.05, 0.6), source.uniform(400, 2000)
    drift = 1 + 0.06 * np.sin(2 * np.pi * (clip.uniform(0.2, 1.5) * t + clip.uniform(0, 1)))
    f_hz = pitch_hz * clip.uniform(0.85, 1.2) * drift
    hum = _tone(f_hz, t, overtones=weights[1:] / weights[0])
    beat = 1 + throb * np.sin(np.pi * np.cumsum(f_hz) * t[1])
    return beat * (hum / _rms(hum) + hiss_level * _band_noise(t, clip, hiss_hz, 1.5))


def babble(t: np.ndarray, source: Random, clip: Random) -> np.ndarray:
    """Speech-like syllables: a voice of gliding pitch with formants that move from vowel to vowel."""
    pitch_hz, tract, syllable_s = source.uniform(90, 260), source.uniform(0.85, 1.2), source.uniform(0.14, 0.3)
    n_syllables = int(t[-1] / syllable_s) + 2
    vowels = VOWELS_HZ[clip.integers(len(VOWELS_HZ), size=n_syllables)] * tract
    position = t / syllable_s + clip.uniform(0, 1)
    formants_hz = np.stack([np.interp(position, np.arange(n_syllables), column) for column in vowels.T])
    melody = np.interp(position, np.arange(n_syllables), clip.uniform(-0.25, 0.25, n_syllables))
    f_hz = pitch_hz * 2**melody
    phase = 2 * np.pi * np.cumsum(f_hz) * t[1]
    voice = np.zeros_like(t)
    for k in range(1, int(min(3800, 0.45 / t[1]) / f_hz.max()) + 1):
        resonance = sum(
            np.exp(-0.5 * ((k * f_hz - f) / w) ** 2) for f, w in zip(formants_hz, FORMANT_WIDTHS_HZ, strict=True)
        )
        voice += (0.02 + resonance) / k**0.5 * np.sin(k * phase)
    loudness = np.interp(position, np.arange(n_syllables), clip.uniform(0.3, 1.0, n_syllables))
    return loudness * np.abs(np.sin(np.pi * position)) ** 0.7 * voice


EVENTS: dict[str, Event] = {
    "alarm": alarm,
    "babble": babble,
    "bell": bell,
    "bird": bird,
    "engine": engine,
    "knocks": knocks,
    "rain": rain,
    "siren": siren,
    "wind": wind,
}


def _tone(f_hz: np.ndarray, t: np.ndarray, overtones: np.ndarray | list[float]) -> np.ndarray:
    """A tone of instantaneous frequency `f_hz` `(time,)` and its weighted harmonics 2, 3, … below Nyquist."""
    phase = 2 * np.pi * np.cumsum(f_hz) * t[1]
    tone = np.sin(phase)
    for k, weight in enumerate(overtones, start=2):
        if k * f_hz.max() < 0.45 / t[1]:
            tone += weight * np.sin(k * phase)
    return tone


def _damped(t: np.ndarray, f_hz: float, decay_s: float) -> np.ndarray:
    """A decaying sine that starts at t = 0; zeros before, and zeros for a frequency near Nyquist or above."""
    if f_hz > 0.45 / abs(t[1] - t[0]):
        return np.zeros_like(t)
    after = np.maximum(t, 0)
    return np.where(t >= 0, np.exp(-after / decay_s) * np.sin(2 * np.pi * f_hz * after), 0.0)


def _band_noise(t: np.ndarray, random: Random, centre_hz: float, width_octaves: float) -> np.ndarray:
    """Gaussian noise with RMS 1 and a spectrum that is Gaussian over octaves around `centre_hz`."""

    def gains(f_hz: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * (np.log2(np.maximum(f_hz, 1.0) / centre_hz) / width_octaves) ** 2)

    noise = shaped(random.standard_normal(t.size), 1 / t[1], gains)
    return noise / _rms(noise)


def _tilt(x: np.ndarray, t: np.ndarray, db_per_octave: float) -> np.ndarray:
    """Apply a spectral slope in dB per octave above 50 Hz (0 dB at 1 kHz)."""
    return shaped(x, 1 / t[1], lambda f_hz: 10 ** (db_per_octave * np.log2(np.maximum(f_hz, 50.0) / 1000.0) / 20))


def _fade(x: np.ndarray, n_samples: int) -> np.ndarray:
    """Fade `x` in and out linearly over `n_samples`."""
    edge = np.minimum(np.arange(x.size), np.arange(x.size)[::-1])
    return x * np.minimum(1.0, edge / n_samples)


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x**2)))
