"""Plots of several runs in one: parameters of PCEN over tasks, accuracy per epoch over front-ends (LEAF-APCEN)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import nn

from auricle.errors import AuricleError
from auricle.frontends.adaptive import SimpPCEN
from auricle.frontends.compression import PCEN
from auricle.reports.plots.learned import Floats, widen_y_axis
from auricle.reports.plots.style import INK, MARKERS, PALETTE, legend, new_figure, style

Curve = Sequence[tuple[float, float]]
"""Points (epoch, accuracy)."""


def exponents(compression: nn.Module) -> dict[str, Floats]:
    """The learnt parameters of PCEN (s, α, δ, γ) or of SimpPCEN (α̂, γ̂) as the compression uses them, `(n_filters,)`."""
    if not isinstance(compression, PCEN | SimpPCEN):
        raise AuricleError(f"{type(compression).__name__} has no parameters of PCEN")
    own = {name: value.detach().cpu().double().numpy() for name, value in compression.parameters_in_bounds().items()}
    if isinstance(compression, SimpPCEN):
        return {"α̂": own["alpha"], "γ̂": own["gamma"]}
    return {"s": own["smooth"], "α": own["alpha"], "δ": own["delta"], "γ": 1.0 / own["root"]}


def pcen_over_tasks(learnt: Mapping[str, Mapping[str, Floats]], initial: Mapping[str, Floats]) -> Figure:
    """Parameters of PCEN against the filter's index, a line for each task; the initial values are dotted (Fig. 3)."""
    figure = new_figure(2.4 * (-(-len(initial) // 2)) + 0.6)
    panels = figure.subplots(-(-len(initial) // 2), 2, sharex=True, squeeze=False).flat
    for place, (axes, (name, start)) in enumerate(zip(panels, initial.items(), strict=True)):
        style(axes, "Filter index" if place >= len(initial) - 2 else "", title=name)
        axes.plot(np.arange(len(start)), start, color=INK, linewidth=1.6, linestyle=":", label="initial")
        for index, (task, values) in enumerate(learnt.items()):
            color = PALETTE[index % len(PALETTE)]
            axes.plot(np.arange(len(values[name])), values[name], color=color, linewidth=1.4, label=task)
        widen_y_axis(axes, 0.1 * float(np.abs(start).max()))
    legend(figure.axes[0], "best")
    return figure


def accuracy_per_epoch(tasks: Mapping[str, Mapping[str, Curve]], y_label: str = "Test accuracy") -> Figure:
    """Accuracy after each epoch, a panel for each task and a line for each front-end (Fig. 4)."""
    columns = min(2, len(tasks))
    rows = -(-len(tasks) // columns)
    figure = new_figure(2.8 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    names = list(dict.fromkeys(name for curves in tasks.values() for name in curves))
    for axes, (task, curves) in zip(panels, tasks.items(), strict=False):
        style(axes, "Epoch", y_label, title=task)
        for name, points in curves.items():
            x, y = np.array(points, dtype=float).reshape(-1, 2).T
            look = names.index(name)
            axes.plot(
                x,
                y,
                color=PALETTE[look % len(PALETTE)],
                marker=MARKERS[look % len(MARKERS)],
                markersize=3,
                linewidth=1.4,
                label=name,
            )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    for axes in panels[len(tasks) :]:
        axes.set_visible(False)
    legend(panels[0], "best")
    return figure
