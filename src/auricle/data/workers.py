"""Loaders whose worker processes may end at any time, by a signal to all processes of a command for instance."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from torch.utils.data import DataLoader
from torch.utils.data._utils import signal_handling

_WAITING = "_poll"  # of multiprocessing's connections


class Loader(DataLoader[Any]):
    """A `DataLoader` that raises the end of a worker where a batch is waited for, and nowhere else.

    torch raises it wherever the main thread then is. That may be where Python discards exceptions, or past all code
    that would catch one.
    """

    def __iter__(self) -> Any:
        iterator = super().__iter__()
        if hasattr(signal, "SIGCHLD"):  # as on all systems but Windows
            handler = signal.getsignal(signal.SIGCHLD)
            if callable(handler) and getattr(handler, "__module__", "") == signal_handling.__name__:
                signal.signal(signal.SIGCHLD, _while_waiting(handler))
        return iterator


def _while_waiting(handler: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        inner = frame
        while inner is not None:
            if inner.f_code.co_name == _WAITING:
                handler(number, frame)
                return
            inner = inner.f_back

    return handle
