"""CSV tables with known columns, which may be compressed with gzip."""

from __future__ import annotations

import csv
import io
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from auricle.errors import AuricleError, first_line
from auricle.readers.text import MIB, decoded, read_bytes

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 2**30  # bytes of a table
MAX_RATIO = 100  # of an unpacked table of more than 16 MiB to its file


def read_rows(
    path: str | os.PathLike[str], columns: Iterable[str], numbers: Sequence[str] = (), *, what: str = "a table"
) -> list[dict[str, str]]:
    """The rows of a CSV file, each with a text for every column; `columns` are needed.

    The values of `numbers` are numbers, or empty where the name ends in "?". `what` is what the file should be.
    """
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    try:
        rows: list[dict[str, str]] = list(reader)
    except csv.Error as error:
        raise AuricleError(f"{path}: not {what} (line {reader.line_num}: {error})") from None
    missing = set(columns).difference(reader.fieldnames or ())
    if missing:
        raise AuricleError(f"{path}: not {what}, it has no column {', '.join(sorted(missing))}")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise AuricleError(f"{path}: damaged, row {number} has another number of fields than the first line")
        for needed in numbers:
            name = needed.removesuffix("?")
            if not _is_number(row.get(name) or ("0" if name != needed else "")):
                raise AuricleError(f"{path}: damaged, in row {number} {name} is {row[name]!r} and should be a number")
    return rows


def read_table(
    path: str | os.PathLike[str],
    types: Mapping[Any, Any],
    *,
    needed: Iterable[str] | None = None,
    what: str = "a table",
    **options: Any,
) -> pd.DataFrame:
    """A CSV file as a table, whose columns have these `types` (`str`, `int` or `float`).

    The columns `needed`, by default all of `types`, have to be there. `options` are those of `pandas.read_csv`; empty
    texts stay empty unless `na_values` says otherwise.
    """
    import pandas as pd

    text = io.StringIO(_text(path), newline="")
    try:
        table: pd.DataFrame = pd.read_csv(text, dtype=dict(types), keep_default_na=False, **options)
    except (ValueError, OverflowError, MemoryError, csv.Error) as error:
        reason = first_line(error)
        raise AuricleError(f"{path}: damaged, or not {what} ({reason})") from None
    missing = [name for name in (types if needed is None else needed) if name not in table.columns]
    if missing:
        raise AuricleError(f"{path}: not {what}, it has no column {', '.join(missing)}")
    return table


@contextmanager
def parquet_file(path: str | os.PathLike[str]) -> Iterator[Any]:
    """An open `pyarrow.parquet.ParquetFile`; pyarrow itself takes no name that is not UTF-8."""
    import pyarrow.parquet

    with open(path, "rb") as content, pyarrow.parquet.ParquetFile(content) as file:
        yield file


def number_in(text: str) -> float:
    """The number in a cell; `ValueError` for anything else, also for the digits `1_0`, which Python takes for 10."""
    return float("" if "_" in text else text)


def _is_number(text: str) -> bool:
    try:
        number_in(text)
    except ValueError:
        return False
    return True


def _text(path: str | os.PathLike[str]) -> str:
    data = read_bytes(path, LIMIT)
    if data[:2] == b"\x1f\x8b":
        data = _unpacked(path, data)
    return decoded(path, data, "surrogateescape")


def _unpacked(path: str | os.PathLike[str], data: bytes) -> bytes:
    """The content of a gzip file, if it is not much larger than usual."""
    limit = min(LIMIT, max(16 * MIB, MAX_RATIO * len(data)))
    parts, size = [], 0
    try:
        while data:
            unpacker = zlib.decompressobj(wbits=31)
            parts.append(unpacker.decompress(data, limit + 1 - size))
            size += len(parts[-1])
            if size > limit:
                raise AuricleError(f"{path}: unpacks to more than {limit / 1e6:.0f} MB")
            if not unpacker.eof:
                raise AuricleError(f"{path}: damaged, it ends too early")
            data = unpacker.unused_data
    except zlib.error as error:
        raise AuricleError(f"{path}: damaged ({error})") from None
    return b"".join(parts)
