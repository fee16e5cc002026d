"""A run from training to its tables: calibration, unknown, false alarms, and the same from ONNX."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

import auricle
from auricle.data.manifest import read_manifest
from auricle.errors import AuricleError
from auricle.metrics import expected_calibration_error
from auricle.runs.provenance import run_digest
from auricle.studies.stress.stress import stress
from auricle.systems.system import load
from auricle.tasks.classification.calibrate import calibrate
from auricle.tasks.classification.calibration import read_calibration
from auricle.tasks.classification.train import train_classifier
from auricle.tasks.evaluate import evaluate
from auricle.tasks.predict import predict
from sounds import PITCHES_HZ, RATE, tone_folder

pytestmark = pytest.mark.figures("undrawn")
SMALL = {
    "frontend": "mel",
    "frontend_options": {"n_filters": 16},
    "backbone_options": {"channels": [4, 8, 8]},
    "window_s": 0.5,
    "sample_rate": RATE,
    "quiet": True,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tone_folder(tmp_path_factory.mktemp("tones"), per_class=24)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A run of little training, whose validation clips are a third."""
    folder = tmp_path_factory.mktemp("runs") / "single"
    return train_classifier(
        data=data,
        output=folder,
        training={"epochs": 3},
        optimization={"learning_rate": 3e-3},
        splits={"validation_share": 0.4},
        **SMALL,
    )


@pytest.fixture(scope="module")
def background(tmp_path_factory):
    """Two recordings of noise, one of them long enough to be read in several stretches."""
    folder = tmp_path_factory.mktemp("background")
    rng = np.random.default_rng(0)
    for name, seconds in (("short.wav", 3), ("long.wav", 70)):
        sf.write(folder / name, 0.05 * rng.standard_normal(seconds * RATE), RATE)
    return folder


@pytest.fixture(scope="module")
def evaluation(run, data, background, tmp_path_factory):
    output = tmp_path_factory.mktemp("evaluation") / "of-single"
    return evaluate(run, data=data, background=background, output=output, quiet=True)


def table(model, recording, output, **options):
    predict(model, [recording], output=output, quiet=True, **options)
    return pd.read_csv(next(Path(output).rglob("*.csv")), keep_default_na=False, dtype={"label": str})


def test_training_calibrates_with_its_validation_clips(run):
    calibration = read_calibration(run, run_digest(run), load(run).tasks)
    (own,) = calibration.tasks.values()
    listed = pd.read_csv(run / "clips.csv")
    assert own.measured["n_clips"] == (listed["split"] == "valid").sum()
    assert own.method == "temperature"
    assert "## Calibration" in (run / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("per_class", "options"), [(24, {}), (9, {}), (9, {"multi_label": True})])
def test_too_few_validation_clips_are_said(per_class, options, tmp_path, capsys):
    data = tone_folder(tmp_path / "tones", per_class=per_class)
    quiet = {**SMALL, "quiet": False}
    run = train_classifier(
        data=data, output=tmp_path / "run", training={"epochs": 1}, splits={"validation_share": 0.4}, **quiet, **options
    )
    n_clips = sum(row.split == "valid" for row in pd.read_csv(run / "clips.csv").itertuples())
    assert (n_clips < 10) == (per_class == 9)
    card, printed = (run / "README.md").read_text(encoding="utf-8"), capsys.readouterr().out
    said = f"not calibrated, since {n_clips} validation clips are too few; a calibration needs 10 or more"
    assert (said in card) == (said in printed) == (n_clips < 10)
    assert (run / "calibration.json").is_file() == (n_clips >= 10)
    if n_clips < 10:
        with pytest.raises(AuricleError, match=f"{n_clips} validation clips of .*run, and a calibration needs 10"):
            calibrate(run, data=data, quiet=True)


def test_what_predict_reports_is_calibrated_unless_it_is_to_be_raw(run, data, tmp_path):
    own = next(iter(read_calibration(run, run_digest(run), load(run).tasks).tasks.values()))
    recording = next((data / "low").iterdir())
    raw = table(run, recording, tmp_path / "raw", raw=True, top_k=3)
    tuned = table(run, recording, tmp_path / "tuned", top_k=3)
    assert list(raw["label"]) == list(tuned["label"])
    logits = np.log(raw["probability"].to_numpy(float))
    expected = np.exp(own.scales[0] * logits)
    np.testing.assert_allclose(tuned["probability"].to_numpy(float), expected / expected.sum(), atol=1e-5)
    settings = [json.loads((tmp_path / name / "settings.json").read_text()) for name in ("raw", "tuned")]
    assert settings[0]["calibration"] is None
    assert settings[1]["calibration"] == read_calibration(run, run_digest(run), load(run).tasks).digest


