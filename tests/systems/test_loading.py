"""Run folders whose files do not belong together are refused in one line, and are loaded where nothing is wrong."""

from __future__ import annotations

import copy
import errno
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from auricle.__main__ import main
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.runs.provenance import run_digest
from auricle.systems.classifier.system import Classifier
from auricle.systems.system import evaluating, load


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a classifier of three labels."""
    model = Classifier.build(
        sample_rate=8000,
        window_s=0.25,
        frontend={"name": "mel", "n_filters": 8},
        backbone={"name": "cnn-small"},
        tasks=[Task("animals", ("cat", "dog", "owl"))],
    )
    model.save(tmp_path / "run")
    return tmp_path / "run"


def said(run: Path, capfd) -> str:
    """What `auricle predict` says of a run that it refuses: all that is written to standard error."""
    soundfile.write(run.parent / "a.wav", [0.1] * 2000, 8000)
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(run), str(run.parent / "a.wav"), "--output", str(run.parent / "out"), "--quiet"])
    assert ended.value.code == 2
    return capfd.readouterr().err


def one_line(run: Path, file: str, text: str, capfd) -> None:
    found = said(run, capfd)
    assert found.startswith(f"auricle: {run / file}: "), found
    assert text in found
    assert found.count("\n") == 1


@pytest.mark.filterwarnings("error:Initializing zero-element tensors")
@pytest.mark.parametrize(
    ("tasks", "text"),
    [
        ([], "tasks=[]: at least one"),
        ({}, "tasks={}: at least one"),
        ("", "at least one"),
        ([{"name": "animals", "labels": []}], "animals: nothing to tell apart, there is no label"),
        ([{"name": "animals", "labels": [], "multi_label": True}], "there is no label"),
        ([{"name": "animals", "labels": ["cat"]}], "the only label is 'cat'"),
    ],
)
def test_a_configuration_without_labels_is_refused_before_a_network_is_made(run, tasks, text, capfd):
    config = json.loads((run / "config.json").read_text())
    config["config"]["tasks"] = tasks
    (run / "config.json").write_text(json.dumps(config))
    one_line(run, "config.json", text, capfd)


def _relabelled(*labels) -> object:
    return {"tasks": [{"name": "animals", "labels": list(labels), "multi_label": False}]}


WHOLE = _relabelled("cat", "dog", "owl")


@pytest.mark.parametrize(
    "content",
    [
        _relabelled("owl", "cat", "dog"),
        _relabelled("cat", "dog"),
        _relabelled("cat", "cat", "dog", "dog", "owl", "owl"),
        _relabelled("cat", "dog", None),
        _relabelled("cat", "dog", "cow"),
        {"tasks": [*WHOLE["tasks"], *WHOLE["tasks"]]},
        {"tasks": [WHOLE["tasks"][0] | {"multi_label": True}]},
        {"tasks": None},
        {"tasks": []},
        {},
        [],
        None,
        5,
    ],
)
def test_labels_that_are_not_those_of_the_configuration_are_refused(run, content, capfd):
    (run / "labels.json").write_text(json.dumps(content))
    one_line(run, "labels.json", "these labels are not those of config.json", capfd)


def test_labels_that_cannot_be_read_are_refused(run):
    for text in ("", "{", "[" * 50_000):
        (run / "labels.json").write_text(text)
        with pytest.raises(AuricleError, match=r"labels\.json: not JSON"):
            load(run)
    (run / "labels.json").unlink()
    os.mkfifo(run / "labels.json")
    with pytest.raises(AuricleError, match=r"labels\.json"):
        load(run)


@pytest.mark.skipif(os.name != "posix", reason="no permissions here")
def test_whoever_may_read_the_other_files_of_a_run_may_read_its_weights(run):
    assert len({path.stat().st_mode for path in run.iterdir()}) == 1


def test_a_model_needs_no_list_of_its_labels_beside_it(run):
    """Nor is it of importance how the list is written."""
    (run / "labels.json").write_text(json.dumps(WHOLE))
    assert load(run).labels() == WHOLE
    (run / "labels.json").unlink()
    assert load(run).labels() == WHOLE


def _stored_as(run: Path, kind: torch.dtype) -> None:
    weights = load_file(run / "model.safetensors")
    changed = {name: value.to(kind) if value.is_floating_point() else value for name, value in weights.items()}
    save_file(changed, run / "model.safetensors")


@pytest.mark.parametrize("kind", [torch.int32, torch.int8, torch.uint8, torch.int64, torch.bool, torch.complex64])
def test_weights_of_other_numbers_are_refused(run, kind, capfd):
    _stored_as(run, kind)
    one_line(run, "model.safetensors", f"is of {kind}, not of torch.float32", capfd)


@pytest.mark.parametrize("name", ["heads.weight", "backbone.norm.running_var"])
def test_one_tensor_of_whole_numbers_is_enough(run, name):
    weights = load_file(run / "model.safetensors")
    save_file(weights | {name: weights[name].int()}, run / "model.safetensors")
    with pytest.raises(AuricleError, match=f"{name} is of torch.int32"):
        load(run)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_taken(run, kind):
    before = copy.deepcopy(load(run).state_dict())
    _stored_as(run, kind)
    for name, value in load(run).state_dict().items():
        assert value.dtype == before[name].dtype
        torch.testing.assert_close(value, before[name], rtol=0.01, atol=1e-4)


def test_weights_beyond_single_precision_are_refused(run):
    weights = load_file(run / "model.safetensors")
    save_file(weights | {"heads.bias": torch.full((3,), 1e300, dtype=torch.float64)}, run / "model.safetensors")
    with pytest.raises(AuricleError, match=r"heads.bias holds NaN or infinite values"):
        load(run)


def test_weights_of_another_run_are_noticed(run, tmp_path, capfd):
    model = load(run)
    torch.nn.init.ones_(model.heads.weight)
    model.save(tmp_path / "other")
    load(tmp_path / "other")
    assert not capfd.readouterr().err
    shutil.copy(tmp_path / "other" / "model.safetensors", run)
    load(run)
    note = capfd.readouterr().err
    assert note.startswith(f"note: {run / 'model.safetensors'} is not the file that was saved with config.json")
    assert note.count("\n") == 1


def test_a_run_of_an_earlier_version_has_no_digest_of_its_weights(run, capfd):
    before = run_digest(run)
    config = json.loads((run / "config.json").read_text())
    del config["weights_sha256"]
    (run / "config.json").write_text(json.dumps(config))
    load(run)
    assert not capfd.readouterr().err
    assert run_digest(run) == before


@pytest.mark.skipif(os.name != "posix", reason="names of files are Unicode")
def test_a_run_folder_whose_name_is_not_utf_8(run: Path):
    odd = os.fsdecode(os.fsencode(run.parent) + b"/m\xe9lange")
    run.rename(odd)
    assert load(odd).tasks[0].labels == ("cat", "dog", "owl")


def test_a_misspelt_published_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AuricleError, match=r"^eficientat-mn04: no such folder; did you mean 'efficientat-mn04'\?$"):
        load("eficientat-mn04")
    with pytest.raises(AuricleError, match=r"^runs/mine: no such folder; give the folder that `auricle train` wrote$"):
        load("runs/mine")
    with pytest.raises(AuricleError, match=r"wrote, or the name of a published model \(auricle list models\)$"):
        load("nosuch")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "model.pt2").write_bytes(b"x")
    with pytest.raises(AuricleError, match=r"model\.pt2: a file; give the folder that `auricle train` wrote$"):
        load(tmp_path / "model.pt2")


def test_evaluating_restores_the_mode_of_every_part():
    system = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.Dropout()))
    system.train()
    system[1][0].eval()
    before = [part.training for part in system.modules()]
    with evaluating(system):
        assert not any(part.training for part in system.modules())
    assert [part.training for part in system.modules()] == before


def test_weights_that_may_not_be_read_are_said_to_be_that(run: Path, monkeypatch):
    opened = os.open

    def refusing(path, *rest, **options):
        if Path(path).name == "model.safetensors":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *rest, **options)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(AuricleError, match=r"model\.safetensors: cannot be read \(Permission denied\)$"):
        load(run)


@pytest.mark.parametrize("given", [None, 3, b"run"])
def test_what_is_no_path_is_refused_in_one_line(given):
    with pytest.raises(AuricleError, match="^" + re.escape(f"{given!r}: give a model's folder, or the name of")):
        load(given)


def test_a_name_that_no_folder_can_have_is_that_of_none():
    with pytest.raises(AuricleError, match=r"^a{5000}: no such folder; give the folder that `auricle train` wrote"):
        load("a" * 5000)
