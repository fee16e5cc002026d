"""Recordings whose names are not UTF-8 are learnt from and measured as any others."""

from __future__ import annotations

import csv
import os

import numpy as np
import pandas as pd
import pytest

import auricle
from auricle.errors import AuricleError
from sounds import tone_folder


@pytest.fixture
def data(tmp_path):
    """Three classes; in that of "low" every name has a byte that is not UTF-8."""
    folder = tone_folder(tmp_path / "data", 5, duration_s=0.25)
    for file in sorted((folder / "low").iterdir()):
        os.rename(file, os.fsencode(file).replace(b"low-", b"l\xf6w-"))
    return folder


def train(data, output):
    return auricle.train_classifier(
        data=str(data), output=str(output), frontend="mel", window_s=0.25, training={"epochs": 1}, quiet=True
    )


@pytest.mark.slow
def test_training_evaluation_and_stress(data, tmp_path):
    run = train(data, tmp_path / "run")
    clips = list(csv.DictReader((run / "clips.csv").open(encoding="utf-8", errors="surrogateescape")))
    names = {rf"low/l\xf6w-{i}.wav" for i in range(5)}
    assert {row["clip"] for row in clips if row["labels"] == "low"} == names
    assert {os.fsencode(row["path"]).split(b"/")[-1] for row in clips if row["labels"] == "low"} == {
        b"l\xf6w-%d.wav" % i for i in range(5)
    }
    auricle.evaluate(str(run), data=str(data), output=str(tmp_path / "e"), quiet=True)
    tested = {row["clip"] for row in clips if row["split"] == "test"}
    assert set(pd.read_csv(tmp_path / "e" / "predictions.csv")["clip"]) == tested
    with np.load(tmp_path / "e" / "scores.npz") as arrays:
        assert set(arrays["clips"].tolist()) == tested
    auricle.stress([str(run)], data=str(data), suite="snr-ladder", output=str(tmp_path / "s"), quiet=True)
    assert set(pd.read_csv(tmp_path / "s" / "cells.csv")["clip"]) == tested


def test_corrupted_versions(data, tmp_path):
    auricle.corrupt(str(data), suite="snr-ladder", output=str(tmp_path / "out"), quiet=True)
    rows = list(csv.DictReader((tmp_path / "out" / "manifest.csv").open(encoding="utf-8")))
    low = {row["source_file"] for row in rows if row["label"] == "low"}
    assert low == {rf"low/l\xf6w-{i}.wav" for i in range(5)}
    assert all((tmp_path / "out" / row["path"]).is_file() for row in rows)


def test_corrupted_versions_of_files_without_a_label(data, tmp_path):
    auricle.corrupt(str(data / "low"), suite="snr-ladder", output=str(tmp_path / "out"), quiet=True)
    rows = list(csv.DictReader((tmp_path / "out" / "manifest.csv").open(encoding="utf-8")))
    assert {row["source_file"] for row in rows} == {rf"l\xf6w-{i}.wav" for i in range(5)}
    assert all((tmp_path / "out" / row["path"]).is_file() for row in rows)


def test_a_label_has_to_be_text(data, tmp_path):
    os.rename(data / "low", os.fsencode(data) + b"/l\xf6w")
    with pytest.raises(AuricleError, match=r"the name of its class folder is not UTF-8 \(l\\xf6w\): rename that"):
        train(data, tmp_path / "run")
