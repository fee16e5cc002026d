"""SIGINT and SIGTERM end a command cleanly: one line on standard error, exit code 130 or 143."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

LINE = "auricle: interrupted; run the same command again to resume"


class Interruption:
    """The first signal that asked this process to end, and whether that has been said."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.said = False
        self._process = os.getpid()

    @property
    def code(self) -> int:
        """The exit code: 128 and the number of the signal."""
        return 128 + (signal.SIGINT if self.number is None else self.number)

    def say(self) -> None:
        """Print the line that tells of the interruption, once."""
        if not self.said:
            self.said = True
            os.write(2, f"{LINE}\n".encode())

    def receive(self, number: int, frame: FrameType | None) -> NoReturn:
        """Handle a signal: raise `KeyboardInterrupt`, or end at once if no exception would arrive where it is caught.

        That is during an import, which may discard exceptions, and at a second signal. A worker process, which has
        inherited the handler, ends without a word.
        """
        if os.getpid() != self._process:
            os._exit(128 + number)
        first = self.number is None
        if first:
            self.number = number
        if first and not _importing(frame):
            raise KeyboardInterrupt
        self.say()
        os._exit(self.code)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Context manager in which SIGINT and SIGTERM raise `KeyboardInterrupt` (see `Interruption.receive`).

    Signals that the process was started to ignore are still ignored. After an interruption the handlers stay, for the
    process is about to end. Outside the main thread this does nothing.
    """
    interruption = Interruption()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (int(signal.SIGINT), int(signal.SIGTERM)):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, interruption.receive)
    try:
        yield interruption
    finally:
        if interruption.number is None:
            for number, handler in before.items():
                signal.signal(number, handler)
