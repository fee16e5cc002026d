"""How much trainings on the same cores slow one another down, by how long threads of torch wait actively.

    python benchmarks/neighbours.py --output docs/benchmarks/neighbours.md

Threads without work wait actively for some milliseconds, unless GOMP_SPINCOUNT says for how many turns: meanwhile they
keep the cores from other processes. The command line sets it (`auricle.__main__`).
"""

from __future__ import annotations

import argparse
import datetime
import os
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn

from auricle.__main__ import SPIN_COUNT
from auricle.backbones import create_backbone
from auricle.frontends import create_frontend
from auricle.runs.provenance import processor
from processes import n_cores
from progress import track
from timing import with_range

BATCH, SAMPLES, STEPS, WARM_UP_STEPS = 32, 16000, 20, 3
COUNTS = (1, 2)
SETTINGS: dict[str, dict[str, str]] = {
    "as the library has it": {},
    f"`GOMP_SPINCOUNT={SPIN_COUNT}`, as commands of auricle have it": {"GOMP_SPINCOUNT": SPIN_COUNT},
    "`OMP_NUM_THREADS=1`": {"OMP_NUM_THREADS": "1"},
}
VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")


def train() -> float:
    """Seconds of one process for a few training steps of LEAF and a small network, after a line on standard input."""
    torch.manual_seed(0)
    frontend = create_frontend("leaf")
    system = nn.Sequential(
        frontend, nn.Unflatten(1, (1, frontend.n_filters)), create_backbone("cnn-small", n_bands=frontend.n_filters)
    )
    optimizer = torch.optim.Adam(system.parameters())
    waveforms = 0.1 * torch.randn(BATCH, SAMPLES)
    for step in range(WARM_UP_STEPS + STEPS):
        if step == WARM_UP_STEPS:
            print("ready", flush=True)
            sys.stdin.readline()
            start = time.perf_counter()
        optimizer.zero_grad()
        system(waveforms).square().mean().backward()
        optimizer.step()
    return time.perf_counter() - start


def together(count: int, setting: dict[str, str]) -> float:
    """Seconds until `count` processes that begin to train at once have all ended."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | setting
    command = [sys.executable, __file__, "--train"]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(count)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return max(float(process.communicate()[0]) for process in started)


def page(seconds: dict[tuple[str, int], list[float]], rounds: int) -> str:
    rows = []
    for setting in SETTINGS:
        alone, both = (statistics.median(seconds[setting, count]) for count in COUNTS)
        ratios = [two / one for one, two in zip(*(seconds[setting, count] for count in COUNTS), strict=True)]
        rows.append(f"| {setting} | {alone:.2f} | {both:.2f} | {with_range(ratios, 1)} |")
    return f"""# Two trainings on the same cores

{datetime.date.today()}, PyTorch {torch.__version__}, {processor()}, {n_cores()} cores; medians of {rounds} rounds,
in which all take turns.
`{shlex.join(["python", *sys.argv])}`

{STEPS} training steps of `leaf` and `cnn-small`, {BATCH} × {SAMPLES:,} samples, once alone and once in two processes
that begin at the same time. Two that share the cores fairly take 2.0 times as long as one. Threads that have nothing to
do wait actively, for milliseconds if nothing is set, and keep the cores from the other process. In commands of auricle
they wait for some microseconds only, unless `GOMP_SPINCOUNT` or `OMP_WAIT_POLICY` is set. Whoever trains as many models
at once as there are cores does best to give each of them one thread.

| setting | one, s | two at once, s | ratio (range) |
| --- | ---: | ---: | ---: |
{chr(10).join(rows)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--train", action="store_true", help="what each of the processes does")
    arguments = parser.parse_args()
    if arguments.train:
        print(train())
        return
    if not arguments.output:
        parser.error("missing: --output")
    seconds: dict[tuple[str, int], list[float]] = {(setting, count): [] for setting in SETTINGS for count in COUNTS}
    for _ in track(range(arguments.rounds), lambda turn: f"round {turn + 1}"):
        for setting, count in seconds:
            seconds[setting, count].append(together(count, SETTINGS[setting]))
    arguments.output.write_text(page(seconds, arguments.rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
