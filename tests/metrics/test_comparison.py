"""Paired comparisons against a slow twin that resamples in explicit loops."""

from __future__ import annotations

import numpy as np
import pytest

from auricle.errors import AuricleError
from auricle.metrics import Comparison, DatasetAverage, Sample, accuracy, bootstrap_weights, weighted_mean
from auricle.metrics.comparison import bootstrap_over_datasets, metric_of

N, RESAMPLES = 12, 40


def drawn_clips(n: int, groups: tuple[str, ...] | None = None, seed: int = 0) -> list[list[int]]:
    """The clips of every resample, a clip as often as it was drawn; first all clips once."""
    weights = bootstrap_weights(n, RESAMPLES, seed, groups)
    resamples = [list(range(n))]
    for row in weights:
        clips = []
        for clip in range(n):
            for _ in range(int(row[clip])):
                clips.append(clip)
        resamples.append(clips)
    return resamples


def share_of_hits(predicted: np.ndarray, targets: np.ndarray, clips: list[int]) -> float:
    hits = 0
    for clip in clips:
        hits += int(predicted[clip] == targets[clip])
    return hits / len(clips)


def middle_of(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[round(0.025 * (len(ordered) - 1))], ordered[round(0.975 * (len(ordered) - 1))]


def answers(seed: int, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Predicted classes and targets."""
    rng = np.random.default_rng(seed)
    targets = np.random.default_rng(99).integers(3, size=n)
    return np.where(rng.random(n) < 0.6, targets, rng.integers(3, size=n)), targets


def sample(seed: int, groups: tuple[str, ...] | None = None, order: list[int] | None = None) -> Sample:
    predicted, targets = answers(seed)
    places = list(range(N)) if order is None else order
    statistic = metric_of(accuracy, np.eye(3)[predicted[places]], targets[places])
    names = None if groups is None else tuple(groups[place] for place in places)
    return Sample(tuple(f"clip {place}" for place in places), {("clean", "accuracy"): statistic}, names)


@pytest.mark.parametrize("groups", [None, tuple("aaabbbcccddd")], ids=["clips", "groups"])
def test_a_difference_of_means_over_seeds_is_that_of_the_loops(groups):
    comparison = Comparison(
        {"a": [sample(1, groups), sample(2, groups)], "b": [sample(3, groups)]}, resamples=RESAMPLES
    )
    differences = []
    for clips in drawn_clips(N, groups):
        values = [share_of_hits(*answers(seed), clips) for seed in (1, 2, 3)]
        differences.append((values[0] + values[1]) / 2 - values[2])
    found = comparison.difference("a", "b", "clean", "accuracy")
    assert found.value == pytest.approx(differences[0])
    assert (found.low, found.high) == pytest.approx(middle_of(differences[1:]))
    assert found.p_value == pytest.approx(np.mean([difference <= 1e-12 for difference in differences[1:]]), abs=0.026)
    own = [share_of_hits(*answers(3), clips) for clips in drawn_clips(N, groups)]
    interval = comparison.interval("b", "clean", "accuracy")
    assert (interval.value, interval.low, interval.high) == pytest.approx((own[0], *middle_of(own[1:])))


def test_units_in_another_order_are_drawn_together_all_the_same():
    order = np.random.default_rng(5).permutation(N).tolist()
    comparison = Comparison({"a": [sample(1)], "b": [sample(1, order=order)], "c": [sample(2, order=order)]})
    straight = Comparison({"a": [sample(1)], "c": [sample(2)]})
    same = comparison.difference("b", "a", "clean", "accuracy")
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert comparison.difference("c", "a", "clean", "accuracy") == straight.difference("c", "a", "clean", "accuracy")


def test_a_mean_of_units_leaves_out_nan():
    values = [1.0, np.nan, 3.0, 5.0, np.nan, 2.0]
    comparison = Comparison({"a": [Sample(tuple("abcdef"), {("x", "m"): weighted_mean(values)})]}, resamples=RESAMPLES)
    means = []
    for units in drawn_clips(len(values)):
        known = [values[unit] for unit in units if not np.isnan(values[unit])]
        means.append(sum(known) / len(known))
    interval = comparison.interval("a", "x", "m")
    assert (interval.value, interval.low, interval.high) == pytest.approx((means[0], *middle_of(means[1:])))


def test_models_are_compared_where_all_have_a_value():
    """Model b is undefined where it is worst, in one seed or the other, and its units are in another order."""
    a = {"u": 3.0, "v": 3.0, "w": 3.0, "x": 1.0, "y": 1.0}
    b = [{"u": 2.9, "v": 2.9, "w": 2.7, "x": np.nan, "y": 0.9}, {"u": 2.9, "v": 2.7, "w": 2.9, "x": 0.9, "y": np.nan}]
    orders = ["uvwxy", "yxuvw", "wvuxy"]

    def sample(values: dict[str, float], order: str) -> Sample:
        return Sample(tuple(order), {("x", "m"): weighted_mean([values[unit] for unit in order])})

    every = [sample(values, order) for values, order in zip([a, *b], orders, strict=True)]
    comparison = Comparison({"a": every[:1], "b": every[1:]}, resamples=RESAMPLES)
    assert comparison.n_undefined("x", "m") == 2
    assert comparison.interval("a", "x", "m").value == pytest.approx(3.0)
    assert comparison.interval("b", "x", "m").value == pytest.approx((2.9 + 2.9 + 2.7) / 3)
    common = Comparison({"a": [sample(a, "uvw")]}, resamples=RESAMPLES)
    assert common.interval("a", "x", "m").low == 3.0
    difference = comparison.difference("b", "a", "x", "m")
    assert difference.value == pytest.approx(-1 / 6)
    assert difference.high < 0


def test_rows_of_one_unit_are_drawn_together():
    values, units = [1.0, 2.0, np.nan, 6.0], [0, 0, 1, 2]
    sample = Sample(tuple("abc"), {("x", "m"): weighted_mean(values, units)})
    comparison = Comparison({"a": [sample]}, resamples=RESAMPLES)
    means = []
    for drawn in drawn_clips(3):
        known = [v for unit in drawn for v, own in zip(values, units, strict=True) if own == unit and not np.isnan(v)]
        means.append(sum(known) / len(known) if known else np.nan)
    interval = comparison.interval("a", "x", "m")
    assert (interval.value, interval.low) == pytest.approx((3.0, middle_of([m for m in means[1:] if m == m])[0]))


def test_the_mean_over_data_sets_is_that_of_the_values_and_narrower_than_each():
    rng = np.random.default_rng(0)

    def data_set(shift: float) -> Comparison:
        units = tuple(range(200))
        models = {
            name: [Sample(units, {("x", "m"): weighted_mean(rng.standard_normal(200) + gain)})]
            for name, gain in (("a", shift), ("b", shift + 0.5))
        }
        return Comparison(models)

    tests = [data_set(0.0), data_set(3.0)]
    mean = DatasetAverage(tests)
    values = [test.interval("a", "x", "m").value for test in tests]
    assert mean.interval("a", "x", "m").value == pytest.approx(np.mean(values))
    width = mean.interval("a", "x", "m").high - mean.interval("a", "x", "m").low
    each = [test.interval("a", "x", "m").high - test.interval("a", "x", "m").low for test in tests]
    assert width == pytest.approx(np.mean(each) / np.sqrt(2), rel=0.15)
    differences = [test.difference("b", "a", "x", "m").value for test in tests]
    assert mean.over_datasets("b", "a", "x", "m") is None
    repeated = DatasetAverage(tests * 3)
    drawn = repeated.over_datasets("b", "a", "x", "m")
    expected = bootstrap_over_datasets(differences * 3, [0.0] * 6)
    assert (drawn.value, drawn.low, drawn.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert drawn.value == pytest.approx(np.mean(differences))


def test_a_single_unit_has_no_interval_and_other_units_are_refused():
    one = Sample(("a",), {("x", "m"): weighted_mean([1.0])})
    assert np.isnan(Comparison({"a": [one]}).interval("a", "x", "m").low)
    with pytest.raises(AuricleError, match="b was not measured on the same clips as a"):
        Comparison({"a": [one], "b": [Sample(("b",), one.statistics)]})


def test_conditions_that_a_model_lacks_are_left_out():
    first = Sample(("a", "b"), {(c, "m"): weighted_mean([1.0, 2.0]) for c in ("clean", "10 dB")})
    second = Sample(("a", "b"), {("clean", "m"): weighted_mean([1.0, 2.0])})
    comparison = Comparison({"a": [first], "b": [second]})
    assert (comparison.conditions, comparison.left_out) == (["clean"], ["10 dB"])
