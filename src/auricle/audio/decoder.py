"""What the decoding process of `isolated()` does: it answers requests on standard input until that ends."""

from __future__ import annotations

import os
import queue
import signal
import threading
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np

from auricle.audio import decoding
from auricle.audio.alive import heard_by
from auricle.audio.damage import Damage, noticing
from auricle.audio.decoding import Segment
from auricle.audio.formats import file_error
from auricle.audio.process import read_message, write_message
from auricle.errors import AuricleError


def serve() -> None:
    """Answer each request with messages on standard output; the process ends at once where standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, target = _taken(0), _taken(1)
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(source, requests), daemon=True).start()
    with suppress(BrokenPipeError):
        write_message(target, {})
        while True:
            _Answer(target, requests.get()).give()
    os._exit(0)


def _taken(descriptor: int) -> BinaryIO:
    """The pipe at a standard descriptor, which decoders that print messages then do not reach."""
    pipe = os.fdopen(os.dup(descriptor), "wb" if descriptor else "rb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return pipe


def _receive(source: BinaryIO, requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    while (message := read_message(source)) is not None:
        requests.put(message[0])
    os._exit(0)


class _Answer:
    """The messages that answer one request: damage and results, then an end or an error."""

    def __init__(self, pipe: BinaryIO, request: dict[str, Any]) -> None:
        self._pipe = pipe
        self._path: str = request["path"]
        self._request = request
        self._damage: list[Damage] = []
        self._n_told = 0

    def give(self) -> None:
        with noticing() as self._damage, heard_by(self._alive):
            try:
                with suppress(OSError):
                    os.chdir(self._request["folder"])
                self._results()
                end: dict[str, Any] = {"end": True}
            except BrokenPipeError:
                raise
            except AuricleError as error:
                end = {"error": str(error)}
            except Exception as error:
                why = " ".join(str(error).split()) or type(error).__name__
                end = {"error": str(file_error(self._path, f"cannot be decoded ({why})"))}
        self._tell_damage()
        write_message(self._pipe, end)

    def _results(self) -> None:
        if self._request["what"] == "info":
            info = decoding.info(self._path)
            self._tell_damage()
            write_message(self._pipe, {"info": vars(info)})
            return
        segment = Segment(**self._request["segment"])
        if self._request["what"] == "read":
            waveform, rate = decoding.read(self._path, segment)
            self._array(waveform, rate=rate)
            return
        for start_s, block in decoding.blocks(self._path, segment, self._request["block_s"], self._request["hop_s"]):
            self._array(block, start_s=start_s)

    def _array(self, waveform: np.ndarray, **header: Any) -> None:
        self._tell_damage()
        data = np.ascontiguousarray(waveform).data.cast("B")
        write_message(self._pipe, {"shape": waveform.shape, **header}, data)

    def _alive(self) -> None:
        write_message(self._pipe, {})

    def _tell_damage(self) -> None:
        for damage in self._damage[self._n_told :]:
            write_message(self._pipe, {"damage": [damage.path, damage.kind, damage.reason]})
        self._n_told = len(self._damage)
