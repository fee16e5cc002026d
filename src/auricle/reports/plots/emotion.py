"""Plots for TRNet (Chen and Zhang, 2024): its coefficient against SNR, and maps of its representations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from auricle.errors import AuricleError
from auricle.metrics.intervals import Interval
from auricle.reports.plots.style import INK, MARKERS, PALETTE, PAPER, new_figure, style

Curve = Sequence[tuple[float, Interval]]


def coefficient_against_snr(curves: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """TRNet's coefficient c against the signal-to-noise ratio: a panel per noise, a line per model (paper, Fig. 2).

    `curves[noise][model]` are pairs of an SNR in dB and c, whose interval is drawn as a band.
    """
    if not curves:
        raise AuricleError("there are no coefficients to draw")
    figure = new_figure(3.4)
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for axes, (noise, lines) in zip(panels, curves.items(), strict=True):
        style(axes, "Signal-to-noise ratio (dB)", "Coefficient c" if axes is panels[0] else "", title=noise)
        for index, (model, curve) in enumerate(lines.items()):
            x = np.array([snr for snr, _ in curve])
            y, low, high = np.array([[value.value, value.low, value.high] for _, value in curve]).T
            color, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
            axes.plot(x, y, color=color, marker=marker, markersize=5, linewidth=1.8, label=model)
            axes.fill_between(x, low, high, color=color, alpha=0.13, linewidth=0)
        axes.set_ylim(-0.03, 1.03)
        axes.invert_xaxis()
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=min(4, len(names)), fontsize=9, frameon=False)
    return figure


def representation_maps(maps: Mapping[str, tuple[np.ndarray, Sequence[str], Sequence[str]]]) -> Figure:
    """Representations projected to the plane, a column per model: coloured by noise level above, by emotion below.

    As in Fig. 3 of the TRNet paper. `maps[model]` holds points `(n, 2)`, and the noise level and emotion of each. Large
    points are the means.
    """
    if not maps:
        raise AuricleError("there are no representations to draw")
    figure = new_figure(5.6, 1.2 + 2.6 * len(maps))
    panels = figure.subplots(2, len(maps), squeeze=False)
    for column, (model, (points, *colourings)) in enumerate(maps.items()):
        for row, names in enumerate(colourings):
            axes = style(panels[row, column], title=model if row == 0 else "", grid=False)
            axes.set_xticks([])
            axes.set_yticks([])
            for index, name in enumerate(dict.fromkeys(names)):
                own = points[np.array([other == name for other in names])]
                center, color = own.mean(axis=0), PALETTE[index % len(PALETTE)]
                axes.scatter(own[:, 0], own[:, 1], s=9, color=color, alpha=0.35, linewidths=0)
                axes.scatter(center[:1], center[1:], s=90, color=color, edgecolors=PAPER, linewidths=1.0, label=name)
            if column == len(maps) - 1:
                axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8.5, frameon=False, labelcolor=INK)
    return figure
