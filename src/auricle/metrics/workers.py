"""Metrics of signals in worker processes, in parallel with the code that makes the signals."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
WAITING = 4
"""Calls that wait for each worker at most: their arguments are kept in memory."""


class Workers:
    """A pool of `n_workers` processes, started at the first use; call `close`, or use it as a context manager.

    By default there is one worker per core; with 0 each call runs at once in this process.
    """

    def __init__(self, n_workers: int | None = None) -> None:
        self.n_workers = (os.cpu_count() or 1) if n_workers is None else n_workers
        self._pool: ProcessPoolExecutor | None = None
        self._room = threading.BoundedSemaphore(WAITING * max(1, self.n_workers))

    def submit(self, measure: Callable[..., T], *arguments: Any) -> Future[T]:
        """Run `measure(*arguments)` in a worker; `measure` has to be a function at the top level of a module."""
        if self.n_workers == 0:
            done: Future[T] = Future()
            done.set_result(measure(*arguments))
            return done
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.n_workers, mp_context=multiprocessing.get_context("spawn"))
        self._room.acquire()
        try:
            future = self._pool.submit(measure, *arguments)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return future

    def map(
        self,
        measure: Callable[[np.ndarray, np.ndarray, int], T],
        estimates: Sequence[np.ndarray],
        references: Sequence[np.ndarray],
        sample_rate: int,
    ) -> Iterator[T]:
        """`measure(estimate, reference, sample_rate)` of each pair of signals `(time,)`, in order."""
        pairs = zip(estimates, references, strict=True)
        futures = [self.submit(measure, estimate, reference, sample_rate) for estimate, reference in pairs]
        return (future.result() for future in futures)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
