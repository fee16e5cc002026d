from __future__ import annotations

import math

import numpy as np
import pytest

from auricle.errors import AuricleError
from auricle.metrics import (
    bootstrap,
    brier_score,
    calibration_summary,
    expected_calibration_error,
    hourly_rate,
    negative_log_likelihood,
    reliability,
)


def slow_ece(confidence, right, n_bins=15):
    """The definition, clip by clip."""
    bins: dict[int, list[int]] = {}
    for clip, value in enumerate(confidence):
        bins.setdefault(min(int(float(value) * n_bins), n_bins - 1), []).append(clip)
    gaps = [
        len(own) / len(confidence) * abs(np.mean([right[i] for i in own]) - np.mean([confidence[i] for i in own]))
        for own in bins.values()
    ]
    return sum(gaps)


def test_values_by_hand():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    targets = np.array([0, 1, 1, 1])
    # four confidences in four bins: |1 - .9|, |0 - .8|, |1 - .7|, |1 - .6|
    assert expected_calibration_error(scores, targets) == pytest.approx((0.1 + 0.8 + 0.3 + 0.4) / 4)
    logs = [math.log(p) for p in (0.9, 0.2, 0.7, 0.6)]
    assert negative_log_likelihood(scores, targets) == pytest.approx(-sum(logs) / 4)
    assert brier_score(scores, targets) == pytest.approx(2 * (0.01 + 0.64 + 0.09 + 0.16) / 4)
    several = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    assert brier_score(scores, several) == pytest.approx(
        ((0.01 + 0.01) + (0.64 + 0.64) + (0.49 + 0.09) + (0.16 + 0.36)) / 8
    )
    logs = [math.log(p) for p in (0.9, 0.9, 0.2, 0.2, 0.3, 0.7, 0.6, 0.4)]
    assert negative_log_likelihood(scores, several) == pytest.approx(-sum(logs) / 8)


@pytest.mark.parametrize("several", [False, True])
def test_the_ece_is_that_of_its_definition_also_on_resamples(several):
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(4), 60).round(2).astype(np.float64)
    targets = rng.integers(2, size=(60, 4)) if several else rng.integers(4, size=60)
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=3)

    def slow(times):
        clips = np.repeat(np.arange(60), times)
        if several:
            return np.mean([slow_ece(scores[clips, k], targets[clips, k]) for k in range(4)])
        return slow_ece(scores[clips].max(1), scores[clips].argmax(1) == targets[clips])

    assert expected_calibration_error(scores, targets) == pytest.approx(slow(np.ones(60, int)))
    expected = [slow(times) for times in weights]
    np.testing.assert_allclose(expected_calibration_error(scores, targets, weights), expected, atol=1e-9)


def test_the_interval_of_the_ece_has_no_value_below_0():
    rng = np.random.default_rng(1)
    values = rng.uniform(0.45, 0.55, 20)
    scores, targets = np.column_stack([values, 1 - values]), (rng.random(20) < 0.5).astype(int)
    shifted = bootstrap(expected_calibration_error, scores, targets, centred=True)
    assert shifted.low < 0
    ece = calibration_summary(scores, targets)["ece"]
    assert (ece.value, ece.low, ece.high) == (shifted.value, 0.0, shifted.high)


def test_limits():
    certain = np.eye(3)[[0, 1, 2, 1]]
    right, wrong = np.array([0, 1, 2, 1]), np.array([1, 2, 0, 0])
    for metric in (expected_calibration_error, negative_log_likelihood, brier_score):
        assert metric(certain, right) == 0
    assert expected_calibration_error(certain, wrong) == 1
    assert brier_score(certain, wrong) == 2
    assert negative_log_likelihood(certain, wrong) == pytest.approx(87.34, abs=0.01)  # finite


def test_probabilities_drawn_from_themselves_are_calibrated():
    rng = np.random.default_rng(1)
    scores = rng.dirichlet(np.ones(3), 20000)
    targets = np.array([rng.choice(3, p=p) for p in scores])
    summary = calibration_summary(scores, targets, resamples=50)
    assert summary["ece"].value < 0.015
    points = reliability(scores, targets)
    assert points.n_answers.sum() == 20000
    np.testing.assert_allclose(points.confidence, points.right, atol=0.07)
    assert summary["nll"].low < summary["nll"].value < summary["nll"].high


@pytest.mark.parametrize(
    ("count", "low", "high"),  # Garwood's table, 95 %
    [(0, 0.0, 3.688879), (1, 0.025318, 5.571643), (2, 0.242209, 7.224688), (10, 4.795389, 18.39036)],
)
def test_rates_have_exact_poisson_intervals(count, low, high):
    rate = hourly_rate(count, 2.0)
    assert (rate.value, rate.low, rate.high) == pytest.approx((count / 2, low / 2, high / 2), abs=1e-5)


def test_rates_of_many_events_have_the_normal_interval():
    rate = hourly_rate(40000, 1.0)
    assert (rate.low, rate.high) == pytest.approx((40000 - 1.96 * 200, 40000 + 1.96 * 200), abs=3)
    for count, hours in ((1, 0.0), (-1, 1.0), (1, float("nan"))):
        with pytest.raises(AuricleError, match="hours"):
            hourly_rate(count, hours)
