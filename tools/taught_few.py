"""Teach heads from one to four clips of each label, and measure them on clips that they have not heard.

    python tools/taught_few.py DATA MODEL stage results/taught/few.csv

DATA is a manifest of single-label clips with groups, here of ESC-50, and MODEL a run folder, which pools as the third
argument says. For several numbers of labels and of clips of each, labels and groups are drawn at random, `auricle
teach` learns from their clips, and `auricle evaluate` measures the head on the labels' clips in all other groups. One
row for each draw: the accuracy in cross-validation, the accuracy on the other clips, clean and in Gaussian noise at
0 dB, and their expected calibration error (ece) and negative log-likelihood (nll), clean, before and after calibration.
A single clip of each label cannot be judged by others, so that nothing is calibrated.
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

SIZES = ((2, 1), (2, 4), (5, 1), (5, 4), (10, 1), (10, 4))  # labels, and clips of each
DRAWS = 20
SNR_DB = 0
COLUMNS = ("labels", "per_label", "draw", "n_taught", "n_other", "cross_validated", "accuracy", "in_noise")
NOT_JUDGED = {"accuracy": {"value": math.nan}}
CALIBRATION = ("ece_before", "ece_after", "nll_before", "nll_after")


def drawn(every: list[Clip], n_labels: int, per_label: int, seed: int) -> tuple[list[Clip], list[str]]:
    """The clips of labels drawn at random, and their splits.

    Labels with more than `per_label` groups are drawn. Of each, one clip of `per_label` groups drawn at random is in
    "train", their other clips are left out, and those of all other groups are in "test".
    """
    of_label: dict[str, dict[str, list[Clip]]] = defaultdict(lambda: defaultdict(list))
    for clip in every:
        of_label[clip.labels[0]][str(clip.group)].append(clip)
    random = np.random.default_rng(seed)
    names = sorted(label for label, groups in of_label.items() if len(groups) > per_label)
    clips, splits = [], []
    for label in sorted(random.choice(names, n_labels, replace=False).tolist()):
        groups = of_label[label]
        for place, name in enumerate(random.permutation(sorted(groups)).tolist()):
            own = groups[name][:1] if place < per_label else groups[name]
            clips += own
            splits += ["train" if place < per_label else "test"] * len(own)
    return clips, splits


def measured(
    every: list[Clip], model: str, pooling: str, size: tuple[int, int], draw: int, folder: Path
) -> dict[str, float]:
    """The row of one draw, made in `folder`."""
    clips, splits = drawn(every, *size, draw)
    manifest = folder / "clips.csv"
    columns = ("path", "label", "group", "split")
    places = zip(clips, splits, strict=True)
    write_rows(manifest, columns, ((clip.path.resolve(), clip.labels[0], clip.group, split) for clip, split in places))
    run = auricle.teach(model=model, data=manifest, output=folder / "run", pooling=pooling, seed=draw, quiet=True)
    auricle.evaluate(run, data=manifest, split="test", snr=[SNR_DB], output=folder / "evaluation", quiet=True)
    own = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["tasks"].get("clips", NOT_JUDGED)["accuracy"]
    record = json.loads((folder / "evaluation" / "results.json").read_text(encoding="utf-8"))
    clean, in_noise = (condition["metrics"]["accuracy"]["value"] for condition in record["measured"])
    calibration = record["calibration"]["clean"]
    counts = [*size, draw, splits.count("train"), splits.count("test")]
    row = dict(zip(COLUMNS, [*counts, own["value"], clean, in_noise], strict=True))
    found = {"before": calibration["before"], "after": calibration.get("after", calibration["before"])}
    return row | {name: found[name[4:]][name[:3]]["value"] for name in CALIBRATION}


def main(data: str, model: str, pooling: str, output: str) -> None:
    every = list(read_manifest(data))
    rows = []
    for size in SIZES:
        for draw in range(DRAWS):
            with tempfile.TemporaryDirectory() as folder:
                rows.append(measured(every, model, pooling, size, draw, Path(folder)))
            print({name: round(value, 3) for name, value in rows[-1].items()}, flush=True)
    columns = (*COLUMNS, *CALIBRATION)
    write_rows(Path(output), columns, ([f"{row[name]:.6g}" for name in columns] for row in rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
