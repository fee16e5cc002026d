"""Paired comparisons: models measured on the same units, which are drawn again for all models alike.

A *unit* is what the bootstrap draws: a clip, a class, a fold. Units that depend on each other (the clips of a speaker)
are drawn together, by group. All models of a `Comparison` share the resamples, so what makes a unit hard for all of
them cancels in a difference. The bootstrap over data sets is that of LEAF (Zeghidour et al., 2021, section 4.1).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auricle.errors import AuricleError
from auricle.metrics.classification import Floats, Metric
from auricle.metrics.intervals import Interval, bootstrap_weights, central_interval

RESAMPLES = 1000
MIN_DATA_SETS = 6
"""Fewer are not drawn with replacement: five differences have one sign by chance in 6 % of cases, and so all draws."""

Statistic: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
"""From weights `(draws, units)`, how often each unit counts in each draw, to values `(draws,)`."""


@dataclass(frozen=True)
class Difference(Interval):
    """An `Interval` of a difference a − b, and the one-sided p-value of a being no better than b.

    `p_value` is the share of resamples whose difference is zero or less; 0 means below 1 / resamples.
    """

    p_value: float


@dataclass(frozen=True, eq=False)
class DatasetDifference(Difference):
    """A `Difference` of means over data sets, with its bootstrap `distribution` `(resamples,)`."""

    distribution: Floats


@dataclass(frozen=True)
class Sample:
    """What one model scored: a statistic of `units` by condition and metric.

    `groups` names the group of each unit where units are drawn together. `finish` holds, by metric, what is done to the
    draws when they have been averaged over seeds: the measured value first, then the resamples.
    """

    units: tuple[Hashable, ...]
    statistics: Mapping[tuple[str, str], Statistic]
    groups: tuple[str, ...] | None = None
    finish: Mapping[str, Callable[[Floats], Floats]] = field(default_factory=dict)


class Draws(ABC):
    """Measured values and resampled ones by model, condition and metric, with intervals and paired differences."""

    models: list[str]
    conditions: list[str]
    metrics: list[str]

    @abstractmethod
    def draws(self, model: str, condition: str, metric: str) -> Floats:
        """`(1 + resamples,)`: the measured value, then that of each resample."""

    @property
    @abstractmethod
    def n_independent(self) -> int:
        """How many units, or groups of them, are drawn."""

    def interval(self, model: str, condition: str, metric: str) -> Interval:
        """The measured value with its 95 % percentile interval; NaN bounds with a single unit."""
        return self._interval(self.draws(model, condition, metric))

    def difference(self, model: str, other: str, condition: str, metric: str, level: float = 0.95) -> Difference:
        """`model` − `other` on the same resamples."""
        with np.errstate(invalid="ignore"):
            draws = self.draws(model, condition, metric) - self.draws(other, condition, metric)
        interval = self._interval(draws, level)
        return Difference(interval.value, interval.low, interval.high, p_value=share_at_most_zero(draws[1:]))

    def _interval(self, draws: Floats, level: float = 0.95) -> Interval:
        low, high = central_interval(draws[1:], level) if self.n_independent > 1 else (float("nan"), float("nan"))
        return Interval(float(draws[0]), low, high)


class Comparison(Draws):
    """Models on the same units; the samples of one model, runs that differ in their seed alone, are averaged.

    Conditions and metrics are those that every sample has. Units whose value is undefined in any sample count in none.
    Samples of other units are an `AuricleError`.
    """

    def __init__(self, models: Mapping[str, Sequence[Sample]], *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        self.models = list(models)
        self._samples = models
        every = [sample for samples in models.values() for sample in samples]
        self._first = every[0]
        self.resamples, self.seed = resamples, seed
        counts = Counter(self._first.units)
        for name, samples in models.items():
            if any(Counter(sample.units) != counts for sample in samples):
                raise AuricleError(f"{name} was not measured on the same clips as {self.models[0]}")
        cells = dict.fromkeys(cell for sample in every for cell in sample.statistics)
        shared = [cell for cell in cells if all(cell in sample.statistics for sample in every)]
        self.conditions = list(dict.fromkeys(condition for condition, _ in shared))
        self.metrics = list(dict.fromkeys(metric for _, metric in shared))
        self.left_out = sorted({condition for condition, _ in cells} - set(self.conditions))
        self._kept: dict[tuple[str, str, str], Floats] = {}

    @cached_property
    def weights(self) -> NDArray[np.int32]:
        """`(1 + resamples, units)`: each unit once, then how often it is drawn in each resample."""
        drawn = bootstrap_weights(len(self._first.units), self.resamples, self.seed, self._first.groups)
        return np.concatenate([np.ones_like(drawn[:1]), drawn])

    @property
    def n_independent(self) -> int:
        return len(set(self._first.units if self._first.groups is None else self._first.groups))

    def draws(self, model: str, condition: str, metric: str) -> Floats:
        key = model, condition, metric
        if key not in self._kept:
            known = self._known(condition, metric)
            weights = self.weights if known.all() else self.weights * known
            values = [
                sample.statistics[condition, metric](weights[:, self._places(sample)])
                for sample in self._samples[model]
            ]
            finish = self._first.finish.get(metric, lambda draws: draws)
            self._kept[key] = finish(np.mean(values, axis=0))
        return self._kept[key]

    def n_undefined(self, condition: str, metric: str) -> int:
        """How many units are left out, because the metric is undefined for one of the models."""
        return int((~self._known(condition, metric)).sum())

    def _known(self, condition: str, metric: str) -> NDArray[np.bool_]:
        """Which units have a value in every sample `(units,)`."""
        known = np.ones(len(self._first.units), dtype=bool)
        for sample in chain.from_iterable(self._samples.values()):
            statistic = sample.statistics[condition, metric]
            if isinstance(statistic, WeightedMean):
                places = np.arange(len(known))[self._places(sample)]
                known[places[statistic.units[np.isnan(statistic.values)]]] = False
        return known

    def _places(self, sample: Sample) -> slice | list[int]:
        """Where the sample's units, in their own order, are among those of the first; equal units keep their order."""
        if sample.units == self._first.units:
            return slice(None)
        places: dict[Hashable, list[int]] = {}
        for place, unit in enumerate(self._first.units):
            places.setdefault(unit, []).append(place)
        turns = {unit: iter(found) for unit, found in places.items()}
        return [next(turns[unit]) for unit in sample.units]


