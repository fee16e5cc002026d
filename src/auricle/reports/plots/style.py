"""The common style of all plots: size, colours, axes, frequency axis, and saving."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from auricle.frontends.scales import hz_to_mel, mel_to_hz

WIDTH_IN = 6.4
MAX_TEXT = 120
DPI = 120
INK, MUTED, GRID = "#1f2933", "#5f6b76", "#d9dee3"
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072b2", "#d55e00", "#009e73", "#b0558a", "#d08a00", "#56b4e9"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK)
"""Based on the palette of Okabe and Ito (2008), readable with colour blindness; some are darker."""
MARKERS = "osD^vPX"
_OCTAVES_HZ = (100, 250, 500, 1000, 2000, 4000, 8000, 16000)
FREQUENCY_TICKS_HZ = (*(-hz for hz in reversed(_OCTAVES_HZ)), 0, *_OCTAVES_HZ)


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """An empty white figure, whose layout makes room for labels."""
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    return figure


def style(axes: Axes, x_label: str = "", y_label: str = "", title: str = "", grid: bool = True) -> Axes:
    """Label `axes`, draw a light grid and hide the top and right spines; returns `axes`."""
    axes.set_facecolor("white")
    axes.set_xlabel(x_label, fontsize=10, color=INK)
    axes.set_ylabel(y_label, fontsize=10, color=INK)
    if title:
        axes.set_title(title, fontsize=10.5, color=INK, loc="left", fontweight="bold")
    axes.tick_params(labelsize=9, colors=MUTED, labelcolor=INK, length=3)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(True, color=GRID, linewidth=0.7)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
        spine.set_linewidth(0.8)
    return axes


def legend(axes: Axes, place: str = "best", **options: Any) -> None:
    """Draw a legend without a frame, on a translucent background; `options` are passed to matplotlib."""
    common: dict[str, Any] = {"fontsize": 9, "framealpha": 0.85, "edgecolor": "none", "labelcolor": INK}
    axes.legend(loc=place, **common, **options)  # type: ignore[call-overload]


def mel_axis(axes: Axes, which: Literal["x", "y"], low_hz: float, high_hz: float) -> None:
    """Make an axis a frequency axis on the mel scale (mirrored below 0 Hz), with ticks at round numbers of Hz."""

    def forward(hz: np.ndarray) -> np.ndarray:
        return np.sign(hz) * hz_to_mel(np.abs(hz))

    def backward(mel: np.ndarray) -> np.ndarray:
        return np.sign(mel) * mel_to_hz(np.abs(mel))

    axis: Axis
    if which == "x":
        axis = axes.xaxis
        axes.set_xscale("function", functions=(forward, backward))
        axes.set_xlim(low_hz, high_hz)
    else:
        axis = axes.yaxis
        axes.set_yscale("function", functions=(forward, backward))
        axes.set_ylim(low_hz, high_hz)
    finest_hz = 500 if low_hz < 0 else 100
    ticks = [hz for hz in FREQUENCY_TICKS_HZ if low_hz <= hz <= high_hz and (hz == 0 or abs(hz) >= finest_hz)]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda hz, _: hertz(hz)))


def hertz(frequency_hz: float) -> str:
    """The label of a tick, without the unit Hz: 60, 250, 1k, 2.5k."""
    short = f"{frequency_hz / 1000:.2g}k" if abs(frequency_hz) >= 1000 else f"{frequency_hz:.0f}"
    return short.replace("-", "−")


def move_apart(values: Sequence[float], min_gap: float) -> list[float]:
    """`values` moved as little as possible so that neighbours are at least `min_gap` apart, in the same order."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    groups: list[list[int]] = []
    centers: list[float] = []
    for index in order:
        groups.append([index])
        centers.append(values[index])
        while len(groups) > 1 and centers[-1] - centers[-2] < min_gap * (len(groups[-1]) + len(groups[-2])) / 2:
            groups[-2:] = [groups[-2] + groups[-1]]
            centers[-2:] = [float(np.mean([values[member] for member in groups[-1]]))]
    moved = [0.0] * len(values)
    for group, center in zip(groups, centers, strict=True):
        for rank, index in enumerate(group):
            moved[index] = center + (rank - (len(group) - 1) / 2) * min_gap
    return moved


def save(figure: Figure, path: str | os.PathLike[str], dpi: int = DPI) -> Path:
    """Write `figure` in the format of the suffix of `path`, by default PNG, creating folders; returns the path."""
    path = Path(path)
    if not path.suffix:
        path = path.with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(figure, path, dpi=dpi)
    return path


def draw(figure: Figure, file: Any, **options: Any) -> None:
    """`figure.savefig(file, **options)`, where every text is drawn as it is."""
    _draw_text_literally(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph|constrained_layout not applied", category=UserWarning)
        figure.savefig(file, **options)


def _draw_text_literally(figure: Figure) -> None:
    """Have every text, such as a label of the data, drawn as it is: `$` does not begin a formula."""
    axes = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    of_ticks = {label for axis in axes for tick in axis.majorTicks for label in (tick.label1, tick.label2)}
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text not in of_ticks:
            text.set_text(drawable(text.get_text()))
            text.set_parse_math(False)
    for axis in axes:
        formatter = axis.get_major_formatter()
        if isinstance(formatter, FuncFormatter) and not isinstance(formatter, _Literal):
            axis.set_major_formatter(_Literal(formatter.func))


class _Literal(FuncFormatter):
    """Labels of ticks whose text is drawn as it is."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return drawable(super().__call__(x, pos)).replace("$", r"\$")


def drawable(text: str) -> str:
    """At most `MAX_TEXT` characters of `text`, with "?" for what cannot be drawn."""
    shown = "".join(c if c.isprintable() or c == "\n" else " " if c.isspace() else "?" for c in text)
    return shown if len(shown) <= MAX_TEXT else f"{shown[: MAX_TEXT - 1]}…"
