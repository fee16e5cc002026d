"""Data set folders of Hugging Face: sounds with metadata.csv or metadata.jsonl, or parquet files with sounds inside.

https://huggingface.co/docs/datasets/audio_dataset
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from auricle.audio import AUDIO_SUFFIXES, find_audio
from auricle.data.clips import Problem
from auricle.data.manifest_file import check_columns, usual_columns
from auricle.data.rows import SPLIT_NAMES, ManifestRow
from auricle.errors import AuricleError, shown_path
from auricle.extras import require
from auricle.files import flush, partial_folder, remove_partials
from auricle.identity import digest_of, file_digests
from auricle.published.home import home
from auricle.readers import json_value, parquet_file, read_text

METADATA = ("metadata.csv", "metadata.jsonl")
FILE = "file_name"
_LARGEST = 2**28  # bytes of a metadata file
_AT_ONCE = 32  # sounds of a parquet file that are in memory


class _Row(NamedTuple):
    """A row of a data set: where it is written, its sound file, its name, its split by its place, and its columns."""

    where: str
    path: Path
    name: str
    split: str
    values: dict[str, Any]


def is_hugging_face(folder: Path) -> bool:
    """Whether a folder has a metadata file with a column `file_name`, or parquet files and no sound files."""
    if any(FILE in _columns(path) for path in _metadata_files(folder)):
        return True
    return bool(_parquet_files(folder)) and not _has_sounds(folder)


def hugging_face_rows(
    source: Path, label_column: str, group_column: str | None
) -> tuple[list[ManifestRow], list[Problem]]:
    """The rows of the data set, and those that cannot be used.

    A split is that of the column `split`, else of the folder or of a parquet file's name. Numbers of a `ClassLabel`
    become its names. Sounds in parquet files are unpacked once, into auricle's folder for data.
    """
    shards = [] if _has_sounds(source) else _parquet_files(source)
    given = (label_column, group_column)
    rows = [
        row._replace(values=_usual(row.where, row.values, given))
        for row in (_unpacked(source, shards) if shards else _listed(source))
    ]
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    group_column = check_columns(shown_path(source), columns, label_column, group_column)
    made, problems = [], []
    for row in rows:
        if not row.name:
            problems.append(Problem(row.where, "missing-path", "has no sound"))
            continue
        own = {name: _text(row.values.get(name)) for name in ("fold", "start", "end")}
        made.append(
            ManifestRow(
                where=row.where,
                path=row.path,
                name=row.name,
                labels=_labels(row.values.get(label_column)),
                split=_text(row.values.get("split")) or row.split,
                group=_text(row.values.get(group_column)) if group_column else "",
                **own,
            )
        )
    return made, problems


def _has_sounds(folder: Path) -> bool:
    try:
        return bool(find_audio(folder))
    except AuricleError:
        return False


def _metadata_files(folder: Path) -> list[Path]:
    """The metadata files of the folder, and of its folders two levels down, such as data/train."""
    levels = ("", "*/", "*/*/")
    return sorted(path for level in levels for name in METADATA for path in folder.glob(level + name) if path.is_file())


def _parquet_files(folder: Path) -> list[Path]:
    return sorted(path for level in ("", "*/") for path in folder.glob(f"{level}*.parquet") if path.is_file())


def _columns(path: Path) -> list[str]:
    """The names of a metadata file's columns; none if it is not one."""
    try:
        return usual_columns(list(next(_records(path))[1]), ())
    except (AuricleError, StopIteration):
        return []


