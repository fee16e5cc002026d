"""Write docs/results/separation.md from the saved clips of evaluated separators.

    python tools/pages/separation.py results/separation --output docs/results/separation.md

The folder holds for each data set a folder with

- MODEL/FOLD.csv.gz, the clips.csv that `auricle evaluate` of a separator writes, the same mixtures for every model;

A class's figure is the median of its mixtures in all folds, a model's is the mean over classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from auricle.conditions.levels import signed
from auricle.metrics import Interval, bootstrap_weights, central_interval
from auricle.metrics.signals import mean_interval
from auricle.reports.tables import difference_text, markdown_table
from auricle.studies.stress.statistics import excludes_zero
from auricle.tasks.separation.summary import AVERAGE, ORACLE, SeparatorEvaluation, shown
from common import data_sets, folders, join_sections, write_page

#: Models that come first, in this order.
FIRST_MODELS = ("resunet", "mae-frozen", "mae-updated")
MIXTURE_COLUMNS = ["fold", "class", "clip", "other_clip", "seed"]
N_BINS = 5
N_RESAMPLES = 1000


def read_models(folder: Path) -> dict[str, pd.DataFrame]:
    """Each model's mixtures; exit unless all models were measured on the same ones."""
    found = [path.name for path in folders(folder)]
    names = sorted(found, key=lambda name: FIRST_MODELS.index(name) if name in FIRST_MODELS else len(FIRST_MODELS))
    models = {}
    for name in names:
        folds = []
        for path in sorted((folder / name).glob("*.csv.gz")):
            clips = pd.read_csv(path, dtype={"clip": str, "other_clip": str, "class": str})
            folds.append(clips.assign(fold=path.name.removesuffix(".csv.gz")))
        models[name] = pd.concat(folds, ignore_index=True)
    first, *others = (set(map(tuple, clips[MIXTURE_COLUMNS].to_numpy())) for clips in models.values())
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
    """SDRi of each model minus that of each model before it, paired by class, and which of the two is ahead."""
    rows = []
    names = list(models)
    for index, name in enumerate(names):
        for other in names[:index]:
            medians, other_medians = (evaluation(models[model]).by_class("sdri") for model in (name, other))
            row = [f"{name} − {other}"]
            for query in (ORACLE, AVERAGE):
                difference = mean_interval((medians[query] - other_medians[query]).to_numpy())
                row += [difference_text(difference, 2, " to "), verdict(difference)]
            rows.append(row)
    return markdown_table(["difference of SDRi", "oracle", "", "average", ""], rows, [False, True, False, True, False])


def verdict(difference: Interval) -> str:
    if not excludes_zero(difference):
        return "not told apart"
    return "ahead" if difference.value > 0 else "behind"


def gap(clips: pd.DataFrame) -> str:
    """What the average query loses: oracle minus average, against the cosine similarity of the two queries."""
    mixtures = clips.pivot_table("sdri", [*MIXTURE_COLUMNS, "cosine"], "query").reset_index()
    mixtures["loss"] = mixtures[ORACLE] - mixtures[AVERAGE]
    classes = mixtures.groupby("class")[["cosine", "loss"]].median().sort_values("loss", ascending=False)
    each = [f"{name} ({signed(row.loss, '.1f')} dB, {signed(row.cosine, '.3f')})" for name, row in classes.iterrows()]
    most, least = ", ".join(each[:5]), ", ".join(each[-5:])
    return (
        "Rank correlation (Spearman) between the cosine of average and oracle query and what is lost: "
        f"{shown(rank_correlation(mixtures))} over mixtures, {shown(rank_correlation(classes.sort_index()))} over "
        "classes. Means of the mixtures, in fifths by that cosine:\n\n"
        f"{by_cosine(mixtures)}\n\n"
        f"Most is lost (median loss, median cosine) by {most}; least by {least}."
    )


def by_cosine(mixtures: pd.DataFrame) -> str:
    """Mixtures in `N_BINS` bins of equal size by the cosine similarity of their queries; means of each bin."""
    cosine = mixtures["cosine"].to_numpy()
    edges = np.quantile(cosine, np.linspace(0, 1, N_BINS + 1))
    bins = np.clip(np.searchsorted(edges, cosine, side="right") - 1, 0, N_BINS - 1)
    rows = []
    for index in range(N_BINS):
        own = mixtures[bins == index]
        cells = [shown(mean_interval(own[column].to_numpy())) for column in (ORACLE, AVERAGE, "loss")]
        between = " to ".join(signed(edge, ".3f") for edge in edges[index : index + 2])
        rows.append([between, *cells, f"{np.mean(own['loss'] > 1):.0%}"])
    return markdown_table(["cosine", "SDRi oracle", "SDRi average", "lost, dB", "more than 1 dB lost"], rows)


def rank_correlation(table: pd.DataFrame) -> Interval:
    """Spearman's correlation of the columns cosine and loss, with its 95 % bootstrap interval over the rows."""
    pairs = table[["cosine", "loss"]]
    draws = [_spearman(pairs.loc[pairs.index.repeat(counts)]) for counts in bootstrap_weights(len(pairs), N_RESAMPLES)]
    return Interval(_spearman(pairs), *central_interval(np.array(draws)))


def _spearman(pairs: pd.DataFrame) -> float:
    ranks = pairs.rank()
    return float(ranks["cosine"].corr(ranks["loss"]))


def page(folder: Path, command: str) -> str:
    sections = []
    for data, start in data_sets(folder):
        models = read_models(data)
        first = next(iter(models.values()))
        sections += [
            *start,
            f"{evaluation(first).n_mixtures} mixtures of {first['class'].nunique()} classes, folds: "
            f"{first['fold'].nunique()}; the same for every model; improvements over the mixture in dB, 95 % intervals "
            "by bootstrap over classes.",
            figures(models),
            "Differences are paired by class; bold where the interval excludes zero.",
            differences(models),
        ]
        for name, clips in models.items():
            if AVERAGE in set(clips["query"]):
                sections += [f"### What the average query loses: {name}", gap(clips)]
    return join_sections(folder, sections, command)


if __name__ == "__main__":
    write_page(page, __doc__)
