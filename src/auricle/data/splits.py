"""Splits of a data set into training, validation and test clips, without copies across splits.

A run's clips.csv lists every clip with its split, so that later evaluations know which clips were used in training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from auricle.config import SplitOptions
from auricle.data.clips import Clip, Problem
from auricle.data.copies import without_copies
from auricle.data.labels import listable, refuse_label_errors
from auricle.data.manifest import Manifest
from auricle.data.rows import split_name
from auricle.data.tasks import Task
from auricle.errors import AuricleError, those_counted


@dataclass
class Splits:
    """The training, validation and test clips of a data set."""

    task: Task
    train: Manifest
    valid: Manifest
    test: Manifest | None
    skipped: tuple[Problem, ...] = ()


def make_splits(manifest: Manifest, name: str, split_options: SplitOptions, *, few: int = 0) -> Splits:
    """The splits of `split_clips`.

    Raises `AuricleError` for labels that look alike, and if the training clips lack a label of the other splits.
    """
    refuse_label_errors(manifest.source, manifest.label_names)
    train, valid, test = split_clips(manifest, split_options, few=few)
    task = Task(name, train.label_names, manifest.multi_label)
    for split, clips in (("valid", valid), ("test", test)):
        unknown = sorted({label for clip in clips or () for label in clip.labels} - set(task.labels))
        if unknown:
            several = any(sum(label in clip.labels for clip in manifest) > 1 for label in unknown)
            regroup = ", or allow clips of one group in several splits by --group-column none" if several else ""
            raise AuricleError(
                f"{manifest.source}: the training clips lack labels that the {split} clips have: "
                f"{', '.join(map(listable, unknown))}; give more recordings of them{regroup}"
            )
    return Splits(task, train, valid, test, manifest.skipped)


def split_clips(
    manifest: Manifest, split_options: SplitOptions, *, few: int = 0
) -> tuple[Manifest, Manifest, Manifest | None]:
    """Training, validation and test clips; no recording is in two of them, also not under another name.

    The test clips are not used in training: they are the data's split "test" (or "valid"), the fold that is left out,
    or, without splits and a fold, a share held out by group. The validation clips are the split "valid" if there is a
    split "test" too, and otherwise held out from the training clips by group, or none if there are at most `few` of
    every label, one on each clip. Copies of test clips are removed from the data's other splits, and then copies of
    validation clips from training.
    """
    train, valid, test = _without_copies(*_own_splits(manifest, split_options))
    if test is None and split_options.test_share > 0 and not manifest.splits:
        train, test = train.hold_out(split_options.test_share, seed=split_options.seed)
    if valid is None and not train.multi_label and max(Counter(c.labels for c in train).values()) <= few:
        valid = train.only(())
    if valid is None:
        train, valid = train.hold_out(split_options.validation_share, seed=split_options.seed)
    return train, valid, test


def without_shared_recordings(data_sets: Sequence[Splits]) -> list[Splits]:
    """The data sets without copies across their splits.

    Copies of validation and test clips of any data set are removed from training, and copies of test clips from
    validation. Raises `AuricleError` if the training clips lose a label.
    """
    valid = [clip for splits in data_sets for clip in splits.valid]
    test = [clip for splits in data_sets for clip in splits.test or ()]
    apart = []
    for splits in data_sets:
        source = splits.train.source
        train = leave_out_copies(splits.train, Manifest(source, (*valid, *test)))
        lost = sorted(set(splits.task.labels) - set(train.label_names))
        if lost:
            raise AuricleError(
                f"{source}: all training clips of {', '.join(map(listable, lost))} are copies of clips put aside in "
                "other data"
            )
        apart.append(replace(splits, train=train, valid=leave_out_copies(splits.valid, Manifest(source, tuple(test)))))
    return apart


def put_aside(manifest: Manifest, split_options: SplitOptions) -> tuple[Clip, ...]:
    """The clips of the fold that is left out, or of all splits but the training split; none without splits and a fold.

    Raises `AuricleError` if there is no such fold or training split.
    """
    if split_options.test_fold:
        return manifest.select(fold=split_options.test_fold).clips
    if not manifest.splits:
        return ()
    (train,) = manifest.select(split=split_options.train_split).splits
    return tuple(clip for clip in manifest if clip.split not in (None, train))


def _own_splits(manifest: Manifest, split_options: SplitOptions) -> tuple[Manifest, Manifest | None, Manifest | None]:
    """Training, validation and test clips according to the data's splits or folds, including copies."""
    if split_options.test_fold:
        rest = manifest.select(without_fold=split_options.test_fold)
        return rest, None, manifest.select(fold=split_options.test_fold)
    if not manifest.splits:
        return manifest, None, None
    train = manifest.select(split=split_options.train_split)
    others = [split for split in manifest.splits if split != split_name(split_options.train_split)]
    if {"valid", "test"} <= set(others):
        return train, manifest.select(split="valid"), manifest.select(split="test")
    if others:
        return train, None, manifest.select(split="test" if "test" in others else others[0])
    return train, None, None


