"""What a row of a table of detections holds: one schema for CSV, JSON lines and Parquet (docs/tables.md).

A column keeps its name, type and meaning as long as `SCHEMA` stays; columns may be added without changing it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from auricle.errors import escaped

SCHEMA = 1


@dataclass(frozen=True)
class Detection:
    """A label of `task` with its probability, from `start_s` to `end_s` seconds of `file`.

    `coefficient` is TRNet's c in [0, 1], its weight of the noisy against the enhanced signal: near 1 with little noise.
    """

    file: str
    task: str
    start_s: float
    end_s: float
    label: str
    probability: float
    coefficient: float | None = None


class Column(NamedTuple):
    """The type of a column, "string" or "double", and the decimals to which its numbers are rounded."""

    kind: str
    decimals: int = 0


COLUMNS = {
    "file": Column("string"),
    "task": Column("string"),
    "start_s": Column("double", 4),
    "end_s": Column("double", 4),
    "label": Column("string"),
    "probability": Column("double", 6),
    "coefficient": Column("double", 4),
}


def table_rows(detections: Iterable[Detection]) -> list[dict[str, Any]]:
    """A dictionary with all `COLUMNS` for each detection; numbers are rounded, and missing ones are None.

    Text is valid Unicode: a byte of a file name that is not UTF-8 is written as `\\xNN`.
    """
    return [{name: _cell(name, value) for name, value in asdict(detection).items()} for detection in detections]


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return plain_text(value)
    return value if value is None else round(value, COLUMNS[name].decimals)


def plain_text(text: str) -> str:
    """`text`, such as a path, with each byte that is not UTF-8 as `\\xNN`."""
    return re.sub("[\ud800-\udfff]", escaped, text)
