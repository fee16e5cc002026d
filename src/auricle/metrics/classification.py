"""Metrics of classification, on clips that are weighted for many bootstrap resamples at once.

Every metric takes `scores` `(clips, classes)`, where higher means likelier; `targets`, either class indices `(clips,)`
(one label per clip) or 0 and 1 `(clips, classes)` (any number of labels per clip); and optionally `weights`
`(resamples, clips)`, how often each clip counts. Without weights every clip counts once and the metric is a float;
with them it is `(resamples,)`. So the point estimate and the bootstrap share one computation. Arrays may be NumPy's or
PyTorch's.

A metric that is undefined, such as the AUC where no class has both positives and negatives, is NaN.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias, cast, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from auricle.errors import AuricleError

Floats: TypeAlias = NDArray[np.float64]
Kernel: TypeAlias = Callable[..., Tensor]

BLOCK_ELEMENTS = 8_000_000
"""Largest number of weights (clips × resamples) processed at once, which bounds the memory of a metric."""


class Metric(Protocol):
    """A metric of this module: a float without `weights`, one value per resample with them."""

    @overload
    def __call__(self, scores: ArrayLike, targets: ArrayLike, weights: None = None, **options: Any) -> float: ...
    @overload
    def __call__(self, scores: ArrayLike, targets: ArrayLike, weights: ArrayLike, **options: Any) -> Floats: ...


def metric(kernel: Kernel) -> Metric:
    """Decorator: make a `Metric` of a function of checked tensors.

    The function takes scores `(clips, classes)`, targets, and weights `(clips, resamples)`, and returns `(resamples,)`.
    Integer weights become float32, in which sums of counts are exact below 2^24 clips, others float64.
    """

    @functools.wraps(kernel)
    def measure(scores: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None, **options: Any) -> Any:
        checked_scores, checked_targets = check_scores_and_targets(scores, targets)
        if weights is None:
            return float(kernel(checked_scores, checked_targets, torch.ones(len(checked_scores), 1), **options)[0])
        blocks = _blocks(weights, len(checked_scores))
        values = [kernel(checked_scores, checked_targets, block, **options) for block in blocks]
        return torch.cat(values).double().numpy()

    return cast(Metric, measure)


@metric
def top_k_accuracy(scores: Tensor, targets: Tensor, weights: Tensor, k: int = 5) -> Tensor:
    """Share of clips whose class has one of the `k` highest scores; of equal scores the first class ranks higher."""
    labels = _single_label(targets)
    if k < 1:
        raise AuricleError(f"k is {k}; it should be at least 1")
    own = scores.gather(1, labels[:, None])
    before = torch.arange(scores.shape[1]) < labels[:, None]
    rank = ((scores > own) | ((scores == own) & before)).sum(dim=1)
    return _weighted_mean((rank < k).to(weights.dtype), weights)


@metric
def accuracy(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Share of clips whose class has the highest score; of equal scores the first class counts as predicted."""
    return _weighted_mean((scores.argmax(dim=1) == _single_label(targets)).to(weights.dtype), weights)


