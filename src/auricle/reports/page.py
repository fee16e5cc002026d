"""Report pages: self-contained HTML files with embedded tables, plots and sounds."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from auricle.audio.embedded import PNG, WAV, data_uri, wav_bytes
from auricle.files import write_text
from auricle.reports.plots.style import draw
from auricle.reports.tables import text_columns

_FIGURE_DPI = 160  # of the embedded PNG; higher than displayed, for high-resolution screens and zooming
_SHOWN_DPI = 105


class Table(NamedTuple):
    """A data frame with a caption above it; an index other than 0, 1, 2, … is shown as the first columns."""

    frame: pd.DataFrame
    caption: str = ""


class CaptionedFigure(NamedTuple):
    """A plot, the caption below it, and its alternative text for screen readers (the caption if empty)."""

    figure: Figure
    caption: str
    alt: str = ""


class SoundPlayer(NamedTuple):
    """A recording to play: `waveform` `(time,)` or `(channels, time)` in [-1, 1] at `sample_rate` Hz."""

    label: str
    waveform: ArrayLike
    sample_rate: int


@dataclass(frozen=True)
class Section:
    """A heading with its content, shown in the order of the fields; text in `backticks` is set as code."""

    heading: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table | pd.DataFrame] = ()
    figures: Sequence[CaptionedFigure | tuple[Figure, str]] = ()
    audio: Sequence[SoundPlayer | tuple[str, ArrayLike, int]] = ()
    commands: Sequence[str] = ()


def write_page(path: str | os.PathLike[str], title: str, sections: Sequence[Section]) -> Path:
    """Write one self-contained HTML file, creating its folder, and return its path.

    The page loads nothing from the network or the disk. A click on a column's heading sorts the table.
    """
    headings = [section.heading for section in sections]
    contents = "".join(f'<li><a href="#section-{i}">{_text(h)}</a></li>\n' for i, h in enumerate(headings))
    nav = f'<nav aria-label="Contents"><ol>\n{contents}</ol></nav>\n' if len(sections) > 2 else "\n"
    body = "".join(_section(section, f"section-{index}") for index, section in enumerate(sections))
    return write_html(path, title, nav + body, script=_SCRIPT)


def write_html(path: str | os.PathLike[str], title: str, body: str, *, script: str, style: str = "") -> Path:
    """Write an HTML file in the style of all pages, creating its folder, and return its path.

    `body` is HTML, `script` JavaScript, and `style` CSS besides the usual. The page can load nothing from elsewhere.
    """
    page = _PAGE.format(title=escape(title), style=_STYLE + style, heading=_text(title), body=body, script=script)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page)
    return path


def _text(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _section(section: Section, name: str) -> str:
    parts: Iterable[str] = (
        *(f"<p>{_text(paragraph)}</p>\n" for paragraph in section.paragraphs),
        *(_table(table if isinstance(table, Table) else Table(table)) for table in section.tables),
        *(_figure(CaptionedFigure(*figure)) for figure in section.figures),  # pyright: ignore[reportArgumentType]
        _sounds([SoundPlayer(*sound) for sound in section.audio]),
        *(f'<pre tabindex="0"><code>{escape(command.strip())}</code></pre>\n' for command in section.commands),
    )
    return f'<section id="{name}">\n<h2>{_text(section.heading)}</h2>\n{"".join(parts)}</section>\n'


def _table(table: Table) -> str:
    columns = text_columns(table.frame)
    kinds = [f' class="{column.kind}"' if column.kind else "" for column in columns]
    heads = "".join(f'<th scope="col"{kind}>{_text(c.head)}</th>' for kind, c in zip(kinds, columns, strict=True))
    rows = []
    for row in range(len(table.frame)):
        cells = []
        for index, (kind, column) in enumerate(zip(kinds, columns, strict=True)):
            key = column.keys[row]
            data = "" if key is None else f' data-key="{key!r}"'.replace("inf", "Infinity")
            tag, scope = ("th", ' scope="row"') if index == 0 else ("td", "")
            cells.append(f"<{tag}{scope}{kind}{data}>{_text(column.texts[row])}</{tag}>")
        rows.append(f"<tr>{''.join(cells)}</tr>\n")
    caption = f'<p class="caption">{_text(table.caption)}</p>\n' if table.caption else ""
    label = escape(table.caption or "Table")
    return (
        f'<div class="table">\n{caption}<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table></div>\n</div>\n"
    )


def _figure(captioned: CaptionedFigure) -> str:
    file = io.BytesIO()
    draw(captioned.figure, file, format="png", dpi=_FIGURE_DPI)
    width, height = (round(_SHOWN_DPI * inches) for inches in captioned.figure.get_size_inches())
    alt = re.sub(r"`([^`]+)`", r"\1", captioned.alt or captioned.caption)
    return (
        f'<figure>\n<img src="{data_uri(file.getvalue(), PNG)}" width="{width}" height="{height}" '
        f'alt="{escape(alt)}">\n<figcaption>{_text(captioned.caption)}</figcaption>\n</figure>\n'
    )


def _sounds(sounds: Sequence[SoundPlayer]) -> str:
    items = []
    for sound in sounds:
        uri = data_uri(wav_bytes(sound.waveform, sound.sample_rate), WAV)
        label = escape(sound.label)
        items.append(
            f'<li><span>{_text(sound.label)}</span><audio controls preload="metadata" aria-label="{label}" '
            f'src="{uri}"></audio></li>\n'
        )
    return f'<ul class="sounds">\n{"".join(items)}</ul>\n' if items else ""


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; media-src data:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{heading}</h1>
{body}</main>
<script>{script}</script>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --muted: #5f6b76; --paper: #fdfdfc; --line: #dfe3e8;
  --tint: #f3f5f7; --link: #0b5c94; --shade: #0002; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e7eb; --muted: #9aa5b1; --paper: #15191e; --line: #333b44; --tint: #1d2329; --link: #7cc0f0;
    --shade: #0008; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial,
    sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 3.5rem 1.25rem 6rem; }
h1 { font-size: 2rem; line-height: 1.2; letter-spacing: -0.01em; margin: 0 0 1.5rem; text-wrap: balance; }
h2 { font-size: 1.375rem; line-height: 1.3; margin: 3.5rem 0 1rem; text-wrap: balance; }
p { margin: 0 0 1rem; max-width: 42rem; overflow-wrap: break-word; }
a { color: var(--link); }
a:focus-visible, button:focus-visible, .scroll:focus-visible, pre:focus-visible {
  outline: 2px solid var(--link); outline-offset: 2px; }
nav ol { margin: 0; padding: 0 0 0 1.25rem; color: var(--muted); }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; font-size: 0.875em; }
p code, li code, figcaption code { background: var(--tint); border-radius: 3px; padding: 0.1em 0.3em; }
pre { background: var(--tint); border-radius: 6px; padding: 1rem 1.125rem; margin: 1.5rem 0; line-height: 1.5;
  overflow-x: auto; }
pre code { font-size: 1em; }
.table, figure { margin: 2rem 0; }
.caption, figcaption { font-size: 0.9375rem; line-height: 1.5; color: var(--muted); max-width: 42rem; }
.caption { margin-bottom: 0.625rem; }
figcaption { margin-top: 0.75rem; }
.scroll { overflow-x: auto; background: linear-gradient(to left, var(--paper) 30%, transparent) right / 2.5rem 100%
    no-repeat local, linear-gradient(to left, var(--shade), transparent) right / 0.75rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-size: 0.9375rem; line-height: 1.4; }
th, td { padding: 0.5rem 0.75rem; text-align: left; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th:first-child { padding-left: 0; }
thead th { position: relative; font-weight: 600; vertical-align: bottom; border-bottom: 1.5px solid var(--muted); }
tbody th { font-weight: 500; }
th:first-child { position: sticky; left: 0; z-index: 1; background: var(--paper); max-width: 45vw; }
.long { white-space: normal; overflow-wrap: break-word; min-width: 14rem; }
tbody th.long { min-width: min(14rem, 40vw); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
thead button { all: unset; cursor: pointer; }
thead button::after { content: "\\2195"; position: absolute; padding-left: 0.1em; font-size: 0.8em; opacity: 0.45; }
[aria-sort="ascending"] button::after { content: "\\2191"; opacity: 1; }
[aria-sort="descending"] button::after { content: "\\2193"; opacity: 1; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px; padding: 0.75rem;
  border: 1px solid var(--line); }
.sounds { list-style: none; margin: 1.5rem 0; padding: 0; display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.sounds span { display: block; font-size: 0.9375rem; margin-bottom: 0.375rem; }
audio { display: block; width: 100%; height: 40px; }
@media (max-width: 40rem) {
  main { padding-top: 2rem; }
  h1 { font-size: 1.625rem; }
  figure img { padding: 0.25rem; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --muted: #444; --paper: #fff; --line: #bbb; --tint: #f5f5f5;
    --link: #000; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  nav, .sounds, thead button::after { display: none; }
  figure img { max-height: 10.5cm; width: auto; }
  h2 { break-after: avoid; }
  figure, tr, pre { break-inside: avoid; }
  .scroll { overflow: visible; background: none; }
  pre { white-space: pre-wrap; }
  table { font-size: 9pt; }
  th, td { padding: 0.25rem 0.5rem; white-space: normal; }
}
"""

_SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const number = (cell) => ("key" in cell.dataset ? Number(cell.dataset.key) : NaN);
      const compare = (a, b) => {
        const x = number(a), y = number(b);
        if (isNaN(x) && isNaN(y))
          return (up ? 1 : -1) * a.textContent.localeCompare(b.textContent, undefined, { numeric: true });
        if (isNaN(x) || isNaN(y)) return isNaN(x) ? 1 : -1;
        return (up ? 1 : -1) * (x - y);
      };
      body.append(...[...body.rows].sort((a, b) => compare(a.cells[column], b.cells[column])));
    });
  });
}
"""
