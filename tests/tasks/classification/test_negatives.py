"""Clips without a label have none of the sounds: in training, evaluation, stress tests and corrupted versions."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

import auricle
from auricle.config import DataOptions, SplitOptions
from auricle.data.clip_store import ClipStore
from auricle.data.clips import Clip
from auricle.data.loading import TrainingWindows, WindowSampler
from auricle.data.manifest import read_manifest
from auricle.data.reading import read_data
from auricle.data.splits import make_splits
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.metrics import summarise
from auricle.runs.clips import check_labels
from auricle.tasks.classification.false_alarms import too_little
from auricle.tasks.classification.score import Scores, measure, prediction_rows
from auricle.tasks.classification.selection import Selection
from sounds import PITCHES_HZ, RATE

SOUNDS = (("low",), ("high",), ("high", "low"), ())


def write_clips(folder: Path, per_kind: int) -> Path:
    """Clips of a low tone, a high one, both, and none, in noise; every fourth of each kind is in the split test."""
    rows = ["path,label,split"]
    for k, labels in enumerate(SOUNDS):
        for i in range(per_kind):
            rng = np.random.default_rng(100 * k + i)
            time = np.arange(RATE // 4) / RATE
            tones = [0.3 * np.sin(2 * np.pi * (PITCHES_HZ[label] * time + rng.uniform())) for label in labels]
            name = f"{k}-{i}.wav"
            sf.write(folder / name, sum(tones, 0.02 * rng.standard_normal(len(time))), RATE)
            rows.append(f"{name},{';'.join(labels)},{'test' if i % 4 == 3 else 'train'}")
    (folder / "m.csv").write_text("\n".join(rows))
    return folder / "m.csv"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"), 8)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return auricle.train_classifier(
        data=str(data),
        output=str(tmp_path_factory.mktemp("runs") / "run"),
        frontend="mel",
        frontend_options={"n_filters": 16},
        backbone_options={"channels": [8, 8, 8]},
        window_s=0.25,
        training={"epochs": 8, "batch_size": 4},
        optimization={"learning_rate": 0.01},
        quiet=True,
    )


def scores_of(rows):
    """`Scores` of (labels, probabilities of x and y)."""
    task = Task("sounds", ("x", "y"), multi_label=True)
    clips = [
        Clip(file=f"{i}.wav", path=Path(f"{i}.wav"), labels=labels, sample_rate=RATE, duration_s=1.0, channels=1)
        for i, (labels, _) in enumerate(rows)
    ]
    targets = np.stack([task.encode(labels) for labels, _ in rows])
    values = np.array([values for _, values in rows], dtype=np.float32)
    return Scores(task, clips, values, targets, np.log(values / (1 - values)))


WITH_LABELS = [(("x",), (0.9, 0.2)), (("y",), (0.1, 0.8)), (("x", "y"), (0.6, 0.7))]
WITHOUT = ((), (0.7, 0.3))


def test_metrics_by_hand():
    """x: 0.9 + > 0.7 − > 0.6 + > 0.1 −, so AP = (1 + 2/3) / 2 and AUC = 3/4; y: both positives first, so 1 and 1."""
    metrics = measure(scores_of([*WITH_LABELS, WITHOUT]), resamples=10)
    assert metrics["mean_average_precision"].value == pytest.approx((5 / 6 + 1) / 2)
    assert metrics["auc"].value == pytest.approx(0.875)
    assert metrics["d_prime"].value == pytest.approx(math.sqrt(2) * 1.1503493803760079)
    assert "accuracy" not in metrics
    without = measure(scores_of(WITH_LABELS), resamples=10)
    assert without["mean_average_precision"].value == without["auc"].value == 1


def test_a_clip_without_a_label_is_said_to_have_what_the_model_hears():
    rows = prediction_rows(scores_of([*WITH_LABELS, WITHOUT, ((), (0.4, 0.1))]), "clean", Selection(2, 0.5))
    assert [row["labels"] for row in rows] == ["x", "y", "x;y", "", ""]
    assert [row["predicted"] for row in rows] == ["x", "y", "x;y", "x", ""]


def test_targets_are_zero_and_every_epoch_has_them(data):
    manifest = read_manifest(data)
    task = Task("clips", manifest.label_names, manifest.multi_label)
    windows = TrainingWindows([(task, manifest, ClipStore(manifest.clips, RATE))])
    drawn = [windows[item] for item in WindowSampler([[""] * len(manifest)], 0, window=(500, 500))]
    assert task.labels == ("high", "low")
    kinds = [tuple(item["target"].tolist()) for item in drawn]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == dict.fromkeys([(0, 0), (0, 1), (1, 0), (1, 1)], 8)


def test_splits_share_them_out_as_a_class(data):
    rows = [{**row, "split": ""} for row in csv.DictReader(data.open())]
    path = data.with_name("unsplit.csv")
    path.write_text("\n".join(["path,label", *(f"{row['path']},{row['label']}" for row in rows)]))
    parts = make_splits(
        read_data(str(path), DataOptions()), "clips", SplitOptions(test_share=0.25, validation_share=1 / 3)
    )
    assert [len(part.negatives) for part in (parts.train, parts.valid, parts.test)] == [4, 2, 2]
    assert parts.task.multi_label


def test_the_run_knows_them_and_its_card_counts_them(run):
    rows = list(csv.DictReader((run / "clips.csv").open()))
    assert [sum(row["labels"] == "" and row["split"] == split for row in rows) for split in ("train", "valid", "test")]
    assert sum(row["labels"] == "" for row in rows) == 8
    card = (run / "README.md").read_text(encoding="utf-8")
    assert "8 put aside for testing; 8 of them have no label" in card
    assert "| AUC | " in card
    assert "| d′ | " in card
    assert "| inf" not in card
    assert json.loads((run / "labels.json").read_text())["tasks"][0]["multi_label"] is True


def test_they_are_measured(run, data, tmp_path):
    auricle.evaluate(str(run), data=str(data), output=str(tmp_path), quiet=True)
    with np.load(tmp_path / "scores.npz") as arrays:
        targets, clean = arrays["targets"], arrays["clean"]
        negatives = [str(clip).startswith("3-") for clip in arrays["clips"]]
    assert (targets.sum(axis=1) == 0).tolist() == negatives
    assert sum(negatives) == 2
    expected = summarise(clean, targets.astype(int), ("high", "low"), multi_label=True, resamples=10)
    result = json.loads((tmp_path / "results.json").read_text())
    measured = result["measured"][0]["metrics"]
    for name in ("mean_average_precision", "auc"):
        assert measured[name]["value"] == pytest.approx(expected[name].value, abs=1e-6)
    predicted = pd.read_csv(tmp_path / "predictions.csv", keep_default_na=False)
    assert predicted["predicted"].tolist() == [
        ";".join(label for label, value in zip(("high", "low"), row, strict=True) if value >= 0.5) for row in clean
    ]


def test_seconds_of_them_do_not_tell_how_often_alarms_are_false(run, data, tmp_path):
    """Background that was asked for is reported, however short."""
    said = str(auricle.evaluate(str(run), data=str(data), output=str(tmp_path / "own"), quiet=True)).splitlines()
    assert [line for line in said if "false alarms" in line] == [
        "false alarms: 0.5 s without the sounds are too little to measure them; give --background FOLDER"
    ]
    assert "false_alarms" in json.loads((tmp_path / "own" / "results.json").read_text())
    quiet = tmp_path / "quiet"
    quiet.mkdir()
    sf.write(quiet / "a.wav", np.zeros(RATE), RATE)
    asked = auricle.evaluate(str(run), data=str(data), background=quiet, output=str(tmp_path / "more"), quiet=True)
    assert "false alarms in 1.5 s of background" in str(asked)


@pytest.mark.parametrize(("seconds", "asked_for", "enough"), [(599, False, False), (600, False, True), (1, True, True)])
def test_ten_minutes_are_enough(seconds, asked_for, enough):
    assert (too_little(seconds / 3600, asked_for) == "") == enough


def test_evaluation_takes_them_without_being_told(run, data, tmp_path):
    """The run is multi-label, so clips without a label are negatives even if no clip of the data has several."""
    path = data.with_name("single.csv")
    path.write_text("path,label\n0-3.wav,low\n1-3.wav,high\n3-3.wav,\n3-7.wav,\n")
    auricle.evaluate(str(run), data=str(path), output=str(tmp_path), quiet=True)
    assert json.loads((tmp_path / "results.json").read_text())["data"]["n_clips"] == 4


def test_calibration_takes_them_without_being_told(run, tmp_path):
    rng = np.random.default_rng(7)
    for i in range(12):
        sf.write(tmp_path / f"{i}.wav", 0.02 * rng.standard_normal(RATE // 4), RATE)
    labels = ["low"] * 3 + [""] * 9
    (tmp_path / "m.csv").write_text("path,label\n" + "\n".join(f"{i}.wav,{label}" for i, label in enumerate(labels)))
    copied = shutil.copytree(run, tmp_path / "run")
    found = auricle.calibrate(str(copied), data=str(tmp_path / "m.csv"), quiet=True)
    (own,) = found.calibration.tasks.values()
    assert own.measured["n_clips"] == 12
    assert own.measured["n_of_label"] == [0, 3], "of high and low"


@pytest.mark.slow
def test_stress_counts_them_right_where_no_label_is_given(run, data, tmp_path):
    auricle.stress([str(run)], data=str(data), suite="snr-ladder", output=str(tmp_path), quiet=True)
    table = pd.read_csv(tmp_path / "cells.csv", keep_default_na=False)
    assert set(table["labels"]) == {"low", "high", "high;low", ""}
    for row in table.to_dict("records"):
        right = row["predicted"] in row["labels"].split(";") if row["labels"] else row["probability"] < 0.5
        assert row["right"] == int(right)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "0.5 s without the sounds are too little to measure them" in page
    assert "Events per hour" not in page
    assert (tmp_path / "false-alarms.csv").is_file()


def test_corrupted_versions_of_them_have_no_label_either(data, tmp_path):
    auricle.corrupt(str(data), suite="snr-ladder", output=str(tmp_path / "out"), quiet=True)
    corrupted = read_manifest(tmp_path / "out")
    before = read_manifest(data)
    assert len(corrupted.negatives) / len(corrupted) == len(before.negatives) / len(before)


def test_a_model_of_one_label_each_refuses_them(data):
    manifest = read_manifest(data)
    single = manifest.only(clip for clip in manifest if len(clip.labels) < 2)
    with pytest.raises(AuricleError, match=r"8 of 24 clips have no label, first 3-0\.wav, and the model was trained"):
        check_labels(single, Task("clips", ("high", "low")))
    with pytest.raises(AuricleError, match=r"8 of 32 clips have several labels, first 2-0\.wav \(high, low\)"):
        check_labels(manifest, Task("clips", ("high", "low")))
    check_labels(manifest, Task("clips", ("high", "low"), multi_label=True))
