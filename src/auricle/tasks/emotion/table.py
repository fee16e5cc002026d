"""`auricle compare` of runs of `auricle train trnet`: the paper's Table 1 with intervals, differences and figures."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from auricle.errors import AuricleError
from auricle.metrics import Difference, Interval, accuracy, balanced_accuracy, bootstrap_weights, central_interval
from auricle.registry import unknown_name
from auricle.reports import plots
from auricle.reports.tables import percent, signed_percent, to_markdown
from auricle.runs.folder import FINISHED, SETTINGS
from auricle.tasks.emotion.data import CLEAN, MATCHED, UNMATCHED, NoiseLevel
from auricle.tasks.emotion.train import FOLDS, REPRESENTATIONS, read_predictions

#: Unweighted average recall, over the classes, and weighted, which is the accuracy.
METRICS = {"UAR": balanced_accuracy, "WAR": accuracy}
NOISES = (CLEAN, MATCHED, UNMATCHED)
RESAMPLES = 1000


@dataclass(frozen=True)
class EmotionRun:
    """A finished run, read back from its folder."""

    folder: Path
    record: dict[str, Any]
    answers: pd.DataFrame

    @property
    def arrangement(self) -> str:
        """Everything that was chosen but the seed."""
        return json.dumps(self.record["arrangement"], sort_keys=True)

    @property
    def kind(self) -> str:
        return str(self.record["arrangement"]["kind"])


def is_emotion_run(folder: str | Path) -> bool:
    """Whether `folder` is one that `auricle train trnet` wrote, finished or not."""
    folder = Path(folder)
    if not (folder / FINISHED).is_file():
        return (folder / FOLDS).is_dir() and (folder / SETTINGS).is_file()
    return json.loads((folder / FINISHED).read_text(encoding="utf-8")).get("system") == "trnet"


def read_emotion_runs(folders: Sequence[str | Path]) -> list[EmotionRun]:
    """The runs in `folders`, all finished and of the same clips."""
    runs = []
    for folder in map(Path, folders):
        if not is_emotion_run(folder):
            raise AuricleError(f"{folder} is no run of auricle train trnet: such runs are compared with one another")
        if not (folder / FINISHED).is_file():
            raise AuricleError(f"{folder}: not all folds are done there: give its command again to go on")
        record = json.loads((folder / FINISHED).read_text(encoding="utf-8"))
        runs.append(EmotionRun(folder, record, read_predictions(folder)))
    return runs


class EmotionComparison:
    """Models in clean speech and in noise; runs that differ in their seed alone are one model, and averaged.

    Intervals are 95 %, by a bootstrap that draws whole speakers, the same for all models, with all levels and seeds.
    """

    def __init__(self, runs: Sequence[EmotionRun]) -> None:
        groups: dict[str, list[EmotionRun]] = defaultdict(list)
        for run in runs:
            groups[run.arrangement].append(run)
        counts = Counter(group[0].kind for group in groups.values())
        self.models: dict[str, list[EmotionRun]] = {}
        for group in groups.values():
            seeds = [run.record["seed"] for run in group]
            if len(set(seeds)) < len(seeds):
                listed = ", ".join(str(run.folder) for run in group)
                raise AuricleError(f"the same settings and seed more than once: {listed}")
            kind = group[0].kind
            self.models[kind if counts[kind] == 1 else f"{kind}: {group[0].folder.name}"] = group
        first = runs[0].answers
        self._clips = list(dict.fromkeys(zip(first["fold"], first["clip"], strict=True)))
        own = first.drop_duplicates(["fold", "clip"])
        said = pd.concat([run.answers[["label", "predicted"]] for run in runs])
        self.labels = sorted({*said["label"], *said["predicted"]})
        self.speakers = own["speaker"].tolist()
        self.targets = np.array([self.labels.index(label) for label in own["label"]])
        self.levels = [NoiseLevel(n, s) for n, s in dict.fromkeys(zip(first["noise"], first["snr"], strict=True))]
        for run in runs:
            others = dict.fromkeys(zip(run.answers["fold"], run.answers["clip"], strict=True))
            levels = {NoiseLevel(n, s) for n, s in zip(run.answers["noise"], run.answers["snr"], strict=True)}
            if list(others) != self._clips or levels != set(self.levels):
                raise AuricleError(f"{run.folder} was tested on other clips or levels than {runs[0].folder}")

    @property
    def noises(self) -> list[str]:
        """clean, matched and unmatched, as far as there are any."""
        return [noise for noise in NOISES if any(level.noise == noise for level in self.levels)]

    @cached_property
    def _weights(self) -> np.ndarray:
        """`(1 + resamples, clips)`: each clip once, then how often it is drawn."""
        drawn = bootstrap_weights(len(self._clips), RESAMPLES, groups=self.speakers)
        return np.concatenate([np.ones_like(drawn[:1]), drawn])

    @cached_property
    def _fold_weights(self) -> np.ndarray:
        """`(folds, clips)`: 1 for the clips of each fold."""
        folds = np.array([fold for fold, _ in self._clips])
        return np.stack([folds == fold for fold in dict.fromkeys(folds)]).astype(np.int32)

    @cached_property
    def _measured(self) -> dict[tuple[str, str, NoiseLevel, str], np.ndarray]:
        """By model, metric, level and weights, the mean over seeds."""
        found: dict[tuple[str, str, NoiseLevel, str], np.ndarray] = {}
        for model, runs in self.models.items():
            for level in self.levels:
                scores = [self._one_hot(run, level) for run in runs]
                for name, metric in METRICS.items():
                    for kind, weights in (("pooled", self._weights), ("folds", self._fold_weights)):
                        values = [metric(each, self.targets, weights) for each in scores]
                        found[model, name, level, kind] = np.mean(values, axis=0)
        return found

    def _one_hot(self, run: EmotionRun, level: NoiseLevel) -> np.ndarray:
        answers = run.answers
        own = answers[(answers["noise"] == level.noise) & (answers["snr"] == level.snr_db)]
        place = {clip: k for k, clip in enumerate(self._clips)}
        scores = np.zeros((len(self._clips), len(self.labels)), dtype=np.float32)
        for fold, clip, predicted in zip(own["fold"], own["clip"], own["predicted"], strict=True):
            scores[place[fold, clip], self.labels.index(predicted)] = 1.0
        if len(own) != len(self._clips):
            raise AuricleError(f"{run.folder}: {len(own)} answers for {len(self._clips)} clips at {level}")
        return scores

    def _mean(self, model: str, metric: str, noise: str | NoiseLevel, kind: str) -> np.ndarray:
        levels = [noise] if isinstance(noise, NoiseLevel) else [level for level in self.levels if level.noise == noise]
        return np.mean([self._measured[model, metric, level, kind] for level in levels], axis=0)

    def pooled(self, model: str, metric: str, noise: str | NoiseLevel) -> Interval:
        """The metric over all folds' answers, averaged over the levels of `noise`; or at one level."""
        values = self._mean(model, metric, noise, "pooled")
        return Interval(float(values[0]), *central_interval(values[1:]))

    def over_folds(self, model: str, metric: str, noise: str | NoiseLevel) -> Interval:
        """The mean of the folds' own metrics, with an interval over folds."""
        values = self._mean(model, metric, noise, "folds")
        drawn = bootstrap_weights(len(values), RESAMPLES) @ values / len(values)
        return Interval(float(values.mean()), *central_interval(drawn))

    def difference(self, model: str, other: str, metric: str, noise: str | NoiseLevel) -> Difference:
        """`model` − `other`, pooled, the same speakers drawn for both."""
        values = self._mean(model, metric, noise, "pooled") - self._mean(other, metric, noise, "pooled")
        return Difference(float(values[0]), *central_interval(values[1:]), p_value=float(np.mean(values[1:] <= 0)))

    def coefficients(self) -> dict[str, dict[str, list[tuple[float, Interval]]]]:
        """By noise and model, the mean of c at each ratio, with the middle half of the clips."""
        curves: dict[str, dict[str, list[tuple[float, Interval]]]] = {}
        for model, runs in self.models.items():
            table = pd.concat([run.answers for run in runs])
            table = table[table["coefficient"].notna()]
            for noise in (name for name in self.noises if name != CLEAN):
                own = table[table["noise"] == noise]
                if own.empty:
                    continue
                points = []
                for snr, cell in own.groupby("snr"):
                    values = cell["coefficient"].to_numpy()
                    low, high = np.quantile(values, [0.25, 0.75])
                    points.append((float(str(snr)), Interval(float(values.mean()), float(low), float(high))))
                curves.setdefault(noise, {})[model] = points
        return curves


