"""Which corruptions training had among its augmentations: told from the model alone, however it was trained."""

from __future__ import annotations

from pathlib import Path

import yaml

from auricle.config import ClassifierOptimization, ClassifierTraining, Compare
from auricle.studies.grid.grid import Grid, train_grid
from auricle.studies.stress.models import StressedRun
from auricle.tasks.classification.train import train_classifier
from sounds import tone_folder

QUICK = {
    "training": ClassifierTraining(epochs=1, batch_size=8),
    "optimization": ClassifierOptimization(learning_rate=1e-3),
}


def test_a_grid_and_a_training_of_its_own_have_met_the_same(tmp_path: Path) -> None:
    data = str(tone_folder(tmp_path / "tones", 6))
    options = {"frontends": ["mel:n_filters=16"], "train_condition": "complex", "quiet": True}
    (of_grid,) = train_grid(Grid(Compare(data=data, output=str(tmp_path / "grid"), **options, **QUICK)))
    alone = train_classifier(
        data=data,
        output=tmp_path / "alone",
        frontend="mel",
        frontend_options={"n_filters": 16},
        augmentation={"conditions": "complex", "noise_snr_db": [0.0, 20.0], "without": ["music"]},
        quiet=True,
        **QUICK,
    )
    met = StressedRun.open(str(of_grid)).met
    assert met == {"babble", "music", "gain-steps"}
    assert "white" not in met
    assert StressedRun.open(str(alone)).met == {"babble", "gain-steps", "white"}
    settings = alone / "settings.yaml"
    settings.write_text(yaml.safe_dump({"seed": 0}), encoding="utf-8")
    assert StressedRun.open(str(alone)).met == {"babble", "gain-steps", "white"}
