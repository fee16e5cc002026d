"""Measure what every front-end costs on this machine, and write the page that says so.

python benchmarks/frontends.py --output docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from auricle.frontends import Frontend, create_frontend, list_frontends
from auricle.runs import processor

SAMPLE_RATE = 16000
N_FILTERS = 40
YARDSTICK = "mel"
FORWARD, TRAINING = "forward", "forward + backward"


@dataclass(frozen=True)
class Workload:
    """A batch of noise clips."""

    batch: int
    seconds: int

    @property
    def audio_seconds(self) -> int:
        return self.batch * self.seconds

    @property
    def title(self) -> str:
        return f"{self.batch} clips of {self.seconds} s" if self.batch > 1 else f"one clip of {self.seconds} s"

    def waveform(self) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return 0.1 * torch.randn(self.batch, self.seconds * SAMPLE_RATE, generator=generator)


WORKLOADS = (Workload(16, 1), Workload(1, 60))


@dataclass
class Case:
    """One front-end doing one kind of pass; `times` are seconds per pass."""

    name: str
    frontend: Frontend
    kind: str
    repeats: int = 1
    times: list[float] = field(default_factory=list)

    def run(self, waveform: torch.Tensor) -> float:
        """Seconds that one pass takes."""
        self.frontend.zero_grad(set_to_none=True)
        start = time.perf_counter()
        with torch.set_grad_enabled(self.kind == TRAINING):
            picture = self.frontend(waveform)
            if self.kind == TRAINING:
                picture.mean().backward()
        return time.perf_counter() - start


def n_parameters(frontend: Frontend) -> int:
    return sum(p.numel() for p in frontend.parameters())


def learns(frontend: Frontend) -> bool:
    return any(p.requires_grad for p in frontend.parameters())


def make_cases() -> list[Case]:
    """Every front-end's forward pass, and its training pass where it learns; the yardstick comes first."""
    arrangements: dict[str, dict[str, str]] = {name: {"name": name} for name in list_frontends()}
    arrangements["leaf, method=direct"] = {"name": "leaf", "method": "direct"}
    cases = []
    for title in sorted(arrangements, key=lambda title: (title != YARDSTICK, title)):
        torch.manual_seed(0)
        frontend = create_frontend(**arrangements[title], sample_rate=SAMPLE_RATE, n_filters=N_FILTERS)
        cases.append(Case(title, frontend, FORWARD))
        if learns(frontend):
            cases.append(Case(title, frontend, TRAINING))
    return cases


def plan(cases: list[Case], first_times: list[float], repeats: int, budget_s: float) -> None:
    """Give each case as many repeats as fit its equal share of what the budget has left: 0 to `repeats`.

    Cases that need less than their share leave the rest to the others, so the cheap ones are planned first.
    """
    remaining = budget_s
    by_cost = sorted(zip(first_times, cases, strict=True), key=lambda pair: pair[0])
    for index, (seconds, case) in enumerate(by_cost):
        share = remaining / (len(cases) - index)
        case.repeats = max(0, min(repeats, int(share / max(seconds, 1e-9))))
        remaining -= case.repeats * seconds


def measure(workload: Workload, repeats: int, budget_s: float, progress: Progress) -> list[Case]:
    """Time every case on `workload`: a warm-up each, then rounds in which all cases take turns.

    A case too slow to run again within the budget keeps its warm-up as its only run.
    """
    cases = make_cases()
    waveform = workload.waveform()
    task = progress.add_task(f"{workload.title}: warm-up", total=len(cases))
    start = time.perf_counter()
    first_times = []
    for case in cases:
        first_times.append(case.run(waveform))
        progress.advance(task)
    plan(cases, first_times, repeats, budget_s - (time.perf_counter() - start))
    progress.update(task, completed=0, total=sum(case.repeats for case in cases))
    for case, seconds in zip(cases, first_times, strict=True):
        case.times = [] if case.repeats else [seconds]
    for turn in range(max(case.repeats for case in cases)):
        for case in cases:
            if turn < case.repeats:
                progress.update(task, description=f"{workload.title}: {case.name}, {case.kind}")
                case.times.append(case.run(waveform))
                progress.advance(task)
    progress.update(task, description=workload.title)
    return cases


