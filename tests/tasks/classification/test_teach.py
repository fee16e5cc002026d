"""`auricle teach`: from a few examples to a run folder that the other verbs take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import auricle
from auricle.errors import AuricleError
from auricle.runs.clips import RunClips
from auricle.runs.provenance import run_digest
from auricle.systems import load
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification import training_task as module
from auricle.tasks.classification.calibration import read_calibration
from auricle.tasks.classification.conditions import met_in_training
from sounds import PITCHES_HZ, RATE, tone_folder, write_tone
from untrained import start_run

pytestmark = pytest.mark.figures("undrawn")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network: its embedding tells tones apart all the same."""
    return start_run(tmp_path_factory.mktemp("models") / "start")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tone_folder(tmp_path_factory.mktemp("tones"), 10)


def taught(model: Path, data: Path, output: Path, **options: Any) -> Classifier:
    auricle.teach(model=model, data=data, output=output, quiet=True, **options)
    classifier = load(output)
    assert isinstance(classifier, Classifier)
    return classifier


def tone(pitch_hz: float, seed: int) -> np.ndarray:
    time = np.arange(RATE // 2) / RATE
    noise = 0.01 * np.random.default_rng(seed).standard_normal(len(time))
    return (0.2 * np.sin(2 * np.pi * pitch_hz * time) + noise).astype(np.float32)


def test_the_run_knows_the_new_labels_and_is_a_run_like_any_other(model: Path, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    classifier, start = taught(model, data, run), load(model)
    assert isinstance(start, Classifier)
    assert classifier.task().labels == ("high", "low", "middle")
    for label, pitch_hz in PITCHES_HZ.items():
        probabilities = classifier.predict(tone(pitch_hz, 5), RATE)
        assert max(probabilities, key=probabilities.__getitem__) == label
    for part in ("frontend", "backbone"):
        for one, other in zip(
            classifier.get_submodule(part).parameters(), start.get_submodule(part).parameters(), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert classifier.config["window_s"] == 0.5
    assert classifier.config["frozen"] == ["frontend", "backbone"]
    record = json.loads((run / "run.json").read_text())
    assert record["system"] == "classifier"
    assert json.loads((run / "metrics.json").read_text())["tasks"][data.name]["accuracy"]["value"] == 1.0
    card = (run / "README.md").read_text()
    assert "a linear head by logistic regression, penalty" in card
    assert f"Started from {model.name}." in card
    assert str(model.parent) not in card.partition("## Command")[0]
    known = RunClips(run)
    assert set(known.splits_of(auricle_clips(data), data.name)) == {"train"}
    outcome = auricle.predict(run, data / "low", output=tmp_path / "predictions", quiet=True)
    assert all(not entry.error for entry in outcome.outcomes)


def auricle_clips(data: Path) -> Any:
    from auricle.config import DataOptions
    from auricle.data.reading import read_data

    return read_data(str(data), DataOptions()).clips


def test_evaluate_refuses_what_was_heard_and_takes_what_was_put_aside(model: Path, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    taught(model, data, run, splits={"test_share": 0.3})
    result = auricle.evaluate(run, data=data, quiet=True)
    assert result.rows[0].metrics["accuracy"].value == 1.0


def test_what_the_model_had_met_the_taught_one_has_met_too(data: Path, tmp_path: Path) -> None:
    noisy = {"conditions": "training", "without": ("white", "codec")}
    start_run(tmp_path / "noisy", augmentation=noisy)
    classifiers = {"none": taught(start_run(tmp_path / "start"), data, tmp_path / "none")}
    classifiers["once"] = taught(tmp_path / "noisy", data, tmp_path / "once")
    classifiers["twice"] = taught(
        tmp_path / "once",
        data,
        tmp_path / "twice",
        augmentation={"conditions": "training", "without": ["babble", "white"]},
    )
    start = load(tmp_path / "noisy")
    assert isinstance(start, Classifier)
    met = met_in_training(start)
    assert {"babble", "reverberation", "clipping"} <= met
    assert not {"white", "codec"} & met
    assert met_in_training(classifiers["none"]) == set()
    assert met_in_training(classifiers["once"]) == met
    assert met_in_training(classifiers["twice"]) == met | {"codec"}


def test_the_same_command_gives_the_same_weights(model: Path, data: Path, tmp_path: Path) -> None:
    one, other = (taught(model, data, tmp_path / name) for name in ("one", "other"))
    torch.testing.assert_close(one.heads.weight, other.heads.weight, rtol=0, atol=0)


def test_a_head_for_noise_is_right_in_noise(model: Path, data: Path, tmp_path: Path) -> None:
    right = {}
    for name, options in (("plain", {}), ("for noise", {"recipe": "robust"})):
        taught(model, data, tmp_path / name, splits={"test_share": 0.3}, **options)
        rows = auricle.evaluate(tmp_path / name, data=data, snr=[10], quiet=True).rows
        right[name] = [row.metrics["accuracy"].value for row in rows]
    assert right["plain"][0] == right["for noise"][0] == 1.0
    assert right["for noise"][1] >= right["plain"][1] + 0.4
    card = (tmp_path / "for noise" / "README.md").read_text()
    assert "discounts directions in which the conditions of training move" in card
    assert load(tmp_path / "for noise").config["min_level_db"] == 0.0
    with pytest.raises(AuricleError, match="it is for conditions"):
        taught(model, data, tmp_path / "none", augmentation={"without": ["white"]})


@pytest.mark.parametrize(("n_clips", "n_windows"), [(1, 8), (3, 24), (300, 800), (800, 800), (5000, 800)])
def test_conditions_are_heard_on_all_clips_alike(n_clips: int, n_windows: int) -> None:
    times = np.bincount(module.evenly_drawn(n_clips), minlength=n_clips)
    assert times.sum() == n_windows
    assert times.max() - times.min() <= 1
    blocks = [block.sum() for block in np.array_split(times, min(n_clips, 10))]
    assert max(blocks) - min(blocks) <= 10


def test_a_handful_of_examples(model: Path, tmp_path: Path) -> None:
    data = tone_folder(tmp_path / "few", 3)
    classifier = taught(model, data, tmp_path / "run")
    assert "prototypes" in (tmp_path / "run" / "README.md").read_text()
    for label, pitch_hz in PITCHES_HZ.items():
        probabilities = classifier.predict(tone(pitch_hz, 7), RATE)
        assert max(probabilities, key=probabilities.__getitem__) == label


def test_one_example_of_each_label_is_enough(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tone_folder(tmp_path / "single", 1)
    auricle.teach(model=model, data=data, output=tmp_path / "run")
    classifier = auricle.load(tmp_path / "run")
    for label, pitch_hz in PITCHES_HZ.items():
        probabilities = classifier.predict(tone(pitch_hz, 7), RATE)
        assert max(probabilities, key=probabilities.__getitem__) == label
    card, printed = (tmp_path / "run" / "README.md").read_text(), capsys.readouterr().out
    said = "not calibrated, since 0 cross-validated clips are too few; a calibration needs 10 or more"
    assert said in card
    assert said in printed
    assert "3 clips for training, 0 for validation" in card
    assert "## In cross-validation" not in card
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["tasks"] == {}


def test_every_clip_is_measured_and_calibrated_with_by_a_head_without_its_group(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seven clips of each label, one of which is noise: no head can know it. A fold is named, but none left out."""
    rows = ["path,label,group,fold"]
    for k in range(7):
        for label, pitch_hz in PITCHES_HZ.items():
            odd = k == 6
            auricle_write(tmp_path / f"{label}{k}.wav", tone(0.0 if odd else pitch_hz, k))
            rows.append(f"{label}{k}.wav,{label},{label}{k // 2},1")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    auricle.teach(model=model, data=tmp_path / "manifest.csv", output=tmp_path / "run")
    assert "put aside" not in capsys.readouterr().out
    record = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert record["split"] == "cross-validation"
    (metrics,) = record["tasks"].values()
    assert 18 / 21 <= metrics["accuracy"]["value"] <= 19 / 21
    tasks = auricle.load(tmp_path / "run").tasks
    calibration = read_calibration(tmp_path / "run", run_digest(tmp_path / "run"), tasks)
    assert calibration is not None
    (own,) = calibration.tasks.values()
    assert own.measured["n_clips"] == 21
    assert own.unknown is not None
    card = (tmp_path / "run" / "README.md").read_text()
    assert "## In cross-validation" in card
    assert "Fitted in" in card


def test_several_labels_and_none(model: Path, tmp_path: Path) -> None:
    """Clips with both tones, with one, and with noise alone."""
    rows = ["path,label"]
    for k in range(12):
        write_tone(tmp_path / f"low{k}.wav", 300.0, 0.5, k)
        write_tone(tmp_path / f"high{k}.wav", 2400.0, 0.5, 50 + k)
        auricle_write(tmp_path / f"both{k}.wav", tone(300.0, k) + tone(2400.0, k))
        auricle_write(tmp_path / f"none{k}.wav", tone(0.0, k))
        rows += [f"low{k}.wav,low", f"high{k}.wav,high", f"both{k}.wav,low;high", f"none{k}.wav,"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    classifier = taught(model, tmp_path / "manifest.csv", tmp_path / "run", multi_label=True)
    both, none = classifier.predict(tone(300.0, 90) + tone(2400.0, 91), RATE), classifier.predict(tone(0.0, 92), RATE)
    assert min(both.values()) > 0.5 > max(none.values())


def auricle_write(path: Path, waveform: np.ndarray) -> None:
    import soundfile

    soundfile.write(path, waveform, RATE)


def test_an_interrupted_teaching_is_repeated(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "fit_heads", interrupted)
        with pytest.raises(KeyboardInterrupt):
            taught(model, data, tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()
    taught(model, data, tmp_path / "run")
    assert (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"window_s": 0.0}, "window_s=0"), ({"seed": -1}, "seed=-1"), ({"model": "nowhere"}, "nowhere")],
)
def test_unusable_options_are_one_line(
    model: Path, data: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(AuricleError, match=words) as error:
        auricle.teach(**{"model": model, "data": data, "output": tmp_path / "run", "quiet": True} | options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()
