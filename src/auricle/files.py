"""Atomic writing of files: a file is complete or does not exist."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from auricle.errors import AuricleError, shown_path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import pandas as pd

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LONGEST_SUFFIX = 32
_NOT_LINKS = getattr(os, "O_NOFOLLOW", 0)
_PARTIAL = re.compile(r"\.[0-9a-f]{16}\.part(\..*)?", re.DOTALL)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Context manager: an empty temporary file beside `path`, which replaces `path` if the block ends without an error.

    The temporary file is hidden, has an unpredictable name and the suffix of `path`. Its content is on the disk before
    it takes its name, so that a full disk is an error and a power failure leaves no empty file; in a `partial_folder`
    that is left to the one who takes the file out. A symbolic link at `path` is replaced, not followed. Missing folders
    are created. After an error, which names `path`, the file is removed and `path` is unchanged; what a killed process
    leaves, `remove_partials` removes. Raises `AuricleError` for a folder, a device or a pipe.
    """
    path = Path(path)
    refuse_special(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
    with naming(path):
        partial, lock = _new_partial(path.parent, suffix, folder=False)
    try:
        with naming(path):
            yield partial
            if not any(map(is_partial, path.parents)):
                flush(partial)
            os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink()
        os.close(lock)


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Context manager that writes `path`: an `OSError` about an unfinished file names `path` instead.

    So does one that says that the disk is full without the name of a file.
    """
    try:
        yield
    except OSError as error:
        names = [name for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
        unfinished = [any(map(is_partial, (own, *own.parents))) for own in map(Path, map(os.fsdecode, names))]
        full = error.errno in _FULL
        if (full and (any(unfinished) or not names)) or any(unfinished[:1]):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def refuse_special(path: Path) -> None:
    """Raise `AuricleError` if there is something at `path` that is no file, such as a folder, a device or a pipe."""
    with suppress(OSError):
        kind = os.stat(path).st_mode
        if not stat.S_ISREG(kind):
            what = "a folder" if stat.S_ISDIR(kind) else "not a file"
            raise AuricleError(f"{shown_path(path)} is {what}: give a file")


@contextmanager
def partial_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Context manager: a new hidden folder in `folder`, for files that are not finished; it is removed at the end.

    Errors about these files name `folder` instead.
    """
    with naming(folder):
        partial, lock = _new_partial(Path(folder), "", folder=True)
    try:
        with naming(folder):
            yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(lock)


def put_in_place(made: Path, folder: Path) -> None:
    """Rename `made`, within a `partial_folder`, to `folder`; what was there is removed with the partial folder."""
    if folder.exists():
        os.replace(folder, made.parent / "before")
    os.replace(made, folder)


def remove_partials(folder: str | os.PathLike[str], *, below: bool = False) -> None:
    """Remove what killed processes have left in `folder`, and `below` it, of `replacing` and `partial_folder`.

    What a living process is writing is locked by it, and stays; so does everything on a file system without locks.
    """
    found = [Path(folder)]
    if below:
        found += [Path(root, name) for root, names, _ in os.walk(folder) for name in names]
    for place in found:
        with suppress(OSError):
            for path in [Path(entry) for entry in os.scandir(place) if _PARTIAL.fullmatch(entry.name)]:
                with suppress(OSError), _opened(path) as file:
                    kind = os.fstat(file).st_mode
                    if stat.S_ISDIR(kind) and _lock(file):
                        shutil.rmtree(path)
                    elif stat.S_ISREG(kind) and _lock(file):
                        path.unlink()


def is_partial(path: Path) -> bool:
    """Whether this is the name of an unfinished file or folder."""
    return bool(_PARTIAL.fullmatch(path.name))


def flush(path: str | os.PathLike[str]) -> None:
    """Wait until the content of a file is on the disk."""
    with _opened(path) as file:
        os.fsync(file)


def _new_partial(beside: Path, suffix: str, *, folder: bool) -> tuple[Path, int]:
    """A new file or folder of an unpredictable name in `beside`, and a descriptor that holds its lock."""
    while True:
        path = beside / f".{secrets.token_hex(8)}.part{suffix}"
        if folder:
            path.mkdir()
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOT_LINKS, 0o666))
        try:
            file = os.open(path, os.O_RDONLY | _NOT_LINKS)
        except FileNotFoundError:  # `remove_partials` found it before it was locked
            continue
        except OSError:
            (os.rmdir if folder else os.unlink)(path)
            raise
        if _lock(file) is not False and os.fstat(file).st_nlink:
            return path, file
        os.close(file)


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[int]:
    """Context manager: a descriptor of a file or folder, opened without following a link or waiting for a pipe."""
    file = os.open(path, os.O_RDONLY | _NOT_LINKS | getattr(os, "O_NONBLOCK", 0))
    try:
        yield file
    finally:
        os.close(file)


def _lock(file: int) -> bool | None:
    """Lock a file or folder; False if another process has locked it, None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` as the whole content of `path`."""
    with replacing(path) as partial:
        partial.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8, preserving line ends and the bytes of file names that are not UTF-8."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def as_named(path: str | os.PathLike[str]) -> str:
    """`path`, or that of the file which tables name so: they have bytes that are not UTF-8 as `\\xNN`."""
    name = os.fsdecode(path)
    if "\\x" not in name or os.path.lexists(name):
        return name
    own = re.sub(rb"\\x([89a-f][0-9a-f])", lambda byte: bytes.fromhex(byte[1].decode()), os.fsencode(name))
    return os.fsdecode(own) if os.path.lexists(own) else name


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write indented JSON; NaN and infinity become null."""
    write_text(path, json_text(value))


def write_table(path: str | os.PathLike[str], table: pd.DataFrame, **options: Any) -> None:
    """Write a table as CSV without its index; `options` are those of `DataFrame.to_csv`."""
    with replacing(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        lines: Any = _CsvLines(file)
        table.to_csv(lines, index=False, lineterminator="\r\n", **options)


def write_rows(path: str | os.PathLike[str], columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV table of `rows`, whose cells are those of `columns`, in their order; None is an empty cell."""
    write_text(path, csv_text(columns, rows))


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """The text that `write_rows` writes."""
    text = io.StringIO()
    csv.writer(_CsvLines(text)).writerows([columns, *rows])
    return text.getvalue()


class _CsvLines:
    """A text file for the csv module to write to: lines end with \\n, and cells with any line break are quoted.

    The module quotes only the characters that its own line ends have, which are \\r\\n by default.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        return self._file.write(line.removesuffix("\r\n") + "\n")


def write_tidy(path: str | os.PathLike[str], table: pd.DataFrame) -> None:
    """Write a table as `PATH.csv` and, if pyarrow is installed, as `PATH.parquet`."""
    path = Path(path)
    write_table(path.with_name(f"{path.name}.csv"), table)
    if find_spec("pyarrow") is not None:
        plain = table.map(lambda cell: cell.encode("utf-8", "backslashreplace").decode() if type(cell) is str else cell)
        with replacing(path.with_name(f"{path.name}.parquet")) as partial, open(partial, "wb") as file:
            plain.to_parquet(file, index=False, engine="pyarrow")  # which takes no name that is not UTF-8


def write_arrays(path: str | os.PathLike[str], **arrays: Any) -> None:
    """Write arrays as a compressed .npz file."""
    import numpy as np  # not above: listing names as JSON needs no NumPy

    with replacing(path) as partial:
        np.savez_compressed(partial, **arrays)


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
