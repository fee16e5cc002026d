"""Conditions without added sounds: gain, clipping, filters, resampling, reverberation and packet loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auricle import audio
from auricle.conditions.condition import CONDITIONS, Condition, Random, Range, check_number, check_range, draw
from auricle.conditions.filtering import band_pass, convolve
from auricle.conditions.material import Material
from auricle.conditions.mixing import active_power, mean_power
from auricle.conditions.synthetic import impulse_response
from auricle.errors import AuricleError


def power_to_db(power: float) -> float:
    """A positive power (mean square) in dB relative to full scale: 0 dBFS is a mean square of 1."""
    return 10.0 * float(np.log10(power))


def db_to_amplitude(gain_db: float | np.ndarray) -> np.ndarray:
    """The factor 10^(gain_db / 20) by which a gain in dB multiplies amplitudes."""
    return np.power(10.0, np.asarray(gain_db) / 20.0)


@CONDITIONS.register("gain")
@dataclass(frozen=True)
class Gain(Condition):
    """A constant gain in dB."""

    gain_db: Range

    def __post_init__(self) -> None:
        check_range("gain_db", self.gain_db, -200.0, 200.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return clip * db_to_amplitude(draw(self.gain_db, rng))


@CONDITIONS.register("gain-steps")
@dataclass(frozen=True)
class GainSteps(Condition):
    """A new random gain every `step_s` seconds, within ±`gain_db`, that keeps the level within `level_dbfs`.

    The loudness changes of the LEAF-APCEN paper: gains between -8 and 8 dB every 250 ms, levels from -40 to -15 dBFS.
    The gain of a step with level L (mean square in dB) is drawn uniformly from [-gain_db, gain_db] ∩ [low - L,
    high - L]. If this is empty, as in a pause, the gain is the end of ±`gain_db` that brings the level nearest to the
    range. A clip whose active level (`active_power`) is outside the range is first scaled to its nearer end. A
    `gain_db` of 0 changes nothing.
    """

    gain_db: float = 8.0
    step_s: float = 0.25
    level_dbfs: list[float] | tuple[float, float] = (-40.0, -15.0)

    def __post_init__(self) -> None:
        check_number("gain_db", self.gain_db, 0.0, 200.0)
        check_number("step_s", self.step_s, 0.001, 3600.0)
        if not isinstance(self.level_dbfs, (list, tuple)):
            raise AuricleError(f"level_dbfs={self.level_dbfs!r}: it should be the lowest and the highest level")
        check_range("level_dbfs", self.level_dbfs, -200.0, 200.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        if self.gain_db == 0:
            return clip
        level_db = power_to_db(active_power(clip, sample_rate))
        clip = clip * db_to_amplitude(np.clip(level_db, self.level_dbfs[0], self.level_dbfs[1]) - level_db)
        step = max(1, round(self.step_s * sample_rate))
        for start in range(0, clip.size, step):
            block = clip[start : start + step]
            power = mean_power(block)
            allowed_db = np.asarray(self.level_dbfs) - power_to_db(power) if power else np.array([-np.inf, np.inf])
            low_db, high_db = np.clip(allowed_db, -self.gain_db, self.gain_db)
            block *= db_to_amplitude(low_db + (high_db - low_db) * rng.uniform())
        return clip


@CONDITIONS.register("gain-blocks")
@dataclass(frozen=True)
class GainBlocks(Condition):
    """Blocks of random length, each at a gain within ±`gain_db` of its own, faded in and out.

    The loudness changes of LEAF-APCEN's published data: blocks of `block_s` = 0.25 to 1 s, of which the first and the
    last `fade_s` = 40 to 100 ms (at most half the block) rise from zero and fall to zero as half a period of a cosine.
    """

    gain_db: float = 8.0
    block_s: Range = (0.25, 1.0)
    fade_s: Range = (0.04, 0.1)

    def __post_init__(self) -> None:
        check_number("gain_db", self.gain_db, 0.0, 200.0)
        check_range("block_s", self.block_s, 0.001, 3600.0)
        check_range("fade_s", self.fade_s, 0.0, 3600.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        start = 0
        while start < clip.size:
            block = clip[start : start + max(1, int(draw(self.block_s, rng) * sample_rate))]
            block *= db_to_amplitude(rng.uniform(-self.gain_db, self.gain_db))
            fade = min(int(draw(self.fade_s, rng) * sample_rate), block.size // 2)
            rise = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, fade))
            block[:fade] *= rise
            block[block.size - fade :] *= rise[::-1]
            start += block.size
        return clip


@CONDITIONS.register("gain-transition")
@dataclass(frozen=True)
class GainTransition(Condition):
    """A transition between two gains, both drawn from `gain_db`, linear in dB.

    It lasts for the share `share` of the clip and starts at a random position such that it ends within the clip.
    """

    gain_db: Range
    share: float = 0.5

    def __post_init__(self) -> None:
        check_range("gain_db", self.gain_db, -200.0, 200.0)
        check_number("share", self.share, 0.0, 1.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        gains_db = [draw(self.gain_db, rng), draw(self.gain_db, rng)]
        start = rng.uniform(0.0, 1.0 - self.share) * clip.size
        return clip * db_to_amplitude(
            np.interp(np.arange(clip.size), [start, start + self.share * clip.size], gains_db)
        )


@CONDITIONS.register("clipping")
@dataclass(frozen=True)
class Clipping(Condition):
    """Hard clipping of the share `share` of the samples.

    The threshold is the (1 - share) quantile of the magnitudes of all samples that are not exactly 0 (padding). The
    level is not restored afterwards.
    """

    share: Range

    def __post_init__(self) -> None:
        check_range("share", self.share, 0.0, 0.99)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        threshold = np.quantile(np.abs(clip[clip != 0]), 1.0 - draw(self.share, rng))
        return np.clip(clip, -threshold, threshold)


@CONDITIONS.register("low-pass")
@dataclass(frozen=True)
class LowPass(Condition):
    """Linear-phase low-pass filter without delay; the cut-off is `share` of half the sample rate."""

    share: Range

    def __post_init__(self) -> None:
        check_range("share", self.share, 0.001, 1.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        nyquist_hz = sample_rate / 2
        return band_pass(clip, sample_rate, 0.0, draw(self.share, rng) * nyquist_hz, transition_hz=0.03 * nyquist_hz)


@CONDITIONS.register("band-pass")
@dataclass(frozen=True)
class BandPass(Condition):
    """Linear-phase band-pass filter without delay between two frequencies in Hz, by default the telephone band."""

    low_hz: float = 300.0
    high_hz: float = 3400.0

    def __post_init__(self) -> None:
        check_range("low_hz and high_hz", [self.low_hz, self.high_hz], 0.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return band_pass(clip, sample_rate, self.low_hz, self.high_hz, transition_hz=100.0)


@CONDITIONS.register("resampling")
@dataclass(frozen=True)
class Resampling(Condition):
    """Resample to `rate_hz` and back; a rate that is not below the clip's changes nothing."""

    rate_hz: int

    def __post_init__(self) -> None:
        if not isinstance(self.rate_hz, int):
            raise AuricleError(f"rate_hz={self.rate_hz!r}: it should be a whole number of Hz")
        audio.check_rate(self.rate_hz)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        if self.rate_hz >= sample_rate:
            return clip
        down = audio.resample(clip, sample_rate, self.rate_hz)
        return audio.resample(down, self.rate_hz, sample_rate)[: clip.size]