@metric
def balanced_accuracy(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Recall of each class, averaged over the classes that occur (in the resample)."""
    labels = _single_label(targets)
    order = torch.argsort(labels, stable=True)
    correct = (scores.argmax(dim=1) == labels)[order]
    segments = 2 * labels[order] + correct
    order = order[torch.argsort(segments, stable=True)]
    sums = _segment_sums(weights, order, torch.bincount(segments, minlength=2 * scores.shape[1]))
    wrong, right = sums[0::2], sums[1::2]
    return (right / (right + wrong)).nanmean(dim=0)


@metric
def mean_average_precision(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Average precision of each class, averaged over the classes with a positive clip.

    AP = Σ_t (R_t − R_{t−1}) P_t over the distinct scores t, from the highest, with R_t and P_t the recall and the
    precision when clips that score at least t are accepted. Equal scores are accepted together.
    """
    return _macro(_average_precision, scores, targets, weights)


@metric
def auc(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Area under the ROC curve of each class, averaged over the classes with both positive and negative clips.

    The probability that a positive clip scores higher than a negative one, where equal scores count one half.
    """
    return _macro(_area_under_roc, scores, targets, weights)


@metric
def d_prime(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """d′ = √2 Φ⁻¹(AUC) of the macro-averaged AUC, as AudioSet and PANNs report it; infinite where the AUC is 1."""
    return _d_prime_of_auc(_macro(_area_under_roc, scores, targets, weights))


def d_prime_of_auc(value: float) -> float:
    """d′ = √2 Φ⁻¹(`value`) for an AUC; 0.5 gives 0, 1 gives infinity."""
    return float(_d_prime_of_auc(torch.tensor(value, dtype=torch.float64)))


def confusion_matrix(scores: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Clips of class i (rows) predicted as class j (columns): `(classes, classes)`, `(resamples, …)` with weights."""
    checked_scores, checked_targets = check_scores_and_targets(scores, targets)
    labels = _single_label(checked_targets)
    n_classes = checked_scores.shape[1]
    cells = labels * n_classes + checked_scores.argmax(dim=1)
    blocks = [torch.ones(len(labels), 1)] if weights is None else _blocks(weights, len(labels))
    order, counts = torch.argsort(cells, stable=True), torch.bincount(cells, minlength=n_classes**2)
    tables = torch.cat([_segment_sums(block, order, counts).T for block in blocks])
    matrices = tables.reshape(-1, n_classes, n_classes).double().numpy()
    return matrices[0] if weights is None else matrices


def check_scores_and_targets(scores: ArrayLike, targets: ArrayLike) -> tuple[Tensor, Tensor]:
    """Scores as a float tensor `(clips, classes)`; targets as `(clips,)` int64 or `(clips, classes)` bool.

    Raises `AuricleError` for shapes that do not match, NaN scores, class indices out of range, targets other than 0 and
    1, or no clips at all.
    """
    checked = scores.detach().cpu() if isinstance(scores, Tensor) else torch.tensor(np.asarray(scores))
    if checked.ndim != 2 or 0 in checked.shape:
        raise AuricleError(f"scores have shape {tuple(checked.shape)}; they should be (clips, classes), not empty")
    if not checked.is_floating_point():
        raise AuricleError(f"scores have type {checked.dtype}; they should be floating point")
    if checked.isnan().any():
        raise AuricleError(f"{int(checked.isnan().sum())} of {checked.numel()} scores are NaN")
    if checked.dtype != torch.float64:
        checked = checked.float()
    n_clips, n_classes = checked.shape
    labels = targets.detach().cpu().numpy() if isinstance(targets, Tensor) else np.asarray(targets)
    if labels.shape == (n_clips,):
        if not np.issubdtype(labels.dtype, np.integer):
            raise AuricleError(f"targets have type {labels.dtype}; one label per clip should be an integer class index")
        if labels.min() < 0 or labels.max() >= n_classes:
            wrong = int(labels.min() if labels.min() < 0 else labels.max())
            raise AuricleError(f"a target is class {wrong}; with {n_classes} classes it should be 0 to {n_classes - 1}")
        return checked, torch.from_numpy(labels.astype(np.int64))
    if labels.shape != (n_clips, n_classes):
        raise AuricleError(
            f"targets have shape {labels.shape} and scores {(n_clips, n_classes)}; "
            f"targets should be {(n_clips,)} class indices or {(n_clips, n_classes)} of 0 and 1"
        )
    positive = labels == 1
    if not (positive | (labels == 0)).all():
        raise AuricleError(f"a target is {labels[~(positive | (labels == 0))][0]}; targets should be 0 or 1")
    return checked, torch.from_numpy(positive)


def _single_label(targets: Tensor) -> Tensor:
    if targets.ndim != 1:
        raise AuricleError(
            f"targets have shape {tuple(targets.shape)}; this metric needs one class index per clip, "
            "for several labels per clip use mean_average_precision, auc or d_prime"
        )
    return targets


def _blocks(weights: ArrayLike, n_clips: int) -> Iterator[Tensor]:
    """Transposed blocks `(clips, resamples)` of the weights, of at most `BLOCK_ELEMENTS` elements."""
    checked = np.asarray(weights)
    if checked.ndim != 2 or checked.shape[1] != n_clips or len(checked) == 0:
        raise AuricleError(f"weights have shape {checked.shape}; they should be (resamples, {n_clips})")
    dtype = np.float64 if np.issubdtype(checked.dtype, np.floating) else np.float32
    size = max(1, BLOCK_ELEMENTS // n_clips)
    for start in range(0, len(checked), size):
        yield torch.from_numpy(np.ascontiguousarray(checked[start : start + size].T, dtype=dtype))


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values @ weights).double() / weights.sum(dim=0)


def _segment_sums(weights: Tensor, order: Tensor, counts: Tensor) -> Tensor:
    """Sums of `weights[order]` over consecutive segments of `counts` clips: `(segments, resamples)`, float64."""
    starts = counts.cumsum(0) - counts
    return F.embedding_bag(order, weights, starts, mode="sum").double()


def _macro(kernel: Callable[..., Tensor], scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Mean over classes of `kernel`, which gives `(resamples,)` for one class; NaN is left out."""
    total = torch.zeros(weights.shape[1], dtype=torch.float64)
    defined = torch.zeros_like(total)
    for index in range(scores.shape[1]):
        positive = targets == index if targets.ndim == 1 else targets[:, index]
        if positive.any():
            values = kernel(*_ranked(scores[:, index], positive, weights))
            total += values.nan_to_num(0.0)
            defined += ~values.isnan()
    return total / defined


def _ranked(scores: Tensor, positive: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Total weights of one class in descending order of score: three arrays `(steps + 1, resamples)`.

    A step is a distinct score of a positive clip, from the highest; the last row holds the negatives below all of them.
    Returned are the weights of the positives of each step, of the negatives with the same score, and of the negatives
    with a score between this step and the one before. These suffice for every ranking metric, and there are few of them
    where positives are rare.
    """
    steps, step_of_positive = torch.unique(-scores[positive], return_inverse=True)
    step = torch.searchsorted(steps, -scores)
    equal = torch.zeros(len(steps) + 1, dtype=scores.dtype)
    equal[:-1] = steps
    kind = torch.where((step < len(steps)) & (equal[step] == -scores), 1, 0)
    segment = 3 * step + kind
    segment[positive] = 3 * step_of_positive + 2
    order = torch.argsort(segment, stable=True)
    sums = _segment_sums(weights, order, torch.bincount(segment, minlength=3 * (len(steps) + 1)))
    return sums[2::3], sums[1::3], sums[0::3]


def _average_precision(positives: Tensor, equal: Tensor, between: Tensor) -> Tensor:
    true = positives.cumsum(0)
    accepted = true + (equal + between).cumsum(0)
    return (positives * (true / accepted).nan_to_num(0.0)).sum(0) / true[-1]


def _area_under_roc(positives: Tensor, equal: Tensor, between: Tensor) -> Tensor:
    seen = (equal + between).cumsum(0)
    below = seen[-1] - seen + 0.5 * equal
    return (positives * below).sum(0) / (positives.sum(0) * seen[-1])


def _d_prime_of_auc(value: Tensor) -> Tensor:
    return math.sqrt(2.0) * torch.special.ndtri(value)
