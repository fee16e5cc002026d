"""SIGINT and SIGTERM during a training, which ends between two batches."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

_POLL_S = 0.02


class SignalsBetweenBatches(Callback):
    """Context manager and callback: a first signal is handled between two batches, and a second one at once.

    They are handled as before the training.

    An exception that a handler raises in the midst of a batch may be lost: Python discards it where an object is
    deleted or a process is forked. Lightning's own handler would let the epoch go on.
    """

    def __init__(self) -> None:
        self.before: dict[int, Any] = {}
        self.received: int | None = None
        self._ending = False
        self._unraisable = sys.unraisablehook
        self._process = os.getpid()
        self._obeyed = False

    def __enter__(self) -> SignalsBetweenBatches:
        if threading.current_thread() is threading.main_thread():
            handlers = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
            self.before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
        self._handle()
        self._unraisable = sys.unraisablehook
        sys.unraisablehook = self._say
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        if not self._ending:
            sys.unraisablehook = self._unraisable

    def _say(self, error: Any) -> None:
        """Say an error in a destructor, unless the training ends: workers that got the signal too are such errors."""
        if not self._ending:
            self._unraisable(error)

    def _handle(self) -> None:
        for number in self.before:
            signal.signal(number, self._receive)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._handle()  # Lightning has just set its own handlers

    def on_train_batch_start(self, *arguments: Any) -> None:
        self.obey()

    def on_validation_batch_start(self, *arguments: Any) -> None:
        self.obey()

    def on_train_end(self, *arguments: Any) -> None:
        self.obey()

    def obey(self) -> None:
        """Handle a signal that was received."""
        number, self.received = self.received, None
        if number is not None:
            self._obeyed = True
            signal.signal(number, self.before[number])
            signal.raise_signal(number)

    def obey_within(self, seconds: float) -> None:
        """Handle a signal that was received, or that comes within some seconds.

        For an error that may be a worker's, which got the signal too. Where the signal has been handled, the training
        is still interrupted.
        """
        if self._obeyed:
            raise KeyboardInterrupt
        deadline = time.monotonic() + seconds
        while self.before and self.received is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        self.obey()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal; worker processes, which inherit this handler, end with this process."""
        if os.getpid() != self._process:
            return
        again = self.received is not None
        self.received = number
        self._ending = True
        if again:
            self.obey()
