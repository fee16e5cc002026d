"""Writing tables of detections, one for each sound file, in every format."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auricle.errors import AuricleError
from auricle.extras import require
from auricle.files import csv_text, replacing
from auricle.registry import unknown_name
from auricle.reports.detections.schema import COLUMNS, SCHEMA, Detection, plain_text, table_rows

PARQUET_FOLDER = "detections.parquet"

RAVEN_COLUMNS = [
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Begin Path",
    "File Offset (s)",
    "Begin File",
    "Label",
    "Confidence",
]

Writer = Callable[[Path, Sequence[Detection], float], None]


def _beside(recording: Path) -> Path:
    return recording


def part_name(recording: Path) -> str:
    """The name of a recording's part of a folder of Parquet files, without the suffix.

    Readers leave out names that begin with `_` or `.`, and take a folder `site=a` for a column; a digest is neither.
    """
    return f"part-{hashlib.sha256(os.fsencode(recording.as_posix())).hexdigest()[:32]}"


def _part(recording: Path) -> Path:
    return Path(PARQUET_FOLDER) / part_name(recording)


@dataclass(frozen=True)
class Format:
    """How a table is written, the suffix of its file, and its place in the output folder.

    `place` gives it for the path of the recording within the folder it was found in; the suffix is added.
    """

    write: Writer
    suffix: str
    place: Callable[[Path], Path] = _beside


def check_format(name: str) -> str:
    """Return `name`; raises `AuricleError` unless it is a table format that can be written here."""
    if name not in FORMATS:
        raise AuricleError(unknown_name("format", name, FORMATS))
    if name == "parquet":
        require("pyarrow", "Parquet")
    return name


def write_table(path: Path, detections: Sequence[Detection], table_format: str, max_freq_hz: float) -> None:
    """Write the detections of one sound file in a format of `FORMATS`; the file is replaced as a whole.

    `max_freq_hz` is the upper frequency limit of Raven's selections.
    """
    with replacing(path) as partial:
        FORMATS[table_format].write(partial, detections, max_freq_hz)


def _csv(path: Path, detections: Sequence[Detection], _: float) -> None:
    """The columns of the schema; `coefficient` only for models that estimate one."""
    rows = table_rows(detections)
    names = [name for name in COLUMNS if name != "coefficient" or any(row[name] is not None for row in rows)]
    path.write_bytes(csv_text(names, ([row[name] for name in names] for row in rows)).encode())


def _jsonl(path: Path, detections: Sequence[Detection], _: float) -> None:
    """An object per line with the version of the schema and its columns, without those that are missing."""
    rows = [{name: value for name, value in row.items() if value is not None} for row in table_rows(detections)]
    lines = (json.dumps({"schema": SCHEMA, **row}, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    path.write_bytes("".join(lines).encode())


def _parquet(path: Path, detections: Sequence[Detection], _: float) -> None:
    """All columns of the schema, whose version is in the metadata; an empty table has them too."""
    import pyarrow
    import pyarrow.parquet

    fields = [pyarrow.field(name, getattr(pyarrow, _PYARROW[column.kind])()) for name, column in COLUMNS.items()]
    schema = pyarrow.schema(fields, metadata={"auricle.schema": str(SCHEMA)})
    with open(path, "wb") as file:  # pyarrow takes no name that is not UTF-8
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table_rows(detections), schema), file)


_PYARROW = {"string": "string", "double": "float64"}


def _audacity(path: Path, detections: Sequence[Detection], _: float) -> None:
    lines = [f"{d.start_s:.6f}\t{d.end_s:.6f}\t{_one_line(d.label)} {d.probability:.3f}\n" for d in detections]
    path.write_bytes("".join(lines).encode())


def _raven(path: Path, detections: Sequence[Detection], max_freq_hz: float) -> None:
    """Tab-separated, without quotes: Raven divides lines at tabs and takes everything else literally."""
    lines = [RAVEN_COLUMNS]
    for number, d in enumerate(detections, start=1):
        where = plain_text(os.path.abspath(d.file))
        cells: list[Any] = [number, "Spectrogram 1", 1, f"{d.start_s:.4f}", f"{d.end_s:.4f}", 0, f"{max_freq_hz:g}"]
        cells += [where, f"{d.start_s:.4f}", os.path.basename(where), d.label, f"{d.probability:.4f}"]
        lines.append([_one_line(str(cell)) for cell in cells])
    path.write_bytes("".join("\t".join(cells) + "\n" for cells in lines).encode())


def _one_line(text: str) -> str:
    """`text` with each tab, line break and other control character as a space."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", plain_text(text))


FORMATS = {
    "csv": Format(_csv, ".csv"),
    "jsonl": Format(_jsonl, ".detections.jsonl"),
    "parquet": Format(_parquet, ".parquet", _part),
    "audacity": Format(_audacity, ".labels.txt"),
    "raven": Format(_raven, ".selections.txt"),
}
"""Formats by name."""
