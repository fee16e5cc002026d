"""Progress bars on standard error, shown in a terminal only, and which process of a training speaks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def first_process() -> bool:
    """Whether this is the first of the processes that train together, as torchrun, SLURM and Lightning number them."""
    ranks = [os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")]
    return all(rank in (None, "0") for rank in ranks)


def track(items: Iterable[T], description: str, *, total: int, show: bool = True) -> Iterator[T]:
    """Iterate over `items`, with a progress bar if `show` and standard error is a terminal; `total` is their number."""
    if not (show and sys.stderr.isatty() and first_process()):
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as bar

    yield from bar(items, description, total=total, console=Console(stderr=True), transient=True)
