"""Manifest files: CSV tables with a column of paths and a column of labels."""

from __future__ import annotations

import csv
import io
import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from pathlib import Path

from auricle.data.clips import Problem
from auricle.data.other_names import placed
from auricle.data.rows import ORIGINAL_COLUMNS, ManifestRow
from auricle.errors import AuricleError, shown_path

PATH_COLUMNS = ("path", "file", "filename", "filepath", "file_name")
GROUP_COLUMNS = ("group", "speaker", "source", "session")
NO_GROUPS = "none"
_TIMES = {"start_s": "start", "end_s": "end"}
_PAIRED_TIMES = (("onset", "offset"), ("begin time (s)", "end time (s)"))  # times only where both names are
_BEGINNINGS = {"begin", "begin_s", "begin_time", "onset", "offset", "start_ms", "start_time", "time_start", "tmin"}
_ENDINGS = {"duration", "duration_s", "end_ms", "end_time", "offset", "stop", "stop_s", "stop_time", "time_end", "tmax"}
_OPTIONAL = ("split", "fold", *_TIMES.values(), *ORIGINAL_COLUMNS)  # read where they are, under these names
_USUAL = {*PATH_COLUMNS, *GROUP_COLUMNS, "label", "split", "fold", *_TIMES.values()}
_SEPARATOR_LINE = re.compile(r"sep=.\r?\n")  # Excel's own, before the names of the columns
_LONGEST_HEADER = 100_000  # characters from which the delimiter is found
_IN_EXCEL = "CSV in UTF-8 (in Excel: 'CSV UTF-8')"
_QUOTED = 12  # column names quoted in an error


def csv_rows(source: Path, label_column: str, group_column: str | None) -> tuple[list[ManifestRow], list[Problem]]:
    """The rows of a manifest file, and the lines that are not valid rows."""
    columns, cells = _cells(source)
    columns = usual_columns(columns, (label_column, group_column))
    where = shown_path(source)
    path_at = next((columns.index(name) for name in PATH_COLUMNS if name in columns), None)
    if path_at is None:
        raise AuricleError(f"{where}: no column of paths; one of {quoted(columns)} must be named 'path'")
    group_column = check_columns(where, columns, label_column, group_column)
    _refuse_other_times(where, [name for name in columns if name not in (label_column, group_column)])
    where_at = {name: columns.index(name) for name in _OPTIONAL if name in columns}
    if group_column is not None:
        where_at["group"] = columns.index(group_column)
    label_at = columns.index(label_column)
    for name in (columns[at] for at in (path_at, label_at, *where_at.values())):
        if columns.count(name) > 1:
            raise AuricleError(f"{where}: {columns.count(name)} columns are named {name!r}: rename all but one")
    rows, problems = [], []
    for number, row in cells:
        if len(row) > len(columns):
            reason = f"has {len(row)} cells for {len(columns)} columns; quote a cell that has the separator in it"
            problems.append(Problem(f"line {number}", "bad-row", reason))
            continue
        fields = {field: _cell(row, at) for field, at in where_at.items()}
        path = _cell(row, path_at)
        labels = tuple(dict.fromkeys(label.strip() for label in _cell(row, label_at).split(";") if label.strip()))
        place = placed(source, path)
        rows.append(ManifestRow(where=f"line {number}", path=place, name=shown_path(path), labels=labels, **fields))
    return rows, problems


def usual_columns(columns: Sequence[str], given: Sequence[str | None]) -> list[str]:
    """The names of columns; those in another case than the usual ones, and times as tables of detections, of events and
    of Raven call them, as usual. Names that were `given` stay, and so do those whose usual name another column has.
    """
    lower, times = {name.lower() for name in columns}, dict(_TIMES)
    for pair in _PAIRED_TIMES:
        if lower.issuperset(pair):
            times |= zip(pair, _TIMES.values(), strict=True)
    usual = [name if name in given else times.get(name.lower(), name.lower()) for name in columns]
    return [own if own in _USUAL and own not in columns else name for name, own in zip(columns, usual, strict=True)]


def _refuse_other_times(where: str, columns: Sequence[str]) -> None:
    """Raise `AuricleError` where clips seem to begin or end at times in a column that is not read.

    Where both times are read, or only one could be meant, such a column says something else, as how long a file is.
    """
    begins = next((name for name in columns if name.lower() in _BEGINNINGS), None)
    ends = next((name for name in columns if name.lower() in _ENDINGS and name != begins), None)
    has_start, has_end = ("start" in columns), ("end" in columns)
    unread = None
    if has_start != has_end:
        unread = ends if has_start else begins
    elif not has_start and begins and ends:
        unread = begins
    if unread:
        raise AuricleError(
            f"{where}: the column {unread!r} is not read: clips begin and end, in seconds, at the columns start and end"
        )