def representations(run: EmotionRun) -> dict[str, np.ndarray] | None:
    """Those of the test speaker of the run's first fold; none where they were not kept."""
    path = run.folder / FOLDS / run.record["folds"][0]["test"] / REPRESENTATIONS
    if not path.is_file():
        return None
    with np.load(path) as file:
        return dict(file)


def embed(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """`(n, dim)` in the plane, `(n, 2)`, by t-SNE of scikit-learn, which is not installed with this package."""
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise AuricleError("t-SNE needs scikit-learn: pip install scikit-learn") from None
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    return TSNE(perplexity=perplexity, random_state=seed, init="pca").fit_transform(vectors.astype(np.float64))


def write_emotion_page(path: Path, runs: Sequence[EmotionRun], baseline: str, title: str, preface: str = "") -> None:
    """A Markdown page with the paper's Table 1 of `runs` and what belongs to it; figures in a folder of its name.

    Differences are those of `baseline` (by default trnet, else the first model) from each other model.
    """
    comparison = EmotionComparison(runs)
    models = list(comparison.models)
    if baseline and baseline not in models:
        raise AuricleError(unknown_name("baseline", baseline, models))
    baseline = baseline or ("trnet" if "trnet" in models else models[0])
    n_speakers = len(set(comparison.speakers))
    lines = [f"# {title}", "", *([preface, ""] if preface else [])]
    lines += [
        f"{len(comparison.targets)} clips of {n_speakers} speakers, each left out in turn; {len(comparison.labels)} "
        "emotions. Unweighted (UAR) and weighted (WAR) average recall in %, averaged over the ratios of a noise and "
        "over seeds, with 95 % bootstrap intervals over speakers.",
        "",
        "## Table 1: all folds' answers together",
        "",
        _table(comparison, models, lambda *cell: percent(comparison.pooled(*cell))),
        "## Averaged over folds",
        "",
        _table(comparison, models, lambda *cell: percent(comparison.over_folds(*cell))),
    ]
    others = [model for model in models if model != baseline]
    if others:
        lines += [
            f"## {baseline} minus the others",
            "",
            "Points, all folds' answers together, the same speakers drawn for both; bold where the interval excludes "
            "zero.",
            "",
            _table(comparison, others, lambda *cell: signed_percent(comparison.difference(baseline, *cell))),
        ]
    lines += [
        "## UAR at each ratio",
        "",
        to_markdown(
            pd.DataFrame(
                {"model": model}
                | {str(level): percent(comparison.pooled(model, "UAR", level)) for level in comparison.levels}
                for model in models
            )
        ),
    ]
    curves = comparison.coefficients()
    if curves:
        image = f"{path.stem}/coefficient.png"
        plots.save(plots.coefficient_against_snr(curves), path.parent / image)
        lines += [
            "## Coefficient",
            "",
            "Mean of c over clips, with the middle half of them.",
            "",
            f"![c against SNR]({image})",
            "",
        ]
    lines += _maps(comparison, path)
    lines += ["Trained and tested by:", "", "```", *(run.record["command"] for run in runs), "```", ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _table(comparison: EmotionComparison, models: Sequence[str], text: Callable[[str, str, str], str]) -> str:
    """A row for each model; `text` of a model, a metric and a noise fills the cells."""
    return to_markdown(
        pd.DataFrame(
            {"model": model, "seeds": len(comparison.models[model])}
            | {f"{noise} {metric}": text(model, metric, noise) for noise in comparison.noises for metric in METRICS}
            for model in models
        )
    )


def _maps(comparison: EmotionComparison, path: Path) -> list[str]:
    """The lines of the t-SNE image; none where nothing was kept, and a word where scikit-learn is missing."""
    kept = {model: representations(runs[0]) for model, runs in comparison.models.items()}
    found = {model: arrays for model, arrays in kept.items() if arrays is not None}
    if not found:
        return []
    try:
        maps = {}
        for model, arrays in found.items():
            maps[model] = (embed(arrays["representation"]), arrays["level"].tolist(), arrays["label"].tolist())
    except AuricleError as error:
        print(f"note: the page is without the image of representations: {error}")
        return []
    image = f"{path.stem}/representations.png"
    plots.save(plots.representation_maps(maps), path.parent / image)
    fold = next(iter(comparison.models.values()))[0].record["folds"][0]["test"]
    return [
        "## Representations",
        "",
        f"t-SNE of the representations of the test speaker {fold}, by level above, by emotion below; large points are "
        "centres.",
        "",
        f"![representations]({image})",
        "",
    ]
