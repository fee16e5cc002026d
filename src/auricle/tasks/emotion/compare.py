"""`auricle compare` for TRNet runs: the paper's Table 1 with intervals and differences, and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from auricle.errors import AuricleError
from auricle.extras import require
from auricle.metrics import Comparison, Interval, Sample, weighted_mean
from auricle.metrics.classification import Metric
from auricle.metrics.comparison import Draws, Statistic, metric_of
from auricle.readers import read_arrays
from auricle.reports import plots
from auricle.reports.metrics import METRICS as TEXTS
from auricle.reports.tables import to_markdown
from auricle.runs.comparison import ComparedTask
from auricle.runs.folder import flattened
from auricle.runs.results import FOLDS, Result
from auricle.tasks.emotion.data import CLEAN, NoiseLevel
from auricle.tasks.emotion.evaluate import (
    METRICS,
    PREDICTIONS,
    REPRESENTATIONS,
    at_level,
    levels_of,
    one_hot,
    read_predictions,
)

_UNIT = ["digest", "turn"]
MAPPED = 500
"""Number of utterances whose representations are drawn, as in the paper's Fig. 3, if there are so many."""


class ComparedEmotions(ComparedTask):
    """Compare TRNet runs; intervals are over speakers, resampled with all of their clips, levels and seeds."""

    metrics: ClassVar[tuple[str, ...]] = tuple(METRICS)

    def display_name(self, result: Result) -> str:
        return str(result.model["config"]["kind"])

    def test(self, result: Result) -> dict[str, Any]:
        noise = {name: result.settings[name] for name in ("snr", "material", "unmatched_material")}
        speakers = [{k: v for k, v in fold.items() if k != "folder"} for fold in result.settings["folds"]]
        return noise | {"folds": speakers}

    def sample(self, result: Result) -> Sample:
        """The predictions of all folds together, averaged over the SNRs of each noise."""
        answers = read_predictions(result.file(PREDICTIONS))
        return level_sample(answers, _by_noise(answers))

    def overview(self, draws: Draws) -> list[tuple[str, str]]:
        """Both metrics of every noise: the paper's Table 1."""
        return [(condition, metric) for condition in draws.conditions for metric in self.metrics]

    def facts(self, models: dict[str, list[Result]]) -> str:
        answers = read_predictions(next(iter(models.values()))[0].file(PREDICTIONS))
        labels = {*answers["label"], *answers["predicted"]}
        n_clips = len(answers.drop_duplicates(["fold", "clip"]))
        return (
            f"{n_clips} clips of {answers['speaker'].nunique()} speakers, each left out in turn; {len(labels)} "
            "emotions. Unweighted (UAR) and weighted (WAR) average recall in %, all folds' answers together, averaged "
            "over the ratios of a noise and over seeds, with 95 % bootstrap intervals over speakers."
            + "".join(f" {line}" for line in self._not_averaged(models))
        )

    def _not_averaged(self, models: dict[str, list[Result]]) -> list[str]:
        """A sentence for each model of a kind that another model is of too: why its runs are not seeds of that one."""
        first: dict[str, str] = {}
        lines = []
        for name, results in models.items():
            other = first.setdefault(self.display_name(results[0]), name)
            if other != name:
                of_both = [models[model][0].model for model in (other, name)]
                one, two = (flattened(model["config"] | model["training"]) for model in of_both)
                differing = [key for key in {**one, **two} if one.get(key) != two.get(key)]
                reason = f"they differ in {', '.join(differing)}" if differing else "two runs have the same seed"
                lines.append(f"{other!r} and {name!r} are two models, not averaged: {reason}.")
        return lines

    def sections(self, models: dict[str, list[Result]], comparison: Comparison, image: Path) -> list[str]:
        answers = {
            name: [read_predictions(result.file(PREDICTIONS)) for result in results] for name, results in models.items()
        }
        noises = _by_noise(next(iter(answers.values()))[0])
        folds = Comparison({name: [fold_sample(one, noises) for one in own] for name, own in answers.items()})
        levels = {str(level): [level] for own in noises.values() for level in own}
        ratios = Comparison({name: [level_sample(one, levels) for one in own] for name, own in answers.items()})
        lines = ["### Averaged over folds", ""]
        for metric in self.metrics:
            lines += [f"{TEXTS[metric].label}, intervals over folds:", "", _table(folds, metric), ""]
        lines += ["### UAR at each ratio", "", _table(ratios, "uar"), ""]
        curves = coefficients(answers)
        if curves:
            path = image.with_name(f"{image.name}-coefficient.png")
            plots.save(plots.coefficient_against_snr(curves), path)
            lines += [
                "### Coefficient",
                "",
                "Mean of c over clips, with the middle half of them.",
                "",
                f"![c against SNR]({path.parent.name}/{path.name})",
                "",
            ]
        return lines + _maps(models, image.with_name(f"{image.name}-representations.png"))


def _by_noise(answers: pd.DataFrame) -> dict[str, list[NoiseLevel]]:
    """Noise levels by noise."""
    noises: dict[str, list[NoiseLevel]] = {}
    for level in levels_of(answers):
        noises.setdefault(level.noise, []).append(level)
    return noises


