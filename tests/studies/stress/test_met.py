"""Which corruptions training had among its augmentations: told from the model alone, however it was trained."""

from __future__ import annotations

from pathlib import Path

import yaml

from auricle.config import Augmentation, Optimization, Training
from auricle.studies.grid.grid import Grid, train_grid
from auricle.studies.stress.cells import StressedRun
from auricle.tasks.classification.train import train_classifier
from sounds import tone_folder

QUICK = {"training": Training(epochs=1, batch_size=8), "optimization": Optimization(learning_rate=1e-3)}


def test_a_grid_and_a_training_of_its_own_have_met_the_same(tmp_path: Path) -> None:
    data = tone_folder(tmp_path / "tones", 6)
    grid = Grid(str(data), ["mel:n_filters=16"], [0], tmp_path / "grid", train_condition="complex", **QUICK)
    (of_grid,) = train_grid(grid, progress=False)
    alone = train_classifier(
        [str(data)],
        tmp_path / "alone",
        frontend={"name": "mel", "n_filters": 16},
        augmentation=Augmentation(conditions="complex", noise_snr_db=[0.0, 20.0]),
        progress=False,
        **QUICK,
    )
    met = StressedRun.open(str(of_grid)).met
    assert met == {"babble", "music", "gain-steps"}
    assert "white" not in met
    assert StressedRun.open(str(alone)).met == met | {"white"}
    settings = alone / "settings.yaml"
    settings.write_text(yaml.safe_dump({"seed": 0}), encoding="utf-8")
    assert StressedRun.open(str(alone)).met == met | {"white"}
