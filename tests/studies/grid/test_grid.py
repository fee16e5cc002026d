from __future__ import annotations

import os
from dataclasses import replace

import pytest

from auricle.config import Augmentation, ClassifierOptimization, ClassifierTraining, Compare, SplitOptions
from auricle.data.manifest import read_manifest
from auricle.data.splits import make_splits
from auricle.errors import AuricleError
from auricle.runs.clips import clip_table, refuse_other_run
from auricle.runs.folder import open_run
from auricle.studies.grid.grid import Grid, train_grid
from sounds import tone_folder, write_tone


def grid(tmp_path, **options):
    return Grid(Compare(**{"output": str(tmp_path), "data": "x", "frontends": ["mel"]} | options))


def table(data):
    return clip_table([make_splits(read_manifest(data), "data", SplitOptions())])


def test_each_cell_is_a_training_with_the_grids_options(tmp_path):
    options = {"frontends": ["mel,degram:order=8"], "vary": ["n_filters=20,30"], "train_condition": "complex"}
    made = grid(tmp_path, folds=["1", "2"], seeds=[0, 3], **options)
    assert len(made.cells()) == 4 * 2 * 2
    name, fold, seed = made.cells()[-1]
    training = made.training(name, fold, seed)
    assert (training.frontend, training.frontend_options) == ("degram", {"order": 8, "n_filters": 30})
    assert (training.splits.test_fold, training.seed, training.augmentation.conditions) == ("2", 3, "complex")


@pytest.fixture
def finished(tmp_path):
    """A grid's finished run (without a model): the options of its training, and its data."""
    data = tone_folder(tmp_path / "data", 6)
    options = grid(tmp_path / "grid", data=str(data)).training("mel", None, 0)
    with open_run(options, {"augmentation.material": "a digest"}) as folder:
        pass
    (folder / "clips.csv").write_text(table(data))
    return options, data


def test_a_run_of_the_same_options_and_clips_is_kept_wherever_they_lie(finished):
    options, data = finished
    refuse_other_run(options, {"augmentation.material": "a digest"}, table(data))
    moved = data.rename(data.parent / "moved")
    refuse_other_run(replace(options, data=[str(moved)]), {"augmentation.material": "a digest"}, table(moved))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("training", ClassifierTraining(balance=True)),
        ("optimization", ClassifierOptimization(learning_rate=1.0)),
        ("augmentation", Augmentation(spec_masks=2)),
        ("splits", SplitOptions(seed=1)),
        ("sample_rate", 8000),
        ("backbone", "cnn14"),
        ("seed", 1),
    ],
)
def test_a_run_of_other_options_is_refused(finished, name, value):
    options, data = finished
    with pytest.raises(AuricleError, match=f"other settings.*{name}"):
        refuse_other_run(replace(options, **{name: value}), {"augmentation.material": "a digest"}, table(data))


def test_a_run_of_other_material_is_refused(finished):
    options, data = finished
    with pytest.raises(AuricleError, match=r"augmentation\.material has other contents"):
        refuse_other_run(options, {"augmentation.material": "another digest"}, table(data))


def test_a_run_of_other_recordings_is_refused(finished):
    options, data = finished
    path = data / "low" / "low-0.wav"
    before = path.stat()
    write_tone(path, 400.0, 0.5, seed=99)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(AuricleError, match="other clips"):
        refuse_other_run(options, {"augmentation.material": "a digest"}, table(data))


def test_no_two_trainings_share_a_folder(tmp_path):
    names = ["mel", "mel:a=1", "mel:a_1", "Mel", "mel-a=1", "mel:b=x/y", "mel:b=x_y"]
    made = grid(tmp_path, frontends=names, seeds=[0, 10], folds=["1", "a/b", "a_b"])
    folders = [made.run(*cell) for cell in made.cells()]
    assert len({str(folder).casefold() for folder in folders}) == len(names) * 2 * 3
    assert {folder.parent for folder in folders} == {tmp_path / "runs" / "clean"}
    assert grid(tmp_path, frontends=["leaf"], folds=["2"]).run("leaf", "2", 0).name == "leaf-fold2-seed0"


def test_a_condition_is_the_grids_own(tmp_path):
    with pytest.raises(AuricleError, match="--train-condition"):
        grid(tmp_path, augmentation=Augmentation(conditions="complex"))


@pytest.mark.parametrize("options", [{"multi_label": True}, {"negative_label": "low"}])
def test_multi_label_work_is_refused_before_anything_is_trained(tmp_path, options):
    data = tone_folder(tmp_path / "data", 6)
    made = grid(tmp_path / "grid", data=str(data), **options)
    assert made.training("mel", None, 0).negative_label == options.get("negative_label")
    with pytest.raises(AuricleError, match="a grid needs one label for each clip"):
        train_grid(made)
    assert not (tmp_path / "grid").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"frontends": ["leaf", "mel"], "vary": ["init=mel"]}, "unknown option 'init' of the front-end 'mel'"),
        ({"vary": ["n_filters=16,-3"]}, "n_filters=-3"),
        ({"test_suite": ["complex", "complx"]}, "unknown suite 'complx'"),
    ],
)
def test_what_cannot_be_built_or_tested_is_said_before_anything_is_trained(tmp_path, options, said):
    data = tone_folder(tmp_path / "data", 6)
    with pytest.raises(AuricleError, match=said):
        train_grid(grid(tmp_path / "grid", data=str(data), **options))
    assert not (tmp_path / "grid").exists()
