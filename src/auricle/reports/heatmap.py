"""Heatmaps as HTML tables: coloured cells whose numbers can be read, in any theme, on a phone and in print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from matplotlib import colormaps
from matplotlib.colors import to_hex

_COLORS = colormaps["cividis"]
_STEPS = 9  # colours of the scale below the table


@dataclass(frozen=True)
class HeatCell:
    """A value in [0, 1], 0 for the worst colour and 1 for the best; its `text`; and `words` that say what it is.

    `words`, such as "mel, babble, 5 dB: 31 % (24 to 39)", are shown by a pointer and read by a screen reader. With
    `marked`, the cell has a dashed frame.
    """

    value: float
    text: str
    words: str
    marked: bool = False


@dataclass(frozen=True)
class HeatRows:
    """Rows below a row of heads: `heads` of the columns, and for each name of `rows` its cells."""

    title: str
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[HeatCell]]]


@dataclass(frozen=True)
class Heatmap:
    """Groups of rows with a caption, which says the finding, and the texts at the ends of the colour scale.

    `mark` says what the dashed frame means.
    """

    caption: str
    groups: Sequence[HeatRows]
    low: str
    high: str
    mark: str = ""

    def html(self) -> str:
        """The heatmap as HTML."""
        groups = "".join(_group(group, self.mark) for group in self.groups)
        stops = ", ".join(to_hex(_COLORS(step / (_STEPS - 1))) for step in range(_STEPS))
        mark = f"<b>{escape(self.mark)}</b>" if self.mark else ""
        return (
            f'<div class="table">\n<p class="caption">{escape(self.caption)}</p>\n'
            f'<div class="scroll" role="region" aria-label="{escape(self.caption)}" tabindex="0">'
            f'<table class="heat">\n{groups}</table></div>\n'
            f'<p class="scale"><span>{escape(self.low)}</span>'
            f'<i style="background: linear-gradient(to right, {stops})"></i>'
            f"<span>{escape(self.high)}</span>{mark}</p>\n</div>\n"
        )


def _group(group: HeatRows, mark: str) -> str:
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in group.heads)
    title = f'<th scope="col">{escape(group.title)}</th>' if group.title else "<td></td>"
    rows = [f'<tr class="levels">{title}{heads}</tr>\n']
    for name, cells in group.rows:
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{"".join(_cell(cell, mark) for cell in cells)}</tr>\n')
    return f"<tbody>\n{''.join(rows)}</tbody>\n"


def _cell(cell: HeatCell, mark: str) -> str:
    if not math.isfinite(cell.value):
        return f'<td title="{escape(cell.words)}">{escape(cell.text)}</td>'
    red, green, blue, _ = _COLORS(min(1.0, max(0.0, cell.value)))
    ink = "#000" if _luminance(red, green, blue) > 0.18 else "#fff"
    marked = ' class="marked"' if cell.marked else ""
    style = f"background: {to_hex((red, green, blue))}; color: {ink}"
    said = f'<span class="hidden">, {escape(mark)}</span>' if cell.marked else ""
    return f'<td{marked} style="{style}" title="{escape(cell.words)}">{escape(cell.text)}{said}</td>'


def _luminance(*color: float) -> float:
    """Relative luminance of WCAG 2.2; above 0.18 black has the higher contrast, below it white."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
