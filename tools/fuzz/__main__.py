"""`python tools/fuzz --cases 5000 --seed 0 --output fuzz`: hostile inputs for every verb, each in a watched process.

A case fails if its process crashes, hangs for 20 s, ends with a traceback or another exit code than 0, 2 and 3, takes
more than 1 GiB, or changes a file outside its folder. The inputs of failed cases are kept in the output folder, and
fuzz.json counts everything. The exit code is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).parent))

import confine
import material
import properties
import record
import worker

import cases

_WHAT = {
    "sounds": "damaged sound files",
    "manifests": "hostile manifests",
    "runs": "run folders with damaged files",
    "unfinished": "unfinished trainings with damaged files",
    "onnx": "damaged ONNX files",
    "yaml": "hostile configurations",
    "suites": "hostile specifications of suites",
    "journals": "hostile journals",
    "arguments": "senseless command lines",
}


def fuzz(n_cases: int, seed: int, output: Path, kinds: list[str] | None = None, processes: int = 1) -> int:
    """Run the cases and write fuzz.json and the inputs that failed to `output`; returns how many failed."""
    if not confine.version():
        raise SystemExit("this kernel has no Landlock (Linux 5.13), which confines hostile cases to their folder")
    started = time.time()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        room = Path(temporary)
        material.make(room / "material")
        children = []
        for share in range(processes):
            (room / str(share)).mkdir()
            if (child := os.fork()) == 0:
                _share(range(share, n_cases, processes), seed, output, room / str(share), kinds)
            children.append(child)
        statuses = [os.waitpid(child, 0)[1] for child in children]
        if any(statuses):
            raise SystemExit("the cases could not be run")
        parts = [json.loads((room / str(share) / "counts.json").read_text()) for share in range(processes)]
    counts: dict[str, Counter[str]] = {name: Counter() for name in kinds or cases.KINDS}
    for part in parts:
        for name, own in part["counts"].items():
            counts[name].update(own)
    failures = sorted((failure for part in parts for failure in part["failures"]), key=lambda one: one["case"])
    record.save(
        output / "fuzz.json",
        [(_WHAT[name], count.total(), count.total() - count["failed"]) for name, count in counts.items()],
        failures,
        seed=seed,
        seconds=round(time.time() - started, 1),
        slowest_s=max(part["slowest_s"] for part in parts),
        largest_mib=max(part["largest_mib"] for part in parts),
        codes={name: dict(sorted(count.items())) for name, count in counts.items()},
    )
    print(f"{n_cases} cases in {time.time() - started:.0f} s, {len(failures)} failed; see {output}")
    return len(failures)


def _share(numbers: range, seed: int, output: Path, place: Path, kinds: list[str] | None) -> NoReturn:
    """Run the cases of these numbers, write counts.json to `place`, and end this process."""
    try:
        (place / "counts.json").write_text(json.dumps(_run(numbers, seed, output, place, kinds)))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _run(numbers: range, seed: int, output: Path, place: Path, kinds: list[str] | None) -> dict[str, Any]:
    _prepare()
    chosen = {name: cases.KINDS[name] for name in kinds or cases.KINDS}
    counts: dict[str, Counter[str]] = {name: Counter() for name in chosen}
    failures = []
    slowest, largest = 0.0, 0
    for number in numbers:
        rng = random.Random(f"{seed}/{number}")
        name = rng.choices(list(chosen), [weight for _, weight in chosen.values()])[0]
        folder = place / "case"
        folder.mkdir()
        arguments = chosen[name][0](place.parent / "material", folder, rng)
        outcome = worker.run(arguments, folder, [folder])
        counts[name][(outcome.problem and "failed") or f"exit code {outcome.code}"] += 1
        slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.bytes)
        if outcome.problem:
            kept = output / "failed" / f"{number:05d}-{name}"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(folder, kept, symlinks=True, ignore=shutil.ignore_patterns("out"))
            failures.append({
                "case": number, "kind": name, "problem": outcome.problem, "error": outcome.error[-500:],
                "command": shlex.join(["auricle", *arguments]), "inputs": kept.name,
            })  # fmt: skip
            print(f"case {number} ({name}): {outcome.problem}", flush=True)
        shutil.rmtree(folder)
    return {
        "counts": counts, "failures": failures, "slowest_s": round(slowest, 2), "largest_mib": round(largest / 2**20),
    }  # fmt: skip


def _prepare() -> None:
    """Import everything that a verb may need, so that a case is one fork."""
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import torch

    from auricle.commands import every_verb
    from auricle.systems.system import system_class

    torch.set_num_threads(1)
    for verb in every_verb().values():
        verb.function()
    system_class("classifier")
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    worker.remember_memory()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--examples", type=int, default=1000, help="of each property of the readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=list(cases.KINDS), help="by default all")
    parser.add_argument("--processes", type=int, default=1, help="the cases are the same for every number of processes")
    parser.add_argument("--output", type=Path, default=Path("fuzz"))
    options = parser.parse_args()
    failed = fuzz(options.cases, options.seed, options.output, kinds=options.kinds, processes=options.processes)
    broken = properties.check_all(options.examples, options.seed)
    return int(bool(failed or broken))


if __name__ == "__main__":
    sys.exit(main())
