"""Fresh processes, so that each measurement starts with known settings and history of the memory allocator."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

import torch

ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
HAS_GLIBC = platform.libc_ver()[0] == "glibc"

T = TypeVar("T")


def in_fresh_process(function: Callable[..., T], *arguments: Any, keep_memory: bool = False) -> T:
    """`function(*arguments)`; with `keep_memory` glibc keeps what is freed instead of returning it to the system."""
    with (
        _allocator_settings(keep_memory),
        ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_prepare) as pool,
    ):
        return pool.submit(function, *arguments).result()


@contextmanager
def _allocator_settings(keep_memory: bool) -> Iterator[None]:
    """Set the allocator's environment variables for processes started meanwhile, or remove them."""
    before = {name: os.environ.pop(name, None) for name in ALLOCATOR}
    if keep_memory:
        os.environ.update(ALLOCATOR)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepare() -> None:
    """All cores; on a GPU, convolutions in float32 and not in TF32."""
    torch.set_num_threads(n_cores())
    torch.backends.cudnn.allow_tf32 = False
