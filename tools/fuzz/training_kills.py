"""Kill a small training at its writes with SIGKILL, resume it, and compare it with an undisturbed training.

    PYTHONPATH=src python tools/fuzz/training_kills.py --verbs separator --all --output kills.json

Without --all a dozen writes of each kind of training are chosen evenly.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
import record

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


def measure(verb: str, n_points: int | None) -> tuple[int, int, list[str]]:
    """Kill a training at `n_points` of its writes, None for all: its writes, the kills, and what was wrong."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tone_manifest(folder / "data", 8)
        if verb == "separator":
            forked(command("classifier", folder, folder / "tagger"), folder)
        run, whole = folder / "run", folder / "undisturbed"
        _, n_writes = forked(command(verb, folder, run), run)
        run.rename(whole)
        step = 1 if n_points is None else max(1, n_writes // n_points)
        faults, points = [], range(1, n_writes + 1, step)
        for point in points:
            fault = fault_after_kill(command(verb, folder, run), run, whole, point)
            run.rename(folder / f"killed-{point}")
            if fault:
                faults.append(f"train {verb}, write {point}: {fault}")
                print(faults[-1], flush=True)
    return n_writes, len(points), faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verbs", nargs="*", choices=list(OPTIONS), default=list(OPTIONS), help="by default all")
    parser.add_argument("--all", action="store_true", help="kill at every write")
    parser.add_argument("--points", type=int, default=12, help="number of writes to kill at without --all")
    parser.add_argument("--output", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    rows, failures = [], []
    for verb in options.verbs:
        n_writes, n_kills, faults = measure(verb, None if options.all else options.points)
        rows.append((f"`train {verb}` killed at some of its {n_writes} writes", n_kills, n_kills - len(faults)))
        failures += faults
        print(f"train {verb}: {n_kills} kills, {len(faults)} failures", flush=True)
    record.save(options.output, rows, failures)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
