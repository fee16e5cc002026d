"""The way of a user: train two configurations, compare them, label a file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from auricle.__main__ import main

RATE = 16000


def auricle(*arguments) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture
def corpus(tmp_path):
    """Four speakers with four clips each, and eight noises."""
    rng = np.random.default_rng(0)
    rows = ["path,feeling,who"]
    time = np.arange(round(0.3 * RATE)) / RATE
    for speaker in "abcd":
        for take in range(4):
            tone = 0.2 * np.sin(2 * np.pi * (2500 if take % 2 else 400) * time + rng.uniform(0, 6))
            sf.write(tmp_path / f"{speaker}{take}.wav", tone, RATE)
            rows.append(f"{speaker}{take}.wav,{'high' if take % 2 else 'low'},{speaker}")
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "noises").mkdir()
    for k in range(8):
        sf.write(tmp_path / "noises" / f"{k}.wav", 0.1 * rng.standard_normal(RATE), RATE)
    return tmp_path


def test_train_compare_predict(corpus, capsys):
    options = [
        *("--data", corpus / "m.csv", "--label-column", "feeling", "--group-column", "who"),
        *("--noise", corpus / "noises", "--snr", 10, 0, "--pairs", "a-c", "b-d", "--speakers", "a", "b"),
        *("--size.channels=[4,8]", "--window-s", 0.3, "--training.epochs", 1, "--training.accelerator", "cpu"),
    ]
    for kind in ("baseline-n", "trnet"):
        assert auricle("train", "trnet", *options, "--kind", kind, "--output", corpus / "runs" / kind) == 0
    assert (corpus / "runs" / "noisy-speech").is_dir()
    page = corpus / "page.md"
    runs = corpus / "runs" / "baseline-n", corpus / "runs" / "trnet"
    assert auricle("compare", *runs, "--output", page, "--title", "Feelings") == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Feelings\n")
    assert "8 clips of 2 speakers" in text
    assert "| trnet − baseline-n |" in text
    assert "unmatched" not in text.partition("Measured by:")[0]
    assert auricle("predict", runs[1] / "folds" / "a", corpus / "a0.wav", "--output", corpus / "labels") == 0
    table = pd.read_csv(corpus / "labels" / "a0.csv")
    assert table["label"].isin(["high", "low"]).all()
    assert table["coefficient"].between(0, 1).all()
    capsys.readouterr()
    assert auricle("train", "trnet", *options, "--kind", "trnet", "--output", runs[1]) == 2
    assert "finished run" in capsys.readouterr().err
    assert auricle("compare", runs[1], corpus / "noises", "--output", page) == 3
    assert "not the folder of a run" in capsys.readouterr().err
    assert auricle("predict", runs[1], corpus / "a0.wav") == 2
    assert "a, b in its folds" in capsys.readouterr().err
    for run in (runs[1], runs[1] / "folds" / "a"):
        assert auricle("evaluate", run, "--data", corpus / "m.csv") == 2
        assert "measured in its training" in capsys.readouterr().err
