"""Measure what cross-validation tells of a taught head, on clips that it has not heard.

    python tools/taught_calibration.py DATA MODEL results/taught/few.csv

DATA is a manifest of single-label clips with groups, here of ESC-10, and MODEL a run folder. For several numbers of
clips of each label, groups are drawn at random, `auricle teach` learns from their clips, and `auricle evaluate`
measures the head on the clips of all other groups. One row for each draw: the accuracy in cross-validation, the
accuracy on the other clips, and their expected calibration error (ece) and negative log-likelihood (nll) before and
after calibration. A single clip of each label cannot be judged by others, so that nothing is calibrated.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

import auricle
from auricle.data.clips import Clip
from auricle.data.manifest import read_manifest
from auricle.files import write_rows

PER_LABEL = (1, 2, 3, 6, 10)
DRAWS = 8
COLUMNS = ("per_label", "draw", "n_taught", "n_other", "cross_validated", "accuracy")
NOT_JUDGED = {"accuracy": {"value": math.nan}}
CALIBRATION = ("ece_before", "ece_after", "nll_before", "nll_after")


def drawn_groups(clips: list[Clip], per_label: int, seed: int) -> set[str]:
    """Groups drawn at random until every label has `per_label` clips, or more where its last group is larger."""
    of_label: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for clip in clips:
        of_label[clip.labels[0]][str(clip.group)] += 1
    random = np.random.default_rng(seed)
    chosen: set[str] = set()
    for _, sizes in sorted(of_label.items()):
        n_clips = 0
        for group in random.permutation(sorted(sizes)).tolist():
            if n_clips < per_label:
                chosen.add(group)
                n_clips += sizes[group]
    return chosen


def measured(clips: list[Clip], model: str, per_label: int, draw: int, folder: Path) -> dict[str, float]:
    """The row of one draw, made in `folder`."""
    taught = drawn_groups(clips, per_label, draw)
    splits = ["train" if clip.group in taught else "test" for clip in clips]
    manifest = folder / "clips.csv"
    columns = ("path", "label", "group", "split")
    places = zip(clips, splits, strict=True)
    write_rows(manifest, columns, ((clip.path.resolve(), clip.labels[0], clip.group, split) for clip, split in places))
    run = auricle.teach(model=model, data=manifest, output=folder / "run", seed=draw, quiet=True)
    auricle.evaluate(run, data=manifest, split="test", output=folder / "evaluation", quiet=True)
    own = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["tasks"].get("clips", NOT_JUDGED)["accuracy"]
    record = json.loads((folder / "evaluation" / "results.json").read_text(encoding="utf-8"))
    accuracy, calibration = record["measured"][0]["metrics"]["accuracy"], record["calibration"]["clean"]
    counts = [per_label, draw, splits.count("train"), splits.count("test")]
    row = dict(zip(COLUMNS, [*counts, own["value"], accuracy["value"]], strict=True))
    found = {"before": calibration["before"], "after": calibration["after"] or calibration["before"]}
    return row | {name: found[name[4:]][name[:3]]["value"] for name in CALIBRATION}


def main(data: str, model: str, output: str) -> None:
    clips = list(read_manifest(data))
    rows = []
    for per_label in PER_LABEL:
        for draw in range(DRAWS):
            with tempfile.TemporaryDirectory() as folder:
                rows.append(measured(clips, model, per_label, draw, Path(folder)))
            print({name: round(value, 3) for name, value in rows[-1].items()}, flush=True)
    columns = (*COLUMNS, *CALIBRATION)
    write_rows(Path(output), columns, ([f"{row[name]:.6g}" for name in columns] for row in rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