class DatasetAverage(Draws):
    """Means over data sets of models that were measured on all of them; each data set is resampled by itself."""

    def __init__(self, comparisons: Sequence[Draws]) -> None:
        self.comparisons = list(comparisons)
        first = self.comparisons[0]
        self.models, self.conditions, self.metrics = (
            [name for name in getattr(first, kind) if all(name in getattr(other, kind) for other in comparisons)]
            for kind in ("models", "conditions", "metrics")
        )

    @property
    def n_independent(self) -> int:
        return min(comparison.n_independent for comparison in self.comparisons)

    @property
    def datasets_suffice(self) -> bool:
        """Whether the data sets are enough to be drawn themselves."""
        return len(self.comparisons) >= MIN_DATA_SETS

    def draws(self, model: str, condition: str, metric: str) -> Floats:
        """A resample of the mean is the mean of one resample of each data set, in an order that all models share.

        It is NaN where the data sets have infinities of both signs.
        """
        parts = []
        for place, comparison in enumerate(self.comparisons):
            own = comparison.draws(model, condition, metric)
            order = 1 + np.random.default_rng(place).permutation(len(own) - 1)
            parts.append(np.concatenate([own[:1], own[order]]))
        with np.errstate(invalid="ignore"):
            return np.mean(parts, axis=0)

    def over_datasets(self, model: str, other: str, condition: str, metric: str) -> DatasetDifference | None:
        """`model` − `other` when data sets are drawn with replacement.

        Nothing where a value is not finite, or unless `datasets_suffice`.
        """
        if not self.datasets_suffice:
            return None
        first, second = (
            [comparison.draws(name, condition, metric)[0] for comparison in self.comparisons] for name in (model, other)
        )
        return bootstrap_over_datasets(first, second) if np.isfinite([*first, *second]).all() else None


@dataclass(frozen=True, eq=False)
class WeightedMean:
    """A `Statistic`: the mean of `values` `(rows,)`, each of one of the `units` `(rows,)`.

    Values that are NaN are left out; the mean is NaN where no other is drawn.
    """

    values: Floats
    units: NDArray[np.intp]

    def __call__(self, weights: NDArray[Any]) -> Floats:
        known = ~np.isnan(self.values)
        drawn = weights[:, self.units[known]]
        total = drawn.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > 0, drawn @ self.values[known] / total, np.nan)


def weighted_mean(values: ArrayLike, units: ArrayLike | None = None) -> WeightedMean:
    """The mean of `values`, one for each unit, or of those of the `units` whose indices are given."""
    array = np.asarray(values, dtype=np.float64)
    return WeightedMean(array, np.arange(len(array)) if units is None else np.asarray(units))


def metric_of(metric: Metric, scores: ArrayLike, targets: ArrayLike) -> Statistic:
    """A classification metric of `scores` `(units, classes)` and `targets`."""
    return lambda weights: metric(scores, targets, weights)


def paired_difference(
    metric: Metric,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    targets: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    level: float = 0.95,
) -> Difference:
    """`metric` of a minus that of b on the same clips, its interval, and the p-value of a being no better than b."""
    n_clips = len(targets)  # type: ignore[arg-type]
    names = None if groups is None else tuple(map(str, groups))
    samples = [
        Sample(tuple(range(n_clips)), {("", ""): metric_of(metric, scores, targets)}, names)
        for scores in (scores_a, scores_b)
    ]
    comparison = Comparison({"a": samples[:1], "b": samples[1:]}, resamples=resamples, seed=seed)
    return comparison.difference("a", "b", "", "", level)


def bootstrap_over_datasets(
    accuracies_a: ArrayLike,
    accuracies_b: ArrayLike,
    *,
    resamples: int = 100_000,
    seed: int = 0,
    level: float = 0.95,
) -> DatasetDifference:
    """Is a better than b whatever the data sets? The test of LEAF (Zeghidour et al., 2021, section 4.1).

    `accuracies_a` and `accuracies_b` hold one value per data set, in any unit. The data sets are drawn with
    replacement, as many as there are; the distribution is that of the mean difference, and the p-value its share at or
    below zero.
    """
    a, b = np.asarray(accuracies_a, dtype=np.float64), np.asarray(accuracies_b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or len(a) == 0:
        raise AuricleError(f"accuracies have shapes {a.shape} and {b.shape}; both should be (datasets,)")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise AuricleError(f"accuracies {a.tolist()} and {b.tolist()} should all be finite")
    differences = a - b
    distribution = bootstrap_weights(len(a), resamples, seed) @ differences / len(a)
    distribution[np.abs(distribution) <= 1e-12 * np.abs(np.concatenate([a, b])).max()] = 0.0
    low, high = central_interval(distribution, level) if len(a) > 1 else (float("nan"), float("nan"))
    p_value = share_at_most_zero(distribution)
    return DatasetDifference(float(differences.mean()), low, high, p_value, distribution)


def share_at_most_zero(differences: Floats) -> float:
    """The share of `differences` that are zero or less, NaN left out."""
    differences = differences[~np.isnan(differences)]
    return float(np.mean(differences <= 0)) if len(differences) else float("nan")
