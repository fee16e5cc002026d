"""Percentile bootstrap intervals (Efron & Tibshirani, 1993) of metrics and of paired differences.

Clips are resampled with replacement, and the metric is computed on each resample; the interval at `level` 0.95 goes
from the 2.5 % to the 97.5 % quantile of these values. With `groups`, whole groups of clips (of one recording or one
speaker) are resampled instead: clips of a group resemble each other, and resampling them one by one would give too
narrow an interval. `bootstrap_over_datasets` resamples data sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auricle.errors import AuricleError
from auricle.metrics.classification import Floats, Metric

BLOCK_ELEMENTS = 20_000_000
"""Largest number of weights (resamples × clips) held in memory at once."""


@dataclass(frozen=True)
class Interval:
    """A measured `value` with its confidence interval [`low`, `high`], in the metric's unit; NaN where undefined."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


@dataclass(frozen=True)
class Difference(Interval):
    """A difference a − b with its interval and the one-sided p-value of the hypothesis that a is no better than b.

    `p_value` is the share of resamples in which the difference is zero or less; 0 means below 1 / resamples.
    """

    p_value: float


@dataclass(frozen=True, eq=False)
class DatasetDifference(Difference):
    """The mean `Difference` over data sets, and its bootstrap `distribution` `(resamples,)`."""

    distribution: Floats


def bootstrap_weights(
    n: int, resamples: int = 1000, seed: int = 0, groups: Sequence[Any] | NDArray[Any] | None = None
) -> NDArray[np.int32]:
    """How often each of `n` clips is drawn in each resample: counts `(resamples, n)`.

    Without `groups`, a resample draws n clips with replacement. With `groups` `(n,)`, the group of each clip, it draws
    as many groups as there are, each with all of its clips; the number of clips then varies between resamples.

    Raises `AuricleError` unless `n` and `resamples` are positive and `groups` has n entries.
    """
    return np.concatenate(list(_weight_blocks(n, resamples, seed, groups)))


def bootstrap(
    metric: Metric,
    scores: ArrayLike,
    targets: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    level: float = 0.95,
    centred: bool = False,
) -> Interval:
    """`metric` of `scores` `(clips, classes)` and `targets`, with its percentile interval over clips or `groups`.

    `centred` shifts the interval so that the median of the resamples equals the measured value. It is meant for metrics
    that are biased upwards on resamples, such as average precision, which rises when one of few clips is drawn twice.

    Resamples in which the metric is NaN are ignored. With a single clip or group the bounds are NaN. Bounds are values
    that occurred (see `central_interval`), so an increasing function of a metric has that function of the bounds as its
    own bounds, and infinite values do no harm.

    Raises `AuricleError` for `groups` of another length and for a `level` outside (0, 1).
    """
    blocks = _weight_blocks(_length(targets), resamples, seed, groups)
    values = np.concatenate([metric(scores, targets, weights) for weights in blocks])
    value = metric(scores, targets)
    if centred:
        values = values + (value - np.nanmedian(values))
    return Interval(value, *_bounds(values, level, _n_units(_length(targets), groups)))


def paired_difference(
    metric: Metric,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    targets: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    level: float = 0.95,
) -> Difference:
    """`metric` of `scores_a` minus that of `scores_b` on the same clips, with interval and one-sided p-value.

    Both are `(clips, classes)` and measured on the same resamples, so the difficulty of the clips drawn, which both
    share, cancels.
    """
    blocks = _weight_blocks(_length(targets), resamples, seed, groups)
    with np.errstate(invalid="ignore"):
        differences = np.concatenate(
            [metric(scores_a, targets, weights) - metric(scores_b, targets, weights) for weights in blocks]
        )
        value = float(np.subtract(metric(scores_a, targets), metric(scores_b, targets)))
    bounds = _bounds(differences, level, _n_units(_length(targets), groups))
    return Difference(value, *bounds, p_value=_share_at_most_zero(differences))


def bootstrap_over_datasets(
    accuracies_a: ArrayLike,
    accuracies_b: ArrayLike,
    *,
    resamples: int = 100_000,
    seed: int = 0,
    level: float = 0.95,
) -> DatasetDifference:
    """Mean difference a − b over data sets, which are resampled (LEAF: Zeghidour et al., 2021, section 4.1).

    `accuracies_a` and `accuracies_b` `(data sets,)` hold one score per data set, in any unit. Each resample draws as
    many data sets as there are, with replacement, and takes the mean difference; the p-value is the share of these
    means that are zero or less.

    Raises `AuricleError` unless both are finite and of one length.
    """
    a, b = np.asarray(accuracies_a, dtype=np.float64), np.asarray(accuracies_b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or len(a) == 0:
        raise AuricleError(f"accuracies have shapes {a.shape} and {b.shape}; both should be (data sets,)")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise AuricleError(f"accuracies {a.tolist()} and {b.tolist()} should all be finite")
    differences = a - b
    blocks = _weight_blocks(len(a), resamples, seed, None)
    distribution = np.concatenate([weights @ differences for weights in blocks]) / len(a)
    distribution[np.abs(distribution) <= 1e-12 * np.abs(np.concatenate([a, b])).max()] = 0.0
    bounds = _bounds(distribution, level, len(a))
    return DatasetDifference(float(differences.mean()), *bounds, _share_at_most_zero(distribution), distribution)


def _weight_blocks(
    n: int, resamples: int, seed: int, groups: Sequence[Any] | NDArray[Any] | None
) -> Iterator[NDArray[np.int32]]:
    """`bootstrap_weights` in blocks of bounded size; what is drawn does not depend on that size."""
    for name, size in (("n", n), ("resamples", resamples)):
        if size < 1:
            raise AuricleError(f"{name} is {size}; it should be at least 1")
    members = None if groups is None else _group_indices(n, groups)
    n_units = n if members is None else int(members.max()) + 1
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_ELEMENTS // n)
    for start in range(0, resamples, block):
        drawn = rng.integers(n_units, size=(min(block, resamples - start), n_units), dtype=np.int32)
        drawn += (np.arange(len(drawn), dtype=np.int64) * n_units)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.int32)
        yield counts if members is None else counts[:, members]


def _group_indices(n: int, groups: Sequence[Any] | NDArray[Any]) -> NDArray[np.intp]:
    if len(groups) != n:
        raise AuricleError(f"groups has {len(groups)} entries for {n} clips; it should name the group of every clip")
    return np.unique(np.asarray(groups), return_inverse=True)[1]


def _n_units(n: int, groups: Sequence[Any] | NDArray[Any] | None) -> int:
    return n if groups is None else len(np.unique(np.asarray(groups)))


def _length(targets: ArrayLike) -> int:
    return len(targets)  # type: ignore[arg-type]


def central_interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """The quantiles (1 − level) / 2 and (1 + level) / 2 of `values` `(n,)` without NaN; NaN if there are none.

    A quantile is the nearest of the values, with no interpolation between two of them. Raises `AuricleError` for a
    `level` outside (0, 1).
    """
    if not 0 < level < 1:
        raise AuricleError(f"level is {level}; it should lie between 0 and 1, such as 0.95")
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return float(low), float(high)


def _bounds(values: Floats, level: float, n_units: int) -> tuple[float, float]:
    """`central_interval`, but NaN for a single clip or group, whose resamples are all the same."""
    low, high = central_interval(values, level)
    return (low, high) if n_units > 1 else (float("nan"), float("nan"))


def _share_at_most_zero(differences: Floats) -> float:
    differences = differences[~np.isnan(differences)]
    return float(np.mean(differences <= 0)) if len(differences) else float("nan")
