"""The page of separation results, from clips of several models and folds."""

from __future__ import annotations

import importlib
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[3] / "tools" / "pages" / "separation.py"
CLASSES = [f"class-{letter}" for letter in "abcdefgh"]


def clips(gain: float, fold: int) -> pd.DataFrame:
    """Ten mixtures of each class, 3 dB and `gain` better; average queries lose the more the less they are alike."""
    rng = np.random.default_rng(fold)
    rows = []
    for name in CLASSES:
        for turn in range(10):
            oracle, cosine = 3 + rng.normal(), rng.uniform(0.5, 1.0)
            row = {
                "class": name,
                "clip": f"{turn}.wav",
                "other_clip": "x.wav",
                "seed": 100 * fold + turn,
                "cosine": cosine,
            }
            for query, sdri in (("oracle", oracle + gain), ("average", oracle + gain - 4 * (1 - cosine))):
                rows.append(row | {"query": query} | dict.fromkeys(("sdr", "sdri", "si_sdr", "si_sdri"), sdri))
    return pd.DataFrame(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for model, gain in (("mae-frozen", 0.5), ("resunet", 0.0), ("mae-updated", 0.5)):
        for fold in (1, 2):
            path = tmp_path / "results" / "esc50" / model / f"fold{fold}.csv.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            clips(gain, fold).to_csv(path, index=False)
    (tmp_path / "texts" / "results").mkdir(parents=True)
    (tmp_path / "texts" / "results" / "esc50.md").write_text("What was trained.")
    (tmp_path / "texts" / "results.md").write_text("# Separation")
    return tmp_path / "results"


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], object]:
    """Runs the script on a folder; the page is `page.md` in it."""
    if not SCRIPT.is_file():
        pytest.skip("no scripts in this copy")
    monkeypatch.syspath_prepend(SCRIPT.parent)
    monkeypatch.setattr(importlib.import_module("common"), "TEXTS", tmp_path / "texts")

    def run(folder: Path) -> object:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(folder), "--output", str(folder / "page.md")])
        return runpy.run_path(str(SCRIPT), run_name="__main__")

    return run


@pytest.mark.slow
def test_figures_differences_and_the_gap(folder: Path, write: Callable[[Path], object]) -> None:
    write(folder)
    page = (folder / "page.md").read_text(encoding="utf-8")
    everything = pd.concat([clips(0.0, 1), clips(0.0, 2)])
    medians = everything.pivot_table("sdri", "class", "query", aggfunc="median").mean()
    lines = page.splitlines()
    row = next(line for line in lines if line.startswith("| resunet |"))
    assert f"{medians['oracle']:.2f} (" in row
    assert f"{medians['average']:.2f} (" in row
    assert lines.index(row) < next(i for i, line in enumerate(lines) if line.startswith("| mae-frozen |"))
    assert "| mae-frozen − resunet | **+0.50 (+0.50 to +0.50)** | ahead |" in page
    assert "| mae-updated − mae-frozen | +0.00 (+0.00 to +0.00) | not told apart |" in page
    assert "160 mixtures of 8 classes, folds: 2" in page
    assert "over mixtures" in page
    correlation = float(page.partition("what is lost: ")[2].partition(" ")[0].replace("−", "-"))
    assert correlation == pytest.approx(-1.0)


def test_models_of_other_mixtures_are_not_compared(folder: Path, write: Callable[[Path], object]) -> None:
    clips(0.0, 3).to_csv(folder / "esc50" / "resunet" / "fold2.csv.gz", index=False)
    with pytest.raises(SystemExit, match="same mixtures"):
        write(folder)
