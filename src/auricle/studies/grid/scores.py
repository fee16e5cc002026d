"""Scores of a grid's runs on clean test clips: the DEGramNet paper's Tables 6 and 7, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from auricle.config import require
from auricle.data.clip_store import ClipStore
from auricle.data.clips import unique_names
from auricle.data.manifest import Manifest
from auricle.files import write_arrays
from auricle.metrics import Interval, accuracy, auc, bootstrap, mean_average_precision
from auricle.metrics.classification import Metric, d_prime_of_auc, top_k_accuracy
from auricle.readers import read_arrays
from auricle.runs.results import validation_metrics
from auricle.studies.stress.models import StressedRun
from auricle.tasks.classification.score import EvaluationSet, score

METRICS: dict[str, Metric] = {
    "mAP": mean_average_precision,
    "AUC": auc,
    "top-1": accuracy,
    "top-5": top_k_accuracy,
}


@dataclass
class GridScores:
    """Probabilities `(models, seeds, clips, labels)` and the true class indices `targets` `(clips,)`.

    With folds, each clip is scored by the run that left its fold out. `validation` `(models, seeds)` is the validation
    accuracy of the best epoch, averaged over folds.
    """

    models: list[str]
    labels: list[str]
    probabilities: np.ndarray
    targets: np.ndarray
    groups: np.ndarray
    validation: np.ndarray

    def save(self, path: Path) -> None:
        values: dict[str, Any] = vars(self) | {"probabilities": self.probabilities.astype(np.float16)}
        write_arrays(path, **values)

    @classmethod
    def read(cls, path: str | Path) -> GridScores:
        needed = [field.name for field in fields(cls)]
        arrays = read_arrays(path, needed, what="scores")
        values: dict[str, Any] = {name: arrays[name] for name in needed}
        values |= {name: values[name].tolist() for name in ("models", "labels")}
        return cls(**values | {"probabilities": values["probabilities"].astype(np.float32)})

    def best_on_validation(self) -> str:
        """The model with the highest mean validation accuracy."""
        return self.models[int(self.validation.mean(axis=1).argmax())]

    def table(self, seed: int = 0) -> pd.DataFrame:
        """A row for each model: every metric's mean over seeds with its 95 % interval over clips or groups.

        d′ is computed from the mean AUC.
        """
        rows = []
        for model, probabilities, validation in zip(
            self.models, self.probabilities, self.validation.mean(axis=1), strict=True
        ):
            row: dict[str, Any] = {"front-end": model}
            for name, metric in METRICS.items():
                if name == "top-5" and len(self.labels) <= 5:
                    continue
                row[name] = bootstrap(
                    partial(_mean_over_seeds, metric),  # pyright: ignore[reportArgumentType]
                    probabilities.swapaxes(0, 1), self.targets, seed=seed,
                    groups=self.groups, centred=name == "mAP",
                )  # fmt: skip
                if name == "mAP":
                    row[name] = row[name].within(0.0, 1.0)
                if name == "AUC":
                    area = row[name]
                    row["d′"] = Interval(*(d_prime_of_auc(value) for value in (area.value, area.low, area.high)))
            rows.append(row | {"validation top-1": float(validation)})
        return pd.DataFrame(rows)


def _mean_over_seeds(metric: Metric, scores: Any, targets: Any, weights: Any = None) -> Any:
    """`metric` of `scores` (clips, seeds, labels), averaged over the seeds."""
    values = [metric(scores[:, index], targets, weights) for index in range(scores.shape[1])]
    return np.mean(values, axis=0) if weights is not None else float(np.mean(values))


def require_one_label(multi_label: bool) -> None:
    """Raise `AuricleError` for multi-label work, which grids do not compare."""
    require(not multi_label, "a grid needs one label for each clip, and these clips may have several or none")


def measure_scores(folds: list[tuple[list[StressedRun], Manifest]], seeds: list[int]) -> GridScores:
    """Score clean clips; `folds` has the runs of each fold (all models and seeds) and the clips to test them on."""
    models = list(dict.fromkeys(run.name for run in folds[0][0]))
    task = folds[0][0][0].model.task()
    require_one_label(task.multi_label)
    probabilities, validation = [], np.zeros((len(models), len(seeds), len(folds)))
    for fold, (runs, manifest) in enumerate(folds):
        stores: dict[int, ClipStore] = {}
        rows = np.zeros((len(models), len(seeds), len(manifest), len(task.labels)), np.float32)
        for run in runs:
            rate = run.model.sample_rate
            if rate not in stores:
                stores[rate] = ClipStore(manifest.clips, rate)
            place = models.index(run.name), seeds.index(run.seed)
            rows[place] = score(run.model, EvaluationSet(task, manifest, stores[rate])).probabilities
            validation[(*place, fold)] = validation_metrics(run.folder)[task.name]["accuracy"].value
        probabilities.append(rows)
    clips = [clip for _, manifest in folds for clip in manifest]
    return GridScores(
        models,
        list(task.labels),
        np.concatenate(probabilities, axis=2),
        np.array([task.labels.index(clip.labels[0]) for clip in clips]),
        np.array([clip.group or name for clip, name in zip(clips, unique_names(clips), strict=True)]),
        validation.mean(axis=2),
    )