@CONDITIONS.register("reverberation")
@dataclass(frozen=True)
class Reverberation(Condition):
    """Convolution with a synthetic room impulse response (`impulse_response`).

    `rt60_s` is the reverberation time in seconds, `drr_db` the direct-to-reverberant energy ratio in dB. The direct
    sound is not delayed, the tail is cut at the end of the clip, and the mean power is kept. An `rt60_s` of 0 changes
    nothing.
    """

    rt60_s: Range
    drr_db: Range = 0.0

    def __post_init__(self) -> None:
        check_range("rt60_s", self.rt60_s, 0.0, 20.0)
        check_range("drr_db", self.drr_db, -100.0, 100.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        rt60_s, drr_db = draw(self.rt60_s, rng), draw(self.drr_db, rng)
        if rt60_s == 0:
            return clip
        return _in_room(clip, impulse_response(rt60_s, drr_db, sample_rate, rng))


@CONDITIONS.register("room")
@dataclass(frozen=True)
class Room(Condition):
    """Convolution with a room impulse response of the material, starting at its direct sound (its largest sample).

    The tail is cut at the end of the clip, and the mean power is kept.
    """

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        response = material.room(sample_rate, rng)
        return _in_room(clip, response[np.abs(response).argmax() :])


def _in_room(clip: np.ndarray, response: np.ndarray) -> np.ndarray:
    """`(time,)` convolved with `response`, of the same length and mean power."""
    wet = convolve(clip, response)[: clip.size]
    power = mean_power(wet)
    return wet * np.sqrt(mean_power(clip) / power) if power else clip


@CONDITIONS.register("packet-loss")
@dataclass(frozen=True)
class PacketLoss(Condition):
    """Bursts of lost packets of `packet_s` seconds, replaced by zeros: the two-state Markov model of Gilbert (1960).

    The share `rate` of the packets is lost, in bursts of `burst` packets on average: the probability that a received
    packet follows a lost one is q = 1 / burst, that a lost packet follows a received one q·rate / (1 - rate).
    """

    rate: Range
    burst: float = 2.0
    packet_s: float = 0.02

    def __post_init__(self) -> None:
        check_number("burst", self.burst, 1.0, 1e6)
        check_number("packet_s", self.packet_s, 0.0001, 3600.0)
        check_range("rate", self.rate, 0.0, self.burst / (self.burst + 1.0))

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        rate = draw(self.rate, rng)
        size = max(1, round(self.packet_s * sample_rate))
        draws = rng.uniform(size=-(-clip.size // size))
        after_loss, after_arrival = 1.0 - 1.0 / self.burst, rate / (1.0 - rate) / self.burst
        lost = np.empty(draws.size, dtype=bool)
        probability = rate
        for k, drawn in enumerate(draws):
            lost[k] = drawn < probability
            probability = after_loss if lost[k] else after_arrival
        return np.where(np.repeat(lost, size)[: clip.size], 0.0, clip)
