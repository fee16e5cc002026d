"""The results of a classifier's evaluation, and the files that hold them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from auricle.errors import counted
from auricle.files import write_arrays, write_table
from auricle.metrics import Interval, confusion_matrix
from auricle.reports import plots
from auricle.runs.evaluation import Evaluation
from auricle.runs.results import Measured
from auricle.tasks.classification.evaluation_tables import alarm_table, calibration_table, metrics_table, printed
from auricle.tasks.classification.false_alarms import FalseAlarms, too_little
from auricle.tasks.classification.reliability import CalibrationMetrics, reliability_figure
from auricle.tasks.classification.score import Scores, prediction_rows
from auricle.tasks.classification.selection import Selection

SCORES, PREDICTIONS = "scores.npz", "predictions.csv"
FALSE_ALARMS, FALSE_ALARMS_PLOT = "false-alarms.csv", "false-alarms.png"


@dataclass
class ClassifierEvaluation(Evaluation):
    """A classifier's scores by condition, written as predictions.csv, scores.npz and plots.

    The metrics of `rows` and `scores` are of the probabilities before calibration, so that runs with and without one
    compare; `calibration` has how good the probabilities are by condition, before and after it. `false_alarms` is None
    without background.
    """

    scores: dict[str, Scores]
    rows: list[Measured]
    selection: Selection
    calibration: dict[str, CalibrationMetrics]
    false_alarms: FalseAlarms | None = None
    digests: list[str] = field(default_factory=list)
    seed: int = 0

    @property
    def n_clips(self) -> int:
        return len(self._first.clips)

    @property
    def measured(self) -> list[Measured]:
        return self.rows

    @property
    def _first(self) -> Scores:
        return next(iter(self.scores.values()))

    @property
    def headline(self) -> str:
        """The main metric."""
        return "accuracy" if "accuracy" in self.rows[0].metrics else "mean_average_precision"

    def curve(self, metric: str | None = None) -> list[tuple[float | None, Interval]]:
        """(SNR in dB or None for clean, interval) of one metric (by default the main one), in the order measured."""
        return [(row.snr_db, row.metrics[metric or self.headline]) for row in self.rows]

    def text(self) -> str:
        title = f"{counted(self.n_clips, 'clip')} of {self.split}, with 95 % intervals"
        tables = [metrics_table(title, self.rows), calibration_table(self.calibration)]
        alarms = self.false_alarms
        if alarms is None:
            return printed(tables)
        line = too_little(alarms.heard.hours, alarms.asked_for)
        return f"{printed(tables)}\n\n{line}" if line else printed([*tables, alarm_table(alarms, self.seed)])

    def further(self) -> dict[str, Any]:
        record: dict[str, Any] = {
            "calibration": {condition: row.record() for condition, row in self.calibration.items()}
        }
        if self.false_alarms:
            record["false_alarms"] = self.false_alarms.record(self.seed)
        return record

    def write_files(self, record: dict[str, Any]) -> None:
        rows = [
            row
            for condition, scored in self.scores.items()
            for row in prediction_rows(scored.calibrated(self.selection), condition, self.selection)
        ]
        write_table(self.folder / PREDICTIONS, pd.DataFrame(rows))
        first = self._first
        arrays: dict[str, Any] = {name: scored.probabilities.astype(np.float32) for name, scored in self.scores.items()}
        arrays |= {
            "targets": first.targets.astype(np.int8),
            "clips": np.array([clip.name for clip in first.clips]),
            "digests": np.array(self.digests),
            "groups": np.array([clip.group or "" for clip in first.clips]),
            "labels": np.array(first.task.labels),
        }
        write_arrays(self.folder / SCORES, **arrays)
        (self.folder / "snr.png").unlink(missing_ok=True)
        if len(self.rows) > 1:
            curves = {record["model"]["config"]["frontend"]["name"]: self.curve()}
            plots.save(plots.accuracy_against_snr(curves, metric=self.headline), self.folder / "snr.png")
        for plot in self.folder.glob("confusion-*.png"):
            plot.unlink()
        plots.save(reliability_figure(first, self.selection), self.folder / "reliability.png")
        for name in (FALSE_ALARMS, FALSE_ALARMS_PLOT):
            (self.folder / name).unlink(missing_ok=True)
        if self.false_alarms:
            write_table(self.folder / FALSE_ALARMS, self.false_alarms.table())
            if len(self.false_alarms.peaks):
                plots.save(self.false_alarms.figure(), self.folder / FALSE_ALARMS_PLOT)
        if not first.task.multi_label:
            for condition, scored in self.scores.items():
                matrix = confusion_matrix(scored.probabilities, scored.metric_targets)
                name = condition.replace(" ", "-")
                plots.save(plots.confusion(matrix, scored.task.labels), self.folder / f"confusion-{name}.png")
