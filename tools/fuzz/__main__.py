"""`python tools/fuzz --cases 5000 --seed 0 --output fuzz`: hostile inputs for every verb, each in a watched process.

A case fails if its process crashes, hangs for 20 s, ends with a traceback or another exit code than 0, 2 and 3, takes
more than 1 GiB, or changes a file outside its folder. The inputs of failed cases are kept in the output folder, and
results.json counts everything. The exit code is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import random
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import confine
import material
import properties
import worker

import cases


def fuzz(n_cases: int, seed: int, output: Path, source: Path | None = None, kinds: list[str] | None = None) -> dict:
    """Run the cases and write results.json and the inputs that failed to `output`; returns what results.json holds."""
    from auricle.files import write_json
    from auricle.runs.provenance import provenance

    if not confine.version():
        raise SystemExit("this kernel has no Landlock (Linux 5.13), which confines hostile cases to their folder")
    _prepare()
    started = time.time()
    chosen = {name: cases.KINDS[name] for name in kinds or cases.KINDS}
    counts: dict[str, Counter[str]] = {name: Counter() for name in chosen}
    failures = []
    slowest, largest = 0.0, 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        place = Path(temporary)
        if source is None:
            source = place / "material"
            material.make(source)
        for number in range(n_cases):
            rng = random.Random(f"{seed}/{number}")
            name = rng.choices(list(chosen), [weight for _, weight in chosen.values()])[0]
            folder = place / "case"
            folder.mkdir()
            arguments = chosen[name][0](source, folder, rng)
            outcome = worker.run(arguments, folder, [folder])
            counts[name][(outcome.problem and "failed") or f"exit code {outcome.code}"] += 1
            slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.bytes)
            if outcome.problem:
                kept = output / "failed" / f"{number:05d}-{name}"
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(folder, kept, symlinks=True, ignore=shutil.ignore_patterns("out"))
                failures.append({
                    "case": number, "kind": name, "problem": outcome.problem, "error": outcome.error[-500:],
                    "command": shlex.join(["auricle", *arguments]), "inputs": str(kept),
                })  # fmt: skip
                print(f"case {number} ({name}): {outcome.problem}", flush=True)
            shutil.rmtree(folder)
    record = {
        "cases": n_cases, "seed": seed, "failed": len(failures), "seconds": round(time.time() - started, 1),
        "slowest_s": round(slowest, 2), "largest_mib": round(largest / 2**20),
        "counts": {name: dict(sorted(count.items())) for name, count in counts.items()},
        "failures": failures, "provenance": provenance() | {"platform": platform.platform()},
    }  # fmt: skip
    write_json(output / "results.json", record)
    return record


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


def _kills(arguments: list[str]) -> int:
    """Run kills.py, if there is one; returns its exit code."""
    path = Path(__file__).with_name("kills.py")
    if not path.is_file():
        return 0
    spec = importlib.util.spec_from_file_location("kills", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kills"] = module
    spec.loader.exec_module(module)
    try:
        return int(module.main(arguments) or 0)
    except SystemExit as ended:
        return int(ended.code or 0) if not isinstance(ended.code, str) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--examples", type=int, default=1000, help="of each property of the readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=list(cases.KINDS), help="by default all")
    parser.add_argument("--output", type=Path, default=Path("fuzz"))
    parser.add_argument("--no-kills", action="store_true", help="leave kills.py out")
    options = parser.parse_args()
    record = fuzz(options.cases, options.seed, options.output, kinds=options.kinds)
    print(f"{record['cases']} cases in {record['seconds']:.0f} s, {record['failed']} failed; see {options.output}")
    broken = properties.check_all(options.examples, options.seed)
    kills = 0 if options.no_kills else _kills([])
    return int(bool(record["failed"] or broken or kills))


if __name__ == "__main__":
    sys.exit(main())
