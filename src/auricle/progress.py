"""Progress, as bars in a terminal or told to a listener, and which process of a training speaks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Listener = Callable[[str, int, int], None]
"""Takes a description, the number of items that are done, and their number in all."""
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Context manager: `track` tells `listener`, who may raise an exception to stop the work, and shows no bars."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def first_process() -> bool:
    """Whether this is the first of the processes that train together, as torchrun, SLURM and Lightning number them."""
    ranks = [os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")]
    return all(rank in (None, "0") for rank in ranks)


def track(items: Iterable[T], description: str, *, total: int, show: bool = True) -> Iterator[T]:
    """Iterate over `items`, with a progress bar if `show` and standard error is a terminal; `total` is their number.

    Within `told_to` the listener is told instead, whatever `show` says.
    """
    listener = _listener.get()
    if listener is not None:
        for done, item in enumerate(items):
            listener(description, min(done, total), total)
            yield item
        return
    if not (show and sys.stderr.isatty() and first_process()):
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as bar

    yield from bar(items, description, total=total, console=Console(stderr=True), transient=True)
