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

    def within(self, least: float, most: float) -> Interval:
        """The interval cut off at the metric's least and greatest value; NaN stays."""
        return Interval(self.value, *(float(bound) for bound in np.clip([self.low, self.high], least, most)))

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


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
    The bounds may then lie beyond the metric's range (see `Interval.within`).

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
