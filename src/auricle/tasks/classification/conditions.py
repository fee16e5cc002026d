"""Augmentation of training windows with the conditions of a suite."""

from __future__ import annotations

import numpy as np

from auricle.conditions import Suite, create_suite, stable_seed
from auricle.config import Augmentation
from auricle.data.clips import Clip
from auricle.data.loading import Augment, ClipCondition
from auricle.data.material import read_material


def training_suite(augmentation: Augmentation, seed: int) -> Suite:
    """The suite of conditions for training, with the training split of its material."""
    material = read_material(augmentation.material)
    suite = create_suite(augmentation.conditions or "", seed=seed, material=material, split="train")
    return suite.without(augmentation.without)


def training_conditions(augmentation: Augmentation, sample_rate: int, seed: int) -> Augment | None:
    """A function that applies a random condition of the suite to a window; None if no suite is chosen."""
    if not augmentation.conditions:
        return None
    suite = training_suite(augmentation, seed)

    def augment(window: np.ndarray, window_seed: int) -> np.ndarray:
        if np.random.default_rng([window_seed, 1]).random() >= augmentation.conditions_share:
            return window
        return suite.apply_random(window, sample_rate, window_seed)

    return augment


def validation_condition(augmentation: Augmentation, sample_rate: int, seed: int, draw: int) -> ClipCondition:
    """A random condition of the suite for each validation clip, the same in every epoch; `draw` numbers several."""
    suite = training_suite(augmentation, seed)

    def condition(waveform: np.ndarray, clip: Clip, power: float) -> np.ndarray:
        return suite.apply_random(waveform, sample_rate, stable_seed(seed, "validation", draw, clip.name))

    return condition
