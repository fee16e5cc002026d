from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from auricle import audio
from auricle.errors import AuricleError
from auricle.metrics import signals
from auricle.metrics.workers import Workers
from published import voice

RATE = 16000


@pytest.fixture(scope="module", params=["recording", "voice"])
def speech(request):
    """A recording, and a made-up voice for those who lack it."""
    if request.param == "voice":
        return voice(3 * RATE)
    shared = request.getfixturevalue("shared")
    return audio.read(shared / "data" / "speech" / "librispeech-3436-172162-0000.flac", end_s=3.0)[0]


def in_noise(clean, snr_db, seed=0):
    noise = np.random.default_rng(seed).standard_normal(len(clean)) * np.sqrt(np.mean(clean**2.0))
    return clean + 10 ** (-snr_db / 20) * noise


class TestSiSdr:
    def test_is_the_snr_of_orthogonal_noise_whatever_the_scale(self):
        clean, noise = np.zeros(100), np.zeros(100)
        clean[:50], noise[50:] = 1.0, 0.1
        assert signals.si_sdr(3 * (clean + noise), clean) == pytest.approx(20.0)
        assert signals.si_sdr(clean + noise, 0.01 * clean) == pytest.approx(20.0)

    def test_limits(self):
        clean = np.random.default_rng(0).standard_normal(64)
        assert signals.si_sdr(2.0 * clean, clean) > 250
        assert signals.si_sdr(np.zeros(64), clean) == -math.inf
        assert math.isnan(signals.si_sdr(clean, np.zeros(64)))


