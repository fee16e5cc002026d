"""Worker processes that are ended from outside."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data._utils import signal_handling

from auricle.data.workers import Loader


class Numbers(Dataset[torch.Tensor]):
    """The numbers from 0; the worker that reads `last` waits a little and is killed."""

    def __init__(self, last: int = 100) -> None:
        self.last = last

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, item: int) -> torch.Tensor:
        if item == self.last:
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.tensor(item)


@pytest.fixture
def untouched(monkeypatch):
    """No loader of this process has set a handler yet."""
    monkeypatch.setattr(signal_handling, "_SIGCHLD_handler_set", False)
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGCHLD, before)


def kill_and_wait(worker) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    while worker.is_alive():
        time.sleep(0.01)
    for _ in range(10):
        time.sleep(0.01)


@pytest.mark.parametrize("earlier", [False, True])
def test_the_end_of_a_worker_is_an_error_where_a_batch_is_waited_for(untouched, earlier):
    """Also where a plain loader has set torch's handler earlier; that one raises elsewhere."""
    before = set(multiprocessing.active_children())
    if earlier:
        plain = iter(DataLoader(Numbers(), num_workers=1))
        next(plain)
        with pytest.raises(RuntimeError, match="is killed by signal"):
            kill_and_wait(*set(multiprocessing.active_children()) - before)
    batches = iter(Loader(Numbers(), num_workers=1))
    assert next(batches) == 0
    kill_and_wait(*set(multiprocessing.active_children()) - before)
    with pytest.raises(RuntimeError, match=r"DataLoader worker .*(killed|exited)"):
        list(batches)


def test_the_end_of_a_worker_is_noticed_at_once(untouched):
    """By torch's handler, not by its poll, which comes every few seconds and has another cause."""
    with pytest.raises(RuntimeError, match="DataLoader worker") as ended:
        list(Loader(Numbers(last=5), num_workers=1))
    assert "is killed by signal" in f"{ended.value} {ended.value.__cause__}"
