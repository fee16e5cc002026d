"""Which clips a model learns from, which choose its best epoch, and which it is tested on: kept apart and on record.

A run's clips.csv lists every clip with its part, so that a later evaluation knows what the model has seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from auricle.config import SplitOptions
from auricle.data.clips import Problem
from auricle.data.manifest import Manifest
from auricle.data.tasks import Task
from auricle.errors import AuricleError


@dataclass
class Splits:
    """The clips of one data set by what they are for."""

    task: Task
    train: Manifest
    validation: Manifest
    test: Manifest | None
    skipped: tuple[Problem, ...] = ()


def divide(manifest: Manifest, name: str, split_options: SplitOptions) -> Splits:
    """The parts that `cut` makes, where training has every label that the others have."""
    train, validation, test = cut(manifest, split_options)
    task = Task(name, train.label_names, manifest.multi_label)
    for part, clips in (("validation", validation), ("test", test)):
        unknown = sorted({label for clip in clips or () for label in clip.labels} - set(task.labels))
        if unknown:
            raise AuricleError(
                f"{manifest.source}: the training part lacks labels that the {part} part has: {', '.join(unknown)}; "
                "give more recordings of them, or let clips of one group be parted by --group-column none"
            )
    return Splits(task, train, validation, test, manifest.skipped)


def cut(manifest: Manifest, split_options: SplitOptions) -> tuple[Manifest, Manifest, Manifest | None]:
    """Training, validation and test clips.

    The test part is never looked at in training: it is the data's own test (or valid) split, the fold that is left out,
    or, where there is neither, a share cut off by group. Validation is the split "valid" where there is a "test" split
    too, and otherwise cut from the training part by group.
    """
    test: Manifest | None = None
    validation: Manifest | None = None
    if split_options.test_fold:
        train, test = (
            manifest.select(without_fold=split_options.test_fold),
            manifest.select(fold=split_options.test_fold),
        )
    elif manifest.splits:
        train = manifest.select(split=split_options.train_split)
        others = [split for split in manifest.splits if split != split_options.train_split]
        if {"valid", "test"} <= set(others):
            validation, test = manifest.select(split="valid"), manifest.select(split="test")
        elif others:
            test = manifest.select(split="test" if "test" in others else others[0])
    elif split_options.test_share > 0:
        train, test = manifest.hold_out(split_options.test_share, seed=split_options.seed)
    else:
        train = manifest
    if validation is None:
        train, validation = train.hold_out(split_options.validation_share, seed=split_options.seed)
    return train, validation, test


def advice(manifest: Manifest, split_options: SplitOptions) -> list[str]:
    """What a user would want to know of how the data are divided."""
    lines = []
    if manifest.skipped:
        lines.append(f"{len(manifest.skipped)} files cannot be used and are left out")
    if manifest.folds and not manifest.splits and not split_options.test_fold:
        lines.append(
            f"the data have folds ({', '.join(manifest.folds)}), but a share was put aside for testing: "
            "leave a fold out with --splits.test-fold"
        )
    unused = (
        [s for s in manifest.splits if s not in (split_options.train_split, "valid", "test")]
        if not split_options.test_fold
        else []
    )
    if unused and len(manifest.splits) > 2:
        lines.append(f"clips of the splits {', '.join(unused)} are not used")
    return lines
