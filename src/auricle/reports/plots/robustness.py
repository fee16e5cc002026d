"""Plots of robustness: accuracy against a corruption's level, and the gain of adaptive compression over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from auricle.conditions.levels import signed
from auricle.errors import AuricleError
from auricle.metrics.intervals import Interval
from auricle.reports.plots.style import CARD_IN, INK, MARKERS, MUTED, PALETTE, new_figure, style

_TICKS = 6
_LEAST_RANGE_DB = 1.0  # of the colours of gains, so that none stands for the noise of rounding
_SHORT, _LONGEST = 16, 44  # characters of a name in two columns below a plot, and in one
Curve = Sequence[tuple[float, Interval]]
"""Pairs of a level and the accuracy there, in [0, 1]."""


def accuracy_against_level(
    curves: Mapping[str, Curve], clean: Mapping[str, Interval], x_label: str, title: str = "", chance: float = math.nan
) -> Figure:
    """A line per model of its accuracy against the level of a corruption, its interval as a band.

    `curves[model]` goes from the mildest level to the worst, which is at the right. Beside the mildest is the accuracy
    `clean[model]`. The accuracy of guessing, `chance`, is dotted.
    """
    levels = [level for level, _ in next(iter(curves.values()))]
    if len(levels) < 2:
        raise AuricleError("a curve needs two levels or more")
    clean_x = levels[0] - (levels[-1] - levels[0]) / (len(levels) - 1)
    figure = new_figure(2.2 + 0.2 * (len(curves) + 1), CARD_IN)
    axes = style(figure.subplots(), x_label, "Accuracy", title)
    for index, (model, curve) in enumerate(curves.items()):
        values = [clean[model], *(value for _, value in curve)]
        y, low, high = np.array([[each.value, each.low, each.high] for each in values]).T
        x = [clean_x, *levels]
        color, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
        axes.plot(x, y, color=color, marker=marker, markersize=3.5, linewidth=1.4, clip_on=False, label=model)
        axes.fill_between(x, low, high, color=color, alpha=0.13, linewidth=0)
    _mark_chance(axes.axhline, chance)
    shown = levels if len(levels) <= _TICKS else [levels[0], levels[-1]]
    axes.set_xticks([clean_x, *shown], ["clean", *(signed(level) for level in shown)], fontsize=8.5)
    edge = 0.04 * (levels[-1] - clean_x)
    axes.set_xlim(clean_x - edge, levels[-1] + edge)
    axes.set_ylim(0.0, 1.0)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _name_below(figure, axes)
    return figure


def accuracy_by_condition(values: Mapping[str, Mapping[str, Interval]], chance: float = math.nan) -> Figure:
    """A point with its interval for each model, `values[condition][model]`, in a row for each condition.

    Conditions have no order, so no line joins them.
    """
    if not values:
        raise AuricleError("there are no conditions to draw")
    models = list(dict.fromkeys(model for row in values.values() for model in row))
    figure = new_figure(0.8 + (0.25 + 0.14 * len(models)) * len(values) + 0.2 * (len(models) + 1), CARD_IN)
    axes = style(figure.subplots(), "Accuracy")
    step = 1.0 / (len(models) + 2)
    for index, model in enumerate(models):
        own = [(place, row[model]) for place, row in enumerate(values.values()) if model in row]
        y = [place + step * (index + 2) for place, _ in own]
        x, low, high = np.array([[value.value, value.low, value.high] for _, value in own]).T
        color, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
        axes.hlines(y, low, high, color=color, linewidth=1.2)
        axes.plot(x, y, color=color, marker=marker, markersize=4.5, linestyle="none", clip_on=False, label=model)
    for place, condition in enumerate(values):
        axes.text(0.01, place + 0.6 * step, condition, fontsize=9, color=INK, va="center")
    _mark_chance(axes.axvline, chance)
    axes.set_yticks([])
    axes.set_ylim(len(values), 0)
    axes.set_xlim(0.0, 1.0)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _name_below(figure, axes)
    return figure


def _name_below(figure: Figure, axes: Axes) -> None:
    """The names of the lines, in columns that fit."""
    handles, names = axes.get_legend_handles_labels()
    fits = max(map(len, names)) <= _SHORT
    shown = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in names]
    columns = 2 if fits else 1
    figure.legend(
        handles,
        shown,
        loc="outside lower left",
        ncols=columns,
        fontsize=8.5,
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        labelspacing=0.3,
    )


def _mark_chance(draw: Callable[..., object], chance: float) -> None:
    if math.isfinite(chance):
        draw(chance, color=MUTED, linewidth=1.2, linestyle=":", label="guessing")


def gain_over_time(times_s: np.ndarray, gain_db: np.ndarray, parameters: Mapping[str, np.ndarray]) -> Figure:
    """The gain in dB of an adaptive compression over time, and its parameters below it; each `(bands, frames)`.

    A parameter is drawn as its mean over bands, with the range from the 10 % to the 90 % quantile as a band. `times_s`
    `(frames,)` are the times of the frames.
    """
    figure = new_figure(1.7 + 1.0 * len(parameters))
    panels = figure.subplots(
        1 + len(parameters), 1, sharex=True, squeeze=False, height_ratios=[1.5] + [1.0] * len(parameters)
    )
    top, *below = panels[:, 0]
    style(top, y_label="Band", title="Gain", grid=False)
    extent = (float(times_s[0]), float(times_s[-1]), -0.5, len(gain_db) - 0.5)
    low, high = float(gain_db.min()), max(float(gain_db.max()), float(gain_db.min()) + _LEAST_RANGE_DB)
    image = top.imshow(
        gain_db,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=extent,
        interpolation="nearest",
        vmin=low,
        vmax=high,
    )
    bar = figure.colorbar(image, ax=top, pad=0.01)
    bar.set_label("dB", fontsize=9, color=INK)
    bar.outline.set_visible(False)
    for axes, (name, values), color in zip(below, parameters.items(), PALETTE, strict=False):
        style(axes, y_label=name)
        axes.plot(times_s, values.mean(axis=0), color=color, linewidth=1.3)
        axes.fill_between(times_s, *np.quantile(values, [0.1, 0.9], axis=0), color=color, alpha=0.15, linewidth=0)
    panels[-1, 0].set_xlabel("Time (s)", fontsize=10, color=INK)
    return figure
