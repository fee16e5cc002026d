"""Iterating in another thread, ahead of the one that uses the items."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.1


class _Stopped(Exception):
    """The items are not wanted any more."""


def ahead(items: Iterator[T], limit: int, size: Callable[[T], int]) -> Generator[T, None, None]:
    """Yield `items`, which another thread makes while their user is busy; their sizes add up to at most `limit` more.

    An item larger than `limit` is made alone. Exceptions of the iterator are raised here. Closing this iterator ends
    the thread and closes `items`.
    """
    made: queue.SimpleQueue[tuple[str, T | BaseException | None, int]] = queue.SimpleQueue()
    room = threading.Condition()
    stop = threading.Event()
    waiting = 0

    def run() -> None:
        nonlocal waiting
        try:
            for item in items:
                n = min(size(item), limit)
                with room:
                    while waiting + n > limit:
                        room.wait(_POLL_S)
                        if stop.is_set():
                            raise _Stopped
                    waiting += n
                if stop.is_set():
                    raise _Stopped
                made.put(("item", item, n))
            made.put(("end", None, 0))
        except _Stopped:
            pass
        except BaseException as error:
            made.put(("error", error, 0))
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    thread.start()
    try:
        while True:
            kind, item, n = made.get()
            if kind == "end":
                return
            if kind == "error":
                assert isinstance(item, BaseException)
                raise item
            with room:
                waiting -= n
                room.notify()
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
