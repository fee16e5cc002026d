"""`auricle compare` for classifiers: metrics of each front-end under each condition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from auricle.frontends.spec import frontend_name
from auricle.metrics import (
    Comparison,
    Metric,
    Sample,
    accuracy,
    auc,
    balanced_accuracy,
    d_prime_of_auc,
    mean_average_precision,
    top_k_accuracy,
)
from auricle.metrics.classification import Floats
from auricle.metrics.comparison import metric_of
from auricle.readers import read_arrays
from auricle.reports import plots
from auricle.runs.comparison import ComparedTask
from auricle.runs.results import Result
from auricle.tasks.classification.evaluation import SCORES

METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "mean_average_precision": mean_average_precision,
    "auc": auc,
    "d_prime": auc,
    "top_5_accuracy": top_k_accuracy,
}


def centred(draws: Floats) -> Floats:
    """The resamples shifted so that their median is the measured value, as in `metrics.bootstrap`, within [0, 1]."""
    return np.concatenate([draws[:1], np.clip(draws[1:] + (draws[0] - np.nanmedian(draws[1:])), 0.0, 1.0)])


def d_primes(draws: Floats) -> Floats:
    """d′ of AUCs."""
    return np.array([d_prime_of_auc(float(value)) for value in draws])


class ComparedClassifiers(ComparedTask):
    """Compare classifiers by front-end, with intervals over clips or groups of clips."""

    metrics: ClassVar[tuple[str, ...]] = tuple(METRICS)
    model_head: ClassVar[str] = "front-end"

    def display_name(self, result: Result) -> str:
        return frontend_name(result.model["config"]["frontend"])

    def full_name(self, result: Result) -> str:
        return f"{self.display_name(result)}, {result.model['config']['backbone']['name']}"

    def short_name(self, result: Result) -> str:
        return str(result.model["config"]["frontend"]["name"])

    def arrangement(self, result: Result) -> dict[str, Any]:
        return super().arrangement(result) | {"continuous": result.settings["continuous"]}

    def test(self, result: Result) -> dict[str, Any]:
        return {name: result.settings[name] for name in ("labels", "multi_label", "by_group", "seed")}

    def sample(self, result: Result) -> Sample:
        conditions = [row.condition for row in result.measured]
        arrays = read_arrays(result.file(SCORES), ["targets", "digests", *conditions], what="scores")
        single = not result.settings["multi_label"]
        targets = arrays["targets"].astype(int)
        targets = targets.argmax(axis=1) if single else targets
        digests = arrays["digests"].tolist()
        groups = None
        if result.settings["by_group"]:
            names = zip(arrays["groups"].tolist(), digests, strict=True)
            groups = tuple(group or digest for group, digest in names)
        statistics = {
            (row.condition, name): metric_of(METRICS[name], arrays[row.condition].astype(np.float32), targets)
            for row in result.measured
            for name in METRICS
            if name in row.metrics
        }
        finish = {"mean_average_precision": centred, "d_prime": d_primes}
        return Sample(tuple(digests), statistics, groups, finish)

    def columns(self, results: Sequence[Result]) -> dict[str, Any]:
        return {"learnt": results[0].model["parameters"]["frontend"]}

    def facts(self, models: dict[str, list[Result]]) -> str:
        results = [result for group in models.values() for result in group]
        networks = dict.fromkeys(
            f"{r.model['config']['backbone']['name']} at {r.model['sample_rate']} Hz" for r in results
        )
        units = "groups of clips" if results[0].settings["by_group"] else "clips"
        return (
            f"{results[0].data['n_clips']} clips, {', '.join(networks)}; 95 % bootstrap intervals over {units}, mean "
            "over seeds; learnt: the front-end's parameters."
        )

    def sections(self, models: dict[str, list[Result]], comparison: Comparison, image: Path) -> list[str]:
        if len(comparison.conditions) < 2:
            return []
        metric = next(name for name in self.metrics if name in comparison.metrics)
        first = next(iter(models.values()))[0]
        levels = {row.condition: row.snr_db for row in first.measured}
        curves = {
            name: [(levels[c], comparison.interval(name, c, metric)) for c in comparison.conditions] for name in models
        }
        path = image.with_name(f"{image.name}-snr.png")
        plots.save(plots.accuracy_against_snr(curves, metric=metric), path)
        return [f"![{metric} against SNR]({path.parent.name}/{path.name})", ""]
