"""What it gains that glibc keeps the memory that was freed, as in commands of auricle (`auricle.__main__`).

    python benchmarks/allocator.py --output docs/benchmarks/allocator.md

Each round has a fresh process with the library's usual settings and one in which freed memory is kept.
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import statistics
import sys
from pathlib import Path

import torch
from torch import nn

from auricle.__main__ import prepare_memory
from auricle.backbones import create_backbone
from auricle.frontends import create_frontend
from auricle.runs.provenance import processor
from cases import FORWARD, TRAINING
from processes import in_fresh_process
from progress import track
from timing import timed, with_range

SYSTEMS = {
    "`leaf` and `cnn-small`, 16 clips of 1 s": ("leaf", "cnn-small", 16000, (16, 16000)),
    "`leaf` and `efficientnet-b0`, 16 clips of 1 s": ("leaf", "efficientnet-b0", 16000, (16, 16000)),
    "`mel-efficientat` and `mobilenet`, 8 clips of 5 s at 32 kHz": ("mel-efficientat", "mobilenet", 32000, (8, 160000)),
}
PASSES, WARM_UP = 12, 4


def seconds(system: str, kind: str, kept: bool) -> float:
    """The median over the passes of this process, on one thread."""
    torch.set_num_threads(1)
    if kept:
        prepare_memory()
    name, backbone, sample_rate, shape = SYSTEMS[system]
    torch.manual_seed(0)
    frontend = create_frontend(name, sample_rate=sample_rate)
    n_bands = frontend.n_filters
    whole = nn.Sequential(frontend, nn.Unflatten(1, (1, n_bands)), create_backbone(backbone, n_bands=n_bands))
    waveforms = 0.1 * torch.randn(shape)
    return statistics.median([timed(whole.train(kind == TRAINING), waveforms, kind) for _ in range(PASSES)][WARM_UP:])


def row(what: str, usual: list[float], kept: list[float]) -> str:
    ratios = [one / other for one, other in zip(kept, usual, strict=True)]
    cells = (f"{1e3 * statistics.median(times):.1f}" for times in (usual, kept))
    return f"| {what} | {' | '.join(cells)} | {with_range(ratios)} |"


def page(rows: list[str], rounds: int) -> str:
    return f"""# Memory that is kept

{datetime.date.today()}, PyTorch {torch.__version__}, {processor()}, one thread; medians of {rounds} rounds, in each of
which a fresh process of either kind runs.
`{shlex.join(["python", *sys.argv])}`

The C library of most Linux systems gives large arrays back to the system when they are freed, and the system then has
to clear pages for the next ones. In commands of auricle the library keeps up to 1 GiB, unless `MALLOC_TRIM_THRESHOLD_`
or `MALLOC_MMAP_THRESHOLD_` is set. Your own program gains the same if both are set to 1073741824 before it starts. A
ratio below 1 is a gain; there is none where the library had already adapted itself to keep what a pass needs.

| pass | usual, ms | kept, ms | ratio (range) |
| --- | ---: | ---: | ---: |
{chr(10).join(rows)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    cases = [(system, kind) for system in SYSTEMS for kind in (FORWARD, TRAINING)]
    times: dict[tuple[str, str, bool], list[float]] = {(*case, kept): [] for case in cases for kept in (False, True)}
    for _ in track(range(arguments.rounds), lambda turn: f"round {turn + 1}"):
        for case in times:
            times[case].append(in_fresh_process(seconds, *case))
    rows = [row(f"{system}, {kind}", *(times[system, kind, kept] for kept in (False, True))) for system, kind in cases]
    arguments.output.write_text(page(rows, arguments.rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
