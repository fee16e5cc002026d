"""How well a separator takes one of two sounds out of their mixture, class by class.

Zhao et al., 2024, section IV-B: mixtures of two held-out sounds of different classes at equal energies; the oracle
query is the target's own condition, the average query that of clean clips of its class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from auricle.conditions import stable_seed
from auricle.config import Data, require
from auricle.data.loading import ClipStore
from auricle.data.manifest import Manifest
from auricle.data.reading import data_name, read_data
from auricle.files import write_json
from auricle.metrics.signals import sdr, si_sdr
from auricle.progress import track
from auricle.runs.clips import HeardClips, choose_clips, refuse_heard
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import provenance
from auricle.systems.separator import Separator
from auricle.systems.system import evaluating
from auricle.tasks.classification.evaluate import keep_others
from auricle.tasks.separation.anchors import mine
from auricle.tasks.separation.data import AnchorMixtures
from auricle.tasks.separation.open import open_separator
from auricle.tasks.separation.queries import SEGMENT_S
from auricle.tasks.separation.report import write_report
from auricle.tasks.separation.summary import AVERAGE, ORACLE, Example, SeparatorEvaluation

MIXTURES_OF_A_CLASS = 10

_AT_ONCE = 8


@dataclass(frozen=True)
class Test:
    """A mixture to be: two anchors of `mixtures`, and the seed that cuts them."""

    label: str
    anchor: int
    other: int
    seed: int


def evaluate_separator(
    run: str,
    data: str,
    *,
    mixtures_of_a_class: int = MIXTURES_OF_A_CLASS,
    detector: str = "",
    data_options: Data = Data(),
    split: str = "",
    fold: str = "",
    seed: int = 0,
    device: str = "auto",
    output: str | Path | None = None,
    progress: bool = True,
) -> SeparatorEvaluation:
    """Measure the separator `run` on mixtures of clips that it has not heard, with oracle and average queries.

    What is mixed are 2 s of each clip, where it is loudest or where the classifier `detector` finds its class. Average
    queries are those that the run keeps. Clips that the run was trained on are refused.
    """
    require(mixtures_of_a_class > 0, f"mixtures={mixtures_of_a_class}: 1 or more")
    separator = open_separator(run, device)
    manifest = read_data(data, data_options, progress=progress)
    chosen, part = _unheard(run, manifest, split, fold)
    store = ClipStore(chosen.clips, separator.sample_rate, progress=progress)
    n_samples = round(SEGMENT_S * separator.sample_rate)
    anchors = mine(store, n_samples, load_classifier(detector, device) if detector else None, progress=progress)
    mixtures = AnchorMixtures(store, anchors, n_samples)
    tests = draw_tests(mixtures, mixtures_of_a_class, seed)
    unusual = [f"seed{seed}"] * (seed != 0)
    folder = Path(output) if output else Path(run) / "evaluation" / "-".join([data_name(data)[0], part, *unusual])
    keep_others(folder, data)
    measured = track(measure(separator, mixtures, tests), "Separating", total=len(tests), show=progress)
    clips = pd.DataFrame([row for rows in measured for row in rows])
    evaluation = SeparatorEvaluation(folder, part, clips, seed, sample_rate=separator.sample_rate)
    evaluation.examples = examples(separator, mixtures, tests, clips, evaluation.queries[-1])
    details = {
        "run": run,
        "data": data,
        "part": part,
        "mixtures_of_a_class": mixtures_of_a_class,
        "segment_s": SEGMENT_S,
        "detector": detector,
        "seed": seed,
        "n_clips": len(chosen),
        "model": {key: value for key, value in separator.config.items() if key not in ("tagger", "queries", "seed")},
        "training_seed": separator.seed,
        "skipped": [f"{problem.name}: {problem.reason}" for problem in manifest.skipped],
        "provenance": provenance(),
    }
    write(evaluation, details)
    return evaluation


def _unheard(run: str, manifest: Manifest, split: str, fold: str) -> tuple[Manifest, str]:
    """The clips to measure on, none of which the run was trained on, and what to call them."""
    chosen, part = choose_clips(manifest, split, fold, HeardClips(run))
    refuse_heard(run, chosen)
    return chosen, part


def draw_tests(mixtures: AnchorMixtures, n_of_a_class: int, seed: int) -> list[Test]:
    """`n_of_a_class` mixtures for each class, the same for the same clips and seed.

    A class's anchors take turns in an order of their own; the other sound is drawn as in training.
    """
    tests = []
    for label, members in sorted(mixtures.classes.items()):
        order = np.random.default_rng(stable_seed(seed, "order", label)).permutation(members)
        for turn in range(n_of_a_class):
            anchor, own = int(order[turn % len(order)]), stable_seed(seed, "mixture", label, turn)
            tests.append(Test(label, anchor, mixtures.partner(anchor, np.random.default_rng(own)), own))
    return tests


@torch.no_grad()
def measure(separator: Separator, mixtures: AnchorMixtures, tests: Sequence[Test]) -> Iterator[list[dict[str, Any]]]:
    """For each test its rows of clips.csv, one for each query."""
    kept = separator.queries
    for first in range(0, len(tests), _AT_ONCE):
        batch = tests[first : first + _AT_ONCE]
        items = [mixtures[test.anchor, test.seed, mixtures.n_samples] for test in batch]
        mixed, targets = (torch.stack([item[key] for item in items]) for key in ("mixture", "target"))
        with evaluating(separator):
            oracles = separator.embed_query(targets.to(separator.device))
            averages = torch.stack([kept.get(t.label, o) for t, o in zip(batch, oracles, strict=True)]).to(oracles)
            results = {
                q: separator(mixed.to(separator.device), c).cpu().numpy()
                for q, c in ((ORACLE, oracles), (AVERAGE, averages))
            }
        seen = [separator.standardised(conditions) for conditions in (oracles, averages)]
        cosines = F.cosine_similarity(seen[0], seen[1]).tolist()
        for i, test in enumerate(batch):
            row = _describe(mixtures, test)
            values = {q: _metrics(result[i], targets[i].numpy(), mixed[i].numpy()) for q, result in results.items()}
            yield [
                row | {"query": query, **values[query], "cosine": cosines[i] if test.label in kept else np.nan}
                for query in (ORACLE, AVERAGE)
                if query == ORACLE or test.label in kept
            ]


def _describe(mixtures: AnchorMixtures, test: Test) -> dict[str, Any]:
    clips = mixtures.store.clips
    anchor, other = mixtures.anchors[test.anchor], mixtures.anchors[test.other]
    return {
        "class": test.label,
        "clip": clips[anchor.clip].name,
        "other_class": other.label,
        "other_clip": clips[other.clip].name,
        "seed": test.seed,
    }


def _metrics(result: np.ndarray, target: np.ndarray, mixture: np.ndarray) -> dict[str, float]:
    values = {"sdr": sdr(result, target), "si_sdr": si_sdr(result, target)}
    return {
        "sdr": values["sdr"],
        "sdri": values["sdr"] - sdr(mixture, target),
        "si_sdr": values["si_sdr"],
        "si_sdri": values["si_sdr"] - si_sdr(mixture, target),
    }


@torch.no_grad()
def examples(
    separator: Separator, mixtures: AnchorMixtures, tests: Sequence[Test], clips: pd.DataFrame, query: str
) -> list[Example]:
    """The mixtures with the best, the median and the worst SDR improvement by `query`, separated once more."""
    own = clips[clips["query"] == query].sort_values("sdri", ascending=False)
    places = dict.fromkeys([0, (len(own) - 1) // 2, len(own) - 1])
    by_seed = {test.seed: test for test in tests}
    found = []
    for row in own.iloc[list(places)].to_dict("records"):
        test = by_seed[row["seed"]]
        item = mixtures[test.anchor, test.seed, mixtures.n_samples]
        with evaluating(separator):
            target = item["target"][None].to(separator.device)
            condition = (
                separator.embed_query(target) if query == ORACLE else separator.queries[test.label][None].to(target)
            )
            result = separator(item["mixture"][None].to(separator.device), condition)[0].cpu().numpy()
        found.append(
            Example({str(k): v for k, v in row.items()}, item["mixture"].numpy(), item["target"].numpy(), result)
        )
    return found


def write(evaluation: SeparatorEvaluation, details: dict[str, Any]) -> None:
    """Write results.json, results.csv, clips.csv, table.md and report.html to the evaluation's folder."""
    folder = evaluation.folder
    write_json(folder / "results.json", details)
    evaluation.table().to_csv(folder / "results.csv", index=False)
    evaluation.clips.to_csv(folder / "clips.csv", index=False, float_format="%.6g", na_rep="nan")
    (folder / "table.md").write_text(evaluation.markdown(), encoding="utf-8")
    write_report(evaluation, details)