def test_evaluation_measures_the_calibration(evaluation, run):
    record = json.loads((evaluation.folder / "results.json").read_text())
    with np.load(evaluation.folder / "scores.npz") as file:
        scores, targets = file["clean"].astype(float), file["targets"].argmax(axis=1)
    own = next(iter(read_calibration(run, run_digest(run), load(run).tasks).tasks.values()))
    calibrated = scores ** own.scales[0]
    calibrated /= calibrated.sum(axis=1, keepdims=True)
    measured = record["calibration"]["clean"]
    for when, values in (("before", scores), ("after", calibrated)):
        assert measured[when]["ece"]["value"] == pytest.approx(expected_calibration_error(values, targets), abs=1e-5)
        assert measured[when]["nll"]["low"] <= measured[when]["nll"]["value"] <= measured[when]["nll"]["high"]
    assert measured["unknown"]["value"] == pytest.approx((calibrated.max(axis=1) < own.unknown).mean())
    assert (evaluation.folder / "reliability.png").is_file()
    predictions = pd.read_csv(evaluation.folder / "predictions.csv")
    np.testing.assert_allclose(predictions["probability"], calibrated.max(axis=1), atol=1e-5)
    assert list(pd.read_csv(evaluation.folder / "results.csv")["metric"].unique()) == list(evaluation.rows[0].metrics)


def test_false_alarms_are_the_events_that_predict_reports(evaluation, run, background, tmp_path):
    events = {}
    for name in ("short", "long"):
        events[name] = table(run, background / f"{name}.wav", tmp_path / name, events=True)
    found = pd.concat(events.values())
    record = json.loads((evaluation.folder / "results.json").read_text())["false_alarms"]
    assert record["hours"] == pytest.approx(73 / 3600)
    for label in PITCHES_HZ:
        rate = record["labels"][label]["per_hour"]
        assert rate["value"] * record["hours"] == pytest.approx((found["label"] == label).sum())
        assert rate["low"] <= rate["value"] < rate["high"]
    assert evaluation.record()["false_alarms"]["hours"] == record["hours"]
    total = record["labels"]["all labels"]["per_hour"]["value"]
    assert total * record["hours"] == pytest.approx(len(found))
    curves = pd.read_csv(evaluation.folder / "false-alarms.csv")
    in_use = curves[curves["in_use"]].set_index("label")
    assert in_use.loc["all labels", "events"] == len(found)
    assert (evaluation.folder / "false-alarms.png").is_file()
    assert set(record["unknown"]) == {"recordings", "windows"}


def test_unknown_is_what_evaluation_counted(evaluation, run, background, tmp_path):
    windows = pd.concat(
        [table(run, background / f"{name}.wav", tmp_path / name, unknown=True) for name in ("short", "long")]
    )
    record = json.loads((evaluation.folder / "results.json").read_text())["false_alarms"]["unknown"]
    assert record["windows"]["value"] == pytest.approx((windows["label"] == "unknown").mean())


def test_stress_counts_the_same_false_alarms(evaluation, run, data, background, tmp_path):
    report = stress([run], data=data, suite="snr-ladder", background=background, output=tmp_path / "s", quiet=True)
    assert "Events per hour in 73 s of recordings" in report.page.read_text(encoding="utf-8")
    alarms = pd.read_csv(report.page.parent / "false-alarms.csv")
    assert set(alarms["cell"]) == set(report.test.cells["cell"])
    assert set(alarms["runs"]) == {1}
    assert alarms["hours"].to_numpy() == pytest.approx(73 / 3600)
    clean = alarms[alarms["cell"] == "clean"].set_index("label")
    record = json.loads((evaluation.folder / "results.json").read_text())["false_alarms"]
    for label in clean.index:
        assert clean.loc[label, "per_hour"] == pytest.approx(record["labels"][label]["per_hour"]["value"])
    assert "False alarms per hour" in report.page.read_text(encoding="utf-8")


def test_calibrate_takes_the_validation_clips_and_refuses_others(run, data, tmp_path):
    before = (run / "calibration.json").read_text()
    made = calibrate(run, data=data, precision=0.9, kept=0.8, quiet=True)
    own = made.calibration.tasks[made.task.name]
    first = json.loads(before)["tasks"][made.task.name]
    assert own.scales == tuple(first["scales"])
    assert own.measured | {"precision": None, "kept": 0.95} == first["measured"]
    assert own.unknown >= first["unknown"]
    assert "T = " in str(made)
    (run / "calibration.json").write_text(before)
    listed = pd.read_csv(run / "clips.csv")
    for split, words in (("train", "was trained on"), ("test", "keeps for testing")):
        rows = [f"{row.path},{row.labels},valid" for row in listed[listed["split"] == split].itertuples()]
        manifest = tmp_path / f"{split}.csv"
        manifest.write_text("\n".join(["path,label,split", *rows]))
        with pytest.raises(AuricleError, match=words):
            calibrate(run, data=manifest, split="valid", quiet=True)
    assert (run / "calibration.json").read_text() == before


