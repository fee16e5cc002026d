"""Evaluation of TRNet: predictions for every clip of a fold's test speaker, in every noise at every SNR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from auricle.data.reading import data_name
from auricle.errors import AuricleError
from auricle.files import write_arrays, write_table
from auricle.metrics import accuracy, balanced_accuracy, bootstrap
from auricle.metrics.classification import Metric
from auricle.readers import read_table
from auricle.runs.clips import clip_digests, clips_digest
from auricle.runs.evaluation import Evaluation, write_evaluation
from auricle.runs.provenance import folds_digest, run_digest
from auricle.runs.results import FOLDS, Measured
from auricle.systems.system import evaluating
from auricle.systems.trnet import TRNet
from auricle.tasks.emotion.data import CLEAN, MATCHED, SAMPLE_RATE, NoiseLevel, levels, version_loader
from auricle.tasks.emotion.folds import Fold
from auricle.tasks.emotion.plan import RunPlan

NAME = "emotion"
PREDICTIONS, REPRESENTATIONS = "predictions.csv", "representations.npz"
#: Noise levels at which representations are saved, for a plot of them (Fig. 3).
KEPT_LEVELS = (NoiseLevel(), *levels(MATCHED, (20.0, 10.0, 0.0)))

#: Unweighted average recall (UAR, over classes) and weighted average recall (WAR, the accuracy).
METRICS: dict[str, Metric] = {"uar": balanced_accuracy, "war": accuracy}


@dataclass
class EmotionEvaluation(Evaluation):
    """Predictions for the test speakers of one fold or of several, written as predictions.csv.

    `predictions` has the columns of `read_predictions`. Intervals are over speakers.
    """

    predictions: pd.DataFrame

    @property
    def n_clips(self) -> int:
        return len(self.predictions.drop_duplicates(["fold", "clip"]))

    @cached_property
    def measured(self) -> list[Measured]:
        rows = []
        for level in levels_of(self.predictions):
            own = at_level(self.predictions, level)
            scores, targets = one_hot(own)
            metrics = {
                name: bootstrap(metric, scores, targets, groups=own["speaker"].tolist())
                for name, metric in METRICS.items()
            }
            rows.append(Measured(str(level), metrics, None if level.noise == CLEAN else level.snr_db))
        return rows

    def text(self) -> str:
        return self.table().to_string(index=False)

    def write_files(self, record: dict[str, Any]) -> None:
        write_table(self.folder / PREDICTIONS, self.predictions)


def read_predictions(path: Path) -> pd.DataFrame:
    """Read the predictions of a fold or of a run from predictions.csv, or from the folder that holds it.

    Columns are fold, clip, digest (of the clip's sound), speaker, noise, snr (dB), label, predicted, probability and
    coefficient.
    """
    texts = dict.fromkeys(("fold", "clip", "digest", "speaker", "noise", "label", "predicted"), str)
    file = path / PREDICTIONS if path.is_dir() else path
    return read_table(file, texts, what="the predictions of a run", na_values={"coefficient": [""]})


def levels_of(predictions: pd.DataFrame) -> list[NoiseLevel]:
    """The noise levels that were tested, in their order."""
    return [NoiseLevel(n, s) for n, s in dict.fromkeys(zip(predictions["noise"], predictions["snr"], strict=True))]


def at_level(predictions: pd.DataFrame, level: NoiseLevel) -> pd.DataFrame:
    """The predictions at one noise level."""
    return predictions[(predictions["noise"] == level.noise) & (predictions["snr"] == level.snr_db)]


def one_hot(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Scores `(clips, labels)`, 1 for the predicted label and 0 for the others, and class indices `(clips,)`."""
    labels = sorted({*predictions["label"], *predictions["predicted"]})
    places = {label: place for place, label in enumerate(labels)}
    scores = np.zeros((len(predictions), len(labels)), dtype=np.float32)
    scores[np.arange(len(predictions)), predictions["predicted"].map(places)] = 1.0
    return scores, predictions["label"].map(places).to_numpy()


@torch.no_grad()
def evaluate_fold(plan: RunPlan, fold: Fold, system: TRNet, folder: Path) -> None:
    """Write the predictions for the fold's test speaker, and the representations at `KEPT_LEVELS`."""
    versions = plan.versions(fold, "test", plan.test_levels(), plan.options.kind)
    own = clip_digests(plan.speech.clips[index] for index in versions.indices)
    digests = dict(zip(versions.indices, own, strict=True))
    rows: list[dict[str, Any]] = []
    kept: list[tuple[int, int, np.ndarray]] = []
    with evaluating(system):
        for batch in version_loader(versions, num_workers=plan.options.training.num_workers):
            signals = (batch[name].to(system.device) for name in ("noisy", "enhanced", "n_samples"))
            output = system(*signals)
            probability, best = output.logits.softmax(-1).cpu().max(-1)
            for k, (index, place) in enumerate(zip(batch["index"].tolist(), batch["level"].tolist(), strict=True)):
                clip, level = plan.speech.clips[index], versions.wanted[place]
                rows.append(
                    {
                        "fold": fold.test,
                        "clip": clip.name,
                        "digest": digests[index],
                        "speaker": clip.group,
                        "noise": level.noise,
                        "snr": level.snr_db,
                        "label": clip.labels[0],
                        "predicted": plan.task.labels[int(best[k])],
                        "probability": round(float(probability[k]), 6),
                        "coefficient": round(float(output.coefficient[k, 0]), 6),
                    }
                )
                if level in KEPT_LEVELS:
                    kept.append((index, KEPT_LEVELS.index(level), output.representation[k].cpu().numpy()))
    write_fold(
        folder,
        fold.test,
        pd.DataFrame(rows),
        data=plan.options.data,
        content=clips_digest([plan.speech.clips[index] for index in versions.indices], list(digests.values())),
        model=plan.described(system),
        settings=plan.tested | {"folds": [asdict(fold)]},
    )
    write_arrays(
        folder / REPRESENTATIONS,
        representation=np.stack([vector for _, _, vector in kept]),
        level=np.array([str(KEPT_LEVELS[place]) for _, place, _ in kept]),
        label=np.array([plan.speech.clips[index].labels[0] for index, _, _ in kept]),
        clip=np.array([plan.speech.clips[index].name for index, _, _ in kept]),
    )


def write_fold(
    folder: Path, speaker: str, predictions: pd.DataFrame, *, data: str, content: str, model: dict[str, Any],
    settings: dict[str, Any],
) -> None:  # fmt: skip
    """Write the evaluation of one fold: results.json, results.csv, predictions.csv; `content` is the clips' digest."""
    evaluation = EmotionEvaluation(folder, speaker, predictions)
    run = {"name": folder.name, "path": str(folder), "digest": run_digest(folder)}
    _write(evaluation, run, data, content, model, settings)


def write_run(
    folder: Path, names: Sequence[str], *, data: str, content: str, model: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Write one evaluation of the folds in folders of these `names`; the run's digest is that of its folds' models."""
    folds = [folder / FOLDS / name for name in names]
    predictions = pd.concat([read_predictions(fold) for fold in folds], ignore_index=True)
    run = {"name": folder.name, "path": str(folder), "digest": folds_digest(folds)}
    _write(EmotionEvaluation(folder, "folds", predictions), run, data, content, model, settings)


def _write(
    evaluation: EmotionEvaluation, run: dict[str, Any], data: str, content: str, model: dict[str, Any],
    settings: dict[str, Any],
) -> None:  # fmt: skip
    if evaluation.predictions.empty:
        raise AuricleError(f"{evaluation.folder}: no clip was tested")
    place = {"name": data_name(data)[0], "path": data, "split": evaluation.split, "n_clips": evaluation.n_clips}
    write_evaluation(
        evaluation,
        task=NAME,
        run=run,
        data=place | {"digest": content},
        settings=settings,
        model=model | {"sample_rate": SAMPLE_RATE},
    )
