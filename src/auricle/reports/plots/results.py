"""Plots of scores: against SNR and cost, over data sets, per class, and over training epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    PercentFormatter,
    StrMethodFormatter,
)
from numpy.typing import ArrayLike

from auricle.errors import AuricleError
from auricle.metrics.comparison import DatasetDifference
from auricle.metrics.intervals import Interval
from auricle.reports.plots.style import (
    BLUE,
    GRID,
    INK,
    MARKERS,
    ON_DARK,
    PALETTE,
    VERMILION,
    drawable,
    legend,
    move_apart,
    new_figure,
    signed,
    style,
)

MAX_COUNTED_CLASSES = 20
_SHARES = LinearSegmentedColormap.from_list("shares", [(*to_rgb(BLUE), 0.0), (*to_rgb(BLUE), 1.0)])
"""From transparent to blue, so that a share of 0 has the colour of the page."""


def accuracy_against_snr(
    curves: Mapping[str, Sequence[tuple[float | None, Interval]]], metric: str = "accuracy"
) -> Figure:
    """A line per front-end of its score against the SNR, with the interval as a band (LEAF paper, Fig. A.6).

    A curve is a sequence of pairs: the signal-to-noise ratio in dB (None for clean clips) and the score. Accuracies, in
    [0, 1], are labelled in per cent. Raises `AuricleError` for a curve without points.
    """
    levels = sorted({snr for curve in curves.values() for snr, _ in curve if snr is not None}, reverse=True)
    steps = -np.diff(levels) if len(levels) > 1 else np.array([5.0])
    clean_x = (levels[0] if levels else 0.0) + 1.25 * float(np.median(steps))
    figure = new_figure(3.4)
    axes = style(figure.subplots(), "Signal-to-noise ratio (dB)", _capitalised(metric.replace("_", " ")))
    ends: list[tuple[str, str, float]] = []
    for index, (name, curve) in enumerate(curves.items()):
        if not curve:
            raise AuricleError(f"the curve of {name} has no points")
        color, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
        ordered = sorted(curve, key=lambda point: -math.inf if point[0] is None else -point[0])
        x = np.array([clean_x if snr is None else snr for snr, _ in ordered])
        y, low, high = np.array([[i.value, i.low, i.high] for _, i in ordered]).T
        axes.plot(x, y, color=color, marker=marker, markersize=5, linewidth=1.8, label=name)
        axes.fill_between(x, low, high, color=color, alpha=0.13, linewidth=0)
        known = y[np.isfinite(y)]
        if len(known):
            ends.append((name, color, float(known[-1])))
    ticks = {float(level): signed(level) for level in levels}
    if any(snr is None for curve in curves.values() for snr, _ in curve):
        ticks[clean_x] = "clean"
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.invert_xaxis()
    if "accuracy" in metric:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _name_ends(axes, ends)
    return figure


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _name_ends(axes: Axes, ends: Sequence[tuple[str, str, float]]) -> None:
    """Write each line's name at its right end; names that would overlap are moved apart. `ends`: (name, colour, y)."""
    low, high = axes.get_ylim()
    heights = move_apart([y for _, _, y in ends], min_gap=0.06 * (high - low))
    for (name, color, _), height in zip(ends, heights, strict=True):
        axes.annotate(
            name,
            (1.0, height),
            xycoords=axes.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            color=color,
            fontsize=9.5,
            fontweight="bold",
            va="center",
            annotation_clip=False,
        )


def difference_distribution(differences: Mapping[str, DatasetDifference], unit: str = "accuracy") -> Figure:
    """Histogram of each bootstrap distribution over data sets, with its p-value (LEAF paper, Figs. A.1 and A.2).

    Resamples at or below zero, whose share is the p-value, are drawn in a different colour. `unit` names the score.
    """
    if not differences:
        raise AuricleError("there is no difference to draw")
    figure = new_figure(0.6 + 1.75 * len(differences))
    panels = figure.subplots(len(differences), 1, squeeze=False, sharex=True)[:, 0]
    pooled = np.concatenate([difference.distribution for difference in differences.values()])
    step = float(np.ptp(np.append(pooled, 0.0))) / 80 or 1.0
    edges = step * np.arange(math.floor(pooled.min() / step) - 1, math.ceil(pooled.max() / step) + 2)
    for axes, (name, difference) in zip(panels, differences.items(), strict=True):
        values = difference.distribution
        resamples = len(values)
        p = f"p = {difference.p_value:.2g}" if difference.p_value > 0 else f"p < {1 / resamples:.9f}".rstrip("0")
        value = signed(difference.value, "+.3g")
        style(axes, title=f"{name}: {value}, {p}")
        shares = [np.full(int(mask.sum()), 100.0 / resamples) for mask in (values > 0, values <= 0)]
        axes.hist(
            [values[values > 0], values[values <= 0]],
            bins=edges,
            weights=shares,
            stacked=True,
            color=[BLUE, VERMILION],
        )
        axes.axvline(0.0, color=INK, linewidth=1.2)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:g}%"))
        axes.yaxis.set_major_locator(MaxNLocator(3))
    panels[-1].set_xlabel(f"Mean difference of {unit} over resampled data sets")
    figure.supylabel("Resamples", fontsize=10, color=INK)
    return figure


