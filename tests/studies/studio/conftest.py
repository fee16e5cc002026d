from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from auricle.studies.studio.bench import Bench
from auricle.studies.studio.models import Models
from auricle.studies.studio.reports import Reports
from auricle.studies.studio.sounds import Shelf
from sounds import PITCHES_HZ, RATE, tone_manifest
from untrained import classifier_run, enhancer_run, separator_run

CARD = "# A run\n\n![training](plots/training.png) ![elsewhere](https://example.org/x.png)\n"


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with a report: two classifiers, of which one labels several, a separator and an enhancer."""
    folder = tmp_path_factory.mktemp("studio")
    data = tone_manifest(folder / "tones", 4)
    models = folder / "runs"
    classifier_run(models / "one", data)
    classifier_run(models / "deeper" / "several", data, name="leaf", seed=1, multi_label=True)
    separator_run(models / "separator", data)
    enhancer_run(models / "enhancer", data)
    (models / "one" / "README.md").write_text(CARD, encoding="utf-8")
    (models / "one" / "plots").mkdir()
    (models / "one" / "plots" / "training.png").write_bytes(b"\x89PNG")
    (models / "report").mkdir()
    (models / "report" / "index.html").write_text("<p>the report</p>", encoding="utf-8")
    (models / "report" / "secret.txt").write_text("secret", encoding="utf-8")
    return models


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of tones in noise, in stereo."""
    rng = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    tones = np.concatenate([0.3 * np.sin(2 * np.pi * pitch * time) for pitch in PITCHES_HZ.values()])
    path = tmp_path_factory.mktemp("scene") / "a scene.wav"
    sf.write(path, np.stack([tones, 0.5 * tones], 1) + 0.01 * rng.standard_normal((len(tones), 2)), RATE)
    return path


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def bench(runs: Path, shelf: Shelf) -> Bench:
    models = Models(runs, "cpu")
    return Bench(shelf, models, Reports(models))
