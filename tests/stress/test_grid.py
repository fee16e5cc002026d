from __future__ import annotations

import dataclasses
import os

import pytest

from auricle.config import Augmentation, Optimization, SplitOptions, Training, plain_settings
from auricle.data.manifest import read_manifest
from auricle.data.splits import make_splits
from auricle.errors import AuricleError
from auricle.runs.clips import clip_table
from auricle.runs.folder import open_run
from auricle.studies.grid.grid import Grid, _same_training
from sounds import tone_folder, write_tone


@pytest.fixture
def finished(tmp_path):
    """A grid's finished run (without a model), its settings, its data and their splits."""
    data = tone_folder(tmp_path / "data", 6)
    grid = Grid(str(data), ["mel"], [0], tmp_path / "grid")
    settings = plain_settings(grid.settings("mel", "", 0)) | {"material": ""}
    splits = make_splits(read_manifest(data), "data", grid.split_options)
    folder = open_run(grid.run("mel", "", 0), settings)
    (folder / "clips.csv").write_text(clip_table([splits]))
    return folder, settings, data, splits


def test_a_run_of_the_same_settings_and_clips_is_kept_wherever_they_lie(finished):
    folder, settings, data, splits = finished
    _same_training(folder, settings, splits)
    moved = data.rename(data.parent / "moved")
    again = make_splits(read_manifest(moved), "data", SplitOptions())
    _same_training(folder, settings | {"data": [str(moved)]}, again)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("training", dataclasses.asdict(Training(balance=True))),
        ("optimization", dataclasses.asdict(Optimization(learning_rate=1.0))),
        ("augmentation", dataclasses.asdict(Augmentation(spec_masks=2))),
        ("split_options", dataclasses.asdict(SplitOptions(seed=1))),
        ("sample_rate", 8000),
        ("backbone", {"name": "cnn14"}),
        ("seed", 1),
        ("material", "another digest"),
    ],
)
def test_a_run_of_other_settings_is_refused(finished, name, value):
    folder, settings, _, splits = finished
    with pytest.raises(AuricleError, match=f"another {name}"):
        _same_training(folder, settings | {name: value}, splits)


def test_a_run_of_other_recordings_is_refused(finished):
    folder, settings, data, _ = finished
    path = data / "low" / "low-0.wav"
    before = path.stat()
    write_tone(path, 400.0, 0.5, seed=99)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(AuricleError, match="other clips"):
        _same_training(folder, settings, make_splits(read_manifest(data), "data", SplitOptions()))


def test_no_two_trainings_share_a_folder(tmp_path):
    names = ["mel", "mel:a=1", "mel:a_1", "Mel", "mel-a=1", "mel:b=x/y", "mel:b=x_y"]
    grid = Grid("x", names, [0, 10], tmp_path, folds=["1", "a/b", "a_b"])
    folders = [grid.run(*cell) for cell in grid.cells()]
    assert len({str(folder).casefold() for folder in folders}) == len(names) * 2 * 3
    assert {folder.parent for folder in folders} == {tmp_path / "runs" / "clean"}
    assert Grid("x", ["leaf"], [0], tmp_path, folds=["2"]).run("leaf", "2", 0).name == "leaf-fold2-seed0"


def test_a_condition_is_the_grids_own(tmp_path):
    with pytest.raises(AuricleError, match="--train-condition"):
        Grid("x", ["mel"], [0], tmp_path, augmentation=Augmentation(conditions="complex"))
