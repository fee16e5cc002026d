"""`auricle compare` for separators: improvements with oracle and with average queries."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from auricle.metrics import Comparison, Sample, weighted_mean
from auricle.metrics.comparison import Draws
from auricle.readers import read_table
from auricle.reports import plots
from auricle.reports.metrics import METRICS as TEXTS
from auricle.runs.comparison import ComparedTask
from auricle.runs.results import Result
from auricle.tasks.separation.summary import AVERAGE, CLIPS, ORACLE, SeparatorEvaluation

_MIXTURE = ["digest", "other_class", "other_digest", "seed"]


class ComparedSeparators(ComparedTask):
    """Compare separators by SDR improvement, with intervals over classes."""

    metrics: ClassVar[tuple[str, ...]] = ("sdri", "si_sdri", "sdr")

    def display_name(self, result: Result) -> str:
        return str(result.run["name"])

    def test(self, result: Result) -> dict[str, Any]:
        settings = result.settings
        detector = settings["detector"] and settings["detector"]["digest"]
        return {name: settings[name] for name in ("mixtures", "segment_s", "seed")} | {"detector": detector}

    def sample(self, result: Result) -> Sample:
        """The medians of the classes; units are classes, identified by name and mixtures."""
        evaluation = _evaluation(result)
        clips = evaluation.clips
        statistics = {}
        for metric in self.metrics:
            medians = evaluation.by_class(metric)
            for query in evaluation.queries:
                statistics[query, metric] = weighted_mean(medians[query].to_numpy())
        oracle = clips[clips["query"] == ORACLE]
        units = []
        for name in evaluation.by_class(self.metrics[0]).index:
            mixtures = oracle.loc[oracle["class"] == name, _MIXTURE].astype(str).to_numpy().tolist()
            units.append((str(name), hashlib.sha256(repr(sorted(mixtures)).encode()).hexdigest()))
        return Sample(tuple(units), statistics)

    def overview(self, draws: Draws) -> list[tuple[str, str]]:
        """The columns of the paper's Table I."""
        cells = [(ORACLE, "sdri"), (AVERAGE, "sdr"), (AVERAGE, "sdri")]
        return [cell for cell in cells if cell[0] in draws.conditions]

    def facts(self, models: dict[str, list[Result]]) -> str:
        result = next(iter(models.values()))[0]
        return (
            f"{result.settings['mixtures']} mixtures for each class of {result.data['n_clips']} clips, the same for "
            "every model; improvements over the mixture, median within a class, mean of the classes, 95 % bootstrap "
            "intervals over classes."
        )

    def columns(self, results: Sequence[Result]) -> dict[str, Any]:
        return {"parameters, M": round(results[0].model["parameters"]["all"] / 1e6, 2)}

    def sections(self, models: dict[str, list[Result]], comparison: Comparison, image: Path) -> list[str]:
        """The paper's Fig. 2: the improvement of each class, by the query that is used in practice."""
        query = comparison.conditions[-1]
        curves = {
            name: pd.concat([_evaluation(result).by_class("sdri")[query] for result in results], axis=1).mean(axis=1)
            for name, results in models.items()
        }
        lines = {name: {str(label): float(value) for label, value in own.items()} for name, own in curves.items()}
        path = image.with_name(f"{image.name}-by-class.png")
        plots.save(plots.by_class(lines, f"{TEXTS['sdri'].label}, {query} query (dB)"), path)
        return [
            "### Class by class",
            "",
            f"SDRi with the {query} query, median of the mixtures of each class, sorted by the last model.",
            "",
            f"![SDRi of each class]({path.parent.name}/{path.name})",
            "",
        ]


def _evaluation(result: Result) -> SeparatorEvaluation:
    texts = dict.fromkeys(("class", "clip", "digest", "other_class", "other_clip", "other_digest"), str)
    clips = read_table(result.file(CLIPS), texts, what="the clips of an evaluation", na_values="nan")
    return SeparatorEvaluation(result.folder, result.data["split"], clips)
