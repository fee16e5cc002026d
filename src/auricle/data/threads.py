"""A function mapped over items in threads that share this context's variables, such as `audio.noticing`."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from typing import TypeVar

from auricle.progress import track

T = TypeVar("T")
R = TypeVar("R")

_MOST = 8
AHEAD = 32


def mapped(function: Callable[[T], R], items: Sequence[T], title: str = "", *, progress: bool = False) -> Iterator[R]:
    """`function(item)` of each item, in order, at most `AHEAD` before they are wanted.

    With a `title`, progress is tracked under it, and shown as a bar if `progress`.
    """
    context = copy_context()
    with ThreadPoolExecutor(min(_MOST, (os.cpu_count() or 1) + 2)) as pool:
        jobs = (pool.submit(context.copy().run, function, item) for item in items)
        waiting = deque(islice(jobs, AHEAD))
        try:
            for _ in track(items, title, total=len(items), show=progress) if title else items:
                yield waiting.popleft().result()
                waiting.extend(islice(jobs, 1))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
