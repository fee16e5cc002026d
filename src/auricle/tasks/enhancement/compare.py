"""`auricle compare` for enhancers, with the noisy clips and spectral gating as references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pandas as pd

from auricle.metrics import Sample, weighted_mean
from auricle.readers import read_table
from auricle.runs.comparison import ComparedTask
from auricle.runs.results import Result
from auricle.tasks.enhancement.evaluation import ALL, CLIPS, METRICS, condition_of


class ComparedEnhancers(ComparedTask):
    """Compare enhancers at each SNR, with intervals over clips or groups of clips."""

    metrics: ClassVar[tuple[str, ...]] = METRICS
    model_head: ClassVar[str] = "enhancer"

    def display_name(self, result: Result) -> str:
        return str(result.settings["enhancer"])

    def test(self, result: Result) -> dict[str, Any]:
        own = {name: result.settings[name] for name in ("material", "by_group", "seed")}
        return own | {"snr": sorted(result.settings.get("snr") or ()), "noisy": result.settings.get("noisy")}

    def sample(self, result: Result) -> Sample:
        return self._samples(result)[result.settings["enhancer"]]

    def references(self, result: Result) -> dict[str, Sample]:
        own = result.settings["enhancer"]
        return {name: sample for name, sample in self._samples(result).items() if name != own}

    def _samples(self, result: Result) -> dict[str, Sample]:
        texts = dict.fromkeys(("clip", "digest", "group", "enhancer"), str)
        clips = read_table(result.file(CLIPS), texts, what="the clips of an evaluation", na_values="nan")
        by_group = bool(result.settings["by_group"])
        return {str(name): sample_of(own, by_group) for name, own in clips.groupby("enhancer", sort=False)}

    def facts(self, models: dict[str, list[Result]]) -> str:
        result = next(iter(models.values()))[0]
        noise = result.settings["noise"]
        source = f"mixed with {', '.join(noise)}" if noise else "recorded in noise"
        units = "groups" if result.settings["by_group"] else "clips"
        return f"{result.data['n_clips']} clips {source}; means with 95 % bootstrap intervals over {units}."


def sample_of(clips: pd.DataFrame, by_group: bool) -> Sample:
    """A sample of one enhancer's rows of clips.csv: means at each SNR and over all; its units are clips."""
    identity = ["clip", "digest"]  # in older tables names may be equal
    own = clips.drop_duplicates(identity)
    groups = tuple(own["group"].where(own["group"] != "", own["digest"])) if by_group else None
    clips = clips.assign(unit=clips.groupby(identity, sort=False).ngroup())
    cells = [(condition_of(snr), cell) for snr, cell in clips.groupby("snr", sort=False)]
    cells = [(ALL, clips), *cells] if len(cells) > 1 else cells
    statistics: dict[tuple[str, str], Callable[[Any], Any]] = {}
    for condition, cell in cells:
        rows = cell["unit"].to_numpy()
        for metric in METRICS:
            statistics[condition, metric] = weighted_mean(cell[metric].to_numpy(), rows)
    return Sample(tuple(own["digest"]), statistics, groups)
