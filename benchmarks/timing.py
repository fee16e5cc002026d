"""How long the passes take: rounds in which all cases take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cases import Case, Workload, do_pass, make_cases
from progress import track

GPU_WARM_UPS = 3


def measure(
    workload: Workload, names: Sequence[str], repeats: int, budget_s: float, device: str = "cpu", compiled: bool = False
) -> list[Case]:
    """Time every case on `workload`: warm-ups, then rounds that take `budget_s` seconds or so.

    A case that `torch.compile` fails on is left out of the rounds and says why.
    """
    if compiled:
        torch._dynamo.config.recompile_limit = 1000
    pairs = make_cases(names, device, compiled)
    modules = {id(case): module for case, module in pairs}
    waveform = workload.waveform(device)
    warm_ups: dict[int, float] = {}
    for case, module in track(pairs, lambda pair: f"{workload.title}: warm-up, {pair[0].name}, {pair[0].kind}"):
        try:
            for _ in range(1 if device == "cpu" else GPU_WARM_UPS):
                warm_ups[id(case)] = timed(module, waveform, case.kind)
        except Exception as error:
            if not compiled:
                raise
            case.failure = type(error).__name__
    cases = [case for case, _ in pairs if not case.failure]
    plan(cases, [warm_ups[id(case)] for case in cases], repeats, budget_s)
    rounds = [case for turn in range(repeats) for case in cases if turn < case.repeats]
    for case in track(rounds, lambda case: f"{workload.title}: {case.name}, {case.kind}"):
        case.times.append(timed(modules[id(case)], waveform, case.kind))
    return [case for case, _ in pairs]


def with_range(ratios: Sequence[float], decimals: int = 2) -> str:
    """The median and the range: '0.84 (0.81–0.89)'."""
    median, low, high = (f"{value:.{decimals}f}" for value in (statistics.median(ratios), min(ratios), max(ratios)))
    return f"{median} ({low}–{high})"


def timed(module: nn.Module, waveform: Tensor, kind: str) -> float:
    """Seconds that one pass takes."""
    module.zero_grad(set_to_none=True)
    synchronize(waveform)
    start = time.perf_counter()
    do_pass(module, waveform, kind)
    synchronize(waveform)
    return time.perf_counter() - start


def synchronize(waveform: Tensor) -> None:
    if waveform.is_cuda:
        torch.cuda.synchronize()


def plan(cases: list[Case], first_times: list[float], repeats: int, budget_s: float) -> None:
    """Give each case as many repeats as fit its equal share of what the budget has left, 1 to `repeats`.

    Cases that need less than their share leave the rest to the others, so the cheap ones are planned first.
    """
    remaining = budget_s
    by_cost = sorted(zip(first_times, cases, strict=True), key=lambda pair: pair[0])
    for index, (seconds, case) in enumerate(by_cost):
        share = remaining / (len(cases) - index)
        case.repeats = max(1, min(repeats, int(share / max(seconds, 1e-9))))
        remaining -= case.repeats * seconds
