"""Files of a run that are damaged or of another kind are one line that names them, under every verb that reads them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil

import numpy as np
import pytest

from auricle import train_classifier
from auricle.__main__ import main
from auricle.errors import AuricleError
from auricle.systems.system import load
from sounds import tone_folder

pytestmark = pytest.mark.figures("undrawn")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run and its evaluation, and the data they are of."""
    root = tmp_path_factory.mktemp("made")
    data = tone_folder(root / "data", 8)
    train_classifier(data=str(data), output=root / "run", frontend="mel", training={"epochs": 1}, quiet=True)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(root / "run"), "--data", str(data), "--output", str(root / "run" / "e"), "--quiet"])
    assert not ended.value.code
    return root


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    shutil.copytree(made / "run", tmp_path / "run")
    (tmp_path / "data").symlink_to(made / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


VERBS = {
    "predict": ["predict", "run", "data", "--output", "out", "--quiet"],
    "evaluate": ["evaluate", "run", "--data", "data", "--output", "out", "--quiet"],
    "compare": ["compare", "run/e", "--output", "out.md"],
    "stress": ["stress", "run", "--data", "data", "--suite", "snr-ladder", "--output", "out", "--quiet"],
    "export": ["export", "run", "--output", "out.onnx"],
    "inspect": ["inspect", "run", "--output", "out"],
    "tune": ["train", "classifier", "--data", "data", "--init-from", "run", "--output", "out", "--quiet"],
    "again": ["train", "classifier", "--data", "data", "--frontend", "mel", "--output", "run", "--quiet"],
    "config": ["train", "classifier", "--config", "run/settings.yaml", "--output", "out", "--quiet"],
}
OTHER = {
    "config.json": ("[]", "5", "null", '{"system": 5, "config": {}}', '{"system": "classifier", "config": []}',
                    '{"system": "classifier", "config": {}}', '{"system": "x", "config": {}}', "{", "", "[" * 50_000),
    "clips.csv": ("", "a,b\n1,2\n", "task,split,start_s,end_s,sha256\nx,train,zero,,0\n",
                  "task,split,start_s,end_s,sha256\n",
                  "task,split,start_s,end_s,sha256\nx,train\n", "task,split,start_s,end_s,sha256\n\0,,,,\n"),
    "settings.yaml": ("[]", "5", "training: null", "a: [", "&a [*a]", "seed: x", "\0", "training: {epochs: [1]}"),
    "history.csv": ("", "epoch\n1\n", "epoch,val_loss\nx,1\n", "epoch,val_loss\n1\n", "epoch,val_loss\n1,\n"),
    "inputs.json": ("[]", '{"a": 5}', "{", "5"),
    "e/results.json": ("[]", "5", "{}", '{"schema": 2}', '{"schema": 2, "task": "classification"}', "{", "null"),
    "e/scores.npz": ("", "PK", "x" * 1000),
    "model.safetensors": ("", "x" * 100, "\x08\0\0\0\0\0\0\0{}      ", "\xff" * 8),
}  # fmt: skip
READ_BY = {
    "config.json": ("predict", "evaluate", "stress", "export", "inspect", "tune"),
    "clips.csv": ("evaluate", "stress", "tune"),
    "settings.yaml": ("again", "config"),
    "history.csv": ("inspect",),
    "inputs.json": ("again",),
    "e/results.json": ("compare",),
    "e/scores.npz": ("compare",),
    "model.safetensors": ("predict", "evaluate", "stress", "export", "inspect", "tune"),
}


@pytest.mark.parametrize("verb", ["evaluate", "stress", "tune"])
def test_clips_that_a_training_has_used_are_not_forgotten(place, verb, capsys):
    (place / "run" / "clips.csv").unlink()
    with pytest.raises(SystemExit) as ended:
        main(VERBS[verb])
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("auricle: ")]
    assert (ended.value.code, len(said)) == (2, 1), said
    assert "clips.csv lists no clip" in said[0]


@pytest.mark.parametrize(("name", "verb"), [(name, verb) for name, verbs in READ_BY.items() for verb in verbs])
def test_another_content_is_one_line(place, name, verb, capsys):
    path = place / "run" / name
    contents = [text.encode("utf-8", "surrogateescape") for text in OTHER[name]]
    for content in [*contents, None]:
        if content is None:
            path.unlink()
            os.mkfifo(path)
        else:
            path.write_bytes(content)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(VERBS[verb])
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("auricle: ")]
        assert (ended.value.code, len(said)) == (2, 1), (content, said)
        assert "run" in said[0], said
        assert len(said[0]) < 600


def test_a_system_is_not_made_from_other_types(place):
    config = place / "run" / "config.json"
    whole = json.loads(config.read_text())
    for name in whole["config"]:
        for value in (None, [], {}, "x", -1, 1e300, True, [[]], float("nan")):
            config.write_text(json.dumps(whole | {"config": whole["config"] | {name: value}}))
            with contextlib.suppress(AuricleError):
                load(place / "run")


def test_scores_of_another_evaluation(place, capsys):
    np.savez(place / "run" / "e" / "scores.npz", targets=np.zeros((2, 2)), digests=np.array(["a", "b"]))
    with pytest.raises(SystemExit) as ended:
        main(VERBS["compare"])
    assert ended.value.code == 2
    assert "scores.npz" in capsys.readouterr().err
