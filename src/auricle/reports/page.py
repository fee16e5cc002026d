"""Report pages: self-contained HTML files with embedded tables, plots and sounds."""

from __future__ import annotations

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

from auricle.audio.embedded import WAV, data_uri, wav_bytes
from auricle.errors import AuricleError, shown_path
from auricle.files import write_text
from auricle.reports.heatmap import Heatmap
from auricle.reports.page_assets import PAGE, POLICY, SCRIPT, STYLE
from auricle.reports.plots.style import draw_svg
from auricle.reports.tables import text_columns

_SHOWN_DPI = 105
_HEAD_BYTES = 2000


class Table(NamedTuple):
    """A data frame with a caption above it; an index other than 0, 1, 2, … is shown as the first columns.

    With `folded`, it is shown after a click on its caption. `download` is offered as a CSV file `NAME.csv`, if there is
    one: a pair of a name and a table.
    """

    frame: pd.DataFrame
    caption: str = ""
    folded: bool = False
    download: tuple[str, pd.DataFrame] | None = None


class SoundPlayer(NamedTuple):
    """A recording to play: `waveform` `(time,)` or `(channels, time)` in [-1, 1] at `sample_rate` Hz."""

    label: str
    waveform: ArrayLike
    sample_rate: int


class CaptionedFigure(NamedTuple):
    """A plot, the caption below it, and its alternative text for screen readers (the caption if empty).

    `sound` is the recording that the plot is of; its player stands below it.
    """

    figure: Figure
    caption: str
    alt: str = ""
    sound: SoundPlayer | None = None


@dataclass(frozen=True)
class Section:
    """A heading with its content, shown in the order of the fields, but folded tables after the sounds.

    Text in `backticks` is set as code. Figures stand side by side where there is room, `columns` of them at most.
    """

    heading: str
    paragraphs: Sequence[str] = ()
    heatmaps: Sequence[Heatmap] = ()
    tables: Sequence[Table | pd.DataFrame] = ()
    figures: Sequence[CaptionedFigure | tuple[Figure, str]] = ()
    audio: Sequence[SoundPlayer | tuple[str, ArrayLike, int]] = ()
    commands: Sequence[str] = ()
    columns: int = 1


def write_page(path: str | os.PathLike[str], title: str, sections: Sequence[Section], lead: str = "") -> Path:
    """Write one self-contained HTML file, creating its folder, and return its path.

    `lead` is the sentence that comes first. The page loads nothing from the network or the disk. A click on a column's
    heading sorts the table.
    """
    headings = [section.heading for section in sections]
    contents = "".join(f'<li><a href="#section-{i}">{_text(h)}</a></li>\n' for i, h in enumerate(headings))
    nav = f'<nav aria-label="Contents"><ol>\n{contents}</ol></nav>\n' if len(sections) > 2 else "\n"
    body = "".join(_section(section, f"section-{index}") for index, section in enumerate(sections))
    first = f'<p class="lead">{_text(lead)}</p>\n' if lead else ""
    return write_html(path, title, first + nav + body, script=SCRIPT)


def refuse_other_page(path: str | os.PathLike[str]) -> None:
    """Raise `AuricleError` if there is a file at `path` that is no page of auricle, which would be lost."""
    path = Path(path)
    if not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head and POLICY.encode() not in head:
        raise AuricleError(f"{shown_path(path)}: a page that auricle did not write: give another --output")


def write_html(path: str | os.PathLike[str], title: str, body: str, *, script: str, style: str = "") -> Path:
    """Write an HTML file in the style of all pages, creating its folder, and return its path.

    `body` is HTML, `script` JavaScript, and `style` CSS besides the usual. The page can load nothing from elsewhere.
    """
    heading = _text(title)
    page = PAGE.format(
        policy=POLICY, title=escape(title), style=STYLE + style, heading=heading, body=body, script=script
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page)
    return path


def _text(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _section(section: Section, name: str) -> str:
    tables = [table if isinstance(table, Table) else Table(table) for table in section.tables]
    figures = [CaptionedFigure(*figure) for figure in section.figures]  # pyright: ignore[reportArgumentType]
    parts: Iterable[str] = (
        *(f"<p>{_text(paragraph)}</p>\n" for paragraph in section.paragraphs),
        *(heatmap.html() for heatmap in section.heatmaps),
        *(_table(table) for table in tables if not table.folded),
        _beside(figures, section.columns) if section.columns > 1 and figures else "".join(map(_figure, figures)),
        _sounds([SoundPlayer(*sound) for sound in section.audio]),
        *(_folded(table) for table in tables if table.folded),
        *(f'<pre tabindex="0"><code>{escape(command.strip())}</code></pre>\n' for command in section.commands),
    )
    heading = f'<h2 id="{name}-h">{_text(section.heading)}</h2>\n'
    return f'<section id="{name}" aria-labelledby="{name}-h">\n{heading}{"".join(parts)}</section>\n'


def _folded(table: Table) -> str:
    shown = _table(table._replace(caption="", folded=False), table.caption)
    return f"<details>\n<summary>{_text(table.caption)}</summary>\n{shown}</details>\n"


def _beside(figures: Sequence[CaptionedFigure], columns: int) -> str:
    shown = "".join(map(_figure, figures))
    return f'<div class="beside" style="--columns: {columns}">\n{shown}</div>\n'


def _download(table: Table) -> str:
    if table.download is None:
        return ""
    name, frame = table.download
    uri = data_uri(frame.to_csv(index=False, lineterminator="\r\n").encode("utf-8", "replace"), "text/csv")
    return f'<p class="download"><a download="{escape(name)}.csv" href="{uri}">Download as CSV</a></p>\n'


def _table(table: Table, label: str = "") -> str:
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
    label = escape(label or table.caption or "Table")
    return (
        f'<div class="table">\n{caption}<div class="scroll" role="region" aria-label="{label}" tabindex="0">'
        f'<table class="sortable">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{"".join(rows)}</tbody>\n</table></div>\n'
        f"{_download(table)}</div>\n"
    )


def _figure(captioned: CaptionedFigure) -> str:
    width, height = (round(_SHOWN_DPI * inches) for inches in captioned.figure.get_size_inches())
    alt = re.sub(r"`([^`]+)`", r"\1", captioned.alt or captioned.caption)
    uri = data_uri(draw_svg(captioned.figure).encode("utf-8", "replace"), "image/svg+xml")
    return (
        f'<figure>\n<img src="{uri}" width="{width}" height="{height}" alt="{escape(alt)}">\n'
        f"<figcaption>{_text(captioned.caption)}</figcaption>\n"
        f"{_player(captioned.sound) if captioned.sound else ''}</figure>\n"
    )


def _player(sound: SoundPlayer) -> str:
    uri = data_uri(wav_bytes(sound.waveform, sound.sample_rate), WAV)
    return f'<audio controls preload="metadata" aria-label="{escape(sound.label)}" src="{uri}"></audio>\n'


def _sounds(sounds: Sequence[SoundPlayer]) -> str:
    items = [f"<li><span>{_text(sound.label)}</span>{_player(sound)}</li>\n" for sound in sounds]
    return f'<ul class="sounds">\n{"".join(items)}</ul>\n' if items else ""
