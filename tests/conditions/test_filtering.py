"""Filters by FFT, against sums that are written out."""

from __future__ import annotations

import numpy as np
import pytest

from auricle.conditions.filtering import convolve, shaped

RATE = 8000


def band(f_hz: np.ndarray) -> np.ndarray:
    """A band of 200 Hz around 1 kHz; its impulse response is shorter than 20 ms."""
    return np.exp(-0.5 * ((f_hz - 1000) / 200) ** 2)


@pytest.mark.parametrize("n_samples", [500, 509, 1000, 1667])
def test_it_is_the_sum_over_all_samples_of_the_impulse_response(n_samples: int) -> None:
    x = np.random.default_rng(0).standard_normal(n_samples)
    f_hz = np.arange(RATE // 2 + 1.0)
    lags = np.arange(-n_samples + 1, n_samples)[:, None]
    weights = np.where((f_hz == 0) | (f_hz == RATE // 2), 1, 2) * band(f_hz)
    response = (weights * np.cos(2 * np.pi * f_hz * lags / RATE)).sum(1) / RATE
    slow = np.array([sum(response[k - j + n_samples - 1] * x[j] for j in range(n_samples)) for k in range(n_samples)])
    found = shaped(x, RATE, band)
    edge = RATE // 50
    np.testing.assert_allclose(found[edge:-edge], slow[edge:-edge], atol=1e-6)
    assert found.shape == x.shape


@pytest.mark.parametrize("n_samples", [1, 2, 509, 1000])
def test_gains_of_one_change_nothing(n_samples: int) -> None:
    x = np.random.default_rng(0).standard_normal(n_samples)
    np.testing.assert_allclose(shaped(x, RATE, np.ones_like), x, atol=1e-12)


def test_several_filters_give_several_sounds() -> None:
    x = np.random.default_rng(0).standard_normal(509)
    both = shaped(x, RATE, lambda f_hz: np.stack([band(f_hz), 1 - band(f_hz)]))
    np.testing.assert_allclose(both[0], shaped(x, RATE, band), atol=1e-12)
    np.testing.assert_allclose(both.sum(0), x, atol=1e-12)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (509, 1), (300, 41), (41, 300)])
def test_convolution_is_the_sum_of_products(n: int, m: int) -> None:
    rng = np.random.default_rng(0)
    x, h = rng.standard_normal(n), rng.standard_normal(m)
    np.testing.assert_allclose(convolve(x, h), np.convolve(x, h), atol=1e-10)
