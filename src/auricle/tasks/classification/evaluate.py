"""Evaluation of a classifier on labelled clips, clean and in noise."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from rich import box
from rich.console import Console
from rich.table import Column, Table

from auricle.config import Evaluate
from auricle.data.loading import ClipStore
from auricle.data.manifest import Manifest
from auricle.data.reading import read_data
from auricle.errors import AuricleError
from auricle.files import write_arrays, write_table
from auricle.metrics import Interval, confusion_matrix
from auricle.registry import unknown_name
from auricle.reports import plots
from auricle.reports.metrics import short_label
from auricle.runs.clips import check_labels, clip_digests
from auricle.runs.evaluation import EvaluatedTask, Evaluation, describe_model
from auricle.runs.loading import load_classifier
from auricle.runs.results import Measured
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

SCORES, PREDICTIONS = "scores.npz", "predictions.csv"
USUAL_NOISE = "gaussian"


@dataclass
class ClassifierEvaluation(Evaluation):
    """A classifier's scores by condition, written as predictions.csv, scores.npz and plots."""

    scores: dict[str, Scores]
    rows: list[Measured]
    digests: list[str] = field(default_factory=list)

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
        table = Table(
            Column("condition", no_wrap=True),
            *map(short_label, names),
            title=f"{self.n_clips} clips of {self.split}, with 95 % intervals",
            title_justify="left",
            box=box.SIMPLE,
            padding=(0, 1, 0, 0),
        )
        for row in self.rows:
            values = [row.metrics[name] for name in names]
            table.add_row(row.condition, *(f"{v.value:.3f}" for v in values))
            table.add_row("", *(_range(v) for v in values), style="dim")
        console = Console()
        with console.capture() as captured:
            console.print(table)
        return captured.get().rstrip()

    def write_files(self, record: dict[str, Any]) -> None:
        rows = [row for condition, scored in self.scores.items() for row in prediction_rows(scored, condition)]
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
        if not first.task.multi_label:
            for condition, scored in self.scores.items():
                matrix = confusion_matrix(scored.probabilities, scored.metric_targets)
                name = condition.replace(" ", "-")
                plots.save(plots.confusion(matrix, scored.task.labels), self.folder / f"confusion-{name}.png")


def _range(interval: Interval) -> str:
    """Format an interval: '.87–.96', or '-.83 … 1.73' if the lower bound is negative."""
    low, high = (re.sub(r"^(-?)0\.", r"\1.", f"{bound:.2f}") for bound in (interval.low, interval.high))
    return f"{low} … {high}" if interval.low < 0 else f"{low}–{high}"


class ClassifierEvaluationTask(EvaluatedTask):
    """Evaluate a classifier on labelled clips, clean and with noise at each SNR."""

    name: ClassVar[str] = "classification"
    measures: ClassVar[str] = "a classifier"
    uses: ClassVar[frozenset[str]] = frozenset(
        {"task", "noise", "snr", "continuous", "label_column", "multi_label", "negative_label", "by_group"}
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

    def read(self) -> Manifest:
        options = replace(self.options, multi_label=self.options.multi_label or self.task.multi_label)
        return read_data(options.data, options, progress=self.progress)

    def unusual(self) -> list[str]:
        continuous = ["continuous"] * bool(self.options.continuous)
        return continuous + [self.noise] * (self.noise != USUAL_NOISE) + super().unusual()

    def measure(self, clips: Manifest, folder: Path, split: str) -> ClassifierEvaluation:
        options = self.options
        check_labels(clips, self.task)
        if options.by_group and not any(clip.group for clip in clips):
            raise AuricleError(
                f"{options.data}: --by-group needs groups, and no clip has one; name a column with --group-column"
            )
        store = ClipStore(clips.clips, self.classifier.sample_rate, progress=self.progress)
        tested = EvaluationSet(self.task, clips, store)
        scores, rows = {}, []
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
        return ClassifierEvaluation(folder, split, scores, rows, clip_digests(clips))

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
        }

    def model(self) -> dict[str, Any]:
        model = self.classifier
        modules: dict[str, torch.nn.Module] = {"frontend": model.frontend, "all": model}
        return describe_model(
            model.config, modules, sample_rate=model.sample_rate, seed=model.seed, run=Path(self.options.run)
        )
