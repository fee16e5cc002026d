"""The standard metrics of a classification task, each with its bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from auricle.errors import AuricleError
from auricle.metrics.calibration import brier_score, expected_calibration_error, negative_log_likelihood
from auricle.metrics.classification import (
    Metric,
    accuracy,
    auc,
    balanced_accuracy,
    check_scores_and_targets,
    d_prime_of_auc,
    mean_average_precision,
    top_k_accuracy,
)
from auricle.metrics.intervals import Interval, bootstrap

CALIBRATION: dict[str, Metric] = {
    "ece": expected_calibration_error,
    "nll": negative_log_likelihood,
    "brier": brier_score,
}


def summarise(
    scores: ArrayLike,
    targets: ArrayLike,
    label_names: Sequence[str],
    *,
    multi_label: bool,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Metrics of `scores` `(clips, classes)` by name, with percentile intervals over clips or whole `groups`.

    Always `mean_average_precision` (its interval centred, see `bootstrap`, and within [0, 1]), `auc` and `d_prime`,
    each class against the rest. With one label per clip also `accuracy` and `balanced_accuracy`, and `top_5_accuracy`
    for more than five classes.

    Raises `AuricleError` where `label_names` or `multi_label` do not fit the arrays, and as
    `check_scores_and_targets`.
    """
    checked_scores, checked_targets = check_scores_and_targets(scores, targets)
    if len(label_names) != checked_scores.shape[1]:
        raise AuricleError(
            f"there are {len(label_names)} label names for {checked_scores.shape[1]} columns of scores; "
            "there should be one per column"
        )
    if multi_label != (checked_targets.ndim == 2):
        want = "(clips, classes) of 0 and 1" if multi_label else "(clips,) class indices"
        raise AuricleError(
            f"targets have shape {tuple(checked_targets.shape)}; with multi_label={multi_label} they should be {want}"
        )
    metrics: dict[str, Metric] = {}
    if not multi_label:
        metrics |= {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy}
        if len(label_names) > 5:
            metrics["top_5_accuracy"] = top_k_accuracy
    metrics |= {"mean_average_precision": mean_average_precision, "auc": auc}
    summary = {
        name: bootstrap(
            metric,
            scores,
            targets,
            resamples=resamples,
            seed=seed,
            groups=groups,
            level=level,
            centred=metric is mean_average_precision,
        )
        for name, metric in metrics.items()
    }
    summary["mean_average_precision"] = summary["mean_average_precision"].within(0.0, 1.0)
    area = summary["auc"]
    summary["d_prime"] = Interval(*(d_prime_of_auc(value) for value in (area.value, area.low, area.high)))
    return summary


def calibration_summary(
    scores: ArrayLike,
    targets: ArrayLike,
    *,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """`ece`, `nll` and `brier` of probabilities `(clips, classes)`, with intervals as those of `summarise`.

    The interval of the ECE is centred (see `bootstrap`), since it is higher on resamples than on the clips themselves,
    and lies within [0, 1].
    """
    found = {
        name: bootstrap(metric, scores, targets, resamples=resamples, seed=seed, groups=groups, centred=name == "ece")
        for name, metric in CALIBRATION.items()
    }
    return found | {"ece": found["ece"].within(0.0, 1.0)}
