"""Bootstrap intervals over clips and over groups of clips.

The percentile bootstrap (Efron & Tibshirani, 1993): what was measured is drawn again with replacement, and the
interval spans the middle `level` of the metric's values. Clips that belong together, of one recording or one speaker,
are drawn together when `groups` names them; otherwise the interval is too narrow.
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
"""Most weights, resamples times clips, that a bootstrap holds at once."""


@dataclass(frozen=True)
class Interval:
    """A measured `value` and the interval around it, in the metric's unit; NaN where it cannot be told."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def bootstrap_weights(
    n: int, resamples: int = 1000, seed: int = 0, groups: Sequence[Any] | NDArray[Any] | None = None
) -> NDArray[np.int32]:
    """How often each of `n` clips is drawn in each resample: `(resamples, n)` counts.

    Without `groups` a resample draws n clips with replacement. With `groups`, `(n,)` labels, it draws as many groups
    as there are, each with all of its clips, so that a resample's number of clips varies.
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
    """`metric` of `scores` and `targets` with its percentile interval over clips, or over whole `groups` of them.

    `centred` shifts the interval so that the median of the resamples lies at the value: for metrics which rise when a
    clip is drawn twice, as average precision does where a class has few clips, and whose interval would lie above them.

    Resamples in which the metric is undefined are left out. With a single clip or group the bounds are NaN. Quantiles
    are values that occurred, never between two of them, so the interval of an increasing function of a metric is that
    function of its interval, and infinite values do no harm.
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
    """`bootstrap_weights` in blocks of bounded size; the blocks do not change the draws."""
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


def middle(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """The quantiles (1 ± level) / 2 of the values that are not NaN, NaN if all are.

    Quantiles are values that occurred, never between two of them.
    """
    if not 0 < level < 1:
        raise AuricleError(f"level is {level}; it should lie between 0 and 1, such as 0.95")
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return float(low), float(high)


def _bounds(values: Floats, level: float, n_units: int) -> tuple[float, float]:
    """`middle`, and NaN where a single clip or group tells nothing of others."""
    low, high = middle(values, level)
    return (low, high) if n_units > 1 else (float("nan"), float("nan"))
