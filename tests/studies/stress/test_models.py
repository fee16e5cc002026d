"""Any model is measured: runs, ONNX files with and without our metadata, and Python functions."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch

import auricle
from auricle.conditions import Cell, Suite
from auricle.data.manifest import read_manifest
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.studies.stress.cells import measure_cells
from auricle.studies.stress.models import StressedModel, open_models, tell_apart
from auricle.studies.stress.stress import stress_models
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification import functions
from sounds import RATE, tone_folder
from untrained import classifier_run

LABELS = ("high", "low", "middle")
SUITE = Suite("small", (Cell("white", 1, "white", {"snr_db": 0.0}), Cell("noise", 1, "noise", {"snr_db": 0.0})))
FUNCTIONS = """
import numpy as np
import auricle

model = auricle.load({run!r})
labels = sorted(model.task().labels)

def of_run(waveform, rate):
    return model.predict(waveform, rate)

def in_order(waveform, rate):
    answer = model.predict(waveform, rate)
    return np.array([answer[label] for label in in_order.labels])

in_order.labels = labels[::-1]
in_order.sample_rate = {rate}

def broken(waveform, rate):
    raise RuntimeError("no\\nsuch thing")

not_a_function = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, its ONNX file, the same file without metadata and with a description, data, and a module of functions."""
    root = tmp_path_factory.mktemp("any")
    model = Classifier.build(
        tasks=[Task("tones", LABELS)],
        sample_rate=RATE,
        window_s=0.25,
        frontend={"name": "mel", "n_filters": 8},
        backbone={"name": "cnn-small", "channels": [4, 4, 8]},
    )
    with torch.no_grad():
        model.heads.weight.mul_(20.0)  # so that not every clip has the same answer
    model.save(root / "run")
    tone_folder(root / "data", per_class=3, duration_s=0.25)
    (root / "any_functions.py").write_text(FUNCTIONS.format(run=str(root / "run"), rate=RATE))
    return root


@pytest.fixture(scope="module")
def onnx_files(folder):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from auricle.exporting.onnx_file import write_onnx

    write_onnx(auricle.load(folder / "run"), folder / "ours.onnx")
    other = onnx.load(folder / "ours.onnx")
    del other.metadata_props[:]
    other.graph.input[0].name = "sound"
    for node in other.graph.node:
        node.input[:] = ["sound" if name == "waveform" else name for name in node.input]
    onnx.save(other, folder / "other.onnx")
    described = {"labels": list(LABELS), "sample_rate": RATE, "window_s": 0.25}
    (folder / "other.json").write_text(json.dumps(described))
    return folder


@pytest.fixture(autouse=True)
def _in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("any_functions", None)


def measured(models, folder, to, **options):
    """The cells of models, by the order of the models."""
    opened, manifest = open_models(models, "cpu", None, lambda multi_label: read_manifest(folder / "data"))
    tell_apart(opened)
    table = measure_cells(opened, manifest, SUITE, to, progress=False, **options)
    return [table[table["run"] == model.source].reset_index(drop=True) for model in opened]


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    drop = ["run", "model", "probability"]
    pd.testing.assert_frame_equal(one.drop(columns=drop), other.drop(columns=drop))
    np.testing.assert_allclose(one["probability"], other["probability"], atol=2e-5)


def test_the_run_answers_with_several_labels(folder, tmp_path):
    (run,) = measured([str(folder / "run")], folder, tmp_path)
    assert run["predicted"].nunique() > 1, "else these tests could not fail"


def test_runs_with_different_splits_of_the_same_data_are_told_so(folder, tmp_path):
    clips = [(clip.path, clip.labels[0]) for clip in read_manifest(folder / "data")]
    for name, first in (("one", 0), ("other", 1)):
        splits = [("train", "train", "test")[(k + first) % 3] for k in range(len(clips))]
        rows = [f"{path},{label},{split}\n" for (path, label), split in zip(clips, splits, strict=True)]
        (tmp_path / f"{name}.csv").write_text("".join(["path,label,split\n", *rows]))
        classifier_run(tmp_path / name, tmp_path / f"{name}.csv", seed=first)
    runs = [str(tmp_path / name) for name in ("one", "other")]
    with pytest.raises(AuricleError) as refused:
        stress_models(runs, str(folder / "data"), SUITE, output=str(tmp_path / "stress"))
    assert re.fullmatch(
        "3 clips are put aside for testing by .*one and trained on by .*other, first .*: "
        "train both with the same --splits options",
        str(refused.value),
    )
    with pytest.raises(AuricleError, match="other was trained on"):
        stress_models(runs, str(tmp_path / "one.csv"), SUITE, output=str(tmp_path / "stress"))


@pytest.mark.parametrize("name", ["of_run", "in_order"])
def test_a_function_gives_the_cells_of_the_run_that_it_calls(folder, tmp_path, name):
    run, function = measured([str(folder / "run"), f"any_functions:{name}"], folder, tmp_path)
    same(run, function)
    assert set(function["model"]) == {f"any_functions:{name}"}


@pytest.mark.figures("undrawn")
def test_a_function_is_given_from_python_too(folder, tmp_path):
    predict = auricle.load(folder / "run").predict
    run, function = measured([str(folder / "run"), predict], folder, tmp_path)
    same(run, function)
    report = auricle.stress(
        predict, data=folder / "data", suite="snr-ladder", output=tmp_path / "report", quiet=True, device="cpu"
    )
    assert report.baseline.endswith(":Classifier.predict")
    assert "is not known" in report.page.read_text(encoding="utf-8")


@pytest.mark.figures("undrawn")
def test_of_a_model_without_a_list_of_its_clips_it_is_said_that_they_are_not_known(folder, tmp_path, capfd):
    """A pushed or converted one has its folder, but nothing of its training."""
    clips = [(clip.path, clip.labels[0]) for clip in read_manifest(folder / "data")]
    rows = [f"{path},{label},{('train', 'test')[k % 2]}\n" for k, (path, label) in enumerate(clips)]
    data = tmp_path / "data.csv"
    data.write_text("".join(["path,label,split\n", *rows]))
    listed = classifier_run(tmp_path / "listed", data)
    pushed = shutil.copytree(listed, tmp_path / "pushed")
    (pushed / "clips.csv").unlink()
    for model, told in ((pushed, True), (listed, False)):
        report = auricle.stress(model, data=data, suite="snr-ladder", output=tmp_path / f"of-{model.name}", quiet=True)
        assert ("trained on is not known" in report.page.read_text(encoding="utf-8")) == told
        auricle.evaluate(model, data=data, split="test", output=tmp_path / f"measured-{model.name}", quiet=True)
        assert (f"{model} was trained on is not known" in capfd.readouterr().err) == told


@pytest.mark.slow
def test_onnx_files_give_the_cells_of_the_run_that_they_were_made_from(onnx_files, tmp_path):
    models = [str(onnx_files / name) for name in ("run", "ours.onnx", "other.onnx")]
    run, ours, other = measured(models, onnx_files, tmp_path)
    same(run, ours)
    same(run, other)


@pytest.mark.slow
def test_cells_of_a_function_are_not_kept_and_those_of_a_file_are_by_its_content(onnx_files, tmp_path):
    def kept() -> int:
        return len(list(tmp_path.rglob("*.csv.gz")))

    measured(["any_functions:of_run"], onnx_files, tmp_path)
    assert kept() == 0
    measured([str(onnx_files / "other.onnx")], onnx_files, tmp_path)
    assert kept() == 3
    measured([str(onnx_files / "other.onnx")], onnx_files, tmp_path)
    assert kept() == 3
    described = json.loads((onnx_files / "other.json").read_text())
    (onnx_files / "renamed.onnx").write_bytes((onnx_files / "other.onnx").read_bytes())
    (onnx_files / "renamed.json").write_text(json.dumps(described))
    measured([str(onnx_files / "renamed.onnx")], onnx_files, tmp_path)
    assert kept() == 3, "a renamed file is the same model"
    (onnx_files / "renamed.json").write_text(json.dumps(described | {"labels": list(LABELS[::-1])}))
    measured([str(onnx_files / "renamed.onnx")], onnx_files, tmp_path)
    assert kept() == 6, "and with other labels it is another"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["a", "b"]}, "2 labels"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"window_s": 0.0}, "window_s"),
        ({"output": "decibels"}, "logits or probabilities"),
        ({"labels": "abc"}, "labels"),
        (None, "describe it in bad.json"),
    ],
)
def test_a_description_that_does_not_fit_is_one_line(onnx_files, tmp_path, change, message):
    (tmp_path / "bad.onnx").write_bytes((onnx_files / "other.onnx").read_bytes())
    if change is not None:
        described = json.loads((onnx_files / "other.json").read_text())
        (tmp_path / "bad.json").write_text(json.dumps(described | change))
    with pytest.raises(AuricleError, match=message) as error:
        measured([str(tmp_path / "bad.onnx")], onnx_files, tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("any_functions:broken", "RuntimeError: no$"),
        ("any_functions:missing", "cannot be imported: AttributeError"),
        ("any_functions:not_a_function", "is a int, and not a function"),
        ("no_such_module_here:f", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_a_function_that_fails_is_one_line(folder, tmp_path, name, message):
    with pytest.raises(AuricleError, match=message) as error:
        measured([name], folder, tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"high": 0.5, "low": 0.5}, "gives 2 labels instead of 3"),
        ([0.5, 0.5], r"shape \(2,\)"),
        ([0.5, 0.5, 0.5], "sum to 1.5"),
        ([1.5, -0.5, 0.0], "-0.5 to 1.5"),
        ([float("nan"), 0.5, 0.5], "should return probabilities"),
        ("high", "not probabilities"),
        (None, "should return"),
    ],
)
def test_what_are_no_probabilities_is_refused(answer, message):
    task = Task("labels", LABELS)
    model = functions.FunctionClassifier(lambda waveform, rate: answer, "f", task, RATE)
    with pytest.raises(AuricleError, match=message):
        model.logits(np.zeros((1, 100), np.float32))


def test_tensors_with_gradients_and_labels_that_are_no_text_are_taken():
    task = Task("labels", ("0", "1"))
    weights = torch.tensor([0.25, 0.75], requires_grad=True)
    for answer in (weights, {0: 0.25, 1: 0.75}):
        model = functions.FunctionClassifier(lambda waveform, rate, answer=answer: answer, "f", task, RATE)
        np.testing.assert_allclose(np.exp(model.logits(np.zeros((1, 10), np.float32))), [[0.25, 0.75]], rtol=1e-5)


def test_functions_of_one_name_are_several_models_and_one_given_twice_is_refused(folder, tmp_path):
    def made(label):
        def answer(waveform, rate):
            return {other: float(other == label) for other in LABELS}

        return answer

    first, second = made("high"), made("low")
    one, other = measured([first, second], folder, tmp_path)
    assert set(one["predicted"]) == {"high"}
    assert set(other["predicted"]) == {"low"}
    assert set(one["model"]) != set(other["model"])
    with pytest.raises(AuricleError, match="the same model"):
        measured([first, first], folder, tmp_path)


def test_a_function_of_several_labels_needs_no_sum_of_one():
    task = Task("labels", LABELS, multi_label=True)
    model = functions.FunctionClassifier(lambda waveform, rate: [0.5, 0.9, 0.2], "f", task, RATE)
    probabilities = 1 / (1 + np.exp(-model.logits(np.zeros((1, 10), np.float32))))
    np.testing.assert_allclose(probabilities, [[0.5, 0.9, 0.2]], rtol=1e-5)


def test_of_a_model_of_several_tasks_it_is_said_what_measures_each(folder, tmp_path):
    tasks = [Task("tones", LABELS), Task("rooms", ("hall", "bath"))]
    config = auricle.load(folder / "run").config
    Classifier.build(
        frontend=config["frontend"],
        backbone=config["backbone"],
        tasks=tasks,
        sample_rate=RATE,
        window_s=config["window_s"],
    ).save(tmp_path / "two")
    with pytest.raises(AuricleError, match=r"has several tasks \(tones, rooms\), .*`auricle evaluate --task`"):
        measured([str(tmp_path / "two")], folder, tmp_path / "cells")


def test_other_labels_are_not_compared(folder, tmp_path):
    def other(waveform, rate):
        return {"x": 0.5, "y": 0.5}

    with pytest.raises(AuricleError, match="labels"):
        stress_models([str(folder / "run"), other], str(folder / "data"), SUITE, output=tmp_path, progress=False)


def test_a_run_folder_called_like_a_function_is_opened_and_nothing_is_imported(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder / "run", tmp_path / "planted:one")
    (tmp_path / "planted.py").write_text("raise SystemExit('was run')")
    monkeypatch.syspath_prepend(tmp_path)
    (run,) = measured(["planted:one"], folder, tmp_path / "out")
    assert set(run["run"]) == {"planted:one"}


def test_a_configuration_file_names_no_function(folder, tmp_path, capsys):
    from auricle.__main__ import main

    (tmp_path / "c.yaml").write_text(f"runs: [any_functions:of_run]\ndata: {folder / 'data'}\n")
    with pytest.raises(SystemExit) as ended:
        main(["stress", "--config", str(tmp_path / "c.yaml"), "--output", str(tmp_path / "o"), "--quiet"])
    assert ended.value.code == 2
    assert "any_functions:of_run: a Python function is given on the command line" in capsys.readouterr().err
    assert "any_functions" not in sys.modules, "it is not even imported"
    assert not (tmp_path / "o").exists()


@pytest.mark.skipif(os.name != "posix", reason="names of files are Unicode")
def test_a_model_whose_name_is_not_utf_8_is_shown_with_escapes():
    model = StressedModel(os.fsdecode(b"m\xe9"), None, "mel", 0, None, None)
    assert model.shown == r"m\xe9"


@pytest.mark.slow
@pytest.mark.figures("undrawn")
def test_a_report_of_other_models_is_not_replaced(folder, tmp_path):
    settings = {"data": folder / "data", "suite": "snr-ladder", "output": tmp_path / "report", "quiet": True}
    report = auricle.stress([str(folder / "run"), "any_functions:of_run"], device="cpu", **settings)
    before = report.page.read_bytes()
    with pytest.raises(AuricleError, match="holds a stress test of any_functions:of_run: test these together"):
        auricle.stress(str(folder / "run"), device="cpu", **settings)
    assert report.page.read_bytes() == before
    same_run = os.path.relpath(folder / "run")
    auricle.stress([same_run, "any_functions:of_run", "any_functions:in_order"], device="cpu", **settings)
    (tmp_path / "report" / "cells.csv").write_text("damaged")
    auricle.stress(str(folder / "run"), device="cpu", **settings)
