"""A classifier's scores and metrics on clips, clean and in noise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from auricle.conditions import gaussian_noise
from auricle.data.clip_store import ClipStore
from auricle.data.clips import Clip
from auricle.data.loading import ClipCondition, WholeClips, clip_batches
from auricle.data.manifest import Manifest
from auricle.data.tasks import Task, columns
from auricle.data.windows import windows_at_once
from auricle.errors import AuricleError
from auricle.metrics import Interval, summarise
from auricle.registry import unknown_name
from auricle.systems.classifier.system import Classifier, evaluating, means_over_windows, probabilities
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import WindowClassifier

_NAMED = 5  # clips that an error names
NOISES: dict[str, Callable[..., np.ndarray]] = {"gaussian": gaussian_noise}


@dataclass
class EvaluationSet:
    """Clips to evaluate on: `task` defines how labels are encoded, `store` holds the waveforms."""

    task: Task
    manifest: Manifest
    store: ClipStore


@dataclass
class Scores:
    """A classifier's probabilities `(clips, labels)` for the clips of a task; 0/1 targets and logits alike.

    The probabilities are those of the logits without calibration, unless `calibrated` made them.
    """

    task: Task
    clips: Sequence[Clip]
    probabilities: np.ndarray
    targets: np.ndarray
    logits: np.ndarray

    @classmethod
    def of(cls, task: Task, clips: Sequence[Clip], logits: Tensor, targets: Tensor) -> Scores:
        """The scores of logits `(clips, labels)`; raises `AuricleError` if they are not all finite."""
        _check_finite(logits.numpy(), clips)
        values = probabilities(logits, task.multi_label).numpy()
        return cls(task, clips, values, targets.numpy(), logits.numpy())

    @property
    def metric_targets(self) -> np.ndarray:
        """Targets as metrics expect them: class indices, or 0/1 for a multi-label task."""
        return self.targets.astype(int) if self.task.multi_label else self.targets.argmax(axis=1)

    def calibrated(self, selection: Selection) -> Scores:
        """The same with the probabilities of `selection`."""
        return replace(self, probabilities=selection.probabilities(self.task, self.logits))

    def groups(self, by_group: bool) -> list[str] | None:
        """The group of each clip, or itself, for intervals over groups; None for intervals over clips."""
        return [clip.group or clip.name for clip in self.clips] if by_group else None


def clip_seed(clip: Clip, seed: int) -> int:
    """A seed that depends on the clip's name and `seed` only, so a clip has the same noise at every SNR."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{clip.name}".encode()).digest()[:8], "little")


def noise_condition(noise: str, snr_db: float, seed: int = 0) -> ClipCondition:
    """The condition that adds `noise` to a clip at `snr_db`."""
    if noise not in NOISES:
        raise AuricleError(unknown_name("noise", noise, NOISES))
    add = NOISES[noise]

    def condition(waveform: np.ndarray, clip: Clip, power: float) -> np.ndarray:
        return add(waveform, snr_db, clip_seed(clip, seed), power)

    return condition


@torch.no_grad()
def score(
    model: Classifier,
    clips: EvaluationSet,
    *,
    condition: ClipCondition | None = None,
    continuous: bool = False,
    progress: str = "",
) -> Scores:
    """Score every clip of `clips`, averaging logits over windows; `progress` is the progress bar's caption.

    Raises `AuricleError`, which names clips, where an output of the model is not finite.
    """
    dataset = WholeClips([(clips.task, clips.manifest, clips.store)], model.window, model.short, condition)
    own = model.columns(clips.task)
    logits, targets = [], []
    with evaluating(model):
        for batch in clip_batches(dataset, progress, progress=bool(progress)):
            moved = {name: value.to(model.device) for name, value in batch.items()}
            logits.append(model.clip_logits(moved, continuous)[:, own].float().cpu())
            targets.append(batch["target"])
    return Scores.of(clips.task, clips.manifest.clips, torch.cat(logits), torch.cat(targets))


def score_windows(
    model: WindowClassifier, clips: EvaluationSet, *, condition: ClipCondition | None = None, progress: str = ""
) -> Scores:
    """`score` of any window classifier; one that takes whole clips is given each as it is, without padding."""
    whole = getattr(model, "whole_clips", False)
    dataset = WholeClips(
        [(clips.task, clips.manifest, clips.store)], 1 if whole else model.window, model.short, condition
    )
    own = columns(model.tasks, clips.task)
    logits, targets = [], []
    for batch in clip_batches(dataset, progress, progress=bool(progress)):
        if whole:
            clips_of_batch = batch["windows"].split(batch["counts"].tolist())
            rows = [model.logits(clip.numpy().reshape(1, -1))[0] for clip in clips_of_batch]
            made = torch.from_numpy(np.stack(rows))
        else:
            chunks = batch["windows"].split(windows_at_once(model.window))
            made = torch.cat([torch.from_numpy(model.logits(chunk.numpy())) for chunk in chunks])
            made = means_over_windows(made, batch["counts"])
        logits.append(made[:, own].float())
        targets.append(batch["target"])
    return Scores.of(clips.task, clips.manifest.clips, torch.cat(logits), torch.cat(targets))


def _check_finite(logits: np.ndarray, clips: Sequence[Clip]) -> None:
    """Raise `AuricleError` for clips `(clips, labels)` whose logits are not all finite."""
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(bad):
        names = [clips[index].name for index in bad[:_NAMED]] + ["…"] * (len(bad) > _NAMED)
        raise AuricleError(f"the model's output is not finite for {len(bad)} of {len(clips)} clips: {', '.join(names)}")


def measure(scores: Scores, *, by_group: bool = False, resamples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """Metrics with 95 % bootstrap intervals over clips, or with `by_group` over groups of dependent clips."""
    return summarise(
        scores.probabilities,
        scores.metric_targets,
        scores.task.labels,
        multi_label=scores.task.multi_label,
        groups=scores.groups(by_group),
        resamples=resamples,
        seed=seed,
    )


def condition_name(noise: str, snr_db: float | None) -> str:
    """Name of a condition: 'clean' without an SNR, else such as 'gaussian 10 dB'."""
    return "clean" if snr_db is None else f"{noise} {snr_db:g} dB"


def prediction_rows(scores: Scores, condition: str, selection: Selection) -> list[dict[str, Any]]:
    """One row per clip: clip, group, condition, labels, predicted labels, and the highest probability.

    The most probable label is predicted; for a multi-label task all labels that reach their threshold.
    """
    best = scores.probabilities.argmax(axis=1)
    names = scores.task.labels
    reached = scores.probabilities >= selection.thresholds(scores.task)
    return [
        {
            "clip": clip.name,
            "group": clip.group or "",
            "condition": condition,
            "labels": ";".join(clip.labels),
            "predicted": (
                ";".join(name for name, is_there in zip(names, mask, strict=True) if is_there)
                if scores.task.multi_label
                else names[index]
            ),
            "probability": round(float(row[index]), 6),
        }
        for clip, index, row, mask in zip(scores.clips, best, scores.probabilities, reached, strict=True)
    ]
