"""Decoding in a separate process, so that a decoder that dies or hangs costs one file and not the work."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from auricle.audio.damage import Damage, notice
from auricle.audio.decoding import Segment
from auricle.audio.formats import AudioInfo, PathLike, file_error
from auricle.audio.process import DecodingProcess, Message
from auricle.errors import AuricleError

PATIENCE_S = 20.0  # a decoder without any progress for this long is hung


@contextmanager
def isolated(*, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Context manager: `info`, `read` and `blocks` decode in a separate process, with the same results.

    The process starts on first use and ends with the context. If it dies, or makes no progress for `patience_s`
    seconds, the file that it was reading raises an `AuricleError` and the next file gets a new process. Blocks are
    decoded ahead of the reader, up to 16 MB. Several files that are read at the same time have a process each.
    """
    if current() is not None:
        yield
        return
    decoders = Decoders(patience_s)
    token = _decoders.set(decoders)
    try:
        yield
    finally:
        _decoders.reset(token)
        decoders.close()


def current() -> Decoders | None:
    """The decoders of the surrounding `isolated()` of this process."""
    decoders = _decoders.get()
    return decoders if decoders is not None and decoders.owner == os.getpid() else None


class Decoders:
    """Decoding processes: one, or more while several files are being read at the same time."""

    def __init__(self, patience_s: float) -> None:
        self.owner = os.getpid()
        self._patience_s = patience_s
        self._idle: list[DecodingProcess] = []
        self._all: set[DecodingProcess] = set()
        self._lock = threading.Lock()

    def info(self, path: PathLike) -> AudioInfo:
        """See `auricle.audio.info`."""
        ((header, _),) = self._answers(path, {"what": "info"})
        return AudioInfo(**header["info"])

    def read(self, path: PathLike, segment: Segment) -> tuple[np.ndarray, int]:
        """See `auricle.audio.read`."""
        ((header, data),) = self._answers(path, {"what": "read", "segment": vars(segment)})
        return _array(header, data), header["rate"]

    def blocks(
        self, path: PathLike, segment: Segment, block_s: float, hop_s: float
    ) -> Iterator[tuple[float, np.ndarray]]:
        """See `auricle.audio.blocks`."""
        request = {"what": "blocks", "segment": vars(segment), "block_s": block_s, "hop_s": hop_s}
        for header, data in self._answers(path, request):
            yield header["start_s"], _array(header, data)

    def close(self) -> None:
        with self._lock:
            decoders, self._all, self._idle = self._all, set(), []
        for decoder in decoders:
            decoder.end()

    def _answers(self, path: PathLike, request: dict[str, Any]) -> Iterator[Message]:
        """The results that answer a request; damage is noticed, and an error of the file is raised."""
        decoder = self._take()
        complete = False
        try:
            decoder.await_start()
            decoder.send({**request, "path": os.fsdecode(path), "folder": _working_folder()})
            while True:
                header, data = decoder.receive(self._patience_s)
                if "damage" in header:
                    notice(Damage(*header["damage"]))
                elif "error" in header:
                    complete = True
                    raise AuricleError(header["error"])
                elif header.get("end"):
                    complete = True
                    return
                elif header:
                    yield header, data
        except (EOFError, BrokenPipeError):
            raise file_error(path, f"cannot be decoded: the decoder died ({decoder.cause_of_death()})") from None
        except TimeoutError:
            raise file_error(
                path, f"cannot be decoded: the decoder made no progress for {self._patience_s:g} s"
            ) from None
        finally:
            self._give_back(decoder, complete)

    def _take(self) -> DecodingProcess:
        with self._lock:
            while self._idle:
                decoder = self._idle.pop()
                if decoder.is_alive():
                    return decoder
                self._all.discard(decoder)
            decoder = DecodingProcess()
            self._all.add(decoder)
            return decoder

    def _give_back(self, decoder: DecodingProcess, complete: bool) -> None:
        with self._lock:
            if complete and decoder in self._all:
                self._idle.append(decoder)
                return
            self._all.discard(decoder)
        decoder.end()


def _array(header: dict[str, Any], data: bytes) -> np.ndarray:
    return np.frombuffer(bytearray(data), np.float32).reshape(header["shape"])


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


_decoders: ContextVar[Decoders | None] = ContextVar("decoders", default=None)
