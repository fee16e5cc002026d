"""Atomic writing of files: a file is complete or does not exist."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_SUFFIX = 32
_PARTIAL = re.compile(r"\.[0-9a-f]{16}\.part(\..{0,31})?", re.DOTALL)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Context manager: an empty temporary file beside `path`, which replaces `path` if the block ends without an error.

    The temporary file is hidden, has an unpredictable name and the suffix of `path`. A symbolic link at `path` is
    replaced, not followed. Missing folders are created. After an error the file is removed and `path` is unchanged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o666))
    try:
        yield partial
        os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink()


def partial_path(path: Path) -> Path:
    """An unpredictable hidden path beside `path` for a part of it, with the suffix of `path`; see `remove_partials`."""
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
    return path.with_name(f".{secrets.token_hex(8)}.part{suffix}")


def is_partial(path: Path) -> bool:
    """Whether `partial_path` gives such a name."""
    return _PARTIAL.fullmatch(path.name) is not None


def remove_partials(folder: Path, below: bool = True) -> None:
    """Remove the parts that killed processes left in `folder`, and `below` it; nobody else may be writing there."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            if is_partial(path):
                shutil.rmtree(path)
            elif below:
                remove_partials(path)
        elif is_partial(path):
            path.unlink()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` as the whole content of `path`."""
    with replacing(path) as partial:
        partial.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8, preserving line ends and the bytes of file names that are not UTF-8."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write indented JSON; NaN and infinity become null."""
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
    """Append a line to a journal, which is created if missing; an incomplete last line is ended first."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    data = line.encode("utf-8", "surrogateescape") + b"\n"
    with open(path, "ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            data = data if file.read(1) == b"\n" else b"\n" + data
        file.write(data)


def json_text(value: Any) -> str:
    """`value` as the text that `write_json` writes."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
