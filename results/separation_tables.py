"""Write docs/results-separation.md from the saved clips of evaluated separators.

python results/separation_tables.py results/separation --output docs/results-separation.md

Below the folder, for each DATA: MODEL/FOLD.csv.gz, the clips.csv that `auricle evaluate` of a separator writes, of the
same mixtures for every model; about.md, what was trained and measured. And preface.md. A class's figure is the median
of its mixtures in all folds, a model's the mean of the classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from auricle.metrics import Interval, bootstrap_weights, middle
from auricle.metrics.signals import mean_interval
from auricle.reports.tables import difference_text, markdown_table
from auricle.tasks.separation.summary import AVERAGE, ORACLE, SeparatorEvaluation, shown
from written import write

MODELS = ("resunet", "mae-frozen", "mae-updated")
_KEYS = ["fold", "class", "clip", "other_clip", "seed"]
_SHARES = 5
_RESAMPLES = 1000


def read_models(folder: Path) -> dict[str, pd.DataFrame]:
    """The mixtures of each model, known ones in their order; an error unless all were given the same."""
    found = [path.name for path in sorted(folder.iterdir()) if path.is_dir()]
    names = [name for name in MODELS if name in found] + [name for name in found if name not in MODELS]
    models = {}
    for name in names:
        parts = []
        for path in sorted((folder / name).glob("*.csv.gz")):
            part = pd.read_csv(path, dtype={"clip": str, "other_clip": str, "class": str})
            parts.append(part.assign(fold=path.name.removesuffix(".csv.gz")))
        models[name] = pd.concat(parts, ignore_index=True)
    first, *others = (set(map(tuple, clips[_KEYS].to_numpy())) for clips in models.values())
    if any(other != first for other in others):
        raise SystemExit(f"{folder}: the models were not measured on the same mixtures")
    return models


def evaluation(clips: pd.DataFrame) -> SeparatorEvaluation:
    return SeparatorEvaluation(Path(), "all folds", clips)


def figures(models: dict[str, pd.DataFrame]) -> str:
    """A row for each model: improvements with oracle and average query, and their difference."""
    rows = []
    for name, clips in models.items():
        own = evaluation(clips)
        cells = [shown(own.mean(metric, query)) for query in (ORACLE, AVERAGE) for metric in ("sdri", "si_sdri")]
        rows.append([name, *cells, difference_text(own.gap("sdri"), 2, " to ")])
    header = ["model", "SDRi oracle", "SI-SDRi oracle", "SDRi average", "SI-SDRi average", "oracle − average, SDRi"]
    return markdown_table(header, rows)


def differences(models: dict[str, pd.DataFrame]) -> str:
    """SDRi of each model minus that of each one before it, paired by class, and who is ahead."""
    rows = []
    names = list(models)
    for index, name in enumerate(names):
        for other in names[:index]:
            medians = [evaluation(models[model]).by_class("sdri") for model in (name, other)]
            cells, verdicts = [], []
            for query in (ORACLE, AVERAGE):
                paired = mean_interval((medians[0][query] - medians[1][query]).to_numpy())
                cells.append(difference_text(paired, 2, " to "))
                verdicts.append("ahead" if paired.low > 0 else "behind" if paired.high < 0 else "not told apart")
            rows.append([f"{name} − {other}", *[text for pair in zip(cells, verdicts, strict=True) for text in pair]])
    return markdown_table(["difference of SDRi", "oracle", "", "average", ""], rows)


def gap(clips: pd.DataFrame) -> str:
    """Why an average query is worse: each mixture's loss against how near the two queries are."""
    wide = clips.pivot_table("sdri", [*_KEYS, "cosine"], "query").reset_index()
    loss = (wide[ORACLE] - wide[AVERAGE]).to_numpy()
    cosine = wide["cosine"].to_numpy()
    by_class = wide.assign(loss=loss).groupby("class").agg(cosine=("cosine", "median"), loss=("loss", "median"))
    every, classes = rank_correlation(cosine, loss), rank_correlation(*by_class.to_numpy().T)
    edges = np.quantile(cosine, np.linspace(0, 1, _SHARES + 1))
    share = np.clip(np.searchsorted(edges, cosine, side="right") - 1, 0, _SHARES - 1)
    rows = []
    for index in range(_SHARES):
        own = share == index
        cells = [mean_interval(values[own]) for values in (wide[ORACLE].to_numpy(), wide[AVERAGE].to_numpy(), loss)]
        rows.append(
            [f"{edges[index]:.3f} to {edges[index + 1]:.3f}", *map(shown, cells), f"{np.mean(loss[own] > 1):.0%}"]
        )
    worst = by_class.sort_values("loss", ascending=False)
    named = [
        ", ".join(f"{name} ({row.loss:.1f} dB, {row.cosine:.3f})" for name, row in part.iterrows())
        for part in (worst.head(5), worst.tail(5))
    ]
    words = (
        f"Rank correlation (Spearman) of the cosine of average and oracle query with what is lost: {shown(every)} over "
        f"mixtures, {shown(classes)} over classes. Mixtures in fifths by that cosine, means:\n\n"
    )
    header = ["cosine", "SDRi oracle", "SDRi average", "lost, dB", "more than 1 dB lost"]
    closing = f"\n\nMost is lost (median loss, median cosine) by {named[0]}; least by {named[1]}."
    return words + markdown_table(header, rows) + closing


def rank_correlation(x: np.ndarray, y: np.ndarray) -> Interval:
    """Spearman's, with its 95 % bootstrap interval."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    value = _spearman(x, y)
    drawn = bootstrap_weights(len(x), _RESAMPLES)
    draws = [_spearman(np.repeat(x, counts), np.repeat(y, counts)) for counts in drawn]
    return Interval(value, *middle(np.array(draws)))


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    return float(pd.Series(x).rank().corr(pd.Series(y).rank()))


def page(folder: Path, command: str) -> str:
    parts = [(folder / "preface.md").read_text(encoding="utf-8").strip()]
    for data in sorted(path for path in folder.iterdir() if path.is_dir()):
        models = read_models(data)
        first = next(iter(models.values()))
        n_mixtures = int((first["query"] == ORACLE).sum())
        parts += [
            f"## {data.name}",
            (data / "about.md").read_text(encoding="utf-8").strip(),
            f"{n_mixtures} mixtures of {first['class'].nunique()} classes, folds: {first['fold'].nunique()}; the same "
            "for every model; improvements over the mixture in dB, 95 % intervals by bootstrap over classes.",
            figures(models),
            "Differences are paired by class; bold where the interval excludes zero.",
            differences(models),
        ]
        for name, clips in models.items():
            if AVERAGE in set(clips["query"]):
                parts += [f"### What the average query loses: {name}", gap(clips)]
    return "\n\n".join([*parts, f"Written by `{command}`."]) + "\n"


if __name__ == "__main__":
    write("separation_tables.py", __doc__, page)
