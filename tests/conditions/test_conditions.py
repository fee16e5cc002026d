"""Each condition against what it says of itself: measured, or by a slow obvious twin."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.conditions import (
    CONDITIONS,
    Condition,
    active_power,
    create_condition,
    create_suite,
    list_conditions,
    mean_power,
    stable_seed,
)
from auricle.conditions.synthetic import FORMULAS, impulse_response, music
from auricle.errors import AuricleError

RATE = 16_000

#: Every condition with usual parameters, and those with which it changes nothing.
USUAL = {
    "clean": {},
    "white": {"snr_db": 10.0},
    "coloured": {"snr_db": 10.0},
    "noise": {"snr_db": [0.0, 20.0]},
    "music": {"snr_db": 5.0},
    "babble": {"snr_db": 0.0, "talkers": [3, 7]},
    "gain": {"gain_db": [-30.0, 10.0]},
    "gain-steps": {},
    "gain-blocks": {},
    "gain-transition": {"gain_db": [-20.0, 0.0]},
    "clipping": {"share": 0.2},
    "low-pass": {"share": 0.5},
    "band-pass": {},
    "resampling": {"rate_hz": 6000},
    "reverberation": {"rt60_s": 0.5},
    "room": {},
    "packet-loss": {"rate": 0.2},
    "codec": {"codec": "opus", "kbps": 24.0},
}
NEUTRAL = {
    "clean": {},
    "white": {"snr_db": float("inf")},
    "coloured": {"snr_db": float("inf")},
    "noise": {"snr_db": float("inf")},
    "music": {"snr_db": float("inf")},
    "babble": {"snr_db": float("inf")},
    "gain": {"gain_db": 0.0},
    "gain-steps": {"gain_db": 0.0},
    "gain-blocks": {"gain_db": 0.0, "fade_s": 0.0},
    "gain-transition": {"gain_db": 0.0},
    "clipping": {"share": 0.0},
    "low-pass": {"share": 1.0},
    "band-pass": {"low_hz": 0.0, "high_hz": 8000.0},
    "resampling": {"rate_hz": 16_000},
    "reverberation": {"rt60_s": 0.0},
    "packet-loss": {"rate": 0.0},
}


def talk(seconds: float = 3.0, seed: int = 0, level: float = 0.05) -> np.ndarray:
    """Noise in syllables, float32, with no pause."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    loudness = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(n) / RATE)
    return (level * loudness * rng.standard_normal(n)).astype(np.float32)


