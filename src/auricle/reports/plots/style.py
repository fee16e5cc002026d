"""The common style of all plots: size, colours, axes, frequency axis, and saving.

Figures are drawn in the colours of light pages. In a page they are SVG, whose colours change with the reader's theme.
"""

from __future__ import annotations

import io
import os
import re
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

from auricle.conditions.levels import signed
from auricle.files import naming
from auricle.frontends.scales import hz_to_mel, mel_to_hz

WIDTH_IN = 4.6
CARD_IN = 3.3
"""Width of a figure that stands beside others; like `WIDTH_IN` narrow enough to be read on a phone."""
MAX_TEXT = 120
DPI = 160
PAPER, INK, MUTED, GRID = "#ffffff", "#1f2933", "#5f6b76", "#d9dee3"
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072b2", "#d55e00", "#009e73", "#b0558a", "#d08a00", "#56b4e9"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK)
"""Based on the palette of Okabe and Ito (2008), readable with colour blindness; some are darker."""
MARKERS = "osD^vPX"
ON_DARK = "#fefefe"
"""For text on a dark area; unlike `PAPER` the same in every theme."""
_DARK = {
    PAPER: "#15191e",
    INK: "#e3e7eb",
    MUTED: "#9aa5b1",
    GRID: "#333b44",
    BLUE: "#4aa8e0",
    VERMILION: "#f5843c",
    GREEN: "#2fbf92",
    PURPLE: "#d98bbb",
    ORANGE: "#e8b04a",
    SKY: "#8fd0f5",
}
"""What colours become in a page of a dark theme; black becomes the ink."""
_BLACK = "#000000"
_BACKGROUND = "#fdfdfc"  # of light pages
_OCTAVES_HZ = (100, 250, 500, 1000, 2000, 4000, 8000, 16000)
FREQUENCY_TICKS_HZ = (*(-hz for hz in reversed(_OCTAVES_HZ)), 0, *_OCTAVES_HZ)


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """An empty figure, whose layout makes room for labels."""
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor=PAPER)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    return figure


def style(axes: Axes, x_label: str = "", y_label: str = "", title: str = "", grid: bool = True) -> Axes:
    """Label `axes`, draw a light grid and hide the top and right spines; returns `axes`."""
    axes.set_facecolor(PAPER)
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
    """The label of a tick, without the unit Hz: 60, 250, 1k, 2.5k, 125k."""
    size = abs(frequency_hz)
    if size < 999.5:
        return signed(frequency_hz, ".0f")
    return f"{signed(frequency_hz / 1000, '.2g' if size < 99_500 else '.0f')}k"


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
    with naming(path):
        draw(figure, path, dpi=dpi)
    return path


def draw(figure: Figure, file: Any, **options: Any) -> None:
    """`figure.savefig(file, **options)`, where every text is drawn as it is."""
    _draw_text_literally(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph|constrained_layout not applied", category=UserWarning)
        figure.savefig(file, **options)


def draw_svg(figure: Figure) -> str:
    """`figure` as SVG whose colours are those of the reader's theme, light or dark; in print they are light."""
    file = io.BytesIO()
    draw(figure, file, format="svg", dpi=DPI, metadata={"Date": None})
    text = file.getvalue().decode()
    light = {color: color for color in _DARK} | {PAPER: _BACKGROUND}
    names = {color: f"--c{index}" for index, color in enumerate(_DARK)}
    text = re.sub("#[0-9a-f]{6}", lambda found: f"var({names[found[0]]})" if found[0] in names else found[0], text)
    text = text.replace(_BLACK, f"var({names[INK]})")

    def rules(values: dict[str, str]) -> str:
        return f":root {{ {' '.join(f'{names[color]}: {value};' for color, value in values.items())} }}"

    dark = f"@media screen and (prefers-color-scheme: dark) {{ {rules(_DARK)} }}"
    theme = f"<style>svg {{ fill: var({names[INK]}); }} {rules(light)} {dark}</style>"
    return re.sub(r"(<svg [^>]*>)", lambda found: f"{found[0]}\n {theme}", text, count=1)


def rate_text(rate: float) -> str:
    """A rate with three digits, or as a whole number: 0.25, 12.5, 1080."""
    return f"{rate:.3g}" if rate < 1000 else f"{rate:.0f}"


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
        return re.sub(r"-(?=\d)", "−", drawable(super().__call__(x, pos))).replace("$", r"\$")


def drawable(text: str) -> str:
    """At most `MAX_TEXT` characters of `text`, with "?" for what cannot be drawn."""
    shown = "".join(c if c.isprintable() or c == "\n" else " " if c.isspace() else "?" for c in text)
    return shown if len(shown) <= MAX_TEXT else f"{shown[: MAX_TEXT - 1]}…"
