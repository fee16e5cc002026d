"""PESQ of many signals at once, in worker processes: it takes about as long as the signals last to compute."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from auricle.metrics.signals import pesq


class PesqWorkers:
    """A pool of processes, started when it is first used; close it when done."""

    def __init__(self, n_workers: int | None = None) -> None:
        self.n_workers = n_workers or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None

    def measure(
        self, references: Sequence[np.ndarray], estimates: Sequence[np.ndarray], sample_rate: int
    ) -> list[float]:
        """Wide-band PESQ of each pair of signals `(time,)`; NaN where there is no speech to compare."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.n_workers, mp_context=context)
        return list(self._pool.map(pesq, estimates, references, [sample_rate] * len(estimates)))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
