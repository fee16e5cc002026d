"""A lock of a folder, so that two processes do not write into it at once."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from auricle.errors import AuricleError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_held: set[int] = set()  # descriptors of the locks of this process


@contextmanager
def folder_lock(folder: str | os.PathLike[str], name: str) -> Iterator[None]:
    """Context manager: hold the lock `name` of `folder`, which is created if missing.

    The lock ends with the block, or with the process however it ends. Child processes do not inherit it. Where the file
    system has no locks, and on Windows, nothing is locked.

    Raises `AuricleError` if another process holds it, naming the folder, and that process and its host.
    """
    path = lock_path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _taken(path)
    _held.add(descriptor)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        _held.discard(descriptor)
        os.close(descriptor)


def lock_path(folder: str | os.PathLike[str], name: str) -> Path:
    """The file that is locked; it is left behind only by a process that was killed, and is then free."""
    return Path(folder) / f".{name}.lock"


def _taken(path: Path) -> int:
    """The descriptor of the locked file `path`."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise AuricleError(
                f"{path.parent} is in use by {holder}: wait for its end, or give another --output"
            ) from None
        except OSError:
            return descriptor  # a file system without locks
        if _same_file(descriptor, path):
            return descriptor
        os.close(descriptor)  # its holder has just ended and removed it


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> str:
    """Which process holds the lock, as it wrote itself."""
    try:
        holder = json.loads(os.pread(descriptor, 1000, 0))
        return f"process {int(holder['pid'])} on {holder['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _close_in_child() -> None:
    """Close the locks of the parent, which would otherwise last as long as this child."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
