"""Metrics of probabilities: how far they are from what happens, on clips weighted as in `metrics.classification`.

`scores` are probabilities `(clips, classes)`. With one label per clip they are those of a softmax, and the confidence
of a clip is the highest of them. With several labels per clip each is the probability of its own label, and a metric is
the mean over the labels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from auricle.metrics.classification import check_scores_and_targets, metric

N_BINS = 15
"""Bins of equal width for the expected calibration error, as in Guo et al. (2017)."""
_LEAST = float(np.finfo(np.float32).tiny)  # lower probabilities count as this one in a logarithm


class Reliability(NamedTuple):
    """Points of a reliability diagram: for each bin with clips, the mean confidence, the share right, and how many."""

    confidence: np.ndarray
    right: np.ndarray
    n_answers: np.ndarray


@metric
def expected_calibration_error(scores: Tensor, targets: Tensor, weights: Tensor, n_bins: int = N_BINS) -> Tensor:
    """ECE = Σ_b (n_b / n) |share right in bin b − mean confidence in bin b| (Naeini et al., 2015; Guo et al., 2017).

    With one label per clip, of the highest probability ("top-label"); with several labels, of every label by itself,
    averaged over the labels ("classwise", Nixon et al., 2019).
    """
    confidence, right = _answers(scores, targets)
    total = torch.zeros(weights.shape[1], dtype=torch.float64)
    for own, hit in zip(confidence.T, right.T, strict=True):
        gaps = torch.zeros(n_bins, weights.shape[1], dtype=torch.float64)
        gaps.index_add_(0, _bin(own, n_bins), (hit.double() - own.double())[:, None] * weights.double())
        total += gaps.abs().sum(dim=0)
    return total / confidence.shape[1] / weights.sum(dim=0)


@metric
def negative_log_likelihood(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Mean of −ln p of what was there, in nats; with several labels, of each label's presence or absence."""
    if targets.ndim == 1:
        each = -scores.double().gather(1, targets[:, None])[:, 0].clamp(min=_LEAST).log()
    else:
        each = -torch.where(targets, scores.double(), 1 - scores.double()).clamp(min=_LEAST).log().mean(dim=1)
    return each @ weights.double() / weights.sum(dim=0)


@metric
def brier_score(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Mean squared distance of the probabilities from 0 and 1 (Brier, 1950).

    With one label per clip it is summed over the classes, from 0 to 2; with several labels it is averaged over them.
    """
    if targets.ndim == 1:
        wanted = torch.nn.functional.one_hot(targets, scores.shape[1])
        each = (scores.double() - wanted).square().sum(dim=1)
    else:
        each = (scores.double() - targets.double()).square().mean(dim=1)
    return each @ weights.double() / weights.sum(dim=0)


def reliability(scores: ArrayLike, targets: ArrayLike, n_bins: int = N_BINS) -> Reliability:
    """The points of a reliability diagram over `n_bins` bins of equal width; all labels of several are pooled."""
    confidence, right = (values.reshape(-1) for values in _answers(*check_scores_and_targets(scores, targets)))
    bins = _bin(confidence, n_bins)
    count = torch.bincount(bins, minlength=n_bins).double()
    sums = [torch.bincount(bins, values.double(), minlength=n_bins) for values in (confidence, right)]
    used = count > 0
    mean, right_share = ((values / count)[used].numpy() for values in sums)
    return Reliability(mean, right_share, count[used].numpy().astype(int))


def _answers(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Confidences and whether they came true: `(clips, 1)` for one label per clip, else `(clips, labels)`."""
    if targets.ndim == 1:
        best = scores.max(dim=1, keepdim=True)
        return best.values, best.indices == targets[:, None]
    return scores, targets


def _bin(confidence: Tensor, n_bins: int) -> Tensor:
    """The bin of each confidence: bin b holds [b / n, (b + 1) / n), and the last one 1 too."""
    return (confidence.double() * n_bins).long().clamp(0, n_bins - 1)
