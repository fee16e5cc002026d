"""Metrics of classification and of signals, with bootstrap intervals."""

from __future__ import annotations

from auricle.metrics.calibration import (
    Reliability,
    brier_score,
    expected_calibration_error,
    negative_log_likelihood,
    reliability,
)
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
from auricle.metrics.comparison import (
    Comparison,
    DatasetAverage,
    DatasetDifference,
    Difference,
    Sample,
    bootstrap_over_datasets,
    paired_difference,
    weighted_mean,
)
from auricle.metrics.intervals import Interval, bootstrap, bootstrap_weights, central_interval
from auricle.metrics.rates import hourly_rate
from auricle.metrics.summary import calibration_summary, summarise

__all__ = [
    "Comparison",
    "DatasetAverage",
    "DatasetDifference",
    "Difference",
    "Interval",
    "Metric",
    "Reliability",
    "Sample",
    "accuracy",
    "auc",
    "balanced_accuracy",
    "bootstrap",
    "bootstrap_over_datasets",
    "bootstrap_weights",
    "brier_score",
    "calibration_summary",
    "central_interval",
    "confusion_matrix",
    "d_prime",
    "d_prime_of_auc",
    "expected_calibration_error",
    "hourly_rate",
    "mean_average_precision",
    "metric",
    "negative_log_likelihood",
    "paired_difference",
    "reliability",
    "summarise",
    "top_k_accuracy",
    "weighted_mean",
]
