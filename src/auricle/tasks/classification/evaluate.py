"""`auricle evaluate`: a run measured on a part of a data set, clean and in noise, and what is written of it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from rich import box
from rich.console import Console
from rich.table import Column, Table

from auricle.config import Data
from auricle.data.loading import ClipStore
from auricle.data.reading import data_name, read_data
from auricle.errors import AuricleError
from auricle.files import write_json
from auricle.metrics import Interval, confusion_matrix
from auricle.registry import unknown_name
from auricle.reports import plots
from auricle.runs.clips import HeardClips, check_labels, choose_clips, heard_clips
from auricle.runs.folder import SETTINGS
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import provenance
from auricle.systems.classifier.system import Classifier
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

SCHEMA = 1
RESULTS = "results.json"
SHORT_NAMES = {
    "balanced_accuracy": "balanced",
    "top_5_accuracy": "top 5",
    "mean_average_precision": "mAP",
    "auc": "AUC",
    "d_prime": "d′",
}


@dataclass
class Measured:
    """One condition's outcome."""

    condition: str
    snr_db: float | None
    metrics: dict[str, Interval]


@dataclass
class Evaluation:
    """What `evaluate_run` found; `folder` holds it as results.json, results.csv, predictions.csv, scores.npz, plots."""

    folder: Path
    part: str
    n_clips: int
    n_seen: int
    measured: list[Measured]

    @property
    def headline(self) -> str:
        """The metric to look at first."""
        return "accuracy" if "accuracy" in self.measured[0].metrics else "mean_average_precision"

    def curve(self, metric: str | None = None) -> list[tuple[float | None, Interval]]:
        """(SNR in dB or None for clean, interval) of one metric, in the order measured."""
        return [(row.snr_db, row.metrics[metric or self.headline]) for row in self.measured]

    def table(self) -> pd.DataFrame:
        """Long form: condition, snr_db, metric, value, low, high, n_clips."""
        rows = [
            {
                "condition": row.condition,
                "snr_db": row.snr_db,
                "metric": name,
                **asdict(interval),
                "n_clips": self.n_clips,
            }
            for row in self.measured
            for name, interval in row.metrics.items()
        ]
        return pd.DataFrame(rows)

    def show(self) -> None:
        """Print the table, and what a reader should know of it."""
        names = list(self.measured[0].metrics)
        title = f"{self.n_clips} clips of {self.part}, with 95 % intervals"
        heads = [SHORT_NAMES.get(name, name) for name in names]
        table = Table(
            Column("condition", no_wrap=True),
            *heads,
            title=title,
            title_justify="left",
            box=box.SIMPLE,
            padding=(0, 1, 0, 0),
        )
        for row in self.measured:
            values = [row.metrics[name] for name in names]
            table.add_row(row.condition, *(f"{v.value:.3f}" for v in values))
            table.add_row("", *(_range(v) for v in values), style="dim")
        Console().print(table)
        if self.n_seen:
            print(f"CAUTION: {self.n_seen} of these {self.n_clips} clips were used in training or to choose the epoch")
        print(f"written to {self.folder}")


def _range(interval: Interval) -> str:
    """'.87–.96', or '-.83 … 1.73' where a bound is negative."""
    low, high = (re.sub(r"^(-?)0\.", r"\1.", f"{bound:.2f}") for bound in (interval.low, interval.high))
    return f"{low} … {high}" if interval.low < 0 else f"{low}–{high}"


