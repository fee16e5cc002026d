"""Rows of manifest files and of class folders, and their conversion to clips."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from auricle import audio
from auricle.data.clips import Clip, Original, Problem
from auricle.errors import AuricleError, shown_path

PATH_COLUMNS = ("path", "file", "filename", "filepath")
GROUP_COLUMNS = ("group", "speaker", "source", "session")
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
    "eval": "test",
}
ORIGINAL_COLUMNS = ("source_sha256", "source_start", "source_end")  # written by `auricle corrupt`
_ROUNDING_S = 0.01  # tolerance for rounded ends beyond the end of the file
_LONGEST_S = 1e9  # of a recording that a clip was made from
_QUOTED = 12  # column names quoted in an error


class BadRow(Exception):
    """Raised for a row that cannot be used, with a code and the reason."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """An unverified row of a manifest file or class folder."""

    where: str
    path: Path
    name: str
    labels: tuple[str, ...]
    split: str = ""
    fold: str = ""
    group: str = ""
    start: str = ""
    end: str = ""
    source_sha256: str = ""
    source_start: str = ""
    source_end: str = ""

    def clip(
        self,
        header: audio.AudioInfo | BadRow,
        allowed: Sequence[str] | None,
        negative_label: str | None = None,
        *,
        multi_label: bool = False,
    ) -> Clip:
        """Convert to a clip, or raise `BadRow`; `header` is that of the file, or the error in reading it.

        With `multi_label` a clip may have no label; `negative_label` stands for none.
        """
        if not self.name:
            raise BadRow("missing-path", "has no path")
        if isinstance(header, BadRow):
            raise header
        labels = self.labels
        if negative_label in labels:
            if len(labels) > 1:
                others = ", ".join(map(repr, (label for label in labels if label != negative_label)))
                raise BadRow("negative-with-labels", f"has none of the sounds ({negative_label!r}) and {others}")
            labels = ()
        elif not labels and not multi_label:
            raise BadRow("missing-label", "has no label (if it has none of the sounds: --multi-label)")
        for label in labels:
            if allowed is not None and label not in allowed:
                known = ", ".join(list(allowed)[:10]) + (", …" if len(allowed) > 10 else "")
                raise BadRow("unknown-label", f"the label {label!r} is none of: {known}")
        _, start_s, end_s = self.key()
        if start_s < 0:
            raise BadRow("bad-times", f"starts at {self.start} s, before 0")
        if end_s is not None and end_s <= start_s:
            raise BadRow("bad-times", f"ends at {self.end} s, not after its start at {self.start or 0} s")
        if start_s >= header.duration_s or (end_s or 0) > header.duration_s + _ROUNDING_S:
            beyond = f"starts at {self.start}" if start_s >= header.duration_s else f"ends at {self.end}"
            raise BadRow("bad-times", f"{beyond} s, beyond the file's {header.duration_s:g} s")
        return Clip(
            file=self.name,
            path=self.path,
            labels=labels,
            split=split_name(self.split) if self.split else None,
            fold=self.fold or None,
            group=self.group or None,
            start_s=start_s,
            end_s=end_s,
            sample_rate=header.sample_rate,
            duration_s=min(header.duration_s, end_s or header.duration_s) - start_s,
            channels=header.channels,
            original=self._original(),
        )

    def _original(self) -> Original | None:
        if not self.source_sha256:
            return None
        start_s, end_s = self._seconds("source_start") or 0.0, self._seconds("source_end")
        if not 0 <= start_s <= (_LONGEST_S if end_s is None else end_s) <= _LONGEST_S:
            segment = f"{self.source_start or 0} s to {self.source_end or 'the end'}"
            raise BadRow("bad-times", f"was made from a segment that cannot be: {segment}")
        return Original(self.source_sha256.lower(), start_s, end_s)

    def key(self) -> tuple[str, float, float | None]:
        """The `Clip.key` of the row's clip; raises `BadRow` if its times are not numbers."""
        return self.name, self._seconds("start") or 0.0, self._seconds("end")

    def _seconds(self, which: str) -> float | None:
        text = getattr(self, which)
        if not text:
            return None
        try:
            seconds = float(text)
        except ValueError:
            seconds = float("nan")
        if not abs(seconds) < float("inf"):
            raise BadRow("bad-times", f"its {which} is {text!r}, not a number of seconds")
        return seconds


def csv_rows(source: Path, label_column: str, group_column: str | None) -> tuple[list[ManifestRow], list[Problem]]:
    """The rows of a manifest file, and the lines that are not valid rows."""
    columns, cells = _cells(source)
    where = shown_path(source)
    path_at = next((columns.index(name) for name in PATH_COLUMNS if name in columns), None)
    if path_at is None:
        raise AuricleError(f"{where}: no column of paths; one of {_quoted(columns)} must be named 'path'")
    if label_column not in columns:
        raise AuricleError(
            f"{where}: no column {label_column!r}; name the one with the labels (--label-column): {_quoted(columns)}"
        )
    if group_column is None:
        group_column = next((name for name in GROUP_COLUMNS if name in columns and name != label_column), None)
    elif group_column not in columns:
        raise AuricleError(f"{where}: no column {group_column!r} to group by; there are {_quoted(columns)}")

    where_at: dict[str, int] = {
        name: columns.index(name) for name in ("split", "fold", "start", "end", *ORIGINAL_COLUMNS) if name in columns
    }
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
        place, name = source.parent / path, shown_path(path)
        rows.append(ManifestRow(where=f"line {number}", path=place, name=name, labels=labels, **fields))
    return rows, problems


def _cell(row: list[str], at: int) -> str:
    """The text of a cell; empty where the row is too short."""
    return row[at].strip() if at < len(row) else ""


