"""Decoding in a separate process, so that a decoder that dies or hangs costs one file and not the work."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, BinaryIO, cast

import numpy as np

from auricle.audio.damage import Damage, notice
from auricle.audio.decoding import Segment
from auricle.audio.formats import AudioInfo, PathLike, file_error
from auricle.errors import AuricleError

PATIENCE_S = 20.0  # a decoder without any progress for this long is hung
_START_S = 60.0  # for a process to start, on a busy machine
_AHEAD_BYTES = 2**24  # decoded before they are asked for
_HEADER = struct.Struct("<IQ")
_START = "import sys; sys.path[:] = {path!r}; from auricle.audio.decoder import serve; serve()"

Message = tuple[dict[str, Any], bytes]


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
        self._idle: list[_Decoder] = []
        self._all: set[_Decoder] = set()
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

    def _take(self) -> _Decoder:
        with self._lock:
            while self._idle:
                decoder = self._idle.pop()
                if decoder.is_alive():
                    return decoder
                self._all.discard(decoder)
            decoder = _Decoder()
            self._all.add(decoder)
            return decoder

    def _give_back(self, decoder: _Decoder, complete: bool) -> None:
        with self._lock:
            if complete and decoder in self._all:
                self._idle.append(decoder)
                return
            self._all.discard(decoder)
        decoder.end()


class _Decoder:
    """One decoding process, and the messages from it that were received and not yet taken."""

    def __init__(self) -> None:
        _fill_standard_descriptors()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._requests = cast(BinaryIO, self._process.stdin)
        self._answers = cast(BinaryIO, self._process.stdout)
        self._messages: deque[Message | None] = deque()
        self._bytes = 0
        self._started = False
        self._changed = threading.Condition()
        threading.Thread(target=self._collect, name="auricle-decoder", daemon=True).start()

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def await_start(self) -> None:
        """Wait until the process can take requests."""
        if not self._started:
            self.receive(_START_S)
            self._started = True

    def send(self, request: dict[str, Any]) -> None:
        write_message(self._requests, request)

    def receive(self, patience_s: float) -> Message:
        """The next message. Raises `EOFError` if the process ended, `TimeoutError` if nothing comes."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._messages, patience_s):
                raise TimeoutError
            message = self._messages[0]
            if message is None:
                raise EOFError
            self._messages.popleft()
            self._bytes -= len(message[1])
            self._changed.notify_all()
            return message

    def cause_of_death(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.returncode
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Kill the process and wait for its end."""
        self._process.kill()
        self._process.wait()
        with self._changed:
            self._messages.clear()
            self._bytes = 0
            self._changed.notify_all()

    def _collect(self) -> None:
        """Receive messages ahead of the reader, up to a number of bytes."""
        with self._answers:
            message: Message | None = ({}, b"")
            while message is not None:
                message = read_message(self._answers)
                with self._changed:
                    self._changed.wait_for(lambda: self._bytes < _AHEAD_BYTES)
                    self._messages.append(message)
                    self._bytes += len(message[1]) if message else 0
                    self._changed.notify_all()
        with suppress(OSError):
            self._requests.close()


def write_message(pipe: BinaryIO, header: dict[str, Any], data: bytes | memoryview = b"") -> None:
    """Write a message: a header as JSON, and bytes."""
    text = json.dumps(header).encode()
    pipe.write(_HEADER.pack(len(text), len(data)) + text)
    pipe.write(data)
    pipe.flush()


def read_message(pipe: BinaryIO) -> Message | None:
    """The next message of `write_message`, or None where the pipe ends."""
    try:
        start = pipe.read(_HEADER.size)
        if len(start) < _HEADER.size:
            return None
        n_text, n_data = _HEADER.unpack(start)
        text, data = pipe.read(n_text), pipe.read(n_data)
    except (OSError, ValueError):
        return None
    return (json.loads(text), data) if len(text) == n_text and len(data) == n_data else None


def _array(header: dict[str, Any], data: bytes) -> np.ndarray:
    return np.frombuffer(bytearray(data), np.float32).reshape(header["shape"])


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


def _fill_standard_descriptors() -> None:
    """Open what is closed of the descriptors 0 to 2, so that no pipe takes their place and is written to as output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


_decoders: ContextVar[Decoders | None] = ContextVar("decoders", default=None)