def evaluate_run(
    run: str | Path,
    data: str,
    *,
    data_options: Data = Data(),
    split: str = "",
    fold: str = "",
    task: str = "",
    noise: str = "gaussian",
    snr: list[float] | None = None,
    continuous: bool = False,
    by_group: bool = False,
    seed: int = 0,
    device: str = "auto",
    output: str | Path | None = None,
    progress: bool = True,
) -> Evaluation:
    """Measure the classifier of `run` clean and with `noise` at each of `snr` dB; 95 % intervals by bootstrap."""
    run = Path(run)
    if noise not in NOISES:
        raise AuricleError(unknown_name("noise", noise, NOISES))
    model = load_classifier(run, device)
    chosen = model.task(task or None)
    every = read_data(data, data_options, progress=progress)
    manifest, name = choose_clips(every, split, fold, HeardClips(run), chosen.name)
    check_labels(manifest, chosen)
    if by_group and not any(clip.group for clip in manifest):
        raise AuricleError(f"{data}: --by-group needs groups, and no clip has one; name a column with --group-column")
    unusual = ["continuous"] * continuous + ["by-group"] * by_group + [noise] * (noise != "gaussian")
    unusual += [f"seed{seed}"] * (seed != 0)
    folder = Path(output) if output else run / "evaluation" / "-".join([data_name(data)[0], name, *unusual])
    keep_others(folder, data)
    part = EvaluationSet(chosen, manifest, ClipStore(manifest.clips, model.sample_rate, progress=progress))
    seen = len(heard_clips(run, manifest, chosen.name))
    evaluation = Evaluation(folder, name, len(manifest), seen, [])

    levels: list[float | None] = [None, *(snr or [])]
    scores: dict[str, Scores] = {}
    for level in levels:
        condition = condition_name(noise, level)
        scored = score(
            model,
            part,
            condition=None if level is None else noise_condition(noise, level, seed),
            continuous=continuous,
            progress=condition if progress else "",
        )
        scores[condition] = scored
        evaluation.measured.append(Measured(condition, level, measure(scored, by_group=by_group, seed=seed)))

    details = {
        "data": str(data),
        "task": chosen.name,
        "noise": noise,
        "continuous": continuous,
        "by_group": by_group,
        "seed": seed,
        "skipped": [f"{problem.name}: {problem.reason}" for problem in every.skipped],
    }
    _write(evaluation, scores, model, run, details)
    return evaluation


def keep_others(folder: Path, data: str) -> None:
    """Refuse to write over an evaluation on other data."""
    path = folder / RESULTS
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8")).get("data", "")
        if Path(before).resolve() != Path(data).resolve():
            raise AuricleError(f"{folder} holds an evaluation on {before}: give another --output")


def _training_settings(run: Path) -> dict[str, Any]:
    """How the run was trained, but for its seed and what the data are called."""
    path = run / SETTINGS
    settings = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}
    return {key: value for key, value in settings.items() if key not in ("seed", "output", "overwrite", "data")}


def _write(
    evaluation: Evaluation, scores: dict[str, Scores], model: Classifier, run: Path, details: dict[str, Any]
) -> None:
    folder = evaluation.folder
    folder.mkdir(parents=True, exist_ok=True)
    evaluation.table().to_csv(folder / "results.csv", index=False)
    rows = [row for condition, scored in scores.items() for row in prediction_rows(scored, condition)]
    pd.DataFrame(rows).to_csv(folder / "predictions.csv", index=False)
    first = next(iter(scores.values()))
    arrays: dict[str, Any] = {name: scored.probabilities.astype(np.float32) for name, scored in scores.items()}
    arrays |= {
        "targets": first.targets.astype(np.int8),
        "clips": np.array([clip.name for clip in first.clips]),
        "groups": np.array([clip.group or "" for clip in first.clips]),
        "labels": np.array(first.task.labels),
    }
    np.savez_compressed(folder / "scores.npz", **arrays)
    result = {
        "schema": SCHEMA,
        "run": run.name,
        "model": {key: value for key, value in model.config.items() if key not in ("tasks", "seed")},
        "training": _training_settings(run),
        "labels": list(first.task.labels),
        "frontend": model.config["frontend"],
        "backbone": model.config["backbone"],
        "parameters": {
            "frontend": sum(p.numel() for p in model.frontend.parameters() if p.requires_grad),
            "all": sum(p.numel() for p in model.parameters()),
        },
        "sample_rate": model.sample_rate,
        "training_seed": model.seed,
        **details,
        "part": evaluation.part,
        "n_clips": evaluation.n_clips,
        "n_seen_in_training": evaluation.n_seen,
        "measured": [asdict(row) for row in evaluation.measured],
        "provenance": provenance(),
    }
    write_json(folder / RESULTS, result)
    if len(evaluation.measured) > 1:
        curves = {model.config["frontend"]["name"]: evaluation.curve()}
        plots.save(plots.accuracy_against_snr(curves, metric=evaluation.headline), folder / "snr.png")
    if not first.task.multi_label:
        for condition, scored in scores.items():
            matrix = confusion_matrix(scored.probabilities, scored.metric_targets)
            name = condition.replace(" ", "-")
            plots.save(plots.confusion(matrix, scored.task.labels), folder / f"confusion-{name}.png")
