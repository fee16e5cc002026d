"""Reports: one HTML file that holds its figures and sounds, and tables as Markdown."""

from __future__ import annotations

import base64
import io
import math
import os
import re
import wave
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from auricle.errors import AuricleError
from auricle.metrics.intervals import Interval

MISSING = "–"
_FIGURE_DPI = 160  # sharper than shown, for dense screens and for a closer look
_SHOWN_DPI = 105
_LONG = 28  # characters; columns with longer texts may wrap


class Table(NamedTuple):
    """A data frame and the words above it. An index that is not a plain 0, 1, 2, … makes the first columns."""

    frame: pd.DataFrame
    caption: str = ""


class CaptionedFigure(NamedTuple):
    """A figure, the words below it, and for those who do not see it a description (the caption if empty)."""

    figure: Figure
    caption: str
    alt: str = ""


class SoundPlayer(NamedTuple):
    """A recording to listen to: `waveform` `(time,)` or `(channels, time)` in [-1, 1] at `sample_rate` Hz."""

    label: str
    waveform: ArrayLike
    sample_rate: int


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, in the order of the fields; text in `backticks` is set as code."""

    heading: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table | pd.DataFrame] = ()
    figures: Sequence[CaptionedFigure | tuple[Figure, str]] = ()
    audio: Sequence[SoundPlayer | tuple[str, ArrayLike, int]] = ()
    commands: Sequence[str] = ()


def write_page(path: str | os.PathLike[str], title: str, sections: Sequence[Section]) -> Path:
    """Write one self-contained HTML file, making folders; returns its path.

    The page loads nothing, from the network or from the disk. Its tables sort by a click on a column's head.
    """
    headings = [section.heading for section in sections]
    contents = "".join(f'<li><a href="#section-{i}">{_text(h)}</a></li>\n' for i, h in enumerate(headings))
    body = "".join(_section(section, f"section-{index}") for index, section in enumerate(sections))
    page = _PAGE.format(
        title=escape(title),
        style=_STYLE,
        heading=_text(title),
        contents=f'<nav aria-label="Contents"><ol>\n{contents}</ol></nav>' if len(sections) > 2 else "",
        body=body,
        script=_SCRIPT,
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def to_markdown(frame: pd.DataFrame) -> str:
    """`frame` as a Markdown table, numbers to the right."""
    columns = _columns(frame)
    heads = [_markdown(column.head) for column in columns]
    rules = ["---:" if column.numeric else "---" for column in columns]
    rows = zip(*[[_markdown(text) for text in column.texts] for column in columns], strict=True)
    return "".join(f"| {' | '.join(row)} |\n" for row in (heads, rules, *rows))


def wav_bytes(waveform: ArrayLike, sample_rate: int) -> bytes:
    """A 16-bit WAV file of `waveform` `(time,)` or `(channels, time)`; one louder than ±1 is scaled down to it."""
    samples = np.atleast_2d(np.asarray(waveform, dtype=np.float64))
    if samples.ndim != 2 or samples.size == 0 or not np.isfinite(samples).all():
        raise AuricleError(
            f"a waveform of shape {np.shape(waveform)} cannot be a sound: it should be (time,) or (channels, time), "
            "not empty, and finite"
        )
    samples = samples / max(1.0, float(np.abs(samples).max()))
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(len(samples))
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(np.round(samples.T * 32767.0).astype("<i2").tobytes())
    return file.getvalue()


class _Column(NamedTuple):
    head: str
    texts: list[str]
    keys: list[float | None]  # what to sort by; None for words

    @property
    def numeric(self) -> bool:
        cells = [key for key, text in zip(self.keys, self.texts, strict=True) if text != MISSING]
        return bool(cells) and None not in cells

    @property
    def kind(self) -> str:
        if self.numeric:
            return "number"
        return "long" if max(map(len, [self.head, *self.texts])) > _LONG else ""


def _columns(frame: pd.DataFrame) -> list[_Column]:
    index = frame.index
    plain = isinstance(index, pd.RangeIndex) and index.name is None
    named: list[tuple[Any, Any]] = [
        ("" if name is None else name, index.get_level_values(i)) for i, name in enumerate(index.names)
    ]
    named = [] if plain else named
    named += [(name, frame.iloc[:, place]) for place, name in enumerate(frame.columns)]
    columns = []
    for name, series in named:
        head = " ".join(str(part) for part in name if part != "") if isinstance(name, tuple) else str(name)
        values = series.tolist()
        columns.append(_Column(head, _cells(values), [_key(value) for value in values]))
    return columns


def _cells(values: list[Any]) -> list[str]:
    """A column's texts: its fractions with as many decimals as give the largest three digits."""
    numbers = [value.value if isinstance(value, Interval) else value for value in values]
    fractions = [abs(float(v)) for v in numbers if _is_number(v) and not isinstance(v, Integral) and math.isfinite(v)]
    largest, smallest = max(fractions, default=0.0), min((f for f in fractions if f > 0), default=0.0)
    whole = all(fraction.is_integer() for fraction in fractions)
    decimals = 0 if whole else min(max(2 - math.floor(math.log10(largest)), 1), 4)
    form = f".{decimals}f" if smallest >= 10.0**-decimals or smallest == 0 else ".3g"
    return [_cell(value, form) for value in values]