def _usual(where: str, record: dict[str, Any], given: Sequence[str | None] = ()) -> dict[str, Any]:
    """A record with the usual names of its columns (see `usual_columns`); raises `AuricleError` if two are the same."""
    names = usual_columns(list(record), given)
    if len({*names}) < len(names):
        columns = ", ".join(map(repr, record))
        raise AuricleError(f"{where}: of the columns {columns} two differ in case alone: rename one")
    return dict(zip(names, record.values(), strict=True))


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records of a metadata file with the numbers of their lines."""
    text = read_text(path, _LARGEST)
    if path.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        try:
            for record in reader:
                yield reader.line_num, {key: value for key, value in record.items() if key is not None}
        except csv.Error as error:
            raise AuricleError(f"{shown_path(path)}: not a table that can be read: {error}") from None
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, json_value(line, f"{shown_path(path)}, line {number}", {})


def _split_of(names: Iterable[str]) -> str:
    """The split that the first name of one among folders' or a shard's names says; "" for none."""
    return next((SPLIT_NAMES[name.lower()] for name in names if name.lower() in SPLIT_NAMES), "")


def _listed(source: Path) -> Iterator[_Row]:
    """The rows of the metadata files."""
    for path in _metadata_files(source):
        place = path.relative_to(source)
        for number, record in _records(path):
            where = f"{shown_path(place)}, line {number}"
            file = _text(_usual(where, record).get(FILE))
            name = (place.parent / file).as_posix() if file else ""
            split = _split_of(PurePosixPath(name).parts[:-1])
            yield _Row(where, source / name, shown_path(name), split, record)


def _unpacked(source: Path, shards: Sequence[Path]) -> Iterator[_Row]:
    """The rows of parquet files, whose sounds are unpacked into a folder that is named by the files' contents.

    Files without a column of sounds, such as the figures of a stress test, are not of the data set.
    """
    require("pyarrow", "a data set in parquet files")
    shards = [path for path in shards if _has_sound_column(path)]
    if not shards:
        raise AuricleError(f"{shown_path(source)}: no parquet file in it has a column of sounds")
    digests = file_digests(shards)
    root = home() / "data-sets"
    stems = {path: path.relative_to(source).with_suffix("").as_posix() for path in shards}
    folder = root / digest_of("parquet by place", [[stems[path], digests[path]] for path in shards])[:32]
    if not folder.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        remove_partials(root)
        with partial_folder(root) as partial:
            for path in shards:
                for number, record, _ in _rows_of(path):
                    _, content, name = _sound(record)
                    if content:
                        place = partial / _place(stems[path], number, name)
                        place.parent.mkdir(parents=True, exist_ok=True)
                        place.write_bytes(content)
                        flush(place)
            if not folder.is_dir():
                os.rename(partial, folder)
    for path in shards:
        parts = [*path.relative_to(source).parts[:-1], re.split(r"[-.]", path.name)[0]]
        split = _split_of(parts)
        for number, record, names in _rows_of(path):
            column, content, name = _sound(record)
            values = {key: _named(value, names.get(key)) for key, value in record.items() if key != column}
            own = _place(stems[path], number, name)
            place, shown = (folder / own, shown_path(own)) if content else (source / name, shown_path(name))
            yield _Row(f"{shown_path(path.name)}, row {number}", place, shown, split, values)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An open parquet file; errors of it in this context become `AuricleError`s."""
    import pyarrow

    try:
        with parquet_file(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        raise AuricleError(f"{shown_path(path)}: not a parquet file that can be read: {error}") from None


def _has_sound_column(path: Path) -> bool:
    from pyarrow.types import is_struct

    with _opened(path) as file:
        return any(is_struct(field.type) and field.type.get_field_index("bytes") >= 0 for field in file.schema_arrow)


def _rows_of(path: Path) -> Iterator[tuple[int, dict[str, Any], dict[str, list[str]]]]:
    """The rows of a parquet file, with their numbers, and the names of the classes of its columns."""
    with _opened(path) as file:
        described = (file.schema_arrow.metadata or {}).get(b"huggingface", b"{}")
        features = json_value(described, shown_path(path), {"info?": {"features?": object}})
        names = {key: _class_names(value) for key, value in _features(features).items()}
        number = 0
        for batch in file.iter_batches(batch_size=_AT_ONCE):
            for record in batch.to_pylist():
                yield number, record, {key: value for key, value in names.items() if value}
                number += 1


def _features(described: dict[str, Any]) -> dict[str, Any]:
    features = described.get("info", {}).get("features", {})
    return features if isinstance(features, dict) else {}


def _class_names(feature: Any) -> list[str]:
    """The names of a `ClassLabel`, also of a list of them; none for another feature."""
    if isinstance(feature, list):
        return _class_names(feature[0]) if feature else []
    if not isinstance(feature, dict):
        return []
    names = feature.get("names")
    return [str(name) for name in names] if isinstance(names, list) else _class_names(feature.get("feature"))


def _named(value: Any, names: list[str] | None) -> Any:
    """The names of classes in place of their numbers; a number below 0 stands for none."""
    if isinstance(value, list):
        return [_named(member, names) for member in value]
    if names is None or not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else ""


def _sound(record: dict[str, Any]) -> tuple[str, bytes, str]:
    """The column with the sound, its bytes (empty if it is a file of its own), and its path."""
    for key, value in record.items():
        if isinstance(value, dict) and "bytes" in value:
            return key, value["bytes"] or b"", str(value.get("path") or "")
    return "", b"", ""


def _place(shard: str, number: int, name: str) -> str:
    suffix = Path(name).suffix.lower()
    return f"{shard}/{number:07d}{suffix if suffix in AUDIO_SUFFIXES else '.wav'}"


def _labels(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else _text(value).split(";")
    return tuple(dict.fromkeys(text for text in (_text(member).strip() for member in values) if text))


def _text(value: Any) -> str:
    return "" if value is None else str(value)