def level_sample(answers: pd.DataFrame, conditions: dict[str, list[NoiseLevel]]) -> Sample:
    """A sample whose units are clips, resampled by speaker; a condition is the mean over its noise levels."""
    keyed = answers.assign(turn=answers.groupby(["noise", "snr", "digest"]).cumcount())
    own = keyed.drop_duplicates(_UNIT)
    units = tuple(zip(own["digest"], own["turn"], strict=True))
    statistics = {
        (condition, name): _mean([_at(keyed, units, level, metric) for level in levels])
        for condition, levels in conditions.items()
        for name, metric in METRICS.items()
    }
    return Sample(units, statistics, tuple(own["speaker"]))


def _at(keyed: pd.DataFrame, units: tuple[Any, ...], level: NoiseLevel, metric: Metric) -> Statistic:
    rows = at_level(keyed, level).set_index(_UNIT)
    if len(rows) != len(units) or not rows.index.isin(units).all():
        raise AuricleError(f"{len(rows)} answers for {len(units)} clips at {level}")
    return metric_of(metric, *one_hot(rows.loc[list(units)]))


def _mean(statistics: Sequence[Statistic]) -> Statistic:
    return lambda weights: np.mean([statistic(weights) for statistic in statistics], axis=0)


def fold_sample(answers: pd.DataFrame, conditions: dict[str, list[NoiseLevel]]) -> Sample:
    """A sample whose units are folds: the mean of each fold's metrics."""
    folds = list(dict.fromkeys(answers["fold"]))
    statistics = {}
    for condition, levels in conditions.items():
        for name, metric in METRICS.items():
            values = [
                np.mean([metric(*one_hot(at_level(answers[answers["fold"] == fold], level))) for level in levels])
                for fold in folds
            ]
            statistics[condition, name] = weighted_mean(values)
    return Sample(tuple(folds), statistics)


def _table(comparison: Comparison, metric: str) -> str:
    text = TEXTS[metric]
    rows = [
        {"model": model}
        | {condition: text.value(comparison.interval(model, condition, metric)) for condition in comparison.conditions}
        for model in comparison.models
    ]
    return to_markdown(pd.DataFrame(rows)).rstrip()


def coefficients(answers: dict[str, list[pd.DataFrame]]) -> dict[str, dict[str, list[tuple[float, Interval]]]]:
    """Mean coefficient c at each SNR with its interquartile range over clips, by noise and model."""
    curves: dict[str, dict[str, list[tuple[float, Interval]]]] = {}
    for model, tables in answers.items():
        table = pd.concat(tables)
        table = table[table["coefficient"].notna() & (table["noise"] != CLEAN)]
        for noise, own in table.groupby("noise", sort=False):
            points = []
            for snr, cell in own.groupby("snr"):
                values = cell["coefficient"].to_numpy()
                low, high = np.quantile(values, [0.25, 0.75])
                points.append((float(str(snr)), Interval(float(values.mean()), float(low), float(high))))
            curves.setdefault(str(noise), {})[model] = points
    return curves


def representations(result: Result) -> dict[str, np.ndarray] | None:
    """Representations of the test speaker of the run's first fold; None if they were not saved."""
    first = result.settings["folds"][0]
    path = result.folder / FOLDS / first.get("folder", first["test"]) / REPRESENTATIONS
    if not path.is_file():
        return None
    return read_arrays(path)


def some_clips(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of at most `MAPPED` clips, drawn at random, at all their levels."""
    clips = np.unique(arrays["clip"])
    drawn = np.random.default_rng(0).permutation(clips)[:MAPPED]
    chosen = np.isin(arrays["clip"], drawn)
    return {name: values[chosen] for name, values in arrays.items()}


def embed(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """t-SNE embedding `(n, 2)` of vectors `(n, dim)`; raises `AuricleError` if scikit-learn is not installed."""
    require("sklearn", "t-SNE")
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    return TSNE(perplexity=perplexity, random_state=seed, init="pca").fit_transform(vectors.astype(np.float64))


def _maps(models: dict[str, list[Result]], path: Path) -> list[str]:
    """Section with the t-SNE plot; empty if no representations were saved or scikit-learn is missing (with a note)."""
    kept = {model: representations(results[0]) for model, results in models.items()}
    found = {model: arrays for model, arrays in kept.items() if arrays is not None}
    if not found:
        return []
    try:
        maps = {}
        for model, arrays in found.items():
            arrays = some_clips(arrays)
            maps[model] = (embed(arrays["representation"]), arrays["level"].tolist(), arrays["label"].tolist())
    except AuricleError as error:
        print(f"note: the page is without the image of representations: {error}")
        return []
    plots.save(plots.representation_maps(maps), path)
    fold = next(iter(models.values()))[0].settings["folds"][0]["test"]
    drawn = any(len(np.unique(arrays["clip"])) > MAPPED for arrays in found.values())
    some = f" ({MAPPED} random utterances)" if drawn else ""
    return [
        "### Representations",
        "",
        f"t-SNE of the representations of the test speaker {fold}{some}, by level above, by emotion below; large "
        "points are centres.",
        "",
        f"![representations]({path.parent.name}/{path.name})",
        "",
    ]
