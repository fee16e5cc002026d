"""Random windows of unlabelled recordings."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from auricle.config import DataOptions, PretrainingSplitOptions
from auricle.data.clip_store import ClipStore
from auricle.data.clips import Clip, Problem
from auricle.data.loading import DrawnClips, Item, TrainingWindows
from auricle.data.manifest import Manifest
from auricle.data.reading import data_name, read_unlabelled
from auricle.data.splits import Splits, leave_out_copies
from auricle.data.tasks import Task
from auricle.errors import AuricleError

TASK = Task("sound", ("sound",), multi_label=True)


class Windows(DrawnClips):
    """Random windows of `window` samples; the number of windows of a clip is proportional to its length.

    An item is indexed by (window, seed, samples) and has `waveform`. There are as many as whole windows fit into all
    recordings concatenated. Item k selects a random position within the k-th of so many equal parts of them, then a
    random window of the clip at that position. Short clips are repeated.
    """

    def __init__(self, clips: Manifest, store: ClipStore, window: int) -> None:
        self.clips = TrainingWindows([(TASK, clips, store)], short="repeat")
        self.ends = np.cumsum(store.lengths)
        self.sizes = [max(1, int(self.ends[-1]) // window)]

    def __len__(self) -> int:
        return self.sizes[0]

    def __getitem__(self, item: Item) -> dict[str, Any]:
        index, seed, n_samples = item
        place = (index + np.random.default_rng([seed, 1]).random()) * self.ends[-1] / len(self)
        return self.clips[int(np.searchsorted(self.ends, place, side="right")), seed, n_samples]


def read_splits(
    data: Sequence[str], options: DataOptions, split_options: PretrainingSplitOptions, *, progress: bool = False
) -> Splits:
    """Read all sources and split their clips into train, valid and, for the folds or splits left out, test."""
    kept: list[Clip] = []
    left: list[Clip] = []
    skipped: list[Problem] = []
    for source in data:
        name, path = data_name(source)
        manifest = read_unlabelled(path, TASK.labels[0], options, progress=progress)
        chosen = manifest
        if split_options.test_fold and manifest.folds:
            chosen = manifest.select(without_fold=split_options.test_fold)
        elif manifest.splits:
            chosen = manifest.select(split=split_options.train_split)
        own = {clip.key for clip in chosen}
        for clip in manifest:
            group = clip.group and f"{name}/{clip.group}"
            renamed = dataclasses.replace(clip, file=f"{name}/{clip.file}", group=group)
            (kept if clip.key in own else left).append(renamed)
        skipped += manifest.skipped
    keys = [clip.key for clip in (*kept, *left)]
    if len(set(keys)) < len(keys):
        raise AuricleError("two sources of recordings have the same name: give names, as --data one=PATH two=PATH")
    together = Path(" ".join(data))
    every, test = Manifest(together, tuple(kept)), Manifest(together, tuple(left)) if left else None
    learnt = leave_out_copies(every, test) if test else every
    train, valid = learnt.hold_out(split_options.validation_share, seed=split_options.seed)
    return Splits(TASK, train, valid, test, tuple(skipped))
