"""The conditions under which a classifier is trained and validated."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from auricle.conditions import Cell, Suite, create_suite, gaussian_noise, mean_power, stable_seed
from auricle.config import Augmentation
from auricle.data.clips import Clip, unique_names
from auricle.data.loading import Augment, ClipCondition
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.systems.classifier.system import Classifier

REMEMBERED_BYTES = 2**30
Segment = tuple[str, float, float | None]


def segment_of(clip: Clip) -> Segment:
    """What tells a clip from the others: its file, its start and its end."""
    return str(clip.path), clip.start_s, clip.end_s


def remembered(condition: ClipCondition, limit: int = REMEMBERED_BYTES) -> ClipCondition:
    """`condition`, which is the same in every epoch, computed once for each clip; at most `limit` bytes are kept."""
    kept: dict[tuple[Segment, int], np.ndarray] = {}
    left = limit
    lock = threading.Lock()

    def again(waveform: np.ndarray, clip: Clip, power: float) -> np.ndarray:
        nonlocal left
        key = segment_of(clip), len(waveform)
        if key in kept:
            return kept[key]
        result = condition(waveform, clip, power)
        with lock:
            if result.nbytes <= left:
                kept[key] = result
                left -= result.nbytes
        return result

    return again


def training_suite(augmentation: Augmentation, seed: int, split: str = "train") -> Suite:
    """The suite of conditions for training, with the training split of its material, or another."""
    material = read_material(augmentation.material)
    suite = create_suite(augmentation.conditions or "", seed=seed, material=material, split=split)
    return suite.without(augmentation.without)


def met_in_training(model: Classifier) -> set[str]:
    """The names of the corruptions under which `model`, or the one that it started from, was trained."""
    augmentation, met = model.augmentation, set(model.met_before)
    if augmentation.noise_snr_db:
        met.add("white")
    if augmentation.conditions:
        met |= set(create_suite(augmentation.conditions).without(augmentation.without).corruptions)
    return met


def shares(suite: Suite, data_sets: Sequence[Manifest]) -> list[Cell]:
    """A cell of the suite for each clip of all data sets, in order; each class has equally many of each, within one."""
    shared = replace(suite, shares=True)
    cells = []
    for manifest in data_sets:
        labels = [";".join(clip.labels) for clip in manifest.clips]
        cells += [cell for (cell,) in shared.assign(unique_names(manifest.clips), labels)]
    return cells


def training_conditions(
    augmentation: Augmentation, sample_rate: int, seed: int, data_sets: Sequence[Manifest] = ()
) -> Augment | None:
    """A function that applies a condition of the suite to a window; None if no suite is chosen.

    The condition is drawn anew for each window, or with `conditions_by` "clip" it is that of the clip (see `shares`),
    whose index counts through all `data_sets`.
    """
    if not augmentation.conditions:
        return None
    suite = training_suite(augmentation, seed)
    cells = shares(suite, data_sets) if augmentation.conditions_by == "clip" else []

    def augment(window: np.ndarray, window_seed: int, index: int) -> np.ndarray:
        rng = np.random.default_rng([window_seed, 1])
        if rng.random() >= augmentation.conditions_share:
            return window
        own = int(rng.integers(2**62))  # `window_seed` itself has drawn the window's place in the clip
        if cells:
            return cells[index].create()(window, sample_rate, own, suite.material)
        return suite.apply_random(window, sample_rate, own)

    return augment


def validation_conditions(
    augmentation: Augmentation,
    sample_rate: int,
    seed: int,
    data_sets: Sequence[Manifest],
    split: str = "train",
    draw: int | None = None,
) -> ClipCondition | None:
    """What training clips may be heard under, for validation clips: the same in every epoch; None if that is nothing.

    `split` is that of the suite's material. A suite that shares out the clips, or any by `conditions_by` "clip", gives
    each class of `data_sets` equally many of each cell; of another suite each clip has a random condition. Gaussian
    noise is added as in training. `draw` numbers several for one clip.
    """
    if augmentation.clean_validation or not (augmentation.conditions or augmentation.noise_snr_db):
        return None
    suite = training_suite(augmentation, seed, split) if augmentation.conditions else None
    drawn = () if draw is None else (draw,)
    own: dict[Segment, Cell] = {}
    if suite is not None and (suite.shares or augmentation.conditions_by == "clip"):
        clips = [clip for manifest in data_sets for clip in manifest.clips]
        cells = shares(suite, data_sets)
        own = {segment_of(clip): cell for clip, cell in zip(clips, cells, strict=True)}

    def condition(waveform: np.ndarray, clip: Clip, power: float) -> np.ndarray:
        rng = np.random.default_rng(stable_seed(seed, "validation", *drawn, clip.name))
        condition_seed, noise_seed = rng.integers(2**62, size=2).tolist()
        if suite is not None and rng.random() < augmentation.conditions_share:
            cell = own.get(segment_of(clip))
            if cell is None:
                waveform = suite.apply_random(waveform, sample_rate, condition_seed)
            else:
                waveform = cell.create()(waveform, sample_rate, condition_seed, suite.material)
        if augmentation.noise_snr_db and rng.random() < augmentation.noise_share:
            low, high = augmentation.noise_snr_db
            heard = mean_power(waveform[waveform != 0])
            waveform = gaussian_noise(waveform, rng.uniform(low, high), noise_seed, heard)
        return waveform

    return remembered(condition)