def _without_copies(
    train: Manifest, valid: Manifest | None, test: Manifest | None
) -> tuple[Manifest, Manifest | None, Manifest | None]:
    """Remove copies of test clips from training and validation, and copies of validation clips from training."""
    if test is not None:
        train, valid = leave_out_copies(train, test), valid and leave_out_copies(valid, test)
    return (train if valid is None else leave_out_copies(train, valid)), valid, test


def leave_out_copies(manifest: Manifest, others: Manifest) -> Manifest:
    """The clips that are not copies of `others`; raises `AuricleError` if there were some and none is left."""
    clips = without_copies(manifest, others)
    if len(manifest) and not clips:
        raise AuricleError(
            f"{manifest.source}: all {len(manifest)} clips of a split are copies of clips put aside, first "
            f"{manifest.clips[0].name}: give recordings that are in one split only"
        )
    return manifest.only(clips)


def advice(manifest: Manifest, split_options: SplitOptions) -> list[str]:
    """Notes for the user on how the data are split."""
    lines = []
    if manifest.skipped:
        n_skipped = len(manifest.skipped)
        files = "1 file that cannot be used is" if n_skipped == 1 else f"{n_skipped} files that cannot be used are"
        lines.append(f"{files} left out")
    n_several = sum(len(clip.labels) > 1 for clip in manifest)
    if manifest.multi_label:
        lines.append(
            f"the task is multi-label: {n_several} of {len(manifest)} clips have several labels, "
            f"{len(manifest.negatives)} have none"
        )
    if manifest.folds and not manifest.splits and not split_options.test_fold and split_options.test_share > 0:
        lines.append(
            f"the data have folds ({', '.join(manifest.folds)}), but a share was put aside for testing: "
            "leave a fold out with --splits.test-fold"
        )
    n_copies = _n_copies(manifest, split_options)
    if n_copies:
        lines.append(f"{those_counted(n_copies, 'clip')} left out of training, as copies of clips put aside")
    unused = (
        [s for s in manifest.splits if s not in (split_name(split_options.train_split), "valid", "test")]
        if not split_options.test_fold
        else []
    )
    if unused and len(manifest.splits) > 2:
        lines.append(f"clips of the splits {', '.join(unused)} are not used")
    n_without = sum(clip.split is None for clip in manifest)
    if manifest.splits and n_without and not split_options.test_fold:
        lines.append(f"{those_counted(n_without, 'clip')} not used, without a split")
    return lines


def _n_copies(manifest: Manifest, split_options: SplitOptions) -> int:
    """Number of clips of the data's splits that are left out as copies."""
    train, valid, test = _own_splits(manifest, split_options)
    left = _without_copies(train, valid, test)
    return len(train) - len(left[0]) + len(valid or ()) - len(left[1] or ())
