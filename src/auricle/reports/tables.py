"""Tables and intervals as text: cells of a data frame, Markdown tables, intervals in brackets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from auricle.conditions.levels import signed, true_minus
from auricle.errors import shortened
from auricle.metrics.intervals import Interval

MISSING = "–"
_CODE_OR_ADDRESS = re.compile(
    r"(`[^`]*`)|(?:\w{1,16}://|\bwww\.|[\w.+-]{1,64}@[\w-]+\.)[^\s`&]*[^\s`&.,;:]", re.IGNORECASE
)
_LONG = 28  # characters; columns with longer texts may wrap


class Column(NamedTuple):
    """A column of a table as text."""

    head: str
    texts: list[str]
    keys: list[float | None]
    """Sort key of each cell; None for words and for missing values."""

    @property
    def numeric(self) -> bool:
        """Whether every cell that is not missing is a number or an interval, and there is one."""
        cells = [key for key, text in zip(self.keys, self.texts, strict=True) if text != MISSING]
        return bool(cells) and None not in cells

    @property
    def kind(self) -> str:
        """The column's class in HTML: "number", "long" (its texts may wrap) or none."""
        if self.numeric:
            return "number"
        return "long" if max(map(len, [self.head, *self.texts])) > _LONG else ""


def text_columns(frame: pd.DataFrame) -> list[Column]:
    """The columns of `frame` as text; an index other than 0, 1, 2, … becomes the first columns.

    Fractions in a column have the same number of decimals, chosen so that the largest has three digits.
    """
    index = frame.index
    plain = isinstance(index, pd.RangeIndex) and index.name is None
    named: list[tuple[Any, Any]] = [
        ("" if name is None else name, index.get_level_values(i)) for i, name in enumerate(index.names)
    ]
    named = [] if plain else named
    named += [(name, frame.iloc[:, i]) for i, name in enumerate(frame.columns)]
    columns = []
    for name, series in named:
        head = " ".join(str(level) for level in name if level != "") if isinstance(name, tuple) else str(name)
        values = series.tolist()
        columns.append(Column(true_minus(head), _cells(values), [_key(value) for value in values]))
    return columns


def to_markdown(frame: pd.DataFrame) -> str:
    """`frame` as a Markdown table that ends with a line break; numbers are right-aligned, text is escaped."""
    columns = text_columns(frame)
    rows = zip(*[[escape_markdown(text) for text in column.texts] for column in columns], strict=True)
    heads = [escape_markdown(column.head) for column in columns]
    return markdown_table(heads, rows, [column.numeric for column in columns]) + "\n"


def to_text(frame: pd.DataFrame) -> str:
    """`frame` as a table of plain text for a terminal; numbers are right-aligned, long texts `shortened`."""
    columns = [(own.numeric, [shortened(text) for text in (own.head, *own.texts)]) for own in text_columns(frame)]
    widths = [max(map(len, texts)) for _, texts in columns]
    rows = zip(
        *(
            [text.rjust(width) if right else text.ljust(width) for text in texts]
            for (right, texts), width in zip(columns, widths, strict=True)
        ),
        strict=True,
    )
    return "\n".join("  ".join(row).rstrip() for row in rows)


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of `frame` as plain values, for JSON; an interval is a dictionary of its value, low and high."""
    return [{str(head): _plain(cell) for head, cell in row.items()} for row in frame.to_dict("records")]


def _plain(cell: Any) -> Any:
    if isinstance(cell, Interval):
        return asdict(cell)
    return cell.item() if isinstance(cell, np.generic) else cell


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[bool] | None = None) -> str:
    """A Markdown table from cells in Markdown, without a final line break.

    `right` says which columns are right-aligned; by default all but the first.
    """
    right = [index > 0 for index in range(len(heads))] if right is None else right
    rules = ["---:" if aligned else "---" for aligned in right]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows))


def interval_text(interval: Interval, decimals: int = 1, separator: str = "–") -> str:
    """A value with its interval: '93.4 (91.2–95.1)'."""
    value, low, high = (signed(number, f".{decimals}f") for number in (interval.value, interval.low, interval.high))
    return f"{value} ({low}{separator}{high})"


def difference_text(difference: Interval, decimals: int = 1, separator: str = " … ") -> str:
    """A difference with signs: '+2.1 (+0.4 … +3.9)', in bold if the interval excludes zero."""
    numbers = (difference.value, difference.low, difference.high)
    value, low, high = (signed(number, f"+.{decimals}f") for number in numbers)
    text = f"{value} ({low}{separator}{high})"
    return f"**{text}**" if difference.low > 0 or difference.high < 0 else text


def in_percent(interval: Interval) -> Interval:
    """Convert an interval of a share in [0, 1] to per cent."""
    return Interval(100 * interval.value, 100 * interval.low, 100 * interval.high)


def percent(share: Interval) -> str:
    """A share in [0, 1] with its interval, in per cent: '93.4 (91.2–95.1)'."""
    return interval_text(in_percent(share))


def signed_percent(difference: Interval) -> str:
    """A difference of shares in percentage points: '+2.1 (+0.4 … +3.9)', bold if the interval excludes zero."""
    return difference_text(in_percent(difference))


def _cells(values: list[Any]) -> list[str]:
    """The texts of a column; fractions have 1 to 4 decimals, so that the largest has three digits."""
    numbers = [value.value if isinstance(value, Interval) else value for value in values]
    fractions = [abs(float(v)) for v in numbers if _is_number(v) and not isinstance(v, Integral) and math.isfinite(v)]
    largest, smallest = max(fractions, default=0.0), min((f for f in fractions if f > 0), default=0.0)
    whole = all(fraction.is_integer() for fraction in fractions)
    decimals = 0 if whole else min(max(2 - math.floor(math.log10(largest)), 1), 4)
    number_format = f".{decimals}f" if smallest >= 10.0**-decimals or smallest == 0 else ".3g"
    return [_cell(value, number_format) for value in values]


def _cell(value: Any, number_format: str) -> str:
    if isinstance(value, Interval):
        text, low, high = (_cell(number, number_format) for number in (value.value, value.low, value.high))
        return text if MISSING in (low, high) else f"{text} [{low}, {high}]"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if _is_number(value):
        if math.isnan(value):
            return MISSING
        return signed(int(value), "d") if isinstance(value, Integral) else signed(float(value), number_format)
    if value is None or value is pd.NA or value is pd.NaT:
        return MISSING
    return str(value)


def _key(value: Any) -> float | None:
    number = value.value if isinstance(value, Interval) else value
    return float(number) if _is_number(number) and not math.isnan(number) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def escape_markdown(text: str) -> str:
    """`text` in one line of Markdown, without tags of HTML, links or cells of a table; an address is shown as code."""
    plain = re.sub(r"\s+", " ", text).replace("&", "&amp;").replace("<", "&lt;").replace("](", "]&#40;")
    return _CODE_OR_ADDRESS.sub(lambda found: found[1] or f"`{found[0]}`", plain).replace("|", "\\|").strip()
