"""Emotions of a file: times, confidence, and the coefficient that TRNet estimates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch

from auricle.__main__ import main
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.systems.enhancer import Identity
from auricle.systems.spectral_gating import SpectralGating
from auricle.systems.trnet import TRNet
from auricle.tasks.emotion.predict import TRNetWindowClassifier
from auricle.tasks.open import open_window_classifier

TASK = Task("emotion", ("angry", "happy", "sad"))
RATE = 16000


def save(folder, kind: str = "trnet", variant: str = "paper", enhancer: str = "spectral-gating"):
    system = TRNet.build(
        TASK, kind=kind, variant=variant, size={"channels": [4, 8]}, window_s=0.5, enhancer=enhancer, seed=3
    )
    system.save(folder)
    return system.eval()


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "talk.wav"
    waveform = 0.1 * np.random.default_rng(0).standard_normal(round(1.3 * RATE))
    sf.write(path, waveform, RATE, subtype="FLOAT")
    return path


def test_a_file_gets_times_confidence_and_the_coefficient(recording, tmp_path):
    system = save(tmp_path / "fold")
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(tmp_path / "fold"), str(recording), "--output", str(tmp_path / "out"), "--device", "cpu"])
    assert ended.value.code == 0
    table = pd.read_csv(tmp_path / "out" / "talk.csv")
    assert list(table.columns) == ["file", "task", "start_s", "end_s", "label", "probability", "coefficient"]
    assert table[["start_s", "end_s"]].to_numpy().tolist() == [[0, 0.5], [0.5, 1.0], [1.0, 1.3]]
    waveform = sf.read(recording, dtype="float32")[0]
    for row in table.itertuples():
        window = waveform[round(row.start_s * RATE) : round(row.end_s * RATE)]
        enhanced = SpectralGating().enhance(window, RATE)
        signals = torch.from_numpy(window)[None], torch.from_numpy(enhanced)[None], torch.tensor([len(window)])
        with torch.no_grad():
            heard = system(*signals)
        probability, best = heard.logits.softmax(-1)[0].max(-1)
        assert row.label == TASK.labels[int(best)]
        assert row.probability == pytest.approx(float(probability), abs=1e-4)
        assert row.coefficient == pytest.approx(float(heard.coefficient), abs=1e-3)


@pytest.mark.parametrize("kind", ["baseline-n", "baseline-e"])
def test_a_baseline_has_no_coefficient(kind, recording, tmp_path):
    save(tmp_path / "fold", kind)
    classifier = open_window_classifier(tmp_path / "fold", "cpu")
    assert classifier.extras == ()
    assert classifier.logits(np.zeros((2, 8000), dtype=np.float32)).shape == (2, 3)
    with pytest.raises(SystemExit):
        main(["predict", str(tmp_path / "fold"), str(recording), "--output", str(tmp_path / "out"), "--device", "cpu"])
    assert "coefficient" not in pd.read_csv(tmp_path / "out" / "talk.csv").columns


@pytest.mark.parametrize("variant", ["paper", "published"])
def test_silence_and_one_sample_are_labelled(variant, tmp_path):
    classifier = TRNetWindowClassifier(save(tmp_path / "fold", variant=variant), Identity())
    windows = np.zeros((2, 8000), dtype=np.float32)
    windows[1, 0] = 0.5
    logits = classifier.logits(windows)
    assert logits.shape == (2, 4)
    assert np.isfinite(logits).all()


def test_a_run_of_folds_says_that_one_of_them_is_to_be_given(tmp_path):
    for name in ("03", "08"):
        (tmp_path / "run" / "folds" / name).mkdir(parents=True)
    with pytest.raises(AuricleError, match="03, 08 in its folds"):
        open_window_classifier(tmp_path / "run")