def test_data_without_a_clip_to_calibrate_with_is_said(run, tmp_path):
    listed = pd.read_csv(run / "clips.csv")
    rows = listed[listed["split"] != "valid"]
    manifest = tmp_path / "used.csv"
    manifest.write_text("\n".join(["path,label", *(f"{row.path},{row.labels}" for row in rows.itertuples())]))
    n_train, n_test = ((rows["split"] == split).sum() for split in ("train", "test"))
    said = f"of its {len(rows)} clips .* has learnt from {n_train} and puts {n_test} aside .*: give 10 or more new ones"
    with pytest.raises(AuricleError, match=said):
        calibrate(run, data=manifest, quiet=True)


def test_clips_that_it_was_calibrated_with_are_not_measured(run, tmp_path):
    before = (run / "calibration.json").read_text()
    others = tone_folder(tmp_path / "others", per_class=5, duration_s=0.7)
    calibrate(run, data=others, quiet=True)
    with pytest.raises(AuricleError, match="was calibrated with 15 of these 15 clips"):
        evaluate(run, data=others, output=tmp_path / "e", quiet=True)
    evaluate(run, data=others, output=tmp_path / "e", raw=True, quiet=True)
    corrupted = auricle.corrupt(others, suite="snr-ladder", output=tmp_path / "noisy", quiet=True).folder
    rows = [f"{clip.path},{clip.labels[0]},0.1,0.6" for clip in read_manifest(others)]
    parts = tmp_path / "parts.csv"
    parts.write_text("\n".join(["path,label,start,end", *rows]))
    for data in (others, parts, corrupted):
        for measured in (evaluate, stress):
            with pytest.raises(AuricleError, match=r"was calibrated with \d+ of these"):
                measured(run, data=data, output=tmp_path / "s", quiet=True)
    unlabelled = tmp_path / "unlabelled"
    unlabelled.mkdir()
    shutil.copy(next(others.rglob("*.wav")), unlabelled / "b.wav")
    for measured in (evaluate, stress):
        with pytest.raises(AuricleError, match="was calibrated with 1 of these 1 clips"):
            measured(run, data=data_of_test(run, tmp_path), background=unlabelled, output=tmp_path / "b", quiet=True)
    (run / "calibration.json").write_text(before)


def data_of_test(run, folder):
    """A manifest of the clips that a run has kept for testing."""
    listed = pd.read_csv(run / "clips.csv")
    rows = [f"{row.path},{row.labels}" for row in listed[listed["split"] == "test"].itertuples()]
    (folder / "test.csv").write_text("\n".join(["path,label", *rows]))
    return folder / "test.csv"


def test_a_calibration_of_other_weights_is_refused(run, data, tmp_path):
    before = (run / "calibration.json").read_text()
    (run / "calibration.json").write_text(before.replace(run_digest(run), "0" * 64))
    recording = next((data / "low").iterdir())
    with pytest.raises(AuricleError, match="other weights"):
        predict(run, [recording], output=tmp_path, quiet=True)
    assert len(table(run, recording, tmp_path, raw=True)) == 1
    (run / "calibration.json").write_text(before)


def test_without_calibration_everything_is_as_before(run, data, tmp_path):
    text = (run / "calibration.json").read_text()
    (run / "calibration.json").unlink()
    recording = next((data / "low").iterdir())
    assert table(run, recording, tmp_path / "a").equals(table(run, recording, tmp_path / "b", raw=True))
    with pytest.raises(AuricleError, match="auricle calibrate RUN"):
        predict(run, [recording], output=tmp_path / "c", unknown=True, quiet=True)
    result = evaluate(run, data=data, output=tmp_path / "e", quiet=True)
    assert result.calibration["clean"].after is None
    (run / "calibration.json").write_text(text)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"event_low": 0.2}, "--event-low is for events: add --events"),
        ({"events": True, "event_low": 2.0}, "event_low=2.0"),
        ({"events": True, "unknown": True}, "--unknown"),
        ({"threshold": 1.5}, "threshold=1.5"),
    ],
)
def test_options_that_do_not_fit_are_refused(run, background, tmp_path, options, words):
    with pytest.raises(AuricleError, match=words):
        predict(run, [background], output=tmp_path, quiet=True, **options)


def test_outputs_that_are_not_finite_name_the_clips(run, data, tmp_path, monkeypatch):
    names = {clip.name for clip in read_manifest(data)}
    monkeypatch.setattr(
        "auricle.systems.classifier.system.Classifier.forward", lambda self, x: np.nan * x.new_ones(len(x), 3)
    )
    with pytest.raises(AuricleError, match=r"not finite for \d+ of \d+ clips: ") as caught:
        evaluate(run, data=data, output=tmp_path / "e", quiet=True)
    assert str(caught.value).partition("clips: ")[2].split(", ")[0] in names
    with pytest.raises(AuricleError, match=rf"{run.name} in clean: .*not finite"):
        stress([run], data=data, suite="snr-ladder", output=tmp_path / "s", quiet=True)
    outcomes = predict(run, [next((data / "low").iterdir())], output=tmp_path / "p", quiet=True)
    assert "not finite from 0 to 0.5 s" in outcomes.failed[0].error
