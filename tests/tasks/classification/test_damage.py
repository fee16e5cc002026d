"""A recording with bad samples is not learnt from, whichever split it is in; other damage is used and said."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import soundfile as sf

import auricle
from auricle.errors import AuricleError, AuricleWarning
from sounds import RATE, tone_folder


def train(data, output, **options):
    return auricle.train_classifier(
        data=str(data), output=str(output), frontend="mel", window_s=0.25, training={"epochs": 1}, quiet=True, **options
    )


def spoil(file):
    waveform = sf.read(file, dtype="float32")[0]
    waveform[100] = np.inf
    sf.write(file, waveform, RATE, subtype="FLOAT")


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_bad_samples_in_any_split_are_refused(tmp_path, split):
    data = tone_folder(tmp_path / "data", 5, duration_s=0.25)
    with open(train(data, tmp_path / "first") / "clips.csv", encoding="utf-8") as file:
        name = next(row["clip"] for row in csv.DictReader(file) if row["split"] == split)
    spoil(data / name)
    with pytest.raises(AuricleError, match=rf"{name}: 1 sample is not finite.*--skip-bad") as error:
        train(data, tmp_path / "second")
    assert "\n" not in str(error.value)
    with open(train(data, tmp_path / "third", skip_bad=True) / "clips.csv", encoding="utf-8") as file:
        clips = [row["clip"] for row in csv.DictReader(file)]
    assert len(clips) == 14
    assert name not in clips


def test_a_cut_file_is_learnt_from_and_said(tmp_path):
    data = tone_folder(tmp_path / "data", 5, duration_s=0.25)
    for file in (data / "low").iterdir():
        file.write_bytes(file.read_bytes()[:2044])
    with pytest.warns(AuricleWarning, match=r"damaged clips are used: low/low-\d\.wav: ends at 0\.125 s") as warned:
        run = train(data, tmp_path / "run")
    assert sum("damaged" in str(warning.message) for warning in warned) <= 2  # of the training and the validation clips
    with open(run / "clips.csv", encoding="utf-8") as file:
        assert sum(row["labels"] == "low" for row in csv.DictReader(file)) == 5
