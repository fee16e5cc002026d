"""Silence of decoders: libmpg123 prints notes on the C library's standard error, which libsndfile cannot turn off."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def _standard_error() -> ctypes.c_void_p | None:
    """The variable `stderr` of the C library, where it can be assigned to."""
    if sys.platform not in ("linux", "darwin"):
        return None
    library = ctypes.CDLL(None)
    if sys.platform == "linux" and not hasattr(library, "gnu_get_libc_version"):
        return None
    return ctypes.c_void_p.in_dll(library, "stderr" if sys.platform == "linux" else "__stderrp")


def _nowhere() -> int | None:
    """A C stream whose output is lost; None if there can be none."""
    fopen = ctypes.CDLL(None).fopen
    fopen.restype = ctypes.c_void_p
    stream: int | None = fopen(os.fsencode(os.devnull), b"w")
    return stream


class _Silence:
    """How many threads are within `quiet`, and the two streams between which the first and the last of them switch."""

    def __init__(self) -> None:
        self._variable = _standard_error()
        self._usual = self._variable.value if self._variable else None
        self._nowhere = _nowhere() if self._variable else None
        self.end()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.end)

    def end(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._switch(self._usual)

    def add(self, change: int) -> None:
        with self._lock:
            self._count += change
            self._switch(self._nowhere if self._count else self._usual)

    def _switch(self, stream: int | None) -> None:
        if self._variable is not None and self._nowhere:
            self._variable.value = stream


_silence = _Silence()


@contextmanager
def quiet() -> Iterator[None]:
    """Context manager: what C code writes to its standard error is lost; Python's own standard error is not touched."""
    _silence.add(1)
    try:
        yield
    finally:
        _silence.add(-1)