def csv_columns(source: Path) -> list[str]:
    """The names of a manifest file's columns."""
    return _cells(source)[0]


def _cells(source: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The column names of a manifest file, and its other lines with their numbers.

    The file is UTF-8; only paths may have other bytes, as names of files may.
    """
    name = shown_path(source)
    try:
        text = source.read_text(encoding="utf-8-sig", errors="surrogateescape")
        if "\0" in text:
            raise AuricleError(f"{name}: not a manifest: it must be a CSV file in UTF-8, and it has NUL bytes")
        cells = [(number, row) for number, row in _numbered(text) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise AuricleError(f"{name}: not a manifest that can be read: {error}") from None
    except OSError as error:
        raise AuricleError(f"{name}: not a manifest that can be read: {error.strerror}") from None
    if len(cells) < 2:
        raise AuricleError(f"{name}: an empty manifest: it needs a line of column names and at least one clip")
    columns = [column.strip() for column in cells[0][1]]
    if not _is_unicode(text):
        paths = {at for at, column in enumerate(columns) if column in PATH_COLUMNS}
        for number, row in cells:
            for at, cell in enumerate(row):
                is_file = at in paths and os.path.lexists(source.parent / cell.strip())
                if not _is_unicode(cell) and not is_file:
                    raise AuricleError(
                        f"{name}: not a manifest: it must be a CSV file in UTF-8, and line {number} is not "
                        f"({shown_path(cell)!r})"
                    )
    return columns, cells[1:]


def _is_unicode(text: str) -> bool:
    """Whether `text` has no bytes that could not be decoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _delimiter(text: str) -> str:
    """The delimiter (comma, semicolon or tab) for which the header has a column of paths; by default a comma."""
    header = text.lstrip().partition("\n")[0]
    for delimiter in (",", ";", "\t"):
        columns = next(csv.reader([header], delimiter=delimiter), [])
        if len(columns) > 1 and any(column.strip() in PATH_COLUMNS for column in columns):
            return delimiter
    return ","


def _numbered(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row of a CSV file with the number of its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    line = 1
    for row in reader:
        yield line, row
        line = reader.line_num + 1


def folder_rows(source: Path) -> tuple[list[ManifestRow], list[Problem], list[Problem]]:
    """A row for each sound file in a class folder, the files that are in none, and what is not read.

    A class of which nothing can be read is among the files that cannot be used.
    """
    layout = "a folder for each class (dog/1.wav), or for each split with classes in it (train/dog/1.wav)"
    where = shown_path(source)
    not_read = [(path.relative_to(source), reason) for path, reason in audio.left_out(source)]
    left_out = [Problem(shown_path(path), "left-out", reason) for path, reason in not_read]
    try:
        files = audio.find_audio(source)
    except AuricleError:
        more = f" that can be read ({left_out[0].name}: {left_out[0].reason})" if left_out else ""
        raise AuricleError(f"{where}: there are no sound files{more}; expected {layout}") from None
    parts = {file: file.relative_to(source).parts for file in files}
    tops = {folders[0] for folders in parts.values() if len(folders) > 1}
    if not tops:
        raise AuricleError(f"{where}: there are no class folders; expected {layout}, or a manifest.csv")
    has_splits = all(top.lower() in SPLIT_NAMES for top in tops) and any(len(p) > 2 for p in parts.values())
    mixed = [top for top in sorted(tops) if top.lower() in ("train", "training")]
    if mixed and not has_splits and all(len(p) > 2 for p in parts.values() if p[0] == mixed[0]):
        others = sorted(top for top in tops if top.lower() not in SPLIT_NAMES)
        raise AuricleError(f"{where}: {mixed[0]!r} looks like a split and {others[0]!r} does not; expected {layout}")

    depth = 1 if has_splits else 0
    rows, problems = [], _lost_classes(not_read, parts.values(), depth + 1)
    for file in files:
        name = shown_path("/".join(parts[file]))
        if len(parts[file]) < depth + 2:
            problems.append(Problem(name, "no-class-folder", f"is in no class folder; expected {layout}"))
            continue
        folder = parts[file][depth]
        if ";" in folder:
            raise AuricleError(
                f"{where}: the class folder {shown_path(folder)!r} has a ';' in its name, which separates labels: "
                "rename it"
            )
        if not _is_unicode(folder):
            reason = f"the name of its class folder is not UTF-8 ({shown_path(folder)}): rename that"
            problems.append(Problem(name, "label-not-unicode", reason))
            continue
        split = parts[file][0] if has_splits else ""
        rows.append(ManifestRow(where=name, path=file, name=name, labels=(folder,), split=split))
    return rows, problems, left_out


def _lost_classes(not_read: Iterable[tuple[Path, str]], read: Iterable[tuple[str, ...]], depth: int) -> list[Problem]:
    """A problem for each class folder, at `depth`, in which nothing is read and something is left out."""
    known = {parts[:depth] for parts in read}
    lost: dict[tuple[str, ...], list[str]] = {}
    for path, reason in not_read:
        is_class = len(path.parts) > depth or (len(path.parts) == depth and not path.suffix)
        if is_class and path.parts[:depth] not in known:
            lost.setdefault(path.parts[:depth], []).append(f"{shown_path(path)}: {reason}")
    return [
        Problem(shown_path("/".join(folder)), "lost-class", f"nothing of this class can be read, as {reasons[0]}")
        for folder, reasons in lost.items()
    ]


def split_name(name: str) -> str:
    """The standard name (train, valid or test) for a split's name; other names are unchanged."""
    return SPLIT_NAMES.get(name.strip().lower(), name.strip())


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_QUOTED])) + (f" and {len(names) - _QUOTED} more" if len(names) > _QUOTED else "")