def with_silences(sound: np.ndarray, floor: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Sound in stretches of 0.5 to 1 s between pauses of as much, and where it sounds."""
    rng = np.random.default_rng(5)
    on = np.zeros(2 * sound.size, dtype=bool)
    at = left = 0
    while left < sound.size:
        at += int(rng.uniform(0.5, 1.0) * RATE)
        n = min(int(rng.uniform(0.5, 1.0) * RATE), sound.size - left, on.size - at)
        on[at : at + n] = True
        at, left = at + n, left + max(n, 1) if n > 0 else sound.size
    clip = (floor * rng.standard_normal(on.size)).astype(np.float32)
    clip[on] = sound[: on.sum()]
    return clip, on


def db(ratio: float) -> float:
    return 10 * float(np.log10(ratio))


def slow_active_power(clip: np.ndarray, rate: int) -> float:
    """`active_power` sample by sample and frame by frame."""
    values = clip.tolist()
    kept: list[float] = []
    i = 0
    while i < len(values):
        j = i
        while j < len(values) and values[j] == 0:
            j += 1
        if j > i and not (i == 0 or j == len(values) or j - i >= round(0.2 * rate)):
            kept += [0.0] * (j - i)
        if j < len(values):
            kept.append(values[j])
        i = j + 1
    size = round(0.01 * rate)
    frames = [kept[i : i + size] for i in range(0, len(kept), size)]
    powers = [sum(x * x for x in frame) / len(frame) for frame in frames]
    active = set(range(len(frames)))
    while active:
        level = sum(powers[k] * len(frames[k]) for k in active) / sum(len(frames[k]) for k in active)
        loud = [k for k in range(len(frames)) if powers[k] >= level / 10**1.59]
        now = set(loud)
        for first, last in pairwise(loud):
            if last - first - 1 < 20:
                now |= set(range(first, last))
        if now == active:
            return level
        active = now
    return 0.0


class TestActivePower:
    @given(
        st.lists(st.tuples(st.sampled_from([0, 0, 1e-3, 0.1, 0.2, 1]), st.integers(1, 400)), min_size=1, max_size=12),
        st.integers(0, 1000),
    )
    def test_as_its_slow_twin(self, stretches, seed):
        rng = np.random.default_rng(seed)
        clip = np.concatenate([level * rng.standard_normal(n) for level, n in stretches])
        assert active_power(clip, 1000) == pytest.approx(slow_active_power(clip, 1000), rel=1e-9)

    def test_pauses_do_not_count(self):
        sound = talk()
        for floor in (0.0, 1e-4):
            clip, on = with_silences(sound, floor)
            assert db(active_power(clip, RATE) / mean_power(clip[on])) == pytest.approx(0.0, abs=0.1)
        assert db(mean_power(clip) / mean_power(clip[on])) < -2.0

    @pytest.mark.parametrize("shift", [0, 37, 111])
    def test_padding_does_not_count(self, shift):
        sound = talk(0.1)
        padded = np.concatenate([np.zeros(shift + 4000), sound, np.zeros(9000)])
        assert active_power(padded, RATE) == pytest.approx(active_power(sound, RATE), rel=0.02)

    def test_dips_between_syllables_belong_to_the_speech(self):
        sound = talk() * np.abs(np.sin(np.pi * 3 * np.arange(3 * RATE) / RATE))
        sound[RATE : RATE + RATE // 10] = 0
        clip = np.concatenate([sound, 1e-5 * talk(), sound])
        assert db(active_power(clip, RATE) / mean_power(sound)) == pytest.approx(0.0, abs=0.05)

    def test_a_steady_sound_is_active_throughout(self):
        for clip in (np.ones(5), np.array([0.5]), np.sin(np.arange(9000) * 0.02), talk()):
            assert active_power(clip, RATE) == pytest.approx(mean_power(clip), rel=2e-4)

    def test_a_click_alone_is_what_sounds(self):
        clip = np.zeros(1000)
        clip[500] = 1.0
        assert active_power(clip, RATE) == 1.0
        assert active_power(np.zeros(1000), RATE) == 0.0


class TestNoises:
    def test_coloured_noise_has_spectra_and_levels_of_all_kinds(self):
        """Levels of octaves, and of tenths of a second, over 200 draws: white noise has the same every time."""

        def levels(name: str) -> tuple[np.ndarray, np.ndarray]:
            condition, loud = create_condition(name, snr_db=0.0), np.full(RATE, 0.1)
            octaves, times = [], []
            for seed in range(200):
                noise = condition(loud, RATE, seed) - loud
                power = np.abs(np.fft.rfft(noise)) ** 2
                octaves.append([power[f : 2 * f].mean() for f in (100, 200, 400, 800, 1600, 3200)])
                times.append(np.square(noise).reshape(10, -1).mean(-1))
            return 10 * np.log10(octaves), 10 * np.log10(times)

        octaves, times = levels("coloured")
        assert (octaves.std(axis=0) > 4).all()
        assert np.mean(np.ptp(times, axis=1)) > 6
        slopes = np.polyfit(np.arange(6), octaves.T, 1)[0]
        assert -3 < slopes.mean() < -1
        assert -11 < slopes.min() < -4
        assert 1 < slopes.max() < 8
        octaves, times = levels("white")
        assert (octaves.std(axis=0) < 1).all()
        assert np.ptp(times, axis=1).max() < 3

    @pytest.mark.parametrize("name", ["white", "coloured", "noise", "music", "babble"])
    @pytest.mark.parametrize("snr_db", [20.0, 0.0, -5.0])
    @pytest.mark.parametrize("floor", [0.0, 1e-4])
    def test_the_ratio_holds_on_what_sounds(self, name, snr_db, floor):
        clip, on = with_silences(talk(), floor)
        added = create_condition(name, snr_db=snr_db)(clip.astype(np.float64), RATE, seed=3) - clip
        assert db(mean_power(clip[on]) / mean_power(added)) == pytest.approx(snr_db, abs=0.1)

    @given(seed=st.integers(0, 2**63))
    @settings(max_examples=30)
    def test_a_ratio_is_drawn_from_its_range(self, seed):
        clip = talk(0.5).astype(np.float64)
        added = create_condition("white", snr_db=[3, 7])(clip, RATE, seed) - clip
        assert 3.0 - 1e-6 <= db(active_power(clip, RATE) / mean_power(added)) <= 7.0 + 1e-6

    def test_ratios_fill_their_range(self):
        clip = talk(0.1).astype(np.float64)
        drawn = [
            db(active_power(clip, RATE) / mean_power(create_condition("white", snr_db=[0, 15])(clip, RATE, s) - clip))
            for s in range(400)
        ]
        assert np.mean(drawn) == pytest.approx(7.5, abs=0.7)
        assert min(drawn) < 0.5
        assert max(drawn) > 14.5

    def test_the_noise_is_the_same_at_every_ratio(self):
        clip = talk(0.5).astype(np.float64)
        for name in ("white", "coloured", "noise", "music", "babble"):
            loud, soft = (create_condition(name, snr_db=snr)(clip, RATE, 1) - clip for snr in (0.0, 20.0))
            np.testing.assert_allclose(loud, 10 * soft, rtol=1e-6, atol=1e-9)

    def test_peaks_beyond_full_scale_are_kept(self):
        clip = np.ones(RATE, np.float32)
        clip[::2] = -1
        noisy = create_condition("white", snr_db=0.0)(clip, RATE)
        assert np.abs(noisy).max() > 2.0

    def test_talkers_are_as_many_as_asked_for(self):
        clip = talk(0.2)
        three, seven = (create_condition("babble", snr_db=0, talkers=n)(clip, RATE, 0) for n in (3, 7))
        assert not np.allclose(three, seven)
        with pytest.raises(AuricleError, match="64"):
            create_condition("babble", snr_db=0, talkers=65)(clip, RATE, 0)

    @pytest.mark.parametrize(("n_samples", "rate"), [(4000, 4000), (1, 16_000), (300, 16_000), (2500, 1000)])
    def test_music_is_the_sum_of_its_notes(self, n_samples, rate):
        for seed in range(3):
            generators = [[np.random.default_rng([seed, k]) for k in range(2)] for _ in range(2)]
            found, expected = (f(n_samples, rate, *g) for f, g in zip((music, slow_music), generators, strict=True))
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)

    @pytest.mark.parametrize("kind", sorted(FORMULAS))
    @pytest.mark.parametrize("rate", [8000, 44_100])
    def test_formulas_are_finite_and_sound(self, kind, rate):
        for source in range(12):
            x = FORMULAS[kind](rate, rate, np.random.default_rng(source), np.random.default_rng(1))
            assert np.isfinite(x).all()
            assert mean_power(x) > 0


CHORDS = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14), (2, 5, 9), (4, 7, 11))


def slow_music(n_samples: int, rate: int, source: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """Sample by sample: each beat strikes a chord or a note of it, and its root two octaves below a note's."""
    beat_s, key_hz = source.uniform(0.25, 0.6), 110.0 * 2 ** (source.integers(12) / 12)
    brightness, decay_s = source.uniform(1.0, 2.0), source.uniform(0.3, 1.2)
    order = source.permutation(6)[:4]
    beat, start_s = int(rng.integers(16)), -rng.uniform(0.0, beat_s)
    played: list[tuple[float, float]] = []
    while start_s < n_samples / rate:
        chord = CHORDS[order[beat // 4 % 4]]
        notes = chord if beat % 4 == 0 else (chord[rng.integers(3)] + 12,)
        played += [(start_s, key_hz * 2 ** (note / 12)) for note in (*notes, chord[0] - 12)]
        beat, start_s = beat + 1, start_s + beat_s
    sound = np.zeros(n_samples)
    for n in range(n_samples):
        for struck_s, f_hz in played:
            t = n / rate - struck_s
            if t <= 0 or not round(struck_s * rate) <= n < round((struck_s + 3 * decay_s) * rate):
                continue
            envelope = min(1.0, t / 0.005) * math.exp(-t / decay_s)
            for k in range(1, min(8, int(0.45 * rate / f_hz)) + 1):
                sound[n] += envelope ** math.sqrt(k) * math.sin(2 * math.pi * k * f_hz * t) / k**brightness
    return sound


class TestLevels:
    def test_gain(self):
        clip = talk()
        np.testing.assert_allclose(create_condition("gain", gain_db=-20)(clip, RATE), clip / 10, rtol=1e-6)

    @pytest.mark.parametrize("seed", range(5))
    def test_gain_steps_hold_the_papers_ranges(self, seed):
        clip = talk(5.0, seed, level=10 ** (-26 / 20)).astype(np.float64)
        changed = create_condition("gain-steps")(clip, RATE, seed)
        blocks = (changed / clip).reshape(-1, RATE // 4)
        gains_db = 20 * np.log10(blocks[:, 0])
        np.testing.assert_allclose(blocks, np.repeat(blocks[:, :1], RATE // 4, axis=1))
        assert (np.abs(gains_db) <= 8.0 + 1e-6).all()
        assert len(set(gains_db.round(6))) == len(gains_db)
        levels = 10 * np.log10(np.mean(changed.reshape(-1, RATE // 4) ** 2, axis=1))
        assert ((levels >= -40.0 - 1e-6) & (levels <= -15.0 + 1e-6)).all()

    @pytest.mark.parametrize("level_db", [-80.0, -45.0, -13.0, 0.0])
    def test_gain_steps_bring_a_clip_into_the_range_first(self, level_db):
        sound = np.where(np.arange(RATE * 3) % 2, 1.0, -1.0) * 10 ** (level_db / 20)
        changed = create_condition("gain-steps")(sound, RATE, 1)
        levels = 10 * np.log10(np.mean(changed.reshape(-1, RATE // 4) ** 2, axis=1))
        assert ((levels >= -40.0 - 1e-6) & (levels <= -15.0 + 1e-6)).all()
        assert np.ptp(levels) > 2.0

    def test_gain_steps_fill_the_range(self):
        sound = np.where(np.arange(RATE * 50) % 2, 1.0, -1.0) * 10 ** (-27.5 / 20)
        gains_db = 20 * np.log10(create_condition("gain-steps")(sound, RATE)[:: RATE // 4] / sound[:: RATE // 4])
        assert gains_db.min() < -7.5
        assert gains_db.max() > 7.5
        assert np.mean(gains_db) == pytest.approx(0.0, abs=1.0)

    def test_gain_transition_goes_from_one_gain_to_another(self):
        gains_db = 20 * np.log10(
            create_condition("gain-transition", gain_db=[-30.0, -10.0])(np.ones(RATE), RATE, seed=2)
        )
        assert ((gains_db >= -30.0 - 1e-9) & (gains_db <= -10.0 + 1e-9)).all()
        moving = np.abs(np.diff(gains_db)) > 1e-9
        assert moving.mean() == pytest.approx(0.5, abs=0.001)
        assert np.ptp(np.diff(gains_db)[moving][1:-1]) < 1e-9

    @given(share=st.floats(0.01, 0.9), seed=st.integers(0, 100))
    @settings(max_examples=40)
    def test_so_many_samples_are_clipped(self, share, seed):
        clip = np.concatenate([talk(0.5, seed), np.zeros(4000, np.float32)]).astype(np.float64)
        clipped = create_condition("clipping", share=share)(clip, RATE)
        changed = np.abs(clipped) < np.abs(clip)
        assert changed.sum() / np.count_nonzero(clip) == pytest.approx(share, abs=0.001)
        np.testing.assert_array_equal(clipped[~changed], clip[~changed])
        assert len(set(np.abs(clipped[changed]))) == 1


class TestBands:
    @staticmethod
    def passed(condition: Condition, f_hz: float, rate: int = RATE) -> float:
        tone = np.sin(2 * np.pi * f_hz * np.arange(rate) / rate)
        inner = slice(rate // 4, -rate // 4)
        return db(mean_power(condition(tone, rate)[inner]) / mean_power(tone[inner]))

    @pytest.mark.parametrize("share", [0.75, 0.5, 0.375, 0.25, 0.125])
    @pytest.mark.parametrize("rate", [8000, 44_100])
    def test_low_pass(self, share, rate):
        condition = create_condition("low-pass", share=share)
        cut_hz = share * rate / 2
        assert self.passed(condition, round(cut_hz * 0.97 - 0.01 * rate), rate) == pytest.approx(0.0, abs=0.05)
        assert self.passed(condition, round(cut_hz), rate) == pytest.approx(-6.0, abs=0.3)
        assert self.passed(condition, round(cut_hz + 0.02 * rate), rate) < -55.0

    def test_a_band_above_the_clips_frequencies_is_silent(self):
        clip = np.sin(2 * np.pi * 3500 / 8000 * np.arange(8000))
        passed = create_condition("band-pass", low_hz=5000, high_hz=8000)(clip, 8000, 0)
        assert np.abs(passed).max() < 1e-9

    def test_band_pass(self):
        condition = create_condition("band-pass")
        assert self.passed(condition, 1000) == pytest.approx(0.0, abs=0.05)
        assert self.passed(condition, 400) == pytest.approx(0.0, abs=0.05)
        assert self.passed(condition, 200) < -55.0
        assert self.passed(condition, 3500) < -55.0

    def test_resampling(self):
        condition = create_condition("resampling", rate_hz=8000)
        assert self.passed(condition, 2000) == pytest.approx(0.0, abs=0.05)
        assert self.passed(condition, 6000) < -60.0

    @pytest.mark.parametrize(("name", "parameters"), [("low-pass", {"share": 0.5}), ("resampling", {"rate_hz": 8000})])
    def test_nothing_is_delayed(self, name, parameters):
        tone = np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE)
        inner = slice(2000, -2000)
        np.testing.assert_allclose(create_condition(name, **parameters)(tone, RATE)[inner], tone[inner], atol=3e-3)


class TestRooms:
    @pytest.mark.parametrize("rt60_s", [0.3, 0.8, 1.5])
    def test_it_falls_by_60_db_in_its_time(self, rt60_s):
        tail = impulse_response(rt60_s, 0.0, RATE, np.random.default_rng(0))[1:]
        left_db = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / np.sum(tail**2))
        at_s = [np.argmax(left_db < level) / RATE for level in (-5.0, -25.0)]
        assert 3 * (at_s[1] - at_s[0]) == pytest.approx(rt60_s, rel=0.05)

    @pytest.mark.parametrize("drr_db", [-6.0, 0.0, 10.0])
    def test_the_direct_sound_is_so_much_louder(self, drr_db):
        response = impulse_response(0.5, drr_db, RATE, np.random.default_rng(0))
        assert response[0] == 1.0
        assert -db(np.sum(response[1:] ** 2)) == pytest.approx(drr_db)

    def test_it_is_a_convolution_at_the_clips_own_power(self):
        clip = talk(0.05).astype(np.float64)
        wet = create_condition("reverberation", rt60_s=0.1, drr_db=3.0)(clip, RATE, seed=4)
        response = impulse_response(0.1, 3.0, RATE, np.random.default_rng(4))
        slow = np.array([sum(clip[n - k] * response[k] for k in range(min(n + 1, 1600))) for n in range(800)])
        np.testing.assert_allclose(wet, slow * np.sqrt(mean_power(clip) / mean_power(slow)), atol=1e-12)
        assert mean_power(wet) == pytest.approx(mean_power(clip))


class TestPackets:
    @pytest.mark.parametrize("rate", [0.01, 0.1, 0.3])
    @pytest.mark.parametrize("burst", [1.0, 2.0, 4.0])
    def test_losses_have_their_rate_and_come_in_bursts(self, rate, burst):
        clip = np.ones(20_000 * 20)
        lost = create_condition("packet-loss", rate=rate, burst=burst)(clip, 1000, seed=1).reshape(-1, 20) == 0
        assert (lost.all(axis=1) == lost.any(axis=1)).all()
        gone = lost[:, 0]
        assert gone.mean() == pytest.approx(rate, rel=0.2)
        runs = np.count_nonzero(np.diff(np.concatenate([[0], gone])) == 1)
        assert gone.sum() / runs == pytest.approx(burst if burst > 1 else 1.0, rel=0.15)

    def test_what_arrives_is_untouched(self):
        clip = talk()
        heard = create_condition("packet-loss", rate=0.3)(clip, RATE, 0)
        np.testing.assert_array_equal(heard[heard != 0], clip[heard != 0])


class TestCodecs:
    CODECS = (
        {"codec": "opus", "kbps": 64.0},
        {"codec": "mp3", "kbps": 64.0},
        {"codec": "mp3", "kbps": 16.0},
        {"codec": "mp3", "kbps": 8.0},
        {"codec": "vorbis", "quality": 0.5},
        {"codec": "mu-law"},
        {"codec": "a-law"},
        {"codec": "gsm"},
    )

    @pytest.mark.parametrize("parameters", CODECS, ids=str)
    @pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100])
    def test_the_clip_stays_where_it_was(self, parameters, rate):
        rng = np.random.default_rng(0)
        clip = 0.1 * np.convolve(rng.standard_normal(2 * rate), np.hanning(rate // 500), "same")
        clip *= np.convolve(rng.uniform(size=2 * rate) < 0.0005, np.hanning(rate // 10), "same")
        clip = 0.5 * clip / np.abs(clip).max()
        coded = create_condition("codec", **parameters)(clip, rate)
        n_fft = 4 * rate
        across = np.fft.irfft(np.fft.rfft(coded, n_fft) * np.conj(np.fft.rfft(clip, n_fft)), n_fft)
        lag = int(across.argmax())
        assert min(lag, n_fft - lag) <= rate / 4000
        assert across.max() / np.sqrt(np.sum(clip**2) * np.sum(coded**2)) > 0.7

    def test_fewer_bits_more_error(self):
        clip = talk(1.0)
        for codec, rates in (("opus", (64, 32, 24, 16, 8)), ("mp3", (64, 32, 24, 16, 8))):
            errors = [
                mean_power(create_condition("codec", codec=codec, kbps=kbps)(clip, RATE) - clip) for kbps in rates
            ]
            assert errors[0] < errors[2] < errors[4]

    def test_mu_law_as_its_equation(self):
        """Of G.711: sign(x) ln(1 + 255 |x|) / ln 256 in 8 bits, here within one of its steps."""
        clip = 0.9 * np.sin(np.arange(4000) * 0.1)
        error = np.abs(create_condition("codec", codec="mu-law")(clip, 8000) - clip)
        assert (error <= np.log(256) / 127.5 * (np.abs(clip) + 1 / 255) + 1e-4).all()
        assert error.max() > 0.005

    def test_beyond_full_scale_nothing_is_clipped(self):
        clip = 3.0 * np.sin(np.arange(8000) * 0.1)
        for parameters in self.CODECS:
            coded = create_condition("codec", **parameters)(clip, 8000)
            assert np.abs(coded[1000:-1000]).max() == pytest.approx(3.0, rel=0.25)

    @pytest.mark.parametrize(
        "parameters",
        [
            {"codec": "opus"},
            {"codec": "opus", "kbps": 2000},
            {"codec": "vorbis", "kbps": 64},
            {"codec": "gsm", "kbps": 13},
            {"codec": "mp3", "kbps": 64, "quality": 0.5},
            {"codec": "vorbis", "quality": 2.0},
            {"codec": "opsu", "kbps": 64},
        ],
        ids=str,
    )
    def test_what_a_codec_lacks_is_an_error(self, parameters):
        with pytest.raises(AuricleError):
            create_condition("codec", **parameters)


class TestEveryCondition:
    def test_the_tables_here_are_complete(self):
        assert sorted(USUAL) == list_conditions()
        assert set(USUAL) - set(NEUTRAL) == {"codec", "room"}
        assert all(CONDITIONS.description(name) for name in CONDITIONS)

    @pytest.mark.parametrize("name", USUAL)
    @given(
        n=st.integers(1, 3000),
        level_db=st.floats(-120, 20),
        rate=st.sampled_from([8000, 11_025, 16_000, 44_100]),
        seed=st.integers(0, 2**63),
        dtype=st.sampled_from([np.float32, np.float64]),
    )
    @settings(max_examples=15, deadline=None)
    def test_pure_finite_and_of_the_same_length(self, name, n, level_db, rate, seed, dtype):
        clip = (10 ** (level_db / 20) * np.random.default_rng(n).standard_normal(n)).astype(dtype)
        clip[n // 3 : n // 2] = 0
        before = clip.copy()
        clip.flags.writeable = False
        condition = create_condition(name, **USUAL[name])
        state = np.random.get_state()[1].copy()  # noqa: NPY002
        first, second = condition(clip, rate, seed), condition(clip, rate, seed)
        np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
        np.testing.assert_array_equal(clip, before)
        np.testing.assert_array_equal(first, second)
        assert first.shape == clip.shape
        assert first.dtype == clip.dtype
        assert np.isfinite(first).all()
        assert not np.shares_memory(first, clip)

    @pytest.mark.parametrize("name", USUAL)
    def test_silence_stays_silent(self, name):
        condition = create_condition(name, **USUAL[name])
        for n in (0, 1, 5000):
            clip = np.zeros(n, np.float32)
            np.testing.assert_array_equal(condition(clip, RATE), clip)

    @pytest.mark.parametrize("name", NEUTRAL)
    def test_without_strength_nothing_changes(self, name):
        for clip in (talk(0.3), np.ones(1, np.float32), np.ones(700, np.float32), -np.ones(1)):
            np.testing.assert_array_equal(create_condition(name, **NEUTRAL[name])(clip, RATE, seed=1), clip)

    @pytest.mark.parametrize(
        "name", sorted(set(USUAL) - {"clean", "clipping", "low-pass", "band-pass", "resampling", "codec"})
    )
    def test_another_seed_is_another_draw(self, name):
        condition = create_condition(name, **USUAL[name])
        assert not np.array_equal(condition(talk(), RATE, 0), condition(talk(), RATE, 1))

    @pytest.mark.parametrize("clip", [np.zeros((2, 5)), np.zeros(5, np.int16), np.array([0.0, np.nan])], ids=str)
    def test_what_is_no_clip_is_an_error(self, clip):
        with pytest.raises(AuricleError, match="a clip"):
            create_condition("clean")(clip, RATE)

    @pytest.mark.parametrize(
        ("name", "parameters"),
        [
            ("white", {"snr_db": [15.0, 0.0]}),
            ("white", {"snr_db": "loud"}),
            ("white", {"snr_db": [1.0, 2.0, 3.0]}),
            ("white", {}),
            ("white", {"snr": 3.0}),
            ("babble", {"snr_db": 0.0, "talkers": 0}),
            ("babble", {"snr_db": 0.0, "talkers": 2.5}),
            ("clipping", {"share": 1.2}),
            ("packet-loss", {"rate": 0.9}),
            ("low-pass", {"share": float("nan")}),
            ("resampling", {"rate_hz": 0}),
            ("resampling", {"rate_hz": 10}),
            ("resampling", {"rate_hz": None}),
            ("packet-loss", {"rate": 0.1, "burst": float("inf")}),
            ("white", {"snr_db": [0.0, float("inf")]}),
            ("gain-steps", {"gain_db": [4.0, 8.0]}),
            ("gain-steps", {"step_s": float("inf")}),
            ("gain-steps", {"level_dbfs": -20.0}),
            ("gain-blocks", {"gain_db": [4.0, 8.0]}),
            ("gain-transition", {"gain_db": 3.0, "share": [0.2, 0.5]}),
            ("packet-loss", {"rate": 0.1, "packet_s": [0.01, 0.02]}),
            ("wite", {"snr_db": 0.0}),
        ],
    )
    def test_bad_parameters_are_errors(self, name, parameters):
        with pytest.raises(AuricleError):
            create_condition(name, **parameters)

    def test_seeds_are_of_the_text(self):
        assert stable_seed(0, "white", "dog/1.wav") == 12124499993225061646


def test_what_is_no_clip_seed_or_rate_is_refused_in_a_line():
    condition, clip = create_condition("white", snr_db=5), np.ones(100, np.float32)
    for arguments, said in (
        ((torch.ones(100), RATE, 0), "a condition takes an array, not a Tensor; numpy.asarray makes one"),
        (([0.5] * 100, RATE, 0), "a condition takes an array, not a list"),
        ((clip, RATE, -1), "seed=-1: a whole number"),
        ((clip, RATE, None), "seed=None: a whole number"),
        ((clip, RATE, 0.5), "seed=0.5: a whole number"),
        ((clip, 0, 0), "sample_rate=0: a number of Hz"),
    ):
        with pytest.raises(AuricleError, match=said):
            condition(*arguments)
    with pytest.raises(AuricleError, match="seed=-1: a whole number"):
        create_suite("complex").apply_random(clip, RATE, seed=-1)
    assert np.array_equal(condition(clip, RATE, np.int64(3)), condition(clip, RATE, 3))
