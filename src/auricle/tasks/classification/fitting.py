"""Fitting a calibration to the logits of validation clips, and thresholds to the calibrated probabilities.

With one label per clip, temperature scaling: softmax(z / T), one parameter that cannot change which label is likeliest
(Guo et al., 2017, "On calibration of modern neural networks"). With several labels per clip, Platt scaling of each
label: σ(a·z + b) (Platt, 1999). A label's rate differs from its rate in training as well as its confidence, which a
temperature alone cannot correct, and few clips are enough: on multi-label bird sounds a small set improved calibration
with Platt scaling, while parameters shared by all labels did not transfer (Schwinger et al., 2025, arXiv:2511.08261).

Both fit to Platt's targets instead of 0 and 1: (N₊ + 1) / (N₊ + 2) and 1 / (N₋ + 2) for N₊ and N₋ clips, so that a
small set without an error does not make the model infinitely sure. A fit is used only where it lowers the negative
log-likelihood of clips that it was not fitted to; otherwise the probabilities stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from auricle.data.holding_out import spread_over_folds
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.metrics import negative_log_likelihood
from auricle.metrics.summary import CALIBRATION as METRICS
from auricle.tasks.classification.calibration import TaskCalibration
from auricle.tasks.classification.window_classifiers import probabilities

MIN_CLIPS = 10
MIN_OF_CLASS = 3
"""A label with fewer clips with it, or without it, keeps its probabilities."""
MIN_FOR_THRESHOLD = 10
"""A label with fewer clips with it, or without it, keeps the threshold 0.5: from a few clips thresholds are chance."""
FOLDS = 5
KEPT = 0.95
LARGEST_SCALE = 20.0


def fit_calibration(
    logits: np.ndarray,
    targets: np.ndarray,
    task: Task,
    *,
    groups: Sequence[str],
    precision: float | None = None,
    kept: float = KEPT,
) -> TaskCalibration:
    """The calibration of `task` from logits and 0/1 targets of clips, each `(clips, labels)`.

    Thresholds maximise F1, or are the lowest with a `precision` of at least the given one. The threshold for "unknown"
    keeps the share `kept` of the right answers. How good it is on clips that it was not fitted to is measured by
    cross-validation over `groups` `(clips,)`. Raises `AuricleError` for fewer than 10 clips.
    """
    if len(logits) < MIN_CLIPS:
        raise AuricleError(f"{len(logits)} clips: a calibration needs {MIN_CLIPS} or more")
    logits, raw = logits.astype(np.float64), probabilities(logits.astype(np.float64), task.multi_label)
    scales, offsets = scale_and_offset(logits, targets, task)
    held_out = cross_validated(logits, targets, task, groups)
    if held_out is None:
        scales, offsets = np.ones_like(scales), np.zeros_like(offsets)
    else:
        helps = _nll(held_out, targets, task) < _nll(raw, targets, task)
        scales, offsets = np.where(helps, scales, 1.0), np.where(helps, offsets, 0.0)
        held_out = np.where(helps, held_out, raw)
    values = probabilities(logits * scales + offsets, task.multi_label)
    unknown = None
    if not task.multi_label:
        right = values.argmax(axis=1) == targets.argmax(axis=1)
        unknown = keeping(values.max(axis=1)[right], kept)
    return TaskCalibration(
        "platt" if task.multi_label else "temperature",
        tuple(scales.tolist()),
        tuple(offsets.tolist()),
        tuple(_threshold(values[:, k], targets[:, k], precision) for k in range(len(task.labels))),
        unknown,
        {
            "n_clips": len(logits),
            "n_of_label": targets.sum(axis=0).astype(int).tolist(),
            "precision": precision,
            "kept": None if task.multi_label else kept,
            "cross_validated": None if held_out is None else _compared(raw, held_out, targets, task),
        },
    )


def scale_and_offset(logits: np.ndarray, targets: np.ndarray, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The scale and the offset of each label, `(labels,)` each, with the least negative log-likelihood."""
    values, wanted = torch.from_numpy(logits).double(), torch.from_numpy(targets).double()
    n_clips, n_labels = values.shape
    smooth = smoothed(wanted, task.multi_label)
    if not task.multi_label:

        def loss(scale: Tensor, _: Tensor) -> Tensor:
            return -(smooth * torch.log_softmax(values * scale, dim=1)).sum(dim=1).mean()

        scale, _ = _minimised(loss, 1, with_offset=False)
        return np.full(n_labels, scale[0]), np.zeros(n_labels)
    present = wanted.sum(dim=0)
    enough = (torch.minimum(present, n_clips - present) >= MIN_OF_CLASS).numpy()

    def losses(scale: Tensor, offset: Tensor) -> Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(values * scale + offset, smooth) * n_labels

    scales, offsets = _minimised(losses, n_labels, with_offset=True)
    return np.where(enough, scales, 1.0), np.where(enough, offsets, 0.0)


