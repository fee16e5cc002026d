"""How much memory one pass takes."""

from __future__ import annotations

import statistics
import sys

from cases import DIRECT, FORWARD, LEAF, TRAINING, YARDSTICK, Workload, create, do_pass
from processes import in_fresh_process
from progress import track

WORKLOAD = Workload(64, 1)
PASSES = ((LEAF, TRAINING), (DIRECT, TRAINING), (YARDSTICK, FORWARD))
N_PROCESSES = 3


def growths() -> dict[tuple[str, str], list[float]]:
    """By front-end and pass, MiB by which peak resident memory grows, smallest first; each in a process of its own.

    A process starts with the peak of the one that started it, which therefore must not have computed anything.
    An allocator that kept what is freed would add its own waste to what a pass needs.
    """
    results: dict[tuple[str, str], list[float]] = {key: [] for key in PASSES}
    for key in track(PASSES * N_PROCESSES, lambda key: f"memory: {key[0]}, {key[1]}"):
        results[key].append(in_fresh_process(growth, *key))
    return {key: sorted(values) for key, values in results.items()}


def growth(name: str, kind: str) -> float:
    """MiB by which one pass raises this process's peak resident memory, after a warm-up with one clip."""
    module = create(name)
    waveform = WORKLOAD.waveform()
    do_pass(module, waveform[:1], kind)
    module.zero_grad(set_to_none=True)
    before = peak_mib()
    do_pass(module, waveform, kind)
    return peak_mib() - before


def peak_mib() -> float:
    """Peak resident memory of this process so far."""
    import resource

    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def ratio(results: dict[tuple[str, str], list[float]]) -> float:
    """Memory of LEAF's training pass divided by the direct method's."""
    return statistics.median(results[LEAF, TRAINING]) / statistics.median(results[DIRECT, TRAINING])
