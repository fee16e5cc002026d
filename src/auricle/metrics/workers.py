"""Measures of many signals at once, in worker processes, so that whoever makes the signals can go on."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


class Workers:
    """A pool of processes, started when it is first used; close it when done, or use it in a `with`.

    By default as many as there are cores; with 0 everything is measured in this process at once.
    """

    def __init__(self, n_workers: int | None = None) -> None:
        self.n_workers = (os.cpu_count() or 1) if n_workers is None else n_workers
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, measure: Callable[..., T], *arguments: Any) -> Future[T]:
        """The future value of a function of some module."""
        if self.n_workers == 0:
            done: Future[T] = Future()
            done.set_result(measure(*arguments))
            return done
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.n_workers, mp_context=multiprocessing.get_context("spawn"))
        return self._pool.submit(measure, *arguments)

    def map(
        self,
        measure: Callable[[np.ndarray, np.ndarray, int], T],
        estimates: Sequence[np.ndarray],
        references: Sequence[np.ndarray],
        sample_rate: int,
    ) -> Iterator[T]:
        """`measure` of each estimate `(time,)` and its reference."""
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