def unread_columns(source: Path, label_column: str, group_column: str | None) -> list[str]:
    """The named columns of a manifest file that `csv_rows` does not read."""
    columns = csv_columns(source)
    usual = usual_columns(columns, (label_column, group_column))
    group = check_columns(shown_path(source), usual, label_column, group_column)
    path = next(name for name in PATH_COLUMNS if name in usual)
    read = {path, label_column, group, *_OPTIONAL}
    return [name for name, own in zip(columns, usual, strict=True) if name and own not in read]


def check_columns(where: str, columns: Sequence[str], label_column: str, group_column: str | None) -> str | None:
    """The column to group by: by default the first of `GROUP_COLUMNS` that there is, if any; none by `NO_GROUPS`.

    Raises `AuricleError`, which names the table by `where`, unless `columns` has that of the labels and a given one to
    group by.
    """
    if label_column not in columns:
        raise AuricleError(
            f"{where}: no column {label_column!r}; name the one with the labels (--label-column): {quoted(columns)}"
        )
    if group_column is None:
        return next((name for name in GROUP_COLUMNS if name in columns and name != label_column), None)
    if group_column == NO_GROUPS:
        return None
    if group_column not in columns:
        raise AuricleError(f"{where}: no column {group_column!r} to group by; there are {quoted(columns)}")
    return group_column


def _cell(row: list[str], at: int) -> str:
    """The text of a cell; empty where the row is too short."""
    return row[at].strip() if at < len(row) else ""


def csv_columns(source: Path) -> list[str]:
    """The names of a manifest file's columns."""
    return _cells(source)[0]


def csv_records(source: Path) -> list[dict[str, str]]:
    """The lines of a manifest file, each with the text of every column; empty where the line is too short."""
    columns, lines = _cells(source)
    return [{name: _cell(row, at) for at, name in enumerate(columns)} for _, row in lines]


def _cells(source: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The column names of a manifest file, and its other lines with their numbers.

    The file is UTF-8; only paths may have other bytes, as names of files may.
    """
    name = shown_path(source)
    try:
        content = source.read_bytes()
        if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise AuricleError(f"{name}: not a manifest that can be read: it is UTF-16; save it as {_IN_EXCEL}")
        text = content.decode("utf-8-sig", errors="surrogateescape")
        if "\0" in text:
            raise AuricleError(f"{name}: not a manifest: it must be a CSV file in UTF-8, and it has NUL bytes")
        cells = [(number, row) for number, row in _numbered(text) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise AuricleError(f"{name}: not a manifest that can be read: {error}") from None
    except FileNotFoundError:
        raise AuricleError(f"{name}: there is no such file") from None
    except OSError as error:
        raise AuricleError(f"{name}: not a manifest that can be read: {error.strerror}") from None
    if len(cells) < 2:
        raise AuricleError(f"{name}: an empty manifest: it needs a line of column names and at least one clip")
    columns = [column.strip() for column in cells[0][1]]
    if not is_unicode(text):
        paths = {at for at, column in enumerate(columns) if column in PATH_COLUMNS}
        for number, row in cells:
            for at, cell in enumerate(row):
                is_file = at in paths and os.path.lexists(source.parent / cell.strip())
                if not is_unicode(cell) and not is_file:
                    raise AuricleError(
                        f"{name}: not a manifest: it must be a CSV file in UTF-8, and line {number} is not "
                        f"({shown_path(cell)!r}): save it as {_IN_EXCEL}"
                    )
    return columns, cells[1:]


def is_unicode(text: str) -> bool:
    """Whether `text` has no bytes that could not be decoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _delimiter(text: str) -> str:
    """The delimiter (comma, semicolon or tab) for which the header has a column of paths; by default a comma."""
    header = io.StringIO(text.lstrip(), newline="").readline(_LONGEST_HEADER)
    for delimiter in (",", ";", "\t"):
        columns = next(csv.reader([header], delimiter=delimiter), [])
        if len(columns) > 1 and any(column.strip().lower() in PATH_COLUMNS for column in columns):
            return delimiter
    return ","


def _numbered(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row of a CSV file with the number of its first line."""
    separator = _SEPARATOR_LINE.match(text)
    skipped = 1 if separator else 0
    text = text[separator.end() :] if separator else text
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    line = 1
    for row in reader:
        yield line + skipped, row
        line = reader.line_num + 1


def quoted(names: Sequence[str]) -> str:
    """The first names in quotation marks, and the number of the others."""
    return ", ".join(map(repr, names[:_QUOTED])) + (f" and {len(names) - _QUOTED} more" if len(names) > _QUOTED else "")