def confusion(matrix: ArrayLike, labels: Sequence[str]) -> Figure:
    """Confusion matrix: the share of each true class (row) that was predicted as each class (column).

    `matrix` `(classes, classes)` counts clips; the row of a class without clips is empty. Up to 20 classes the counts
    are written into the cells. The colour is the share^0.6, so that rare confusions are visible.
    """
    counts = np.asarray(matrix)
    n = len(labels)
    if n == 0 or counts.shape != (n, n):
        raise AuricleError(f"the confusion matrix has shape {counts.shape} and {n} labels; it should be ({n}, {n})")
    labels = [drawable(label) for label in labels]
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros((n, n)), where=totals > 0)
    side_in = float(np.clip(0.24 * n, 1.9, 5.0))
    cell_pt = 72 * side_in / n
    text_size = float(np.clip(0.7 * cell_pt, 5.5, 9.0))
    label_in = 0.6 * text_size / 72 * max(len(label) for label in labels)
    figure = new_figure(side_in + label_in + 0.5, side_in + label_in + 0.6)
    axes = style(figure.subplots(), "Predicted class", "True class", grid=False)
    shade = PowerNorm(0.6, vmin=0.0, vmax=1.0)
    axes.imshow(shares, cmap=_SHARES, norm=shade)
    axes.set_xticks(np.arange(n), labels, rotation=90, fontsize=text_size)
    axes.set_yticks(np.arange(n), labels, fontsize=text_size)
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=GRID, linewidth=0.5)
    axes.tick_params(which="both", length=0)
    if n <= MAX_COUNTED_CLASSES:
        for row, column in zip(*np.nonzero(counts), strict=True):
            ink = ON_DARK if shade(shares[row, column]) > 0.6 else INK
            axes.text(
                column,
                row,
                f"{counts[row, column]:g}",
                color=ink,
                fontsize=min(9.0, cell_pt / (0.65 * len(f"{counts.max():g}") + 0.4)),
                ha="center",
                va="center",
            )
    return figure


def training_curves(history: Sequence[Mapping[str, str]]) -> Figure:
    """Training and validation loss and, where there are any, validation scores against the epoch.

    `history` holds the rows of a CSV file with columns epoch, train_loss, val_loss and val_* scores; empty cells are
    skipped. Raises `AuricleError` if there is no loss.
    """
    columns: list[str] = list(dict.fromkeys(name for row in history for name in row))
    scores = [name for name in columns if name.startswith("val_") and name != "val_loss"]
    losses = [name for name in columns if name in ("train_loss", "val_loss")]
    if not losses:
        raise AuricleError(f"the history has columns {columns}; it should have train_loss or val_loss")
    figure = new_figure(2.6)
    panels = list(figure.subplots(1, 2 if scores else 1, squeeze=False)[0])
    wanted: list[tuple[list[str], str, int]] = [(losses, "Loss", 0), (scores, "Validation score", 1)]
    for axes, (names, y_label, first) in zip(panels, wanted, strict=False):
        style(axes, "Epoch", y_label)
        for index, name in enumerate(names):
            points = [(float(row["epoch"]), float(row[name])) for row in history if row.get(name)]
            x, y = np.array(points, dtype=float).reshape(-1, 2).T
            label = name.removeprefix("val_" if names is scores else "").replace("_", " ")
            axes.plot(
                x,
                y,
                color=PALETTE[(first + index) % len(PALETTE)],
                marker="o",
                markersize=3,
                linewidth=1.6,
                label=label,
            )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend(axes, "best")
    if scores and all("accuracy" in name for name in scores):
        panels[1].yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def accuracy_against_cost(groups: Mapping[str, Sequence[tuple[str, float, float]]]) -> Figure:
    """Accuracy in % against millions of multiply-adds per second of sound.

    `groups` maps a group to its points (name, cost, accuracy). Points of a group share a colour and a line, points of a
    name the marker.
    """
    figure = new_figure(3.8)
    axes = style(figure.subplots(), "Multiply-adds for a second of sound (millions)", "Accuracy (%)")
    names = list(dict.fromkeys(name for points in groups.values() for name, _, _ in points))
    markers = {name: MARKERS[index % len(MARKERS)] for index, name in enumerate(names)}
    colors = {group: PALETTE[index % len(PALETTE)] for index, group in enumerate(groups)}
    for group, points in groups.items():
        ordered = sorted(points, key=lambda point: point[1])
        axes.plot(
            [cost for _, cost, _ in ordered],
            [accuracy for _, _, accuracy in ordered],
            color=colors[group],
            linewidth=1.2,
        )
        for name, cost, accuracy in ordered:
            axes.plot(cost, accuracy, color=colors[group], marker=markers[name], markersize=7)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0, 7.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(0.12)
    keys = [Line2D([], [], color=color, linewidth=3, label=group) for group, color in colors.items()]
    keys += [Line2D([], [], color=INK, linestyle="", marker=marker, label=name) for name, marker in markers.items()]
    legend(axes, "center left", handles=keys, bbox_to_anchor=(1.0, 0.5))
    return figure
