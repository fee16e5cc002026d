"""A metric of each class, sorted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from auricle.errors import AuricleError
from auricle.reports.plots.style import MARKERS, MUTED, PALETTE, legend, new_figure, style

_MAX_NAMES = 40  # classes whose names fit below the axis


def by_class(values: Mapping[str, Mapping[str, float]], y_label: str) -> Figure:
    """A point for each class and each entry of `values`, which maps classes to a metric.

    Classes are in descending order of the last entry. They have no order of their own, so no line joins them.
    With more than 40 classes only some are named. Raises `AuricleError` if there are none.
    """
    if not values or not all(values.values()):
        raise AuricleError("there are no classes to draw")
    last = list(values.values())[-1]
    names = sorted(last, key=lambda name: -last[name] if np.isfinite(last[name]) else np.inf)
    figure = new_figure(3.6)
    axes = style(figure.subplots(), "", y_label)
    positions = np.arange(len(names))
    for index, (name, by_name) in enumerate(values.items()):
        heights = [by_name.get(label, np.nan) for label in names]
        color, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
        axes.plot(positions, heights, color=color, marker=marker, markersize=3.5, linestyle="none", label=name)
    axes.axhline(0.0, color=MUTED, linewidth=1.0)
    step = -(-len(names) // _MAX_NAMES)
    axes.set_xticks(positions[::step], [name.replace("_", " ") for name in names[::step]], rotation=90, fontsize=7.5)
    axes.set_xlim(-0.8, len(names) - 0.2)
    legend(axes, "upper right")
    return figure