def smoothed(targets: Tensor, multi_label: bool) -> Tensor:
    """Platt's targets for 0/1 targets `(clips, labels)`, with which a set without an error has a best scale."""
    n_clips, n_labels = targets.shape
    if not multi_label:
        own = (n_clips + 1) / (n_clips + 2)
        return targets * own + (1 - targets) * (1 - own) / (n_labels - 1)
    present = targets.sum(dim=0)
    return targets * (present + 1) / (present + 2) + (1 - targets) / (n_clips - present + 2)


def _minimised(
    loss: Callable[[Tensor, Tensor], Tensor], size: int, *, with_offset: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Scales, between 1/20 and 20, and offsets `(size,)` that minimise `loss`, by L-BFGS from 1 and 0."""
    place = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    offset = torch.zeros(size, dtype=torch.float64, requires_grad=with_offset)
    optimizer = torch.optim.LBFGS(
        [place, offset] if with_offset else [place],
        max_iter=500,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def scale() -> Tensor:
        return torch.exp(math.log(LARGEST_SCALE) * torch.tanh(place))

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(scale(), offset)
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(closure)
    return scale().detach().numpy(), offset.detach().numpy()


def _threshold(values: np.ndarray, targets: np.ndarray, precision: float | None) -> float:
    enough = enough_for_threshold(int(targets.astype(bool).sum()), len(targets))
    return best_threshold(values, targets, precision) if enough else 0.5


def enough_for_threshold(n_present: int, n_clips: int) -> bool:
    """Whether a label that `n_present` of the clips have gets a threshold of its own."""
    return min(n_present, n_clips - n_present) >= MIN_FOR_THRESHOLD


def best_threshold(values: np.ndarray, targets: np.ndarray, precision: float | None = None) -> float:
    """The threshold for the probabilities `(clips,)` of one label with the best F1, the highest if several have it.

    With a `precision`, the lowest threshold from which on at least this share of the detections is right; if there is
    none, the one of the highest precision. A threshold is half-way between two probabilities. At least one clip has the
    label.
    """
    present = targets.astype(bool)
    order = np.argsort(-values, kind="stable")
    ranked, found = values[order], np.cumsum(present[order])
    last = np.append(np.diff(ranked) != 0, True)  # of equal probabilities all are detected together
    precisions, recalls = (found / np.arange(1, len(ranked) + 1))[last], (found / found[-1])[last]
    cuts = np.append(ranked[last][1:], 0.0)
    thresholds = (ranked[last] + cuts) / 2
    if precision is None:
        with np.errstate(invalid="ignore"):
            quality = np.nan_to_num(2 * precisions * recalls / (precisions + recalls))
        return float(thresholds[int(np.argmax(quality))])
    enough = np.flatnonzero(precisions >= precision)
    return float(thresholds[enough[-1] if len(enough) else int(np.argmax(precisions))])


def keeping(values: np.ndarray, kept: float) -> float:
    """The highest threshold that at least the share `kept` of `values` reaches; 0 if there are none."""
    if len(values) == 0:
        return 0.0
    return float(np.sort(values)[min(len(values) - 1, math.floor((1 - kept) * len(values) + 1e-9))])


def cross_validated(
    logits: np.ndarray, targets: np.ndarray, task: Task, groups: Sequence[str], folds: int = FOLDS
) -> np.ndarray | None:
    """Probabilities `(clips, labels)` from calibrations that were each fitted without a fold of the groups.

    None if there is one group alone.
    """
    names = sorted(set(groups))
    folds = min(folds, len(names))
    if folds < 2:
        return None
    fold_of = dict(zip(names, spread_over_folds([()] * len(names), folds, seed=0), strict=True))
    fold = np.array([fold_of[group] for group in groups])
    values = np.empty(logits.shape)
    for number in range(folds):
        own = fold == number
        scales, offsets = scale_and_offset(logits[~own], targets[~own], task)
        values[own] = probabilities(logits[own] * scales + offsets, task.multi_label)
    return values


def _nll(values: np.ndarray, targets: np.ndarray, task: Task) -> np.ndarray:
    """The negative log-likelihood of each label `(labels,)`, or of a single-label task `(1,)`."""
    if not task.multi_label:
        return np.array([negative_log_likelihood(values, targets.argmax(axis=1))])
    return np.array(
        [negative_log_likelihood(values[:, [k]], targets[:, [k]].astype(int)) for k in range(len(values.T))]
    )


def _compared(before: np.ndarray, after: np.ndarray, targets: np.ndarray, task: Task) -> dict[str, Any]:
    """ECE, NLL and Brier score before and after."""
    true = targets.astype(int) if task.multi_label else targets.argmax(axis=1)
    return {
        when: {name: float(metric(values, true)) for name, metric in METRICS.items()}
        for when, values in (("before", before), ("after", after))
    }
