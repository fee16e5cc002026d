"""Evaluation of a classifier on labelled clips, clean and in noise."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from auricle.config import Evaluate
from auricle.data.clips import Clip
from auricle.data.loading import ClipStore
from auricle.data.manifest import Manifest
from auricle.data.reading import read_data
from auricle.errors import AuricleError
from auricle.files import write_arrays, write_table
from auricle.metrics import Interval, confusion_matrix
from auricle.metrics.summary import CALIBRATION
from auricle.registry import unknown_name
from auricle.reports import plots
from auricle.reports.metrics import short_label
from auricle.runs.clips import check_labels, clip_digests, clips_digest
from auricle.runs.evaluation import EvaluatedTask, Evaluation, describe_model
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import run_digest
from auricle.runs.results import Measured
from auricle.tasks.classification.background import read_background
from auricle.tasks.classification.calibration import read_calibration
from auricle.tasks.classification.events import EventRule
from auricle.tasks.classification.false_alarms import FalseAlarms, listen, peaks, threshold_levels
from auricle.tasks.classification.reliability import (
    Calibratedness,
    measure_calibration,
    rejected,
    reliability_figure,
)
from auricle.tasks.classification.score import (
    NOISES,
    EvaluationSet,
    Scores,
    condition_name,
    measure,
    noise_condition,
    prediction_rows,
    score,
)
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier

SCORES, PREDICTIONS = "scores.npz", "predictions.csv"
FALSE_ALARMS, FALSE_ALARMS_PLOT = "false-alarms.csv", "false-alarms.png"
USUAL_NOISE = "gaussian"


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
    calibration: dict[str, Calibratedness]
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
        names = list(self.rows[0].metrics)
        table = _table(f"{self.n_clips} clips of {self.split}, with 95 % intervals", "condition")
        for name in names:
            table.add_column(short_label(name))
        for row in self.rows:
            values = [row.metrics[name] for name in names]
            table.add_row(row.condition, *(f"{v.value:.3f}" for v in values))
            table.add_row("", *(_range(v) for v in values), style="dim")
        console = Console()
        with console.capture() as captured:
            for shown in (table, self._calibration_table(), *([self._alarm_table()] if self.false_alarms else [])):
                console.print(shown)
        return captured.get().rstrip()

    def _calibration_table(self) -> Table:
        calibrated = any(row.after for row in self.calibration.values())
        table = _table("probabilities, calibrated" if calibrated else "probabilities, not calibrated", "condition")
        for name in CALIBRATION:
            table.add_column(short_label(name))
        if any(row.unknown for row in self.calibration.values()):
            table.add_column("unknown")
        for condition, row in self.calibration.items():
            values = [*row.used.values(), *([row.unknown] if row.unknown else [])]
            table.add_row(condition, *(f"{v.value:.3f}" for v in values))
            table.add_row("", *(_range(v) for v in values), style="dim")
            if row.after:
                table.add_row("  before", *(f"{v.value:.3f}" for v in row.before.values()), style="dim")
        return table

    def _alarm_table(self) -> Table:
        assert self.false_alarms is not None
        record = self.false_alarms.record(self.seed)
        table = _table(f"false alarms in {record['hours']:.2f} hours of background", "label")
        for head in ("threshold", "per hour", "", "recall", ""):
            table.add_column(head)
        for label, own in record["labels"].items():
            rate, recall = (Interval(**own[name]) for name in ("per_hour", "recall"))
            threshold = "" if own["threshold"] is None else f"{own['threshold']:.3f}"
            bounds = f"{rate.low:.2f}–{rate.high:.2f}"
            found = "–" if math.isnan(recall.value) else f"{recall.value:.3f}"
            table.add_row(Text(label), threshold, f"{rate.value:.2f}", bounds, found, _range(recall))
        return table

    def further(self) -> dict[str, Any]:
        record: dict[str, Any] = {
            "calibration": {condition: row.record() for condition, row in self.calibration.items()}
        }
        if self.false_alarms:
            record["false_alarms"] = self.false_alarms.record(self.seed)
            if self._first.task.name in self._unknown_limits:
                shares = asdict(rejected(self.false_alarms.heard, self.seed))
                record["false_alarms"]["unknown"] = shares
        return record

    @property
    def _unknown_limits(self) -> dict[str, float]:
        """The thresholds of the answer "unknown", by task."""
        tasks = self.selection.calibration.tasks if self.selection.calibration else {}
        return {name: own.unknown for name, own in tasks.items() if own.unknown is not None}

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


def _table(title: str, first: str) -> Table:
    return Table(Column(first, no_wrap=True), title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))


def _range(interval: Interval) -> str:
    """Format an interval: '.87–.96', or '-.83 … 1.73' if the lower bound is negative; a dash if it is unknown."""
    if math.isnan(interval.low):
        return "–"
    low, high = (re.sub(r"^(-?)0\.", r"\1.", f"{bound:.2f}") for bound in (interval.low, interval.high))
    return f"{low} … {high}" if interval.low < 0 else f"{low}–{high}"


class ClassifierEvaluationTask(EvaluatedTask):
    """Evaluate a classifier on labelled clips, clean and with noise at each SNR."""

    name: ClassVar[str] = "classification"
    measures: ClassVar[str] = "a classifier"
    uses: ClassVar[frozenset[str]] = frozenset(
        {
            "task",
            "noise",
            "snr",
            "continuous",
            "label_column",
            "multi_label",
            "negative_label",
            "by_group",
            "background",
            "threshold",
            "raw",
        }
    )

    def __init__(self, options: Evaluate) -> None:
        noise = [USUAL_NOISE] if options.noise is None else options.noise
        if len(noise) != 1:
            raise AuricleError(f"--noise {' '.join(noise)}: a classifier is measured in one kind of noise, gaussian")
        if noise[0] not in NOISES:
            raise AuricleError(unknown_name("noise", noise[0], NOISES))
        if options.noise is not None and not options.snr:
            raise AuricleError(f"--noise {noise[0]}: give its levels in dB too, as --snr 20 10 0")
        self.options = options
        self.noise = noise[0]
        self.levels: list[float | None] = [None, *(options.snr or [])]
        self.progress = not options.quiet
        self.classifier = load_classifier(options.run, options.device)
        self.task = self.classifier.task(options.task)
        self.trained_as = self.task.name
        self.digest = run_digest(options.run)
        calibration = None if options.raw else read_calibration(options.run, self.digest, self.classifier.tasks)
        self.windows = TorchWindowClassifier(self.classifier, self.digest, calibration)
        self.selection = Selection.for_model(self.windows, threshold=options.threshold, events=EventRule())

    def read(self) -> Manifest:
        options = replace(self.options, multi_label=self.options.multi_label or self.task.multi_label)
        return read_data(options.data, options, progress=self.progress)

    def unusual(self) -> list[str]:
        options = self.options
        given = ["continuous"] * options.continuous + ["raw"] * options.raw
        if options.threshold is not None:
            given.append(f"threshold{options.threshold:g}")
        return given + [self.noise] * (self.noise != USUAL_NOISE) + super().unusual()

    def measure(self, clips: Manifest, folder: Path, split: str) -> ClassifierEvaluation:
        options = self.options
        check_labels(clips, self.task)
        if options.by_group and not any(clip.group for clip in clips):
            raise AuricleError(
                f"{options.data}: --by-group needs groups, and no clip has one; name a column with --group-column"
            )
        negatives = tuple(clip for clip in clips if not clip.labels)
        self._refuse_calibrated_on(clips)
        if not self.task.multi_label and negatives:
            clips = replace(clips, clips=tuple(clip for clip in clips if clip.labels))
        store = ClipStore(clips.clips, self.classifier.sample_rate, progress=self.progress)
        tested = EvaluationSet(self.task, clips, store)
        scores, rows, calibrations = {}, [], {}
        for level in self.levels:
            condition = condition_name(self.noise, level)
            scored = score(
                self.classifier,
                tested,
                condition=None if level is None else noise_condition(self.noise, level, options.seed),
                continuous=bool(options.continuous),
                progress=condition if self.progress else "",
            )
            scores[condition] = scored
            metrics = measure(scored, by_group=options.by_group, seed=options.seed)
            rows.append(Measured(condition, metrics, level))
            calibrations[condition] = measure_calibration(
                scored, self.selection, by_group=options.by_group, seed=options.seed
            )
        alarms = self._false_alarms(scores, negatives)
        digests = clip_digests(clips)
        return ClassifierEvaluation(
            folder, split, scores, rows, self.selection, calibrations, alarms, digests, options.seed
        )

    def _refuse_calibrated_on(self, clips: Manifest) -> None:
        """Raise `AuricleError` for clips that `auricle calibrate` was given."""
        calibration = self.windows.calibration
        own = calibration.tasks.get(self.task.name) if calibration else None
        used = set(clip_digests(clips)) & set(own.measured.get("clips", ()) if own else ())
        if used:
            raise AuricleError(
                f"{self.options.run} was calibrated with {len(used)} of these {len(clips)} clips: choose others, or "
                "measure without calibration (--raw)"
            )

    def _false_alarms(self, scores: dict[str, Scores], negatives: tuple[Clip, ...]) -> FalseAlarms | None:
        """The false alarms in the background and in clips without a label; None if there is neither."""
        options, task = self.options, self.task
        self.background = read_background(options.background, task, options.run, options, negatives)
        if not self.background:
            return None
        first = next(iter(scores.values()))
        labelled = [index for index, clip in enumerate(first.clips) if clip.labels]
        levels, selection = threshold_levels(task, self.selection), self.selection
        captions = ("Background", "Recall") if self.progress else ("", "")
        telling = replace(selection, unknown=True)
        heard = listen(self.windows, self.background, task, telling, levels, caption=captions[0])
        clips = [first.clips[index] for index in labelled]
        found = peaks(self.windows, clips, task, selection, captions[1])
        return FalseAlarms(task, levels, heard, found, first.targets[labelled])

    def settings(self) -> dict[str, Any]:
        return {
            "task": self.task.name,
            "labels": list(self.task.labels),
            "multi_label": self.task.multi_label,
            "noise": self.noise,
            "snr": self.options.snr or [],
            "continuous": bool(self.options.continuous),
            "by_group": self.options.by_group,
            "seed": self.options.seed,
            **{name: value for name, value in self.selection.settings().items() if name != "top_k"},
            "background": self._background_facts(),
        }

    def _background_facts(self) -> dict[str, Any] | None:
        if not self.background:
            return None
        hours = sum(clip.duration_s for clip in self.background) / 3600
        return {
            "path": self.options.background,
            "n_recordings": len(self.background),
            "hours": hours,
            "digest": clips_digest(self.background),
        }

    def model(self) -> dict[str, Any]:
        model = self.classifier
        modules: dict[str, torch.nn.Module] = {"frontend": model.frontend, "all": model}
        return describe_model(
            model.config, modules, sample_rate=model.sample_rate, seed=model.seed, run=Path(self.options.run)
        )
