"""Signs of life from decoding and from long searches, for a process that waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[], None] | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Callable[[], None]) -> Iterator[None]:
    """Call `listener` at each sign of life in this context."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def alive() -> None:
    """Say that the work goes on, at least every few seconds."""
    listener = _listener.get()
    if listener is not None:
        listener()
