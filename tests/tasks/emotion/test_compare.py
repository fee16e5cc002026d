"""The tables of emotion runs against counts by hand, and the page that is written."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auricle.errors import AuricleError
from auricle.metrics import Comparison
from auricle.runs.results import read_result
from auricle.studies.comparison import compare_runs
from auricle.tasks.emotion import compare
from auricle.tasks.emotion.compare import ComparedEmotions, coefficients, embed, fold_sample, level_sample
from auricle.tasks.emotion.data import NoiseLevel
from auricle.tasks.emotion.evaluate import EmotionEvaluation, read_predictions, write_evaluation

LEVELS = [("clean", float("inf")), ("matched", 10.0), ("matched", 0.0), ("unmatched", 0.0)]
LABELS = ["anger", "joy", "joy", "joy"]


def write_run(
    folder: Path, kind: str, seed: int = 0, *, right: float = 0.5, refines: bool = False, teacher: dict | None = None
) -> Path:
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
                        "clip": f"{folder.name}/{fold}{k}.wav",
                        "digest": f"{fold}{k}",
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
    write_evaluation(
        EmotionEvaluation(folder, "folds", pd.DataFrame(rows)),
        task="emotion",
        run={"name": folder.name, "path": str(folder), "digest": f"{kind}-{seed}-{right}"},
        data={"name": "talk", "path": "talk", "split": "folds", "n_clips": 40, "digest": "40 clips"},
        settings={"snr": [10, 0], "material": {}, "unmatched_material": None, "folds": [{"test": f} for f in "ab"]},
        model={"config": {"kind": kind}, "training": {"teacher": teacher}, "training_seed": seed},
    )
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


def compared(runs: list[Path]) -> Comparison:
    models: dict[str, list] = {}
    for run in runs:
        result = read_result(run)
        models.setdefault(result.model["config"]["kind"], []).append(ComparedEmotions().sample(result))
    return Comparison(models)


@pytest.mark.parametrize("metric", ["UAR", "WAR"])
def test_a_figure_is_the_mean_over_levels_and_seeds(runs, metric):
    comparison = compared(runs)
    assert comparison.models == ["baseline-n", "trnet"]
    assert comparison.conditions == ["clean", "matched", "unmatched"]
    tables = [pd.read_csv(run / "predictions.csv") for run in runs[1:]]
    wanted = np.mean([by_hand(table, "matched", snr, metric) for table in tables for snr in (10.0, 0.0)])
    assert comparison.interval("trnet", "matched", metric.lower()).value == pytest.approx(wanted)
    level = NoiseLevel("matched", 0.0)
    ratios = Comparison({"trnet": [level_sample(read_predictions(run), {"here": [level]}) for run in runs[1:]]})
    at_0_db = np.mean([by_hand(table, "matched", 0.0, metric) for table in tables])
    assert ratios.interval("trnet", "here", metric.lower()).value == pytest.approx(at_0_db)
    noise = {"matched": [NoiseLevel("matched", 10.0), level]}
    over = Comparison({"trnet": [fold_sample(read_predictions(run), noise) for run in runs[1:]]})
    folds = [by_hand(t[t["fold"] == f], "matched", snr, metric) for t in tables for f in "ab" for snr in (10.0, 0.0)]
    assert over.interval("trnet", "matched", metric.lower()).value == pytest.approx(np.mean(folds))


def test_intervals_are_over_speakers_and_differences_are_paired(runs):
    comparison = compared(runs)
    table = pd.read_csv(runs[0] / "predictions.csv")
    alone = [by_hand(table[table["speaker"] == speaker], "unmatched", 0.0, "WAR") for speaker in "ab"]
    interval = comparison.interval("baseline-n", "unmatched", "war")
    assert (interval.low, interval.high) == pytest.approx((min(alone), max(alone)))
    values = [comparison.interval(model, "clean", "uar").value for model in ("trnet", "baseline-n")]
    difference = comparison.difference("trnet", "baseline-n", "clean", "uar")
    assert difference.value == pytest.approx(values[0] - values[1])
    same = comparison.difference("trnet", "trnet", "clean", "uar")
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_page_has_the_table_the_differences_and_the_figures(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "embed", lambda vectors: vectors[:, :2])
    page = tmp_path / "docs" / "page.md"
    compare_runs(runs, page, title="Emotions", preface="About.")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Emotions\n\nAbout.\n")
    assert "40 clips of 2 speakers" in text
    assert "| model | seeds | clean | matched | unmatched |" in text
    assert "| trnet − baseline-n |" in text
    assert "| trnet | 2 |" in text
    assert "| model | clean | matched 10 dB | matched 0 dB | unmatched 0 dB |" in text
    assert "### Averaged over folds" in text
    assert (page.parent / "page" / "talk__folds-coefficient.png").is_file()
    assert (page.parent / "page" / "talk__folds-representations.png").is_file()


def test_what_differs_between_models_of_one_kind_is_said(tmp_path):
    runs = [
        write_run(tmp_path / f"t{seed}", "trnet", seed, right=0.9, teacher={"training": {"epochs": epochs}})
        for seed, epochs in ((0, 80), (1, 80), (2, 40))
    ]
    compare_runs(runs, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "'trnet, t0' and 'trnet, t2' are two models, not averaged: they differ in teacher.training.epochs." in text
    assert "| trnet, t0 | 2 |" in text
    again = write_run(tmp_path / "again", "trnet", 1, right=0.8, teacher={"training": {"epochs": 80}})
    compare_runs([runs[1], again], tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "'trnet, t1' and 'trnet, again' are two models, not averaged: two runs have the same seed." in text


def test_t_sne_keeps_clusters_apart():
    pytest.importorskip("sklearn.manifold", reason="t-SNE needs scikit-learn", exc_type=ImportError)
    rng = np.random.default_rng(0)
    points = embed(np.concatenate([rng.standard_normal((20, 6)), 30 + rng.standard_normal((20, 6))]))
    first, second = points[:20], points[20:]
    assert points.shape == (40, 2)
    between = np.linalg.norm(first.mean(0) - second.mean(0))
    assert between > 2 * max(np.linalg.norm(part - part.mean(0), axis=1).max() for part in (first, second))


def test_without_scikit_learn_the_page_is_whole_but_for_one_figure(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(AuricleError, match=r"auricle\[tsne\]"):
        embed(np.zeros((5, 2)))
    compare_runs(runs, tmp_path / "page.md", baseline="trnet", title="Emotions")
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| baseline-n − trnet |" in text
    assert "representations.png" not in text
    assert "auricle[tsne]" in capsys.readouterr().out


def test_the_coefficient_is_the_mean_at_each_ratio(runs):
    answers = {"n": [read_predictions(runs[0])], "trnet": [read_predictions(run) for run in runs[1:]]}
    curves = coefficients(answers)
    assert list(curves) == ["matched", "unmatched"]
    assert list(curves["matched"]) == ["trnet"]
    assert [(snr, value.value) for snr, value in curves["matched"]["trnet"]] == [
        (0.0, pytest.approx(0.2)),
        (10.0, pytest.approx(0.4)),
    ]


def test_clips_are_paired_by_content_not_by_name_or_order(runs):
    """The first run's answers in another order and under other names are the same answers."""
    result = read_result(runs[0])
    shuffled = read_predictions(runs[0]).sample(frac=1.0, random_state=1)
    shuffled["clip"] = "moved/" + shuffled["clip"]
    levels = {"clean": [NoiseLevel()]}
    samples = [level_sample(answers, levels) for answers in (read_predictions(runs[0]), shuffled)]
    comparison = Comparison({"a": [ComparedEmotions().sample(result)], "b": samples[:1], "c": samples[1:]})
    for metric in ("uar", "war"):
        same = comparison.difference("c", "a", "clean", metric)
        assert (same.value, same.low, same.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_what_cannot_be_compared_is_refused(runs, tmp_path):
    again = write_run(tmp_path / "again", "trnet", 0, right=0.95)
    with pytest.raises(AuricleError, match="the same run is given more than once"):
        compare_runs([runs[1], again], tmp_path / "p.md")
    with pytest.raises(AuricleError, match="'x'"):
        compare_runs(runs, tmp_path / "p.md", baseline="x")
    table = read_predictions(runs[0])
    table[table["digest"] != "a3"].to_csv(runs[0] / "predictions.csv", index=False)
    with pytest.raises(AuricleError, match="not measured on the same clips"):
        compare_runs([runs[1], runs[0]], tmp_path / "p.md")
    unfinished = tmp_path / "u"
    (unfinished / "folds").mkdir(parents=True)
    (unfinished / "settings.yaml").touch()
    with pytest.raises(AuricleError, match="not all folds are done"):
        compare_runs([unfinished], tmp_path / "p.md")
