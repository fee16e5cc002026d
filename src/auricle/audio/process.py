"""A decoding process, and the messages between it and its parent."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import Any, BinaryIO, cast

_START_S = 60.0  # for a process to start, on a busy machine
AHEAD_BYTES = 2**24  # decoded before they are asked for
_HEADER = struct.Struct("<IQ")
_START = "import sys; sys.path[:] = {path!r}; from auricle.audio.decoder import serve; serve()"


Message = tuple[dict[str, Any], bytes]


def command() -> list[str]:
    """The command that starts a decoding process, with the modules of this one."""
    return [sys.executable, "-c", _START.format(path=sys.path)]


class DecodingProcess:
    """One decoding process, and the messages from it that were received and not yet taken."""

    def __init__(self) -> None:
        _fill_standard_descriptors()
        self._process = subprocess.Popen(
            command(),
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
                    self._changed.wait_for(lambda: self._bytes < AHEAD_BYTES)
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


def _fill_standard_descriptors() -> None:
    """Open what is closed of the descriptors 0 to 2, so that no pipe takes their place and is written to as output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
