from __future__ import annotations

import dataclasses

import pytest
import yaml

from auricle.config import Augmentation, Optimization, Training
from auricle.errors import AuricleError
from auricle.studies.grid.grid import Grid, _same_training


def test_a_run_without_an_option_had_its_default(tmp_path):
    training = dataclasses.asdict(Training(epochs=3))
    del training["balance"], training["window_range_s"]
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump({"training": training}))
    settings = {"training": Training(epochs=3), "optimization": Optimization(), "augmentation": Augmentation()}
    _same_training(tmp_path, settings)
    with pytest.raises(AuricleError, match="another training"):
        _same_training(tmp_path, settings | {"training": Training(epochs=3, balance=True)})


def test_other_augmentation_is_another_training(tmp_path):
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump({"model": {"augmentation": {"spec_masks": 2}}}))
    settings = {"training": Training(), "optimization": Optimization(), "augmentation": Augmentation(spec_masks=2)}
    _same_training(tmp_path, settings)
    with pytest.raises(AuricleError, match="another augmentation"):
        _same_training(tmp_path, settings | {"augmentation": Augmentation()})


def test_a_condition_is_the_grids_own(tmp_path):
    with pytest.raises(AuricleError, match="--train-condition"):
        Grid("x", ["mel"], [0], tmp_path, augmentation=Augmentation(conditions="complex"))
