"""Conditions that change the clip itself: its level, its peaks, its band, its time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auricle import audio
from auricle.conditions.condition import CONDITIONS, Condition, Random, Range, bounds, draw
from auricle.conditions.filtering import band, convolve
from auricle.conditions.material import Material
from auricle.conditions.mixing import active_power, mean_power
from auricle.conditions.synthetic import impulse_response
from auricle.errors import AuricleError


def decibels(power: float) -> float:
    """A power in decibels relative to full scale: 0 dBFS is a mean square of 1."""
    return 10.0 * float(np.log10(power))


def factor(gain_db: float | np.ndarray) -> np.ndarray:
    """A gain in decibels as a factor of amplitude."""
    return np.power(10.0, np.asarray(gain_db) / 20.0)


@CONDITIONS.register("gain")
@dataclass(frozen=True)
class Gain(Condition):
    """One gain in decibels for the whole clip, or drawn from a pair."""

    gain_db: Range

    def __post_init__(self) -> None:
        bounds("gain_db", self.gain_db, -200.0, 200.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return clip * factor(draw(self.gain_db, rng))


@CONDITIONS.register("gain-steps")
@dataclass(frozen=True)
class GainSteps(Condition):
    """A new gain every `step_s` seconds, within ±`gain_db` and such that the level stays within `level_dbfs`.

    Loudness changes of the LEAF-APCEN paper: gains between -8 and 8 dB every 250 ms, levels from -40 to -15 dBFS. A
    step of level L (mean square, dB) gets a gain drawn uniformly from [-gain_db, gain_db] ∩ [low - L, high - L]; where
    that is empty, as in a pause, the end of ±`gain_db` that comes nearest. A clip whose active level lies outside the
    range is first brought to its nearer end. A `gain_db` of 0 changes nothing.
    """

    gain_db: float = 8.0
    step_s: float = 0.25
    level_dbfs: list[float] | tuple[float, float] = (-40.0, -15.0)

    def __post_init__(self) -> None:
        bounds("gain_db", self.gain_db, 0.0, 200.0)
        bounds("step_s", self.step_s, 0.001)
        bounds("level_dbfs", self.level_dbfs, -200.0, 200.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        if self.gain_db == 0:
            return clip
        level_db = decibels(active_power(clip, sample_rate))
        clip = clip * factor(np.clip(level_db, *self.level_dbfs) - level_db)
        step = max(1, round(self.step_s * sample_rate))
        for start in range(0, clip.size, step):
            block = clip[start : start + step]
            power = mean_power(block)
            room_db = np.asarray(self.level_dbfs) - decibels(power) if power else np.array([-np.inf, np.inf])
            low_db, high_db = np.clip(room_db, -self.gain_db, self.gain_db)
            block *= factor(low_db + (high_db - low_db) * rng.uniform())
        return clip


@CONDITIONS.register("gain-transition")
@dataclass(frozen=True)
class GainTransition(Condition):
    """From one gain to another, both drawn from the pair `gain_db`, in a straight line of decibels.

    The transition takes `share` of the clip, from a place drawn so that all of it lies in the clip.
    """

    gain_db: Range
    share: float = 0.5

    def __post_init__(self) -> None:
        bounds("gain_db", self.gain_db, -200.0, 200.0)
        bounds("share", self.share, 0.0, 1.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        gains_db = [draw(self.gain_db, rng), draw(self.gain_db, rng)]
        start = rng.uniform(0.0, 1.0 - self.share) * clip.size
        return clip * factor(np.interp(np.arange(clip.size), [start, start + self.share * clip.size], gains_db))


@CONDITIONS.register("clipping")
@dataclass(frozen=True)
class Clipping(Condition):
    """`share` of the samples clipped, the loudest ones, or a share drawn from a pair.

    The threshold is the (1 - share) quantile of the magnitudes; samples that are exactly 0 (padding) do not count. The
    level is not restored.
    """

    share: Range

    def __post_init__(self) -> None:
        bounds("share", self.share, 0.0, 0.99)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        threshold = np.quantile(np.abs(clip[clip != 0]), 1.0 - draw(self.share, rng))
        return np.clip(clip, -threshold, threshold)


@CONDITIONS.register("low-pass")
@dataclass(frozen=True)
class LowPass(Condition):
    """Only the lower `share` of the band (from 0 to half the sample rate); linear phase, no delay."""

    share: Range

    def __post_init__(self) -> None:
        bounds("share", self.share, 0.001, 1.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        nyquist_hz = sample_rate / 2
        return band(clip, sample_rate, 0.0, draw(self.share, rng) * nyquist_hz, transition_hz=0.03 * nyquist_hz)


@CONDITIONS.register("band-pass")
@dataclass(frozen=True)
class BandPass(Condition):
    """Only what lies between two frequencies in Hz, by default a telephone's; linear phase, no delay."""

    low_hz: float = 300.0
    high_hz: float = 3400.0

    def __post_init__(self) -> None:
        bounds("low_hz and high_hz", [self.low_hz, self.high_hz], 0.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return band(clip, sample_rate, self.low_hz, self.high_hz, transition_hz=100.0)


@CONDITIONS.register("resampling")
@dataclass(frozen=True)
class Resampling(Condition):
    """Down to `rate_hz` and back; a rate not below the clip's changes nothing."""

    rate_hz: int

    def __post_init__(self) -> None:
        if not isinstance(self.rate_hz, int) or self.rate_hz < 1:
            raise AuricleError(f"rate_hz={self.rate_hz!r}: a whole number of Hz")

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        if self.rate_hz >= sample_rate:
            return clip
        down = audio.resample(clip, sample_rate, self.rate_hz)
        return audio.resample(down, self.rate_hz, sample_rate)[: clip.size]


@CONDITIONS.register("reverberation")
@dataclass(frozen=True)
class Reverberation(Condition):
    """A synthetic room whose sound falls by 60 dB in `rt60_s` seconds, one value or a pair to draw from.

    The direct sound stays where it is, `drr_db` decibels above the rest; the tail ends with the clip, and the clip
    keeps its mean power. An `rt60_s` of 0 changes nothing.
    """

    rt60_s: Range
    drr_db: Range = 0.0

    def __post_init__(self) -> None:
        bounds("rt60_s", self.rt60_s, 0.0, 20.0)
        bounds("drr_db", self.drr_db, -100.0, 100.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        rt60_s, drr_db = draw(self.rt60_s, rng), draw(self.drr_db, rng)
        if rt60_s == 0:
            return clip
        return _in_room(clip, impulse_response(rt60_s, drr_db, sample_rate, rng))


@CONDITIONS.register("room")
@dataclass(frozen=True)
class Room(Condition):
    """A room of the material, by its impulse response from the direct sound (its largest sample) on.

    The tail ends with the clip, and the clip keeps its mean power.
    """

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        response = material.room(sample_rate, rng)
        return _in_room(clip, response[np.abs(response).argmax() :])


def _in_room(clip: np.ndarray, response: np.ndarray) -> np.ndarray:
    wet = convolve(clip, response)[: clip.size]
    power = mean_power(wet)
    return wet * np.sqrt(mean_power(clip) / power) if power else clip


@CONDITIONS.register("packet-loss")
@dataclass(frozen=True)
class PacketLoss(Condition):
    """Packets of `packet_s` seconds lost in bursts, and silence in their place: the model of Gilbert (1960).

    A packet is lost with probability `rate`, and losses come in runs of `burst` packets on average: after a lost one
    the next arrives with probability q = 1 / burst, after one that arrived the next is lost with q·rate / (1 - rate).
    """

    rate: Range
    burst: float = 2.0
    packet_s: float = 0.02

    def __post_init__(self) -> None:
        bounds("burst", self.burst, 1.0)
        bounds("packet_s", self.packet_s, 0.0001)
        bounds("rate", self.rate, 0.0, self.burst / (self.burst + 1.0))

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        rate = draw(self.rate, rng)
        size = max(1, round(self.packet_s * sample_rate))
        chances = rng.uniform(size=-(-clip.size // size))
        stays, falls = 1.0 - 1.0 / self.burst, rate / (1.0 - rate) / self.burst
        lost = np.empty(chances.size, dtype=bool)
        probability = rate
        for k, chance in enumerate(chances):
            lost[k] = chance < probability
            probability = stays if lost[k] else falls
        return np.where(np.repeat(lost, size)[: clip.size], 0.0, clip)
