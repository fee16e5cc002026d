"""Files as bytes and as text."""

from __future__ import annotations

import math
import os
import stat
from typing import BinaryIO

from auricle.errors import AuricleError

MIB = 2**20


def open_file(path: str | os.PathLike[str], limit: float = math.inf) -> BinaryIO:
    """Open a regular file of at most `limit` bytes; an `AuricleError` for anything else, at once."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise AuricleError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise AuricleError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size <= limit:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise AuricleError(f"{path}: not a file")
    raise AuricleError(f"{path}: {status.st_size / 1e6:.0f} MB, more than the {limit / 1e6:.0f} MB that are read")


def read_bytes(path: str | os.PathLike[str], limit: int = 16 * MIB) -> bytes:
    """The content of a regular file of at most `limit` bytes."""
    with open_file(path, limit) as file:
        try:
            return file.read(limit)
        except OSError as error:
            raise AuricleError(f"{path}: cannot be read ({error.strerror})") from None


def read_text(path: str | os.PathLike[str], limit: int = 16 * MIB, errors: str = "strict") -> str:
    """The content of a UTF-8 file, with or without a byte order mark; `errors` as for `bytes.decode`."""
    return decoded(path, read_bytes(path, limit), errors)


def decoded(path: str | os.PathLike[str], data: bytes, errors: str = "strict") -> str:
    """`data`, the content of `path`, as text."""
    try:
        text = data.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        raise AuricleError(f"{path}: not UTF-8 text (byte {error.start + 1}): save it as UTF-8") from None
    if "\0" in text:
        raise AuricleError(f"{path}: not text, it holds zero bytes")
    return text
