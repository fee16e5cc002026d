"""How long a training is: `max_steps` leaves as many whole epochs as it has room for, or one that is cut short."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

import auricle
from auricle.config import Training
from auricle.runs.history import HISTORY, read_history
from sounds import tone_folder

pytestmark = pytest.mark.figures("undrawn")


@given(epochs=st.integers(1, 30), n_steps=st.integers(1, 30), max_steps=st.integers(1, 200))
def test_whole_epochs_are_taken_while_there_is_room(epochs: int, n_steps: int, max_steps: int):
    taken, left = 0, max_steps
    while taken < epochs and left >= n_steps:
        taken, left = taken + 1, left - n_steps
    expected = (taken, n_steps) if taken else (1, max_steps)
    assert Training(epochs=epochs, max_steps=max_steps).length(n_steps) == expected
    assert Training(epochs=epochs).length(n_steps) == (epochs, n_steps)


@pytest.mark.parametrize(
    ("max_steps", "same"), [(7, {"epochs": 2}), (2, {"epochs": 1, "steps_per_epoch": 2}), (100, {"epochs": 3})]
)
def test_it_is_the_shorter_training_to_the_last_bit(tmp_path: Path, max_steps: int, same: dict[str, int]):
    data = tone_folder(tmp_path / "tones", 6)  # three classes, a third of the clips put aside: three batches of four
    runs = {}
    for name, training in {"limited": {"epochs": 3, "max_steps": max_steps}, "shorter": {"epochs": 3, **same}}.items():
        runs[name] = auricle.train_classifier(
            data=data, output=tmp_path / name, frontend="mel", training={"batch_size": 4, **training}, quiet=True,
            optimization={"schedule": "cosine"},
        )  # fmt: skip
    limited, shorter = ([row["train_loss"] for row in read_history(run / HISTORY)] for run in runs.values())
    assert limited == shorter
    assert len(limited) == same["epochs"]
    weights = [load_file(run / "model.safetensors") for run in runs.values()]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
