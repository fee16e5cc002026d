"""Several processes that train one model together: how they meet, and which of them decides.

torchrun, or `srun` with several tasks, starts the same command several times. The first process opens the run folder
and writes into it; the others follow it.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, TypeVar

import torch
import torch.distributed as dist

from auricle.config import RunOptions
from auricle.errors import AuricleError
from auricle.progress import first_process

if TYPE_CHECKING:
    from lightning.fabric.plugins.environments import ClusterEnvironment

AnyRun = TypeVar("AnyRun", bound=RunOptions)

_REFUSED = 2  # exit code


def environment() -> ClusterEnvironment | None:
    """How the processes of one training were started from outside; None for a single process."""
    elastic = dist.is_available() and dist.is_torchelastic_launched()
    if not elastic and "SLURM_STEP_NUM_TASKS" not in os.environ:
        return None
    from lightning.fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

    found: ClusterEnvironment | None = None
    if elastic:
        found = TorchElasticEnvironment()
    elif SLURMEnvironment.detect():
        found = SLURMEnvironment(auto_requeue=False)
    return found if found is not None and found.world_size() > 1 else None


def nodes(started: ClusterEnvironment | None) -> tuple[int, int]:
    """The number of machines, and of the processes on each."""
    if started is None:
        return 1, 1
    if dist.is_torchelastic_launched():
        on_each = int(os.environ["LOCAL_WORLD_SIZE"])
        return started.world_size() // on_each, on_each
    n_nodes = int(os.environ.get("SLURM_NNODES", 1))
    return n_nodes, started.world_size() // n_nodes


def for_this_process(options: AnyRun) -> AnyRun:
    """The options, which let only the first process show progress and notes."""
    return options if first_process() else replace(options, quiet=True)


def join() -> None:
    """Wait for the processes of this training, if there are several and they have not met yet."""
    started = environment()
    if started is None or dist.is_initialized():
        return
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
        init_method=f"tcp://{started.main_address}:{started.main_port}",
        rank=started.global_rank(),
        world_size=started.world_size(),
    )
    atexit.register(dist.destroy_process_group)


@contextmanager
def leading() -> Iterator[None]:
    """Context manager of the first process: when the block ends, the others go on, or end if it raised an error."""
    try:
        yield
    except BaseException:
        _told(False)
        raise
    _told(True)


def follow_first() -> None:
    """Wait until the first process has left `leading`; if that raised an error, end this process without a word."""
    if not _told(True):
        raise SystemExit(_REFUSED)


def refuse(reason: str) -> NoReturn:
    """Raise an `AuricleError` in the first process; end the others without a word."""
    if first_process():
        raise AuricleError(reason)
    raise SystemExit(_REFUSED)


def _told(good: bool) -> bool:
    """What the first process says."""
    if not dist.is_initialized():
        return good
    said = [good]
    dist.broadcast_object_list(said, src=0, device=torch.device("cpu"))
    return said[0]
