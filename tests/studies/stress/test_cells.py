"""Cells of a stress test are kept for the same run, clips and condition, and measured anew for any other."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

import auricle
from auricle import audio
from auricle.conditions import Cell, Material, Suite
from auricle.data.manifest import Manifest, read_manifest
from auricle.data.material import read_material
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.runs.folder_lock import folder_lock
from auricle.runs.provenance import run_digest
from auricle.studies.inspect import inspect_runs
from auricle.studies.stress import cells as module
from auricle.studies.stress.cells import measure_cells, read_cells
from auricle.studies.stress.models import StressedRun, tell_apart
from auricle.systems.classifier.system import Classifier
from sounds import RATE, tone_folder, write_tone

WHITE = Cell("white", 1, "white", {"snr_db": 0.0})
NOISE = Cell("noise", 1, "noise", {"snr_db": 0.0})
SUITE = Suite("small", (WHITE, NOISE))


def save_run(folder, seed: int = 0, window_s: float = 0.25, **options):
    """An untrained classifier of tones."""
    model = Classifier.build(
        tasks=[Task("tones", ("high", "low", "middle"))],
        sample_rate=RATE,
        window_s=window_s,
        frontend={"name": "mel", "n_filters": 8},
        backbone={"name": "cnn-small", "channels": [4, 4, 8]},
        seed=seed,
        **options,
    )
    model.save(folder)
    return folder


def retrain(folder) -> None:
    """Other weights in the same folder, of the same configuration."""
    model = auricle.load(folder)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(-1.5)
    model.save(folder)


@pytest.fixture
def run(tmp_path):
    return save_run(tmp_path / "run")


@pytest.fixture
def data(tmp_path):
    return tone_folder(tmp_path / "data", per_class=2, duration_s=0.25)


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """`measure_cells` of runs in one folder, with how many cells were measured."""
    calls = []
    original = module.score_windows
    monkeypatch.setattr(
        module, "score_windows", lambda *given, **options: calls.append(1) or original(*given, **options)
    )

    def measure(runs, manifest: Manifest, suite: Suite = SUITE) -> tuple[pd.DataFrame, int]:
        opened = [StressedRun.open(str(run), "cpu") for run in runs]
        tell_apart(opened)
        calls.clear()
        return measure_cells(opened, manifest, suite, tmp_path / "cells", progress=False), len(calls)

    return measure


def test_again_nothing_is_measured_and_the_table_is_the_same(run, data, measured, tmp_path):
    first, n_first = measured([run], read_manifest(data))
    second, n_second = measured([run], read_manifest(data))
    assert (n_first, n_second) == (3, 0)
    pd.testing.assert_frame_equal(first, second)
    assert list(first["cell"].unique()) == ["clean", "white-1", "noise-1"]
    first.to_csv(tmp_path / "cells.csv", index=False)
    pd.testing.assert_frame_equal(read_cells(tmp_path / "cells.csv"), first)


def test_answers_do_not_depend_on_the_models_before(measured, tmp_path):
    """Clips of 0.9 s fill a window of 1 s by their beginning, and four of 0.25 s by silence: the same length."""
    data = read_manifest(tone_folder(tmp_path / "clips", per_class=2, duration_s=0.9))
    long, short = (save_run(tmp_path / f"{s}", window_s=s, short="repeat") for s in (1.0, 0.25))
    both, _ = measured([long, short], data)
    shutil.rmtree(tmp_path / "cells")
    alone, _ = measured([short], data)
    own = both[both["run"] == str(short)].reset_index(drop=True)
    columns = ["cell", "clip", "predicted", "probability"]
    pd.testing.assert_frame_equal(own[columns], alone[columns])


def test_a_moved_run_and_moved_recordings_are_the_same(run, data, measured, tmp_path):
    first, _ = measured([run], read_manifest(data))
    moved = shutil.move(run, tmp_path / "elsewhere"), shutil.move(data, tmp_path / "sounds")
    second, n_measured = measured([moved[0]], read_manifest(moved[1]))
    assert n_measured == 0
    pd.testing.assert_frame_equal(first.drop(columns="run"), second.drop(columns="run"))


def test_a_run_that_was_trained_again_is_measured_again(run, data, measured):
    first, _ = measured([run], read_manifest(data))
    retrain(run)
    second, n_measured = measured([run], read_manifest(data))
    assert n_measured == 3
    assert (first["probability"] != second["probability"]).any()


def test_a_corrected_label_counts(run, data, measured):
    manifest = read_manifest(data)
    first, _ = measured([run], manifest)
    first_clip = dataclasses.replace(manifest.clips[0], labels=("middle",))
    second, _ = measured([run], Manifest(manifest.source, (first_clip, *manifest.clips[1:])))
    changed = second["clip"] == first_clip.name
    assert (second.loc[changed, "labels"] == "middle").all()
    assert (second.loc[changed, "right"] == (second.loc[changed, "predicted"] == "middle")).all()
    pd.testing.assert_frame_equal(first[~changed], second[~changed])


def test_a_recording_that_was_replaced_is_measured_again(run, data, measured):
    """Though its name, size and date are as they were."""
    first, _ = measured([run], read_manifest(data))
    path = data / "low" / "low-0.wav"
    before = path.stat()
    write_tone(path, 2400.0, 0.25, seed=77)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    second, n_measured = measured([run], read_manifest(data))
    assert n_measured == 3
    other = second["clip"] == "low/low-0.wav"
    assert (first.loc[other, "probability"] != second.loc[other, "probability"]).all()


def test_other_suites_go_side_by_side(run, data, measured):
    manifest = read_manifest(data)
    measured([run], manifest)
    louder = dataclasses.replace(WHITE, parameters={"snr_db": -10.0})
    for suite, expected in [
        (dataclasses.replace(SUITE, seed=1), 2),
        (dataclasses.replace(SUITE, cells=(louder, NOISE)), 1),
        (dataclasses.replace(SUITE, cells=(NOISE,)), 0),
        (SUITE, 0),
    ]:
        assert measured([run], manifest, suite)[1] == expected
    some = Manifest(manifest.source, manifest.clips[:3])
    assert measured([run], some)[1] == 3
    assert measured([run], manifest)[1] == 0


def test_other_noise_of_the_same_name_is_measured_again(run, data, measured, tmp_path):
    manifest, folder = read_manifest(data), tmp_path / "noise"

    def suite() -> Suite:
        return dataclasses.replace(SUITE, material=read_material([f"noise={folder}"]))

    for k in range(4):
        audio.write(folder / f"{k}.wav", 0.1 * np.random.default_rng(k).standard_normal(RATE), RATE)
    measured([run], manifest, suite())
    assert measured([run], manifest, suite())[1] == 0
    audio.write(folder / "0.wav", 0.1 * np.random.default_rng(9).standard_normal(RATE), RATE)
    assert measured([run], manifest, suite())[1] == 2


def test_another_version_measures_anew(run, data, measured, monkeypatch):
    measured([run], read_manifest(data))
    monkeypatch.setattr("auricle.identity.__version__", "9.9")
    assert measured([run], read_manifest(data))[1] == 3


def test_a_damaged_cell_is_measured_anew(run, data, measured, tmp_path):
    first, _ = measured([run], read_manifest(data))
    paths = sorted((tmp_path / "cells").rglob("*.csv.gz"))
    assert len(paths) == 3
    paths[0].write_bytes(paths[0].read_bytes()[:-5])
    paths[1].write_bytes(b"predicted,probability\n")
    second, n_measured = measured([run], read_manifest(data))
    assert n_measured == 2
    pd.testing.assert_frame_equal(first, second)


class TestTellingApart:
    def test_runs_whose_folders_have_one_name(self, data, measured, tmp_path):
        one, two = save_run(tmp_path / "exp1" / "best"), tmp_path / "exp2" / "best"
        shutil.copytree(one, two)
        retrain(two)
        both, n_measured = measured([one, two], read_manifest(data))
        assert n_measured == 6
        assert list(both["model"].unique()) == ["exp1/best", "exp2/best"]
        for run in (one, two):
            alone, n_measured = measured([run], read_manifest(data))
            assert n_measured == 0
            own = both[both["run"] == str(run)].reset_index(drop=True)
            pd.testing.assert_frame_equal(own.drop(columns="model"), alone.drop(columns="model"))

    def test_the_very_same_run_twice_is_an_error(self, run, data, measured, tmp_path):
        shutil.copytree(run, tmp_path / "copy")
        for other in (run, tmp_path / "copy", tmp_path / "data" / ".." / "run"):
            with pytest.raises(AuricleError, match="the same model"):
                measured([run, other], read_manifest(data))

    def test_runs_that_differ_in_their_seed_alone_have_one_name(self, data, tmp_path):
        folders = [save_run(tmp_path / f"r{seed}", seed) for seed in (0, 1)]
        other = save_run(tmp_path / "other", 2, short="repeat")
        runs = [StressedRun.open(str(folder), "cpu") for folder in folders]
        tell_apart(runs)
        assert [run.name for run in runs] == ["mel (n_filters=8)"] * 2
        runs = [StressedRun.open(str(folder), "cpu") for folder in (*folders, other)]
        tell_apart(runs)
        assert [run.name for run in runs] == ["r0"] * 2 + ["other"]

    def test_runs_that_were_trained_otherwise_have_names_of_their_own(self, data, tmp_path):
        """Other epochs and other clips are another training; another place of the same clips is not."""
        header = "task,clip,split,group,labels,start_s,end_s,sha256,path\n"

        def names(*trainings: tuple[int, str]) -> list[str]:
            folders = []
            for seed, (epochs, clip) in enumerate(trainings):
                folder = save_run(tmp_path / f"{len(list(tmp_path.iterdir()))}", seed)
                (folder / "settings.yaml").write_text(
                    f"seed: {seed}\ndata: [d{seed}]\ntraining: {{epochs: {epochs}}}\n"
                )
                row = f"task{seed},{seed}.wav,train,,a,0.0,,{clip},/place{seed}.wav\n"
                (folder / "clips.csv").write_text(header + row)
                folders.append(folder)
            runs = [StressedRun.open(str(folder), "cpu") for folder in folders]
            tell_apart(runs)
            return [run.name for run in runs]

        assert len(set(names((1, "aa"), (1, "aa"), (1, "aa")))) == 1
        assert len(set(names((1, "aa"), (2, "aa"), (1, "aa")))) == 2
        assert len(set(names((1, "aa"), (1, "bb")))) == 2

    def test_a_file_that_cannot_be_read_costs_no_earlier_page(self, data, tmp_path):
        run, bad = save_run(tmp_path / "x"), tmp_path / "bad.wav"
        bad.write_text("no sound")
        with pytest.raises(AuricleError, match=r"bad\.wav"):
            inspect_runs([str(run)], [str(data / "low" / "low-0.wav"), str(bad)], tmp_path / "out")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(("verb", "name"), [("inspect", "index.html"), ("stress", "report.html")])
    def test_a_page_of_someone_else_stays(self, data, tmp_path, verb, name):
        run, page = save_run(tmp_path / "x"), tmp_path / "out" / name
        page.parent.mkdir()
        page.write_text("<!DOCTYPE html><title>mine</title>")
        options = {"data": data, "quiet": True} if verb == "stress" else {}
        with pytest.raises(AuricleError, match="did not write"):
            getattr(auricle, verb)(run, output=tmp_path / "out", **options)
        assert [path.name for path in page.parent.iterdir()] == [name]
        assert page.read_text() == "<!DOCTYPE html><title>mine</title>"

    @pytest.mark.parametrize("verb", ["inspect", "stress"])
    def test_the_folder_of_a_model_is_no_place_for_a_page(self, data, tmp_path, verb):
        run = save_run(tmp_path / "x")
        before = {path: path.read_bytes() for path in run.iterdir()}
        options = {"data": data, "quiet": True} if verb == "stress" else {}
        with pytest.raises(AuricleError, match="x is the folder of a model: give another --output, such as"):
            getattr(auricle, verb)(run, output=run, **options)
        assert {path: path.read_bytes() for path in run.iterdir()} == before

    def test_two_stress_tests_do_not_write_into_one_folder(self, data, tmp_path):
        run = save_run(tmp_path / "x")
        with folder_lock(tmp_path / "out", "stress"), pytest.raises(AuricleError, match="out is in use by process"):
            auricle.stress(run, data=data, output=tmp_path / "out", quiet=True)

    def test_figures_of_each_have_files_of_their_own(self, data, tmp_path):
        one, two = save_run(tmp_path / "a" / "x"), tmp_path / "b" / "x"
        shutil.copytree(one, two)
        retrain(two)
        sounds = [data / "low" / "low-0.wav", tmp_path / "low-0.wav"]
        write_tone(sounds[1], 900.0, 0.5, seed=3)
        inspect_runs([str(one), str(two)], [str(path) for path in sounds], tmp_path / "out")
        names = [path.name for path in (tmp_path / "out" / "plots").glob("seen-*")]
        assert len(names) == 2
        page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
        assert "a/x" in page
        assert "b/x" in page


class TestRunDigest:
    def test_it_is_configuration_labels_and_weights(self, run, tmp_path):
        before = run_digest(run)
        assert run_digest(shutil.copytree(run, tmp_path / "moved" / "x")) == before
        (run / "README.md").write_text("something else")
        config = json.loads((run / "config.json").read_text())
        (run / "config.json").write_text(json.dumps(config | {"auricle_version": "0.0.1"}))
        assert run_digest(run) == before
        found = {before}
        (run / "labels.json").write_text(json.dumps({"tones": ["a", "b", "c"]}))
        found.add(run_digest(run))
        config["config"]["short"] = "repeat"
        (run / "config.json").write_text(json.dumps(config))
        found.add(run_digest(run))
        retrain(tmp_path / "moved" / "x")
        found.add(run_digest(tmp_path / "moved" / "x"))
        assert len(found) == 4

    def test_of_trnet_alone_it_includes_the_enhancer_in_its_folder(self, run, tmp_path):
        of_classifier, other = run_digest(run), shutil.copytree(run, tmp_path / "other")
        shutil.copytree(other, run / "enhancer")
        assert run_digest(run) == of_classifier
        config = json.loads((run / "config.json").read_text())
        (run / "config.json").write_text(json.dumps(config | {"system": "trnet"}))
        with_enhancer = run_digest(run)
        retrain(run / "enhancer")
        retrained = run_digest(run)
        shutil.rmtree(run / "enhancer")
        assert len({of_classifier, with_enhancer, retrained, run_digest(run)}) == 4

    def test_files_and_names(self, tmp_path, monkeypatch):
        (tmp_path / "a.onnx").write_bytes(b"one")
        (tmp_path / "b.onnx").write_bytes(b"one")
        assert run_digest(tmp_path / "a.onnx") == run_digest(tmp_path / "b.onnx")
        (tmp_path / "b.onnx").write_bytes(b"two")
        assert run_digest(tmp_path / "a.onnx") != run_digest(tmp_path / "b.onnx")
        before = run_digest("identity"), run_digest(tmp_path / "a.onnx")
        monkeypatch.setattr("auricle.identity.__version__", "9.9")
        assert run_digest("identity") != before[0]
        assert run_digest(tmp_path / "a.onnx") == before[1]

    def test_a_folder_without_a_model_has_none(self, tmp_path):
        with pytest.raises(AuricleError, match="not a model folder"):
            run_digest(tmp_path)
        (tmp_path / "config.json").write_text("{")
        with pytest.raises(AuricleError, match="not JSON"):
            run_digest(tmp_path)


def test_clips_of_one_name_are_told_apart(run, tmp_path, measured):
    """A segment of a file, and a file that is called like that segment."""
    write_tone(tmp_path / "d" / "a.wav", 300.0, 1.0, seed=1)
    write_tone(tmp_path / "d" / "b.wav", 900.0, 1.0, seed=2)
    (tmp_path / "d" / "b.wav").rename(tmp_path / "d" / "a.wav@0.5-")
    rows = ["path,label,start,end", "a.wav,low,0.5,", "a.wav@0.5-,high,,", "a.wav,low,0,0.5"]
    (tmp_path / "d" / "m.csv").write_text("\n".join(rows))
    manifest = read_manifest(tmp_path / "d" / "m.csv")
    table, _ = measured([run], manifest, dataclasses.replace(SUITE, shares=True, cells=(WHITE,)))
    assert table["clip"].nunique() == 3
    assert (table.groupby("clip").size() == 2).all()


def test_material_is_compared_by_content(tmp_path):
    for k in range(3):
        audio.write(tmp_path / "a" / f"{k}.wav", 0.1 * np.random.default_rng(k).standard_normal(4000), RATE)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    digests = [read_material([f"noise={tmp_path / name}"]).describe()["digest"] for name in "ab"]
    assert digests[0] == digests[1]
    audio.write(tmp_path / "b" / "1.wav", 0.1 * np.random.default_rng(8).standard_normal(4000), RATE)
    assert read_material([f"noise={tmp_path / 'b'}"]).describe()["digest"] != digests[0]
    assert Material.of().describe()["digest"] == Material.of().describe()["digest"]
