"""HTML of the page: sounds with their spectrograms, players and events, tables, and lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from auricle.reports.detections import Detection
from auricle.reports.page import data_uri
from auricle.reports.plots import spectrogram_png
from auricle.reports.tables import text_columns
from auricle.studies.studio.pictures import Picture

MOST_LANES, MOST_EVENTS = 24, 200
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
_MOST_TIMES = 6


@dataclass(frozen=True)
class Lane:
    """A line below a spectrogram with events of one label; `whose` is the place of their model, from 0."""

    title: str
    events: Sequence[Detection]
    whose: int = 0


def sound_card(
    title: str,
    address: str,
    picture: Picture,
    *,
    lanes: Sequence[Lane] = (),
    color_range: np.ndarray | None = None,
    marked: tuple[float, float] | None = None,
) -> str:
    """A sound: its spectrogram with axes, `lanes` on the same time axis, and a player.

    `color_range` are the values that the colours span, by default the picture's. `marked` is a stretch that is marked,
    from its start to its end in seconds.
    """
    end_s = picture.start_s + picture.duration_s
    alt = f"Spectrogram of {title}: time from {clock(picture.start_s)} to {clock(end_s)}, frequency upwards"
    image = data_uri(spectrogram_png(picture.values, color_range), "image/png")
    ticks = "".join(f'<span style="bottom:{100 * share:.2f}%">{text}</span>' for share, text in picture.ticks)
    mark = ""
    if marked is not None:
        start, end = (_share(second, picture) for second in marked)
        mark = f'<div class="marked" style="left:{start:.3f}%;width:{end - start:.3f}%"></div>'
    times = "".join(f'<span style="left:{_share(s, picture):.2f}%">{clock(s)}</span>' for s in _times(picture))
    return (
        f'<figure class="sound" data-start="{picture.start_s!r}" data-duration="{picture.duration_s!r}">\n'
        f"<figcaption>{escape(title)}</figcaption>\n"
        f'<div class="plot"><div class="hertz" aria-hidden="true">{ticks}</div>'
        f'<div class="box"><img src="{image}" alt="{escape(alt)}">{mark}<div class="playhead"></div></div></div>\n'
        f'<div class="times" aria-hidden="true">{times}</div>\n'
        f"{_lanes(lanes, picture)}"
        f'<audio controls preload="metadata" src="{escape(address)}" aria-label="{escape(title)}"></audio>\n'
        "</figure>\n"
    )


def lanes_of(events: Sequence[Detection], whose: int = 0) -> list[Lane]:
    """A lane for each label, those first that are heard longest."""
    by_label: dict[str, list[Detection]] = {}
    for event in events:
        by_label.setdefault(event.label, []).append(event)
    lengths = {label: sum(e.end_s - e.start_s for e in own) for label, own in by_label.items()}
    longest_first = sorted(by_label, key=lambda label: (-lengths[label], label))
    return [Lane(label, by_label[label], whose) for label in longest_first]


def _lanes(lanes: Sequence[Lane], picture: Picture) -> str:
    shown, text = lanes[:MOST_LANES], ""
    for lane in shown:
        events = sorted(lane.events, key=lambda event: -event.probability)[:MOST_EVENTS]
        ordered = sorted(events, key=lambda event: event.start_s)
        buttons = "".join(_event(lane, event, picture, first=event is ordered[0]) for event in ordered)
        left = len(lane.events) - len(events)
        more = f" ({left} less probable events are in the table only)" if left else ""
        text += (
            f'<div class="lane"><span class="of">{escape(lane.title)}{more}</span>'
            f'<div class="events whose-{lane.whose}">{buttons}</div></div>\n'
        )
    left = len(lanes) - len(shown)
    return text + (note(f"{left} more labels are in the table only.") if left else "")


def _event(lane: Lane, event: Detection, picture: Picture, *, first: bool) -> str:
    """A button, as wide as the event lasts, that plays it; the tab key goes to the `first` of a lane."""
    start, end = (_share(picture.start_s + second, picture) for second in (event.start_s, event.end_s))
    times = f"{clock(picture.start_s + event.start_s)} to {clock(picture.start_s + event.end_s)}"
    words = escape(f"{lane.title}, {times}, {event.probability:.2f}")
    order = 0 if first else -1
    return (
        f'<button type="button" tabindex="{order}" data-seek="{event.start_s!r}" title="{words}" '
        f'aria-label="Play {words}" '
        f'style="left:{start:.3f}%;width:{max(end - start, 0.3):.3f}%;--p:{event.probability:.3f}"></button>'
    )


def _share(second: float, picture: Picture) -> float:
    """Where a time is on the axis, in percent."""
    return 100 * min(1.0, max(0.0, (second - picture.start_s) / picture.duration_s))


def _times(picture: Picture) -> list[float]:
    """Round times on the axis."""
    step = next((step for step in _STEPS_S if picture.duration_s / step <= _MOST_TIMES), _STEPS_S[-1])
    first = np.ceil(picture.start_s / step - 1e-9)
    last = np.floor((picture.start_s + picture.duration_s) / step + 1e-9)
    return [round(number * step, 6) for number in range(int(first), int(last) + 1)]


def clock(seconds: float) -> str:
    """A time as text: "2.5 s", or from a minute on "1:02.5"."""
    if seconds < 60:
        return f"{round(seconds, 2):g} s"
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{minutes:.0f}:{rest:04.1f}".removesuffix(".0")


def table_card(frame: pd.DataFrame, caption: str, address: str = "") -> str:
    """A table; `address` is where it can be downloaded."""
    listed = text_columns(frame)
    kinds = [' class="number"' if column.numeric else "" for column in listed]
    heads = "".join(f'<th scope="col"{kind}>{escape(c.head)}</th>' for kind, c in zip(kinds, listed, strict=True))
    rows = ""
    for row in range(len(frame)):
        cells = (f"<td{kind}>{escape(c.texts[row])}</td>" for kind, c in zip(kinds, listed, strict=True))
        rows += f"<tr>{''.join(cells)}</tr>"
    link = f' <a href="{escape(address)}" download>All events as CSV</a>' if address else ""
    return (
        f'<p class="note">{escape(caption)}.{link}</p>\n'
        f'<div class="table" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>\n"
    )


def note(text: str) -> str:
    """A line of text."""
    return f'<p class="note">{escape(text)}</p>\n'


def side_by_side(cards: Iterable[str]) -> str:
    """Cards beside each other, or on a narrow screen one below the other."""
    return f'<div class="cards">{"".join(cards)}</div>\n'
