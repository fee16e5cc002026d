"""Atomic writing: a file appears complete or not at all."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_SUFFIX = 32


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A new, empty file beside `path` to write to; it takes `path`'s place when the block ends without an error.

    Its name is hidden, cannot be guessed, and has the suffix of `path`. A symbolic link at `path` is replaced, never
    followed. Folders that are missing are made. After an error nothing is left and `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
    partial = path.with_name(f".{secrets.token_hex(8)}.part{suffix}")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o666))
    try:
        yield partial
        os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` as the whole content of `path`."""
    with replacing(path) as partial:
        partial.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8; line ends stay as they are, and so do the bytes of names that are not UTF-8."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write indented JSON; a number that JSON cannot hold (NaN, infinity) becomes null."""
    write_text(path, json_text(value))


def write_table(path: str | os.PathLike[str], table: pd.DataFrame, **options: Any) -> None:
    """Write a table as CSV without its index; `options` are those of `DataFrame.to_csv`."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False, **options)


def write_arrays(path: str | os.PathLike[str], **arrays: Any) -> None:
    """Write arrays as a compressed .npz file."""
    with replacing(path) as partial:
        np.savez_compressed(partial, **arrays)


def append_line(path: str | os.PathLike[str], line: str) -> None:
    """Add a line to a journal, made if it is not there; a last line that a kill has cut off stays a line of its own."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    data = line.encode("utf-8", "surrogateescape") + b"\n"
    with open(path, "ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            data = data if file.read(1) == b"\n" else b"\n" + data
        file.write(data)


def json_text(value: Any) -> str:
    """What `write_json` writes."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
