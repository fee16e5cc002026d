"""Summary statistics of a stress test, each with a 95 % interval.

With E(c, s) a model's error under corruption c at severity s, and E⁰ the baseline's:

- CE_c = 100·Σ_s E(c, s) / Σ_s E⁰(c, s), and mCE its mean over the corruptions (Hendrycks & Dietterich, 2019);
- relative CE_c = 100·Σ_s (E(c, s) − E(clean)) / Σ_s (E⁰(c, s) − E⁰(clean)), undefined where the baseline makes no more
  errors than on clean clips, and relative mCE its mean over the other corruptions;
- retained accuracy: the mean accuracy over the corruptions (or over all clips, if the suite assigns each clip to one
  cell) divided by that on clean clips;
- the worst corruption: the one with the lowest accuracy, averaged over its severities.

Intervals are percentiles over resamples of clips, or of groups (sources, speakers) of dependent clips. All models share
the resamples, so differences between models are paired. Runs that differ in their seed only are averaged first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from auricle.conditions.suites import CLEAN
from auricle.errors import AuricleError
from auricle.metrics.intervals import Interval, bootstrap_weights, central_interval

RESAMPLES = 1000
DECIMALS = 12
"""To which a loss of accuracy is rounded: means of equal accuracies may differ in the last places of a float."""
Draws = np.ndarray  # (1 + resamples,): the measured value, then the value of each resample


@dataclass
class StressTest:
    """Statistics by model of the table `cells`, as returned by `measure_cells`."""

    cells: pd.DataFrame
    seed: int = 0
    resamples: int = RESAMPLES

    @cached_property
    def models(self) -> list[str]:
        return list(dict.fromkeys(self.cells["model"]))

    @cached_property
    def corruptions(self) -> list[str]:
        """The corruptions without clean, in the suite's order."""
        return [name for name in dict.fromkeys(self.cells["corruption"]) if name != CLEAN]

    @cached_property
    def shares(self) -> bool:
        """Whether the suite assigned each clip to one cell, so that not every clip is heard in every condition."""
        corrupted = self.cells[self.cells["corruption"] != CLEAN]
        heard = corrupted.groupby("clip")["cell"].nunique().reindex(self.cells["clip"].unique(), fill_value=0)
        return bool((heard < corrupted["cell"].nunique()).any())

    def severities(self, corruption: str) -> list[int]:
        return sorted(self.cells.loc[self.cells["corruption"] == corruption, "severity"].unique())

    @property
    def n_seeds(self) -> dict[str, int]:
        return {str(model): int(own["seed"].nunique()) for model, own in self.cells.groupby("model", sort=False)}

    @cached_property
    def _clips(self) -> pd.Index:
        return pd.Index(dict.fromkeys(self.cells["clip"]))

    @cached_property
    def _weights(self) -> np.ndarray:
        """Counts of the clips `(1 + resamples, clips)`: first 1 for each, then those of each resample.

        Without resamples where all clips are of one group, as nothing is known then of how groups differ.
        """
        groups = self.cells.drop_duplicates("clip").set_index("clip").loc[self._clips, "group"].to_numpy()
        measured = np.ones((1, len(self._clips)))
        if len(set(groups)) == 1:
            return measured
        return np.concatenate([measured, bootstrap_weights(len(self._clips), self.resamples, self.seed, groups)])

    @cached_property
    def _accuracies(self) -> dict[tuple[str, str], Draws]:
        """Accuracy by model and cell; NaN in resamples without a clip of the cell."""
        result: dict[tuple[str, str], Draws] = {}
        for model in self.models:
            rows = self.cells[self.cells["model"] == model]
            for cell in rows["cell"].unique():
                right = rows[rows["cell"] == cell].groupby("clip", sort=False)["right"].mean()
                own = self._weights[:, self._clips.get_indexer(right.index)]
                with np.errstate(invalid="ignore", divide="ignore"):
                    result[model, cell] = own @ right.to_numpy() / own.sum(axis=1)
        return result

    def accuracy(self, model: str, cell: str) -> Draws:
        return self._accuracies[model, cell]

    def clean(self, model: str) -> Draws:
        """Accuracy on clean clips."""
        if (model, CLEAN) not in self._accuracies:
            raise AuricleError("the suite has no clean clips to compare with")
        return self.accuracy(model, CLEAN)

    def corrupted(self, model: str, corruption: str) -> Draws:
        """Accuracy averaged over the severities of a corruption."""
        names = self.cells.loc[self.cells["corruption"] == corruption, "cell"].unique()
        return np.mean([self.accuracy(model, name) for name in names], axis=0)

    def mean_corrupted(self, model: str) -> Draws:
        return np.mean([self.corrupted(model, corruption) for corruption in self.corruptions], axis=0)

    def everything(self, model: str) -> Draws:
        """Accuracy over all clips, each in its assigned cell."""
        rows = self.cells[(self.cells["model"] == model) & (self.cells["own"] == 1)]
        right = rows.groupby("clip", sort=False)["right"].agg(["sum", "count"]).loc[self._clips]
        return self._weights @ right["sum"].to_numpy() / (self._weights @ right["count"].to_numpy())

    def overall(self, model: str) -> Draws:
        """The accuracy by which models are compared: over assigned cells, or averaged over the corruptions."""
        return self.everything(model) if self.shares else self.mean_corrupted(model)

    def retained(self, model: str) -> Draws:
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.overall(model) / self.clean(model)

    def corruption_error(self, model: str, baseline: str, corruption: str) -> Draws:
        with np.errstate(invalid="ignore", divide="ignore"):
            return 100.0 * (1.0 - self.corrupted(model, corruption)) / (1.0 - self.corrupted(baseline, corruption))

    def relative_corruption_error(self, model: str, baseline: str, corruption: str) -> Draws:
        lost, lost_by_baseline = (
            np.round(self.clean(name) - self.corrupted(name, corruption), DECIMALS) for name in (model, baseline)
        )
        if lost_by_baseline[0] <= 0:
            return np.full_like(lost, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            return 100.0 * lost / lost_by_baseline

    def mce(self, model: str, baseline: str) -> Draws:
        return _mean([self.corruption_error(model, baseline, name) for name in self.corruptions])

    def relative_mce(self, model: str, baseline: str) -> Draws:
        errors = [self.relative_corruption_error(model, baseline, name) for name in self.corruptions]
        defined = [error for error in errors if not np.isnan(error[0])]
        return _mean(defined or errors)

    def worst(self, model: str) -> tuple[str, Draws]:
        """The corruption with the lowest accuracy, and its accuracy; resamples do not change the corruption."""
        name = min(self.corruptions, key=lambda corruption: float(self.corrupted(model, corruption)[0]))
        return name, self.corrupted(model, name)

    def difference(self, statistic: Callable[[str], Draws], model: str, baseline: str) -> Draws:
        """`statistic(model)` − `statistic(baseline)` on the same resamples."""
        return statistic(model) - statistic(baseline)


def _mean(draws: list[Draws]) -> Draws:
    """The mean, without warnings about infinite or undefined values."""
    with np.errstate(invalid="ignore"):
        return np.mean(draws, axis=0)


def interval(draws: Draws, scale: float = 1.0, level: float = 0.95) -> Interval:
    """The measured value and the central `level` interval of the resamples, times `scale`; NaN bounds if undefined."""
    low, high = central_interval(draws[1:], level)
    return Interval(scale * float(draws[0]), scale * low, scale * high)


def excludes_zero(difference: Interval) -> bool:
    """Whether the interval does not contain zero."""
    return difference.low > 0 or difference.high < 0
