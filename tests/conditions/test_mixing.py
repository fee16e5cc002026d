from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auricle.conditions import add_noise, gaussian_noise, mean_power
from auricle.errors import AuricleError

CLIP = np.random.default_rng(1).standard_normal(4000).astype(np.float32) * 0.1


@given(snr_db=st.floats(-30, 60), seed=st.integers(0, 2**32))
def test_the_ratio_is_the_one_asked_for(snr_db, seed):
    noise = gaussian_noise(CLIP.astype(np.float64), snr_db, seed) - CLIP
    assert 10 * np.log10(mean_power(CLIP) / mean_power(noise)) == pytest.approx(snr_db, abs=1e-3)


def test_noise_is_white_and_gaussian():
    noise = gaussian_noise(np.ones(200_000), 0.0, 3) - 1.0
    assert abs(np.mean(noise)) < 0.01
    assert np.mean(noise**4) / np.mean(noise**2) ** 2 == pytest.approx(3.0, abs=0.1)
    spectrum = np.abs(np.fft.rfft(noise)[1:]) ** 2
    halves = spectrum.reshape(2, -1).mean(axis=1)
    assert halves[0] / halves[1] == pytest.approx(1.0, abs=0.05)


def test_same_seed_same_noise_at_every_ratio():
    first = gaussian_noise(CLIP, 0.0, 7) - CLIP
    second = gaussian_noise(CLIP, 20.0, 7) - CLIP
    np.testing.assert_allclose(first, 10.0 * second, atol=1e-5)
    assert not np.allclose(first, gaussian_noise(CLIP, 0.0, 8) - CLIP)


def test_padding_does_not_weaken_the_noise():
    padded = np.concatenate([CLIP, np.zeros(12_000, np.float32)])
    noise = gaussian_noise(padded, 10.0, 0, mean_power(CLIP)) - padded
    assert 10 * np.log10(mean_power(CLIP) / mean_power(noise)) == pytest.approx(10.0, abs=0.01)


@pytest.mark.parametrize("clip", [np.zeros(100, np.float32), np.zeros(0, np.float32)])
def test_silence_has_no_ratio_and_stays(clip):
    np.testing.assert_array_equal(gaussian_noise(clip, 0.0, 0), clip)


def test_limits():
    np.testing.assert_array_equal(gaussian_noise(CLIP, float("inf"), 0), CLIP)
    np.testing.assert_array_equal(add_noise(CLIP, np.zeros_like(CLIP), 0.0), CLIP)
    with pytest.raises(AuricleError, match="cannot be mixed"):
        add_noise(CLIP, CLIP[:-1], 0.0)
