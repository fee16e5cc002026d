"""Metrics of classification and of signals, with bootstrap intervals."""

from __future__ import annotations

from auricle.metrics.classification import (
    Metric,
    accuracy,
    auc,
    balanced_accuracy,
    confusion_matrix,
    d_prime,
    d_prime_of_auc,
    mean_average_precision,
    metric,
    top_k_accuracy,
)
from auricle.metrics.intervals import (
    DatasetDifference,
    Difference,
    Interval,
    bootstrap,
    bootstrap_over_datasets,
    bootstrap_weights,
    central_interval,
    paired_difference,
)
from auricle.metrics.summary import summarise

__all__ = [
    "DatasetDifference",
    "Difference",
    "Interval",
    "Metric",
    "accuracy",
    "auc",
    "balanced_accuracy",
    "bootstrap",
    "bootstrap_over_datasets",
    "bootstrap_weights",
    "central_interval",
    "confusion_matrix",
    "d_prime",
    "d_prime_of_auc",
    "mean_average_precision",
    "metric",
    "paired_difference",
    "summarise",
    "top_k_accuracy",
]
