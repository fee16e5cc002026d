"""Reading the tables of detections that `auricle predict` wrote, of any format that keeps probabilities."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from auricle.errors import AuricleError, first_line
from auricle.extras import require
from auricle.readers import parquet_file, read_rows, read_text
from auricle.reports.detections.formats import FORMATS, PARQUET_FOLDER
from auricle.reports.detections.schema import Detection

_NEEDED = ("file", "task", "start_s", "end_s", "label", "probability")
_NUMBERS = ("start_s", "end_s", "probability")
_LARGEST = 2**30  # bytes of a table


def read_detections(folder: str | os.PathLike[str]) -> list[Detection]:
    """All detections in the tables of `folder` and below it: CSV, JSON lines and Parquet.

    They are in the order of the tables' names, and in each in its own order. Those of a recording are taken from the
    first of these formats that has some. Raises `AuricleError` if there is no table, or one is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AuricleError(f"{folder}: no such folder; give the one that auricle predict wrote")
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    tables = [path for path in paths if path.suffix == ".csv" and path != folder / "failed.csv"]
    lines = [path for path in paths if path.name.endswith(FORMATS["jsonl"].suffix)]
    parts = [path for path in [folder / PARQUET_FOLDER] if path.is_dir()]
    if not (tables or lines or parts):
        raise AuricleError(f"{folder}: no tables of auricle predict in it (CSV, JSON lines or Parquet)")
    found: list[Detection] = []
    for these, read in ((tables, _csv_rows), (lines, _json_rows), (parts, _parquet_rows)):
        known = {os.path.abspath(detection.file) for detection in found}
        detections = [_detection(path, row) for path in these for row in read(path)]
        found += [detection for detection in detections if os.path.abspath(detection.file) not in known]
    return found


def _detection(path: Path, row: Mapping[str, Any]) -> Detection:
    try:
        texts = [str(row[name]) for name in ("file", "task", "label")]
        start_s, end_s, probability = (float(row[name]) for name in _NUMBERS)
    except (KeyError, TypeError, ValueError):
        raise AuricleError(f"{path}: not a table of auricle predict") from None
    if not (0 <= start_s < end_s < float("inf") and 0 <= probability <= 1):
        raise AuricleError(
            f"{path}: damaged, a detection from {start_s} to {end_s} s has the probability {probability}"
        )
    return Detection(texts[0], texts[1], start_s, end_s, texts[2], probability)


def _csv_rows(path: Path) -> list[dict[str, str]]:
    return read_rows(path, _NEEDED, _NUMBERS)


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_text(path, _LARGEST).split("\n"), start=1):
        if not line:
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise AuricleError(f"{path}: damaged, line {number} is not a JSON object")
        yield row


def _parquet_rows(folder: Path) -> list[dict[str, Any]]:
    require("pyarrow", "Parquet")
    import pyarrow

    rows = []
    for path in sorted(path for path in folder.rglob("*.parquet") if not path.name.startswith((".", "_"))):
        try:
            with parquet_file(path) as file:
                rows += file.read(list(_NEEDED)).to_pylist()
        except (pyarrow.ArrowException, OSError) as error:
            raise AuricleError(f"{path}: damaged ({first_line(error)})") from None
    return rows