class TestSegmentalSnr:
    def test_equals_its_definition_frame_by_frame(self, speech):
        noisy = in_noise(speech, 5.0)
        window = [0.5 * (1 - math.cos(2 * math.pi * n / 481)) for n in range(1, 481)]
        ratios = []
        for start in range(0, 120 * ((len(speech) - 480) // 120), 120):
            clean = speech[start : start + 480].astype(np.float64) * window
            error = clean - noisy[start : start + 480].astype(np.float64) * window
            ratios.append(min(max(10 * math.log10((clean @ clean) / (error @ error)), -10.0), 35.0))
        assert signals.segmental_snr(noisy, speech, RATE) == pytest.approx(np.mean(ratios), abs=1e-4)

    def test_perfect_is_the_upper_limit(self, speech):
        assert signals.segmental_snr(speech, speech, RATE) == pytest.approx(35.0, abs=0.5)


def naive_peak(levels, slopes, i):
    """Nearest peak as Hu and Loizou's code looks for it."""
    n = i
    if slopes[i] > 0:
        while n < len(slopes) and slopes[n] > 0:
            n += 1
        return levels[n - 1]
    while n >= 0 and slopes[n] <= 0:
        n -= 1
    return levels[n + 1]


class TestDistances:
    def test_llr_is_that_of_the_exact_filters(self):
        """The longest lags of a first-order process: a = (1, -r)."""
        frames = np.random.default_rng(0).standard_normal((1, 480))
        matrix, filters = signals._prediction(frames, 1)
        r0, r1 = (frames[0] ** 2).sum(), (frames[0, 1:] * frames[0, :-1]).sum()
        np.testing.assert_allclose(filters[0], [1, -r1 / r0], rtol=1e-6)
        np.testing.assert_allclose(matrix[0], [[r0, r1], [r1, r0]], rtol=1e-6)

    def test_llr_does_not_hear_level_and_grows_with_noise(self, speech):
        assert signals.llr(speech, speech, RATE) == pytest.approx(0.0, abs=1e-6)
        assert signals.llr(0.3 * speech, speech, RATE) == pytest.approx(0.0, abs=1e-3)
        values = [signals.llr(in_noise(speech, snr), speech, RATE) for snr in (20, 10, 0)]
        assert 0 < values[0] < values[1] < values[2]

    def test_slopes_and_peaks_are_those_of_the_search(self):
        levels = np.random.default_rng(1).uniform(-40, 40, (20, 25))
        slopes, weights = signals._slopes(levels)
        for frame in range(20):
            for i in range(24):
                peak = naive_peak(levels[frame], slopes[frame], i)
                highest = 20 / (20 + levels[frame].max() - levels[frame, i])
                expected = highest / (1 + peak - levels[frame, i])
                assert weights[frame, i] == pytest.approx(expected)

    def test_wss_is_zero_for_the_same_and_grows_with_noise(self, speech):
        assert signals.wss(speech, speech, RATE) == 0.0
        values = [signals.wss(in_noise(speech, snr), speech, RATE) for snr in (20, 10, 0)]
        assert 0 < values[0] < values[1] < values[2]

    def test_a_band_hears_its_own_tone_the_most(self):
        time = np.arange(480) / RATE
        for band in (5, 15, 24):
            tone = np.sin(2 * np.pi * signals._CENTRES_HZ[band] * time) * np.hanning(480)
            assert signals._band_levels(tone[None], RATE)[0].argmax() == band


class TestComposite:
    def test_formulas_and_limits(self):
        values = signals.composite(2.0, 0.5, 30.0, 5.0)
        assert values["csig"] == pytest.approx(3.093 - 0.5145 + 1.206 - 0.27)
        assert values["cbak"] == pytest.approx(1.634 + 0.956 - 0.21 + 0.315)
        assert values["covl"] == pytest.approx(1.594 + 1.61 - 0.256 - 0.21)
        assert signals.composite(1.0, 9.0, 200.0, -10.0) == {"csig": 1.0, "cbak": 1.0, "covl": 1.0}
        assert max(signals.composite(4.64, 0.0, 0.0, 35.0).values()) == 5.0


class TestAll:
    def test_every_measure_falls_with_the_snr(self, speech):
        good, bad = (signals.measure_speech(in_noise(speech, snr), speech, RATE) for snr in (20, 0))
        assert list(good) == ["pesq", "stoi", "csig", "cbak", "covl", "segmental_snr", "si_sdr"]
        for name in good:
            assert good[name] > bad[name], name
        assert good["si_sdr"] == pytest.approx(20.0, abs=0.2)

    def test_perfect(self, speech):
        perfect = signals.measure_speech(speech, speech, RATE)
        assert perfect["pesq"] == pytest.approx(4.644, abs=0.01)
        assert perfect["stoi"] == pytest.approx(1.0, abs=1e-6)
        assert perfect["csig"] == perfect["cbak"] == perfect["covl"] == 5.0

    def test_silence_and_one_sample_cannot_be_told(self):
        for n_samples in (1, 100, 8000):
            for estimate, clean in ((0.0, 0.0), (0.1, 0.0)):
                values = signals.measure_speech(np.full(n_samples, estimate), np.full(n_samples, clean), RATE)
                assert all(math.isnan(value) for value in values.values()), values
        assert math.isnan(signals.pesq(np.zeros(8000), np.full(8000, 0.1), RATE))

    def test_nonsense_is_refused(self):
        with pytest.raises(AuricleError, match="8000"):
            signals.pesq(np.zeros(8000), np.zeros(8000), 8000)
        with pytest.raises(AuricleError, match=r"\(3,\) and \(4,\)"):
            signals.si_sdr(np.zeros(3), np.zeros(4))


class TestIntervals:
    def test_mean_without_what_cannot_be_told(self):
        interval = signals.mean_interval([1.0, math.nan, 3.0, 2.0])
        assert interval.value == 2.0
        assert 1.0 <= interval.low < interval.high <= 3.0
        assert math.isnan(signals.mean_interval([math.nan, math.nan]).value)

    def test_groups_are_drawn_whole(self):
        interval = signals.mean_interval([0.0, 0.0, 1.0, 1.0], groups=["a", "a", "b", "b"])
        assert (interval.low, interval.high) == (0.0, 1.0)


@pytest.mark.slow
def test_workers_give_what_one_process_gives():
    speech = voice(3 * RATE)
    references, estimates = [speech, speech * 0], [in_noise(speech, 10), speech]
    with Workers(1) as workers:
        values = list(workers.map(signals.pesq, estimates, references, RATE))
    assert values[0] == signals.pesq(estimates[0], speech, RATE)
    assert math.isnan(values[1])


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pesq", None)
    with pytest.raises(AuricleError, match=r"auricle\[speech\]"):
        signals.pesq(np.ones(16000), np.ones(16000), 16000)