def cost(case: Case | None, workload: Workload, yardstick_s: float) -> list[str]:
    """Cells of a table: milliseconds per second of audio with quartiles, ratio to the yardstick, repeats."""
    if case is None:
        return ["–", "–", "–"]
    milliseconds = sorted(1e3 * seconds / workload.audio_seconds for seconds in case.times)
    median = statistics.median(milliseconds)
    spread = ""
    if len(milliseconds) > 1:
        low, _, high = statistics.quantiles(milliseconds, n=4, method="inclusive")
        spread = f" ({low:.3g}–{high:.3g})"
    ratio = median * workload.audio_seconds / 1e3 / yardstick_s
    return [f"{median:.3g}{spread}", f"{ratio:.3g} ×", str(len(case.times))]


def table(workload: Workload, cases: Iterable[Case]) -> str:
    by_key = {(case.name, case.kind): case for case in cases}
    yardstick_s = statistics.median(by_key[YARDSTICK, FORWARD].times)
    lines = [
        f"| front-end | parameters | {FORWARD} | to {YARDSTICK} | runs | {TRAINING} | to {YARDSTICK} | runs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in dict.fromkeys(name for name, _ in by_key):
        forward = by_key[name, FORWARD]
        cells = [f"`{name}`", f"{n_parameters(forward.frontend):,}", *cost(forward, workload, yardstick_s)]
        cells += cost(by_key.get((name, TRAINING)), workload, yardstick_s)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def page(results: dict[Workload, list[Case]], command: str) -> str:
    sections = "\n\n".join(
        f"## {workload.title[0].upper()}{workload.title[1:]}\n\n{table(workload, cases)}"
        for workload, cases in results.items()
    )
    return f"""# What the front-ends cost

Written by `{command}` on {datetime.date.today().isoformat()};
`make bench` writes it anew.

- Processor: {processor()}, {n_cores()} cores, all of them used
- Software: torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}
- Front-ends: the default variants, {N_FILTERS} filters, noise at {SAMPLE_RATE / 1000:g} kHz, float32

Times are **milliseconds of computing per second of audio**: the median over the runs, and the quartiles in brackets
where there is more than one run. 10 means that a hundred seconds of audio take one second.

- "To {YARDSTICK}" divides by the forward pass of `{YARDSTICK}` on the same clips in the same process. The front-ends
  take turns, so that what slows the machine for a while slows them all; where quartiles lie far apart, something did.
  Ratios travel between machines better than milliseconds do.
- "{TRAINING.capitalize()}" includes the gradients of all the front-end's parameters, and none with respect to the
  waveform. A dash stands where nothing is learnt.
- "Parameters" counts fixed ones too.
- "Runs" follow a warm-up that is not counted. Slow passes get fewer of them, and the slowest only the warm-up.

{sections}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure the front-ends and write a Markdown page.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks.md"), help="the page to write")
    parser.add_argument("--repeats", type=int, default=15, help="timed runs of each pass, at most")
    parser.add_argument("--seconds-budget", type=float, default=200.0, help="about how long it may all take")
    arguments = parser.parse_args()
    if arguments.repeats < 1 or arguments.seconds_budget <= 0:
        parser.error("--repeats and --seconds-budget must be positive")
    if not arguments.output.parent.is_dir():
        parser.error(f"--output {arguments.output}: there is no folder {arguments.output.parent}")

    torch.set_num_threads(n_cores())
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    budget_s = arguments.seconds_budget / len(WORKLOADS)
    with Progress(*columns, console=console) as progress:
        results = {workload: measure(workload, arguments.repeats, budget_s, progress) for workload in WORKLOADS}
    command = shlex.join(["python", "benchmarks/frontends.py", *sys.argv[1:]])
    arguments.output.write_text(page(results, command), encoding="utf-8")
    console.print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
