"""What it gains that LEAF's filters and windows have no subnormal tails (`auricle.layers.without_tails`).

    python benchmarks/subnormals.py --output docs/benchmarks/subnormals.md

In each round the same front-end passes with its tails and without, in one process on one thread.
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch

import auricle.layers
from allocator import row
from auricle.runs.provenance import processor
from auricle.systems.streaming import Stream
from cases import DIRECT, FORWARD, LEAF, TRAINING, Workload, create
from progress import track
from timing import timed

APCEN, SECOND, CHUNK = "leaf-apcen", Workload(16, 1), 320
PASSES = [(LEAF, FORWARD), (LEAF, TRAINING), (APCEN, FORWARD), (APCEN, TRAINING), (DIRECT, TRAINING)]
N_CHUNKS = 100


def with_tails() -> mock._patch[float]:
    return mock.patch.object(auricle.layers, "_NEGLIGIBLE", 0.0)


def of_passes(name: str, kind: str) -> Callable[[], float]:
    """A function that times a pass of a new front-end."""
    module, waveform = create(name), SECOND.waveform()
    return lambda: timed(module, waveform, kind)


def of_stream() -> Callable[[], float]:
    """A function that times `N_CHUNKS` chunks of 20 ms of a new stream."""
    stream, chunk = Stream(create(LEAF).eval()), SECOND.waveform()[0, :CHUNK]

    def listen() -> float:
        start = time.perf_counter()
        for _ in range(N_CHUNKS):
            stream.push(chunk)
        return time.perf_counter() - start

    return listen


def measure(make: Callable[[], Callable[[], float]], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds with tails and without, by round."""
    one, other = make(), make()
    times: tuple[list[float], list[float]] = [], []
    for turn in range(rounds + 1):
        with with_tails():
            before = one()
        after = other()
        if turn:
            times[0].append(before)
            times[1].append(after)
    return times


def page(rows: list[str], rounds: int) -> str:
    return f"""# Subnormal numbers

{datetime.date.today()}, PyTorch {torch.__version__}, {processor()}, one thread; medians of {rounds} rounds, in each of
which the passes take turns.
`{shlex.join(["python", *sys.argv])}`

The tails of a Gaussian reach down to subnormal numbers, below 1.2e-38, with which many processors compute
much slower. LEAF's filters, their frequency responses and its pooling windows are Gaussians: values below 1e-20, which
change no sum, are 0. A ratio below 1 is a gain; how large it is depends on the processor.

| pass | with tails, ms | without, ms | ratio (range) |
| --- | ---: | ---: | ---: |
{chr(10).join(rows)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = {f"`{name}`, {SECOND.title}, {kind}": (lambda n=name, k=kind: of_passes(n, k)) for name, kind in PASSES}
    cases[f"a stream of `{LEAF}`, {N_CHUNKS} chunks of 20 ms"] = of_stream
    found = [(what, *measure(cases[what], arguments.rounds)) for what in track(cases, str)]
    arguments.output.write_text(page([row(*one) for one in found], arguments.rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
