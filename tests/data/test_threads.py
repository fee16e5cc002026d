"""A function mapped in threads: in order, not far ahead, and given up with what uses it."""

from __future__ import annotations

import threading
import time
from contextvars import ContextVar

from auricle.data.threads import AHEAD, mapped


def test_results_are_in_order_whichever_is_ready_first():
    def square(n: int) -> int:
        time.sleep(0.002 * (n % 3))
        return n * n

    assert list(mapped(square, range(200))) == [n * n for n in range(200)]
    assert list(mapped(square, [])) == []


def test_no_more_is_begun_than_is_wanted_soon():
    begun: list[int] = []
    results = mapped(lambda n: begun.append(n) or n, range(10 * AHEAD))
    assert next(results) == 0
    time.sleep(0.1)
    assert len(begun) <= AHEAD + 1
    results.close()
    time.sleep(0.1)
    n_begun = len(begun)
    time.sleep(0.1)
    assert len(begun) == n_begun <= AHEAD + 1


def test_threads_see_the_context_of_the_caller():
    which: ContextVar[str] = ContextVar("which", default="none")
    token = which.set("mine")
    results = mapped(lambda _: (which.get(), threading.current_thread() is threading.main_thread()), range(5))
    try:
        assert set(results) == {("mine", False)}
    finally:
        which.reset(token)
