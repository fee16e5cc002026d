"""Where the losses of a training go besides its history.csv."""

from __future__ import annotations

import sys

import pytest

import auricle
from auricle.errors import AuricleError
from sounds import tone_folder

QUICK = {"frontend": "mel", "backbone": "cnn-small", "sample_rate": 8000, "window_s": 0.1}


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_missing_package_is_one_line_with_the_command(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(AuricleError, match=f"--training.logger {name} needs the package {name}: pip install {name}$"):
        auricle.config.Training(logger=name)


def test_none_is_the_default_and_a_misspelt_name_is_refused():
    assert auricle.config.Training().logger == "none"
    with pytest.raises(AuricleError, match="did you mean 'wandb'"):
        auricle.config.Training(logger="wandbb")


def test_tensorboard_has_the_losses_of_the_history(tmp_path):
    pytest.importorskip("tensorboard", reason="the package is optional")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    data = tone_folder(tmp_path / "tones", 6)
    training = {"epochs": 2, "logger": "tensorboard"}
    auricle.train_classifier(data=data, output=tmp_path / "run", training=training, quiet=True, **QUICK)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    rows = [line.split(",") for line in (tmp_path / "run" / "history.csv").read_text().splitlines()]
    losses = [float(row[rows[0].index("val_loss")]) for row in rows[1:]]
    assert [event.value for event in events.Scalars("val_loss")] == pytest.approx(losses, rel=1e-5)
