"""Batches on a Ray cluster.

Every worker carries out the same command on the shared output folder: it loads the model once and takes one file after
the other that no worker has claimed, with the journal, the locks and the renames of a batch on one machine. A worker
that dies gives up its claims and is started again. (Ray Data would hand out blocks of files, and do a whole block again
when a worker dies.) All machines need the same paths, and a file system with locks for the output.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from auricle.errors import AuricleError
from auricle.extras import optional

_LIVES = 4  # of a worker: what kills it more often is left to this process


R = TypeVar("R")


def on_ray(verb: Callable[..., R], options: Any) -> R:
    """Carry out a verb on Ray's workers; what they leave, if they die, is done here.

    The cluster is that of the environment variable RAY_ADDRESS, or this machine. `options` have `engine`, `workers` and
    `shard`. Returns the verb's result for all files. Raises `AuricleError` without Ray, and errors of the command.
    """
    if options.shard is not None:
        raise AuricleError("--shard is for --engine local: Ray's workers share the files by themselves")
    if options.workers is not None and options.workers < 1:
        raise AuricleError(f"workers={options.workers}: 1 or more")
    own = replace(options, engine="local", workers=None)
    with _connected() as ray:
        from ray.exceptions import RayError, RayTaskError

        n_workers, resources = _workers(ray, options)
        work = ray.remote(max_retries=_LIVES - 1, **resources)(work_of_batch)
        tasks = [work.remote(verb, share) for share in shares(own, n_workers)]
        parts = []
        for task in tasks:
            try:
                parts.append(ray.get(task))
            except RayTaskError as error:
                raise error.cause if isinstance(error.cause, AuricleError) else error from None
            except RayError:
                continue
    rest = replace(own, overwrite=False) if hasattr(own, "overwrite") else own
    return merged(verb.with_options(rest), parts)  # type: ignore[attr-defined]


def work_of_batch(verb: Callable[..., R], options: Any) -> R:
    """What one worker does."""
    return verb.with_options(options)  # type: ignore[attr-defined]


def shares(options: Any, n_workers: int) -> list[Any]:
    """The options of each worker.

    All workers have all files, and claim them one by one. Files that are overwritten are divided beforehand, because a
    worker cannot tell those that another has just overwritten from older ones.
    """
    quiet = replace(options, quiet=True)
    if not getattr(options, "overwrite", False):
        return [quiet] * n_workers
    return [replace(quiet, shard=f"{number}/{n_workers}") for number in range(1, n_workers + 1)]


def merged(last: R, parts: Sequence[R]) -> R:
    """The result of the last look at all files, with what the workers found out about those that they did."""
    result: Any = last
    found: list[Any] = [*parts]
    done = {
        outcome.output: outcome
        for part in found
        for outcome in part.outcomes
        if not (outcome.error or outcome.done_before or outcome.by_another)
    }
    outcomes = [outcome if outcome.error else done.get(outcome.output, outcome) for outcome in result.outcomes]
    changes: dict[str, Any] = {"outcomes": type(result.outcomes)(outcomes)}
    if hasattr(result, "lines"):
        changes["lines"] = list(dict.fromkeys(line for part in (*found, result) for line in part.lines))
    return replace(result, **changes)


@contextmanager
def _connected() -> Iterator[Any]:
    """Context manager: Ray, connected to its cluster or started on this machine, without dashboard and statistics."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = optional("ray", "--engine ray")
    started = not ray.is_initialized()
    if started:
        handler = signal.getsignal(signal.SIGTERM)
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # instead of Ray's, which ends with another exit code
    try:
        yield ray
    finally:
        if started:
            ray.shutdown()


def _workers(ray: Any, options: Any) -> tuple[int, dict[str, Any]]:
    """The number of workers, by default one for each GPU or else each core of the cluster, and what each needs."""
    found = ray.cluster_resources()
    on_gpu = getattr(options, "device", "cpu") != "cpu" and found.get("GPU", 0) >= 1
    resources: dict[str, Any] = {"num_gpus": 1} if on_gpu else {"num_cpus": 1}
    return options.workers or max(1, int(found.get("GPU" if on_gpu else "CPU", 1))), resources
