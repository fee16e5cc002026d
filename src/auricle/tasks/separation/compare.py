"""`auricle compare` for separators: improvements with oracle and with average queries."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar

from auricle.metrics import Sample, weighted_mean
from auricle.readers import read_table
from auricle.runs.comparison import ComparedTask
from auricle.runs.results import Result
from auricle.tasks.separation.summary import CLIPS, ORACLE, SeparatorEvaluation

_MIXTURE = ["digest", "other_class", "other_digest", "seed"]


class ComparedSeparators(ComparedTask):
    """Compare separators by SDR improvement, with intervals over classes."""

    metrics: ClassVar[tuple[str, ...]] = ("sdri", "si_sdri")

    def display_name(self, result: Result) -> str:
        return str(result.run["name"])

    def test(self, result: Result) -> dict[str, Any]:
        settings = result.settings
        detector = settings["detector"] and settings["detector"]["digest"]
        return {name: settings[name] for name in ("mixtures", "segment_s", "seed")} | {"detector": detector}

    def sample(self, result: Result) -> Sample:
        """The medians of the classes; units are classes, identified by name and mixtures."""
        texts = dict.fromkeys(("class", "clip", "digest", "other_class", "other_clip", "other_digest"), str)
        clips = read_table(result.file(CLIPS), texts, what="the clips of an evaluation", na_values="nan")
        evaluation = SeparatorEvaluation(result.folder, result.data["split"], clips)
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

    def facts(self, models: dict[str, list[Result]]) -> str:
        result = next(iter(models.values()))[0]
        return (
            f"{result.settings['mixtures']} mixtures for each class of {result.data['n_clips']} clips, the same for "
            "every model; improvements over the mixture, median within a class, mean of the classes, 95 % bootstrap "
            "intervals over classes."
        )

    def columns(self, results: Sequence[Result]) -> dict[str, Any]:
        return {"parameters, M": round(results[0].model["parameters"]["all"] / 1e6, 2)}
