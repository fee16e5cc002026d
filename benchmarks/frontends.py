"""Measure what every front-end costs on this machine, and write the page of it.

python benchmarks/frontends.py --keep-memory both --output docs/benchmarks/frontends.md
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

import memory
import page
from accuracy import leaf_errors
from cases import MAIN_ROWS, WORKLOADS, row_names
from processes import HAS_GLIBC, in_fresh_process
from streams import measure_streams
from timing import measure


def run(repeats: int, seconds_budget: float, keep_memory: str) -> page.Results:
    """Measure everything; this process itself computes nothing."""
    budget_s = seconds_budget / len(WORKLOADS)
    kept = keep_memory == "yes"

    def passes(names: Sequence[str], kept: bool, device: str = "cpu", compiled: bool = False) -> dict:
        return {
            workload: page.by_key(
                in_fresh_process(measure, workload, names, repeats, budget_s, device, compiled, keep_memory=kept)
            )
            for workload in WORKLOADS
        }

    def errors(device: str) -> dict:
        return {workload: in_fresh_process(leaf_errors, workload, device) for workload in WORKLOADS}

    results = page.Results(
        allocator=(page.KEPT if kept else page.NOT_KEPT) if HAS_GLIBC else page.OTHER_LIBC,
        cases=passes(row_names(), kept),
        errors=errors("cpu"),
        memory=memory.growths(),
        streams=in_fresh_process(measure_streams),
    )
    if keep_memory == "both" and HAS_GLIBC:
        results.extra = passes(MAIN_ROWS, True)
    if torch.cuda.is_available():
        results.gpu_name = torch.cuda.get_device_name()
        results.gpu = passes(row_names(), kept, "cuda", compiled=True)
        results.gpu_errors = errors("cuda")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure the front-ends and write a Markdown page.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks/frontends.md"), help="the page to write")
    parser.add_argument("--repeats", type=int, default=15, help="timed runs of each pass, at most")
    parser.add_argument(
        "--seconds-budget",
        type=float,
        default=400.0,
        help="about how long the timed passes may take, on each device and setting of memory",
    )
    parser.add_argument(
        "--keep-memory",
        choices=("no", "yes", "both"),
        nargs="?",
        const="yes",
        default="no",
        help="have glibc keep freed memory instead of returning it to the system; both: in an extra section",
    )
    arguments = parser.parse_args()
    if arguments.repeats < 1 or arguments.seconds_budget <= 0:
        parser.error("--repeats and --seconds-budget must be positive")
    if arguments.keep_memory == "yes" and not HAS_GLIBC:
        parser.error("--keep-memory is a setting of glibc, which this Python does not use")
    if not arguments.output.parent.is_dir():
        parser.error(f"--output {arguments.output}: there is no folder {arguments.output.parent}")

    results = run(arguments.repeats, arguments.seconds_budget, arguments.keep_memory)
    command = shlex.join(["python", "benchmarks/frontends.py", *sys.argv[1:]])
    arguments.output.write_text(page.write(results, command), encoding="utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
