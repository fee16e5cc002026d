"""Augmentation of training windows with the conditions of a suite."""

from __future__ import annotations

import numpy as np

from auricle.conditions import Suite, create_suite
from auricle.config import Augmentation
from auricle.data.loading import Augment
from auricle.data.material import read_material


def training_suite(augmentation: Augmentation, seed: int) -> Suite:
    """The suite of conditions for training, with the training split of its material."""
    material = read_material(augmentation.material)
    return create_suite(augmentation.conditions or "", seed=seed, material=material, split="train")


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
