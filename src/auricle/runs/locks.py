"""Locks by which several processes share a folder: they hold for as long as their process lives."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

_CLAIMS, _WRITING, _SHARING = 2**60, 2**62, 2**62 + 1  # offsets in the file, beyond any content
_HELD = (errno.EACCES, errno.EAGAIN)


class Locks:
    """Locks on ranges of bytes of one open file, far beyond its end.

    The system releases them when the process ends in any way. On a file system without locks, which one line on
    standard error says, every lock is granted. The file must not be opened a second time in the process.
    """

    def __init__(self, file: int, folder: Path) -> None:
        self._file = file
        self._folder = folder
        self._thread = threading.RLock()
        self._writing = 0
        self._claimed: set[int] = set()
        self.work = True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Context manager that no other process and no other thread is in at the same time."""
        with self._thread:
            if self._writing == 0:
                self._lock(_WRITING, wait=True)
            self._writing += 1
            try:
                yield
            finally:
                self._writing -= 1
                if self._writing == 0:
                    self._unlock(_WRITING)

    def alone(self) -> bool:
        """Whether no other process shares the folder."""
        return self._lock(_SHARING)

    def share(self) -> None:
        """Share the folder with others until the file is closed."""
        self._lock(_SHARING, shared=True)

    def claim(self, *names: str) -> bool:
        """Claim things by their names; False, and no claim, if another process or thread has claimed one of them."""
        places = sorted({_place(name) for name in names})
        with self._thread:
            taken: list[int] = []
            for place in places:
                if place in self._claimed or not self._lock(place):
                    self._release(taken)
                    return False
                self._claimed.add(place)
                taken.append(place)
        return True

    def release(self, *names: str) -> None:
        """Give up claims."""
        with self._thread:
            self._release([_place(name) for name in names])

    def _release(self, places: list[int]) -> None:
        for place in places:
            self._claimed.discard(place)
            self._unlock(place)

    def _lock(self, place: int, *, wait: bool = False, shared: bool = False) -> bool:
        if fcntl is None or not self.work:
            self._say_none()
            return True
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.lockf(self._file, kind | (0 if wait else fcntl.LOCK_NB), 1, place, os.SEEK_SET)
        except OSError as error:
            if error.errno in _HELD:
                return False
            self._say_none()
        return True

    def _unlock(self, place: int) -> None:
        if fcntl is not None and self.work:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place, os.SEEK_SET)

    def _say_none(self) -> None:
        if self.work:
            self.work = False
            print(f"{self._folder}: files cannot be locked here, so run one process at a time", file=sys.stderr)


def _place(name: str) -> int:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return _CLAIMS + int.from_bytes(digest[:7], "big")
