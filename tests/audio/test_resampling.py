from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle import audio
from auricle.audio.resampling import held_back_s, resample_stream
from auricle.errors import AuricleError


@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [(44100, 16000), (22050, 44100), (11025, 8000), (8000, 11025), (48000, 44100)]
)
def test_a_resampled_sine_keeps_frequency_and_amplitude(from_rate, to_rate):
    frequency_hz, amplitude = 1234.5, 0.7
    times_s = np.arange(from_rate) / from_rate
    waveform = (amplitude * np.sin(2 * np.pi * frequency_hz * times_s)).astype(np.float32)
    expected = amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(to_rate) / to_rate)
    resampled = audio.resample(waveform, from_rate, to_rate)
    assert resampled.shape == expected.shape
    inner = slice(to_rate // 20, -to_rate // 20)
    np.testing.assert_allclose(resampled[inner], expected[inner], atol=1e-3)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3000), st.sampled_from([7919, 8000, 11025, 22050, 44100]), st.sampled_from([8000, 16000, 44101]))
def test_resampled_length_is_the_ceiling(n_samples, from_rate, to_rate):
    resampled = audio.resample(np.ones(n_samples, np.float32), from_rate, to_rate)
    assert len(resampled) == int(np.ceil(n_samples * to_rate / from_rate))


def test_resample_acts_on_the_last_axis():
    waveform = np.random.default_rng(0).uniform(-0.2, 0.2, (2000, 6)).astype(np.float32).T.reshape(2, 3, 2000)
    resampled = audio.resample(waveform, 44100, 16000)
    for i in range(2):
        for j in range(3):
            np.testing.assert_allclose(resampled[i, j], audio.resample(waveform[i, j], 44100, 16000), atol=1e-6)
    same = audio.resample(waveform, 16000, 16000)
    np.testing.assert_array_equal(same, waveform)
    assert not np.shares_memory(same, waveform)
    assert audio.resample(np.zeros(0), 8000, 16000).shape == (0,)


@pytest.mark.parametrize("rate", [0, -1, 1, 49, 10_000_001, 4_000_000_000, 8000.5, None])
def test_rates_beyond_those_of_sound_are_refused(rate):
    if rate is not None:
        for rates in [(rate, 8000), (8000, rate)]:
            with pytest.raises(AuricleError, match=f"{rate}: it should be a whole number of Hz from 50 to 10000000"):
                audio.resample(np.zeros(10), *rates)
    audio.check_rate(None)
    audio.check_rate(np.int64(8000))


@pytest.mark.parametrize(("from_rate", "to_rate"), [(16000, 8000), (8000, 32000), (44100, 16000), (22050, 32000)])
def test_how_long_a_stream_holds_sound_back(from_rate, to_rate):
    given, n_in, n_out, held_s = 0.01, 0, 0, []
    size = max(1, round(given * from_rate))

    def chunks():
        nonlocal n_in
        for _ in range(2000):
            n_in += size
            yield np.zeros(size, np.float32)

    for out in resample_stream(chunks(), from_rate, to_rate):
        n_out += len(out)
        held_s.append(n_in / from_rate - n_out / to_rate)
    chunk_s = size / from_rate
    assert max(held_s[:-1]) == pytest.approx(held_back_s(from_rate, to_rate), abs=chunk_s)
    assert max(held_s[:-1]) > chunk_s
