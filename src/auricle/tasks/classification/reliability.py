"""How good a classifier's probabilities are, before and after calibration."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from matplotlib.figure import Figure

from auricle.metrics import Interval, calibration_summary, reliability
from auricle.metrics.signals import mean_interval
from auricle.reports import plots
from auricle.tasks.classification.score import Scores
from auricle.tasks.classification.selection import Selection


@dataclass(frozen=True)
class CalibrationMetrics:
    """ECE, NLL and Brier score under one condition `before` calibration, and `after` it if there is one.

    `unknown` is the share of the clips, all of known labels, whose answer becomes "unknown".
    """

    before: dict[str, Interval]
    after: dict[str, Interval] | None = None
    unknown: Interval | None = None

    @property
    def used(self) -> dict[str, Interval]:
        """The metrics of the probabilities that `auricle predict` reports."""
        return self.before if self.after is None else self.after

    def record(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


def measure_calibration(scored: Scores, selection: Selection, *, by_group: bool, seed: int) -> CalibrationMetrics:
    """The metrics of `scored`, which is not calibrated, with those of `selection` if it has a calibration."""
    groups = scored.groups(by_group)
    before = calibration_summary(scored.probabilities, scored.metric_targets, groups=groups, seed=seed)
    if selection.calibration is None or not selection.calibrates(scored.task):
        return CalibrationMetrics(before)
    values = scored.calibrated(selection).probabilities
    after = calibration_summary(values, scored.metric_targets, groups=groups, seed=seed)
    limit = selection.calibration.tasks[scored.task.name].unknown
    unknown = None if limit is None else mean_interval(values.max(axis=1) < limit, groups, seed=seed)
    return CalibrationMetrics(before, after, unknown)


def reliability_figure(scored: Scores, selection: Selection) -> Figure:
    """The reliability diagram before calibration, and after it if there is one."""
    panels = {"before calibration": reliability(scored.probabilities, scored.metric_targets)}
    if selection.calibrates(scored.task):
        panels["after calibration"] = reliability(scored.calibrated(selection).probabilities, scored.metric_targets)
    return plots.reliability_diagram(panels)
