"""Plots of robustness: accuracy against severity, and the gain of an adaptive compression over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, PercentFormatter

from auricle.errors import AuricleError
from auricle.metrics.intervals import Interval
from auricle.reports.plots.style import INK, MARKERS, PALETTE, WIDTH_IN, new_figure, style

N_COLUMNS = 3

Curves = Mapping[str, Mapping[str, Sequence[tuple[int, Interval]]]]


def accuracy_against_severity(curves: Curves, clean: Mapping[str, Interval]) -> Figure:
    """A panel per corruption with a line per model, its interval as a band; all panels share the axis of accuracy.

    `curves[corruption][model]` are pairs (severity, accuracy in [0, 1]); severity 0 means that the corruption has only
    one. `clean[model]` is drawn at the left of each panel.
    """
    if not curves:
        raise AuricleError("there are no corruptions to draw")
    models = list(dict.fromkeys(model for panel in curves.values() for model in panel))
    n_rows = math.ceil(len(curves) / N_COLUMNS)
    figure = new_figure(0.5 + 1.75 * n_rows, WIDTH_IN + 1.4)
    panels = figure.subplots(n_rows, min(N_COLUMNS, len(curves)), sharey=True, squeeze=False).ravel()
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    for axes, (corruption, panel) in zip(panels, curves.items(), strict=False):
        style(axes, title=corruption)
        severities = sorted({severity or 1 for points in panel.values() for severity, _ in points})
        for index, model in enumerate(models):
            if model not in panel:
                continue
            points = [(0, clean[model]), *((severity or 1, value) for severity, value in panel[model])]
            x = np.array([severity for severity, _ in points])
            y, low, high = np.array([[v.value, v.low, v.high] for _, v in points]).T
            color = PALETTE[index % len(PALETTE)]
            axes.plot(
                x, y, color=color, marker=MARKERS[index % len(MARKERS)], markersize=3.5, linewidth=1.4, label=model
            )
            axes.fill_between(x, low, high, color=color, alpha=0.13, linewidth=0)
        ticks = [0, *severities]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.set_xticklabels(["clean" if tick == 0 else str(tick) for tick in ticks], fontsize=8)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    figure.supxlabel("Severity", fontsize=10, color=INK)
    figure.supylabel("Accuracy", fontsize=10, color=INK)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=min(4, len(names)), fontsize=9, frameon=False)
    return figure


def gain_over_time(
    times_s: np.ndarray, gain_db: np.ndarray, parameters: Mapping[str, np.ndarray], title: str = ""
) -> Figure:
    """The gain in dB of an adaptive compression over time, and its parameters below it; each `(bands, frames)`.

    A parameter is drawn as its mean over bands, with the range from the 10 % to the 90 % quantile as a band. `times_s`
    `(frames,)` are the times of the frames.
    """
    figure = new_figure(1.9 + 1.3 * len(parameters))
    panels = figure.subplots(
        1 + len(parameters), 1, sharex=True, squeeze=False, height_ratios=[1.5] + [1.0] * len(parameters)
    )
    top, *below = panels[:, 0]
    style(top, y_label="Band", title=title or "Gain", grid=False)
    extent = (float(times_s[0]), float(times_s[-1]), -0.5, len(gain_db) - 0.5)
    image = top.imshow(gain_db, origin="lower", aspect="auto", cmap="magma", extent=extent, interpolation="nearest")
    bar = figure.colorbar(image, ax=top, pad=0.01)
    bar.set_label("dB", fontsize=9, color=INK)
    bar.outline.set_visible(False)
    for axes, (name, values), color in zip(below, parameters.items(), PALETTE, strict=False):
        style(axes, y_label=name)
        axes.plot(times_s, values.mean(axis=0), color=color, linewidth=1.3)
        axes.fill_between(times_s, *np.quantile(values, [0.1, 0.9], axis=0), color=color, alpha=0.15, linewidth=0)
    panels[-1, 0].set_xlabel("Time (s)", fontsize=10, color=INK)
    return figure