def _cell(value: Any, form: str) -> str:
    if isinstance(value, Interval):
        text, low, high = (_cell(number, form) for number in (value.value, value.low, value.high))
        return text if MISSING in (low, high) else f"{text} [{low}, {high}]"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if _is_number(value):
        if math.isnan(value):
            return MISSING
        return (str(value) if isinstance(value, Integral) else format(float(value), form)).replace("-", "−")
    if value is None or value is pd.NA or value is pd.NaT:
        return MISSING
    return str(value)


def _key(value: Any) -> float | None:
    number = value.value if isinstance(value, Interval) else value
    return float(number) if _is_number(number) and not math.isnan(number) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _markdown(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").strip()


def _text(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _section(section: Section, name: str) -> str:
    parts: Iterable[str] = (
        *(f"<p>{_text(paragraph)}</p>\n" for paragraph in section.paragraphs),
        *(_table(table if isinstance(table, Table) else Table(table)) for table in section.tables),
        *(_spectrogram(CaptionedFigure(*image)) for image in section.figures),
        _sounds([SoundPlayer(*sound) for sound in section.audio]),
        *(f'<pre tabindex="0"><code>{escape(command.strip())}</code></pre>\n' for command in section.commands),
    )
    return f'<section id="{name}">\n<h2>{_text(section.heading)}</h2>\n{"".join(parts)}</section>\n'


def _table(table: Table) -> str:
    columns = _columns(table.frame)
    kinds = [f' class="{column.kind}"' if column.kind else "" for column in columns]
    heads = "".join(f'<th scope="col"{kind}>{_text(c.head)}</th>' for kind, c in zip(kinds, columns, strict=True))
    rows = []
    for row in range(len(table.frame)):
        cells = []
        for place, (kind, column) in enumerate(zip(kinds, columns, strict=True)):
            key = column.keys[row]
            data = "" if key is None else f' data-key="{key!r}"'.replace("inf", "Infinity")
            tag, scope = ("th", ' scope="row"') if place == 0 else ("td", "")
            cells.append(f"<{tag}{scope}{kind}{data}>{_text(column.texts[row])}</{tag}>")
        rows.append(f"<tr>{''.join(cells)}</tr>\n")
    caption = f'<p class="caption">{_text(table.caption)}</p>\n' if table.caption else ""
    label = escape(table.caption or "Table")
    return (
        f'<div class="table">\n{caption}<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table></div>\n</div>\n"
    )


def _spectrogram(image: CaptionedFigure) -> str:
    file = io.BytesIO()
    image.figure.savefig(file, format="png", dpi=_FIGURE_DPI)
    width, height = (round(_SHOWN_DPI * inches) for inches in image.figure.get_size_inches())
    alt = re.sub(r"`([^`]+)`", r"\1", image.alt or image.caption)
    return (
        f'<figure>\n<img src="{_data_uri(file.getvalue(), "image/png")}" width="{width}" height="{height}" '
        f'alt="{escape(alt)}">\n<figcaption>{_text(image.caption)}</figcaption>\n</figure>\n'
    )


def _sounds(sounds: Sequence[SoundPlayer]) -> str:
    items = []
    for sound in sounds:
        uri = _data_uri(wav_bytes(sound.waveform, sound.sample_rate), "audio/wav")
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
{contents}
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
