"""A function mapped over items in threads that share this context's variables, such as `audio.noticing`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from auricle.progress import track

T = TypeVar("T")
R = TypeVar("R")

_MOST = 8


def mapped(function: Callable[[T], R], items: Sequence[T], title: str, *, progress: bool = False) -> Iterator[R]:
    """`function(item)` of each item, in order; `progress` shows a bar with `title`."""
    jobs = [(copy_context(), item) for item in items]
    with ThreadPoolExecutor(min(_MOST, (os.cpu_count() or 1) + 2)) as pool:
        yield from track(
            pool.map(lambda job: job[0].run(function, job[1]), jobs), title, total=len(items), show=progress
        )
