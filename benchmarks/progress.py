"""A progress bar, or plain lines where `rich` is not installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

try:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
except ImportError:
    Progress = None  # type: ignore[assignment, misc]

T = TypeVar("T")


def track(items: Sequence[T], describe: Callable[[T], str]) -> Iterator[T]:
    """The items, each announced by `describe`."""
    return _lines(items, describe) if Progress is None else _bar(items, describe)


def _bar(items: Sequence[T], describe: Callable[[T], str]) -> Iterator[T]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("", total=len(items))
        for item in items:
            progress.update(task, description=describe(item))
            yield item
            progress.advance(task)


def _lines(items: Sequence[T], describe: Callable[[T], str]) -> Iterator[T]:
    for index, item in enumerate(items):
        if index % max(1, len(items) // 10) == 0:
            print(f"{index}/{len(items)} {describe(item)}", file=sys.stderr, flush=True)
        yield item
