"""Kill a small training at its writes with SIGKILL, resume it, and compare it with an undisturbed training.

    PYTHONPATH=src python tools/fuzz/training_kills.py --all --output kills.json

Without --all a dozen writes are chosen evenly. The result is JSON: the command, the number of writes, those at which
the training was killed, and what was wrong after resuming (nothing, if all is well).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from killing import fault_after_kill, forked
from sounds import tone_manifest


def command(data: Path, output: Path) -> list[str]:
    """A training of seconds."""
    options = ["--frontend=mel", "--window-s=0.25", "--training.epochs=2", "--training.batch-size=8", "--quiet"]
    return ["train", "classifier", f"--data={data}", f"--output={output}", *options]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--all", action="store_true", help="kill at every write")
    parser.add_argument("--points", type=int, default=12, help="number of writes to kill at without --all")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    started = time.time()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = tone_manifest(folder / "data", 4)
        code, n_writes = forked(command(data, folder / "run"), folder / "run")
        (folder / "run").rename(folder / "undisturbed")
        step = 1 if options.all else max(1, n_writes // options.points)
        faults, points = {}, list(range(1, n_writes + 1, step))
        for point in points:
            fault = fault_after_kill(command(data, folder / "run"), folder / "run", folder / "undisturbed", point)
            (folder / "run").rename(folder / f"killed-{point}")
            if fault:
                faults[point] = fault
                print(f"write {point}: {fault}", flush=True)
    result = {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "undisturbed_exit_code": code,
        "writes": n_writes,
        "killed_at": len(points),
        "as_undisturbed": len(points) - len(faults),
        "faults": faults,
        "seconds": round(time.time() - started, 1),
        "cores": os.cpu_count(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
