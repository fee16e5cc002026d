"""Plots of probabilities and thresholds: reliability diagrams, and recall against false alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from auricle.errors import AuricleError
from auricle.metrics.calibration import Reliability
from auricle.reports.plots.style import BLUE, INK, MUTED, PALETTE, VERMILION, WIDTH_IN, legend, new_figure, style

MAX_CURVES = 6
_LARGEST = 90.0  # area of the marker of the fullest bin, in points²


def reliability_diagram(panels: Mapping[str, Reliability]) -> Figure:
    """The share of right answers against their probability, a panel for each entry, titled with its name.

    On the diagonal probabilities come true; below it the model is surer than it is right. The area of a point is
    proportional to the number of answers. Raises `AuricleError` if there are none.
    """
    if not panels or not all(len(points.confidence) for points in panels.values()):
        raise AuricleError("there are no probabilities to draw")
    figure = new_figure(3.0, 0.4 + 2.5 * len(panels))
    axes_of = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (name, points), color in zip(axes_of, panels.items(), (VERMILION, BLUE), strict=False):
        style(axes, "Probability", "Share right" if axes is axes_of[0] else "", name)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.0)
        axes.plot(points.confidence, points.right, color=color, linewidth=1.4, clip_on=False)
        sizes = _LARGEST * points.n_answers / points.n_answers.max()
        axes.scatter(points.confidence, points.right, s=np.maximum(sizes, 6.0), color=color, clip_on=False, zorder=3)
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.02, 1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure


def recall_against_false_alarms(
    curves: Mapping[str, Sequence[tuple[float, float]]], in_use: tuple[float, float] | None = None
) -> Figure:
    """A line for each label: recall against false alarms per hour over thresholds; a dot marks the point `in_use`.

    A curve is pairs (false alarms per hour, recall in [0, 1]). The first curve, of all labels together, is black; of
    the others those with most false alarms are drawn. Raises `AuricleError` if there are none.
    """
    if not curves:
        raise AuricleError("there are no clips with a label to draw the recall of")
    first, *others = curves
    others.sort(key=lambda name: -max(rate for rate, _ in curves[name]))
    figure = new_figure(3.4, WIDTH_IN + 0.8)
    axes = style(figure.subplots(), "False alarms per hour", "Recall")
    for name, color in zip([first, *others[:MAX_CURVES]], (INK, *PALETTE), strict=False):
        rates, recalls = np.array(curves[name]).T
        width = 2.2 if name == first else 1.2
        axes.plot(rates, recalls, color=color, linewidth=width, label=_shown(name), zorder=3 if name == first else 2)
    if in_use is not None:
        axes.scatter(*in_use, color=INK, s=36, zorder=4, label="thresholds in use")
    highest = max(rate for curve in curves.values() for rate, _ in curve)
    axes.set_xscale("symlog", linthresh=1.0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    axes.set_xlim(0, max(1.0, 1.1 * highest))
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    legend(axes, "center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _shown(name: str) -> str:
    """A label as matplotlib lists it in a legend, which leaves out what begins with an underscore."""
    return f" {name}" if name.startswith("_") else name
