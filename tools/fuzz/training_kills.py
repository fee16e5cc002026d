"""Kill a small training at its writes with SIGKILL, resume it, and compare it with an undisturbed training.

    PYTHONPATH=src python tools/fuzz/training_kills.py --verb separator --all --output kills.json

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
import auricle.tasks.classification.train
import auricle.tasks.emotion.train
import auricle.tasks.enhancement.train
import auricle.tasks.pretraining.train
import auricle.tasks.separation.train  # noqa: F401  (all are imported before forking)
from killing import fault_after_kill, forked
from sounds import tone_manifest

OPTIONS = {
    "classifier": ["--data={data}", "--frontend=mel", "--window-s=0.25"],
    "audiomae": ["--data={tones}", "--preset=audiomae-small", "--size.depth=1", "--size.n_frames=32"],
    "enhancer": ["--speech={tones}", "--noise={tones}", "--preset=cmgan-small", "--size.channels=4", "--crop-s=0.2"],
    "separator": [
        "--data={tones}", "--tagger={folder}/tagger", "--preset=resunet30-small", "--sample-rate=8000",
        "--segment-s=0.4", "--splits.validation-share=0.5", "--size.channels=[4,4,4,4,4,4]",
    ],
    "trnet": [
        "--data={data}", "--noise={tones}", "--size.channels=[4,8]", "--window-s=0.3", "--snr", "10",
        "--pairs", "s0-s1", "s2-s3", "--speakers", "s0",
    ],
}  # fmt: skip


def command(verb: str, folder: Path, output: Path) -> list[str]:
    """A training of seconds."""
    places = {"data": folder / "data" / "manifest.csv", "tones": folder / "data", "folder": folder}
    options = [option.format(**places) for option in OPTIONS[verb]]
    return ["train", verb, *options, f"--output={output}", "--training.epochs=2", "--training.batch-size=8", "--quiet"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--verb", choices=OPTIONS, default="classifier", help="what is trained")
    parser.add_argument("--all", action="store_true", help="kill at every write")
    parser.add_argument("--points", type=int, default=12, help="number of writes to kill at without --all")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    started = time.time()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tone_manifest(folder / "data", 8)
        if options.verb == "separator":
            forked(command("classifier", folder, folder / "tagger"), folder)
        run, whole = folder / "run", folder / "undisturbed"
        code, n_writes = forked(command(options.verb, folder, run), run)
        run.rename(whole)
        step = 1 if options.all else max(1, n_writes // options.points)
        faults, points = {}, list(range(1, n_writes + 1, step))
        for point in points:
            fault = fault_after_kill(command(options.verb, folder, run), run, whole, point)
            run.rename(folder / f"killed-{point}")
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
