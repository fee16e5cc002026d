from __future__ import annotations

import json

import pytest
import yaml

from auricle.config import Augmentation, ClassifierTraining, Compare
from auricle.errors import AuricleError
from auricle.runs.folder import SETTINGS, refuse_other_run
from auricle.studies.grid.grid import Grid


def grid(tmp_path, **options):
    return Grid(Compare(output=str(tmp_path), data="x", frontends=["mel,degram:order=8"], **options))


def test_each_cell_is_a_training_with_the_grids_options(tmp_path):
    made = grid(tmp_path, folds=["1", "2"], seeds=[0, 3], train_condition="complex", vary=["n_filters=20,30"])
    assert len(made.cells()) == 4 * 2 * 2
    name, fold, seed = made.cells()[-1]
    options = made.training(name, fold, seed)
    assert (options.frontend, options.frontend_options) == ("degram", {"order": 8, "n_filters": 30})
    assert (options.splits.test_fold, options.seed, options.augmentation.conditions) == ("2", 3, "complex")


def test_a_finished_run_of_other_options_is_refused(tmp_path):
    first = grid(tmp_path, training=ClassifierTraining(epochs=3)).training("mel", None, 0)
    folder = tmp_path / "runs" / "clean" / "mel-seed0"
    folder.mkdir(parents=True)
    kept = {key: value for key, value in first.settings().items() if key not in ("output", "overwrite", "quiet")}
    (folder / SETTINGS).write_text(yaml.safe_dump(kept))
    (folder / "inputs.json").write_text(json.dumps({}))
    refuse_other_run(first)
    for changes in (
        {"training": ClassifierTraining(epochs=3, balance=True)},
        {"training": ClassifierTraining(epochs=3), "augmentation": Augmentation(spec_masks=2)},
        {"training": ClassifierTraining(epochs=3), "window_s": 0.5},
    ):
        with pytest.raises(AuricleError, match="other settings"):
            refuse_other_run(grid(tmp_path, **changes).training("mel", None, 0))


def test_a_condition_is_the_grids_own(tmp_path):
    with pytest.raises(AuricleError, match="--train-condition"):
        grid(tmp_path, augmentation=Augmentation(conditions="complex"))
