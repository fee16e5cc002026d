"""The tables of emotion runs against counts by hand, and the page that is written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auricle.errors import AuricleError
from auricle.tasks.emotion import table as results
from auricle.tasks.emotion.data import NoiseLevel
from auricle.tasks.emotion.table import EmotionComparison, embed, is_emotion_run, read_emotion_runs, write_emotion_page

LEVELS = [("clean", float("inf")), ("matched", 10.0), ("matched", 0.0), ("unmatched", 0.0)]
LABELS = ["anger", "joy", "joy", "joy"]


def write_run(folder: Path, kind: str, seed: int = 0, *, right: float = 0.5, refines: bool = False) -> Path:
    """Two folds with 20 clips each, of which a share `right` is answered rightly, less in noise."""
    rng = np.random.default_rng([seed, len(kind)])
    rows = []
    for fold in "ab":
        for k in range(20):
            label = LABELS[k % 4]
            for place, (noise, snr) in enumerate(LEVELS):
                correct = rng.random() < right - 0.1 * place
                rows.append(
                    {
                        "fold": fold,
                        "clip": f"{fold}{k}.wav",
                        "speaker": fold,
                        "noise": noise,
                        "snr": snr,
                        "label": label,
                        "predicted": label if correct else {"anger": "joy", "joy": "anger"}[label],
                        "probability": 0.9,
                        "coefficient": 0.2 + 0.02 * min(snr, 30) if refines else float("nan"),
                    }
                )
    folder.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(folder / "predictions.csv", index=False)
    folds = [{"test": fold, "valid": "x", "train": ["y"]} for fold in "ab"]
    record = {
        "system": "trnet",
        "seed": seed,
        "arrangement": {"kind": kind},
        "folds": folds,
        "command": f"train {kind}",
    }
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    if refines:
        kept = folder / "folds" / "a"
        kept.mkdir(parents=True)
        vectors = rng.standard_normal((24, 5)).astype(np.float32)
        levels, labels = np.array(["clean", "matched 0 dB"] * 12), np.array(LABELS * 6)
        np.savez(kept / "representations.npz", representation=vectors, level=levels, label=labels, clip=labels)
    return folder


@pytest.fixture
def runs(tmp_path) -> list[Path]:
    return [
        write_run(tmp_path / "n", "baseline-n", right=0.6),
        write_run(tmp_path / "t0", "trnet", 0, right=0.95, refines=True),
        write_run(tmp_path / "t1", "trnet", 1, right=0.95, refines=True),
    ]


def by_hand(table: pd.DataFrame, noise: str, snr: float, metric: str) -> float:
    own = table[(table["noise"] == noise) & (table["snr"] == snr)]
    hits = own["label"] == own["predicted"]
    return (
        hits.mean() if metric == "WAR" else float(np.mean([hits[own["label"] == e].mean() for e in ("anger", "joy")]))
    )


@pytest.mark.parametrize("metric", ["UAR", "WAR"])
def test_a_figure_is_the_mean_over_levels_and_seeds(runs, metric):
    comparison = EmotionComparison(read_emotion_runs(runs))
    assert list(comparison.models) == ["baseline-n", "trnet"]
    tables = [pd.read_csv(run / "predictions.csv") for run in runs[1:]]
    wanted = np.mean([by_hand(table, "matched", snr, metric) for table in tables for snr in (10.0, 0.0)])
    assert comparison.pooled("trnet", metric, "matched").value == pytest.approx(wanted)
    at_0_db = np.mean([by_hand(table, "matched", 0.0, metric) for table in tables])
    assert comparison.pooled("trnet", metric, NoiseLevel("matched", 0.0)).value == pytest.approx(at_0_db)
    folds = [by_hand(t[t["fold"] == f], "matched", snr, metric) for t in tables for f in "ab" for snr in (10.0, 0.0)]
    assert comparison.over_folds("trnet", metric, "matched").value == pytest.approx(np.mean(folds))


def test_intervals_are_over_speakers_and_differences_are_paired(runs):
    comparison = EmotionComparison(read_emotion_runs(runs))
    table = pd.read_csv(runs[0] / "predictions.csv")
    alone = [by_hand(table[table["speaker"] == speaker], "unmatched", 0.0, "WAR") for speaker in "ab"]
    interval = comparison.pooled("baseline-n", "WAR", "unmatched")
    assert (interval.low, interval.high) == pytest.approx((min(alone), max(alone)))
    values = [comparison.pooled(model, "UAR", "clean").value for model in ("trnet", "baseline-n")]
    difference = comparison.difference("trnet", "baseline-n", "UAR", "clean")
    assert difference.value == pytest.approx(values[0] - values[1])
    same = comparison.difference("trnet", "trnet", "UAR", "clean")
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_page_has_the_table_the_differences_and_the_figures(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "embed", lambda vectors: vectors[:, :2])
    page = tmp_path / "docs" / "page.md"
    write_emotion_page(page, read_emotion_runs(runs), "", "Emotions", "About.")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Emotions\n\nAbout.\n")
    assert "40 clips of 2 speakers" in text
    assert "| model | seeds | clean UAR | clean WAR | matched UAR | matched WAR | unmatched UAR" in text
    assert "## trnet minus the others" in text
    assert "| trnet | 2 |" in text
    assert (page.parent / "page" / "coefficient.png").is_file()
    assert (page.parent / "page" / "representations.png").is_file()


def test_t_sne_keeps_clusters_apart():
    pytest.importorskip("sklearn.manifold", reason="t-SNE needs scikit-learn", exc_type=ImportError)
    rng = np.random.default_rng(0)
    points = embed(np.concatenate([rng.standard_normal((20, 6)), 30 + rng.standard_normal((20, 6))]))
    first, second = points[:20], points[20:]
    assert points.shape == (40, 2)
    between = np.linalg.norm(first.mean(0) - second.mean(0))
    assert between > 2 * max(np.linalg.norm(part - part.mean(0), axis=1).max() for part in (first, second))


def test_without_scikit_learn_the_page_is_whole_but_for_one_spectrogram(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(AuricleError, match="pip install scikit-learn"):
        embed(np.zeros((5, 2)))
    write_emotion_page(tmp_path / "page.md", read_emotion_runs(runs), "baseline-n", "Emotions")
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "## baseline-n minus the others" in text
    assert "representations.png" not in text
    assert "scikit-learn" in capsys.readouterr().out


def test_the_coefficient_is_the_mean_at_each_ratio(runs):
    curves = EmotionComparison(read_emotion_runs(runs)).coefficients()
    assert list(curves) == ["matched", "unmatched"]
    assert list(curves["matched"]) == ["trnet"]
    assert [(snr, value.value) for snr, value in curves["matched"]["trnet"]] == [
        (0.0, pytest.approx(0.2)),
        (10.0, pytest.approx(0.4)),
    ]


def test_what_cannot_be_compared_is_refused(runs, tmp_path):
    with pytest.raises(AuricleError, match="more than once"):
        EmotionComparison(read_emotion_runs([runs[1], write_run(tmp_path / "again", "trnet", 0)]))
    with pytest.raises(AuricleError, match="'x'"):
        write_emotion_page(tmp_path / "p.md", read_emotion_runs(runs), "x", "T")
    table = pd.read_csv(runs[0] / "predictions.csv")
    table[table["clip"] != "a3.wav"].to_csv(runs[0] / "predictions.csv", index=False)
    with pytest.raises(AuricleError, match="other clips"):
        EmotionComparison(read_emotion_runs([runs[1], runs[0]]))
    with pytest.raises(AuricleError, match="no run of auricle train trnet"):
        read_emotion_runs([tmp_path])
    unfinished = tmp_path / "u"
    (unfinished / "folds").mkdir(parents=True)
    (unfinished / "settings.yaml").touch()
    assert is_emotion_run(unfinished)
    with pytest.raises(AuricleError, match="not all folds are done"):
        read_emotion_runs([unfinished])
