"""Plots: every function returns a `matplotlib.figure.Figure`, and `save` writes it to a file.

No function uses pyplot or changes matplotlib's global settings, so no display is needed and any thread can draw.
"""

from __future__ import annotations

from auricle.reports.plots.calibration import recall_against_false_alarms, reliability_diagram
from auricle.reports.plots.emotion import coefficient_against_snr, representation_maps
from auricle.reports.plots.learned import (
    DOTTED_START,
    center_frequencies,
    filter_responses,
    frontend_figures,
    in_words,
    pcen_parameters,
    pooling_windows,
)
from auricle.reports.plots.results import (
    accuracy_against_cost,
    accuracy_against_snr,
    confusion,
    difference_distribution,
    training_curves,
)
from auricle.reports.plots.robustness import accuracy_against_level, accuracy_by_condition, gain_over_time
from auricle.reports.plots.separation import by_class
from auricle.reports.plots.signals import (
    attention_maps,
    frontend_outputs,
    highest_level_db,
    reconstructions,
    spectrogram,
    spectrogram_png,
)
from auricle.reports.plots.style import save
from auricle.reports.plots.together import accuracy_per_epoch, pcen_over_tasks

__all__ = [
    "DOTTED_START",
    "accuracy_against_cost",
    "accuracy_against_level",
    "accuracy_against_snr",
    "accuracy_by_condition",
    "accuracy_per_epoch",
    "attention_maps",
    "by_class",
    "center_frequencies",
    "coefficient_against_snr",
    "confusion",
    "difference_distribution",
    "filter_responses",
    "frontend_figures",
    "frontend_outputs",
    "gain_over_time",
    "highest_level_db",
    "in_words",
    "pcen_over_tasks",
    "pcen_parameters",
    "pooling_windows",
    "recall_against_false_alarms",
    "reconstructions",
    "reliability_diagram",
    "representation_maps",
    "save",
    "spectrogram",
    "spectrogram_png",
    "training_curves",
]
