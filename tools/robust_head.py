"""Compare a head fitted before the training of the recipe robust with one fitted after it, on validation clips.

    python tools/robust_head.py ravdess.csv 2 mn04 kept-ravdess-0 --name RAVDESS \
        --material data/background/audio/running_tap.flac ... --output results/robust/heads/when.json

START is the model that the training began from and TRAINED the run with `--no-refit-head`. Heads are fitted to the
training clips without the fold; the validation clips, of other groups, are heard as they are and under conditions of
the suite `full`. An entry is added to the file: the number of validation clips, and the shares of right answers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from auricle.conditions import create_suite
from auricle.config import ConditionOptions, Teach
from auricle.config.training import TaughtSplitOptions
from auricle.files import write_json
from auricle.tasks.classification.linear_heads import LinearHead, fit_head
from auricle.tasks.classification.teach import TeachingTask

CELLS = (
    "white-3", "white-5", "babble-3", "music-3", "music-5", "noise-3", "noise-5", "reverberation-3", "codec-3",
    "packet-loss-3", "clipping-3",
)  # fmt: skip
MOST = 120  # validation clips that are heard under conditions


class Heard(NamedTuple):
    """Embeddings and targets of the training and the validation clips, and the latter under each condition."""

    train: tuple[Tensor, Tensor]
    valid: tuple[Tensor, Tensor]
    moved: Tensor | None
    by_cell: dict[str, Tensor]


class HeldOut(TeachingTask):
    """Teaching with the validation clips of a training, also where labels have few clips."""

    few = 0


def heard(model: str, options: argparse.Namespace) -> Heard:
    """What `model` makes of the clips."""
    conditions = ConditionOptions(conditions="training", material=[f"noise={path}" for path in options.material])
    task = HeldOut(
        Teach(
            model=model,
            data=options.manifest,
            output="",
            quiet=True,
            pooling="mean",
            answers=False,
            min_level_db=0.0,
            splits=TaughtSplitOptions(test_fold=options.fold),
            augmentation=conditions,
        )
    )
    system, (splits,) = task.build(), task.splits
    stored, held_out = (task._stored(system, [clips]) for clips in (splits.train, splits.valid))
    valid = task._heard(system, held_out, "")
    by_cell, suite = {"clean": valid[0]}, create_suite("full")
    clips = [np.resize(held_out[0][2].read(index), system.window) for index in range(min(MOST, len(splits.valid)))]
    system.eval()
    for name in CELLS:
        made = [
            suite.apply(name, clip, system.sample_rate, own.name)
            for clip, own in zip(clips, splits.valid, strict=False)
        ]
        with torch.no_grad():
            parts = torch.from_numpy(np.stack(made)).float().split(8)
            by_cell[name] = torch.cat([system.embed(part) for part in parts])
    return Heard(task._heard(system, stored, ""), valid, task._moved(system, stored), by_cell)


def shares(head: LinearHead, by_cell: dict[str, Tensor], targets: Tensor) -> dict[str, float]:
    """The share of right answers in each condition."""
    return {
        name: float((head.logits(own).argmax(1) == targets[: len(own)].argmax(1)).float().mean())
        for name, own in by_cell.items()
    }


def entry(name: str, start: Heard, trained: Heard) -> dict[str, object]:
    """What is noted of the two heads."""
    before = fit_head(start.train, start.valid, False)
    after = fit_head(trained.train, trained.valid, False, trained.moved)
    targets = trained.valid[1]
    found = {when: shares(head, trained.by_cell, targets) for when, head in (("before", before), ("after", after))}
    return {"data": name, "clips": len(targets), **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("manifest", "fold", "start", "trained"):
        parser.add_argument(name)
    parser.add_argument("--name", required=True, help="of the data, for the page")
    parser.add_argument("--material", nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    entries = json.loads(options.output.read_text(encoding="utf-8")) if options.output.exists() else []
    start, trained = (heard(model, options) for model in (options.start, options.trained))
    entries.append(entry(options.name, start, trained))
    write_json(options.output, entries)


if __name__ == "__main__":
    main()
