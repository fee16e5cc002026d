"""Evaluation of a separator: extraction of one of two mixed sounds, class by class.

Zhao et al., 2024, section IV-B: mixtures of two held-out sounds of different classes at equal energies; the oracle
query is the embedding of the target itself, the average query the mean embedding of clean clips of its class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from auricle.conditions import stable_seed
from auricle.config import Evaluate, require
from auricle.data.clip_store import ClipStore
from auricle.data.manifest import Manifest
from auricle.data.reading import read_data
from auricle.errors import AuricleError
from auricle.metrics.signals import sdr, si_sdr
from auricle.progress import track
from auricle.reports.examples import best_median_worst
from auricle.runs.clips import RunClips, clip_digests
from auricle.runs.evaluation import EvaluatedTask, describe_model, named_place
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import run_digest
from auricle.systems.separator import Separator
from auricle.systems.system import evaluating
from auricle.tasks.separation.anchors import mine
from auricle.tasks.separation.data import AnchorMixtures
from auricle.tasks.separation.open import open_separator
from auricle.tasks.separation.queries import SEGMENT_S
from auricle.tasks.separation.report import write_report
from auricle.tasks.separation.summary import AVERAGE, ORACLE, Example, SeparatorEvaluation

MIXTURES_PER_CLASS = 10

_AT_ONCE = 8


@dataclass(frozen=True)
class MixtureSpec:
    """A mixture to evaluate on: the indices of two anchors of an `AnchorMixtures`, and the seed of the crops."""

    label: str
    anchor: int
    other: int
    seed: int


class SeparatorEvaluationTask(EvaluatedTask):
    """Evaluate a separator on mixtures of held-out clips, with oracle and average queries.

    From each clip 2 s are mixed: the loudest segment, or the one where the classifier `detector` finds its class. The
    average queries are those saved with the run.
    """

    name: ClassVar[str] = "separation"
    measures: ClassVar[str] = "a separator"
    uses: ClassVar[frozenset[str]] = frozenset(
        {"mixtures", "detector", "label_column", "multi_label", "negative_label"}
    )

    def __init__(self, options: Evaluate) -> None:
        self.options = options
        self.progress = not options.quiet
        self.n_per_class = MIXTURES_PER_CLASS if options.mixtures is None else options.mixtures
        require(self.n_per_class > 0, f"mixtures={self.n_per_class}: 1 or more")
        self.separator = open_separator(options.run, options.device)
        self.detector = load_classifier(options.detector, options.device) if options.detector else None

    def read(self) -> Manifest:
        return read_data(self.options.data, self.options, progress=self.progress)

    def unusual(self) -> list[str]:
        given = [f"mixtures{self.n_per_class}"] * (self.n_per_class != MIXTURES_PER_CLASS)
        if self.options.detector:
            given.append(named_place(self.options.detector))
        return given + super().unusual()

    def measure(self, clips: Manifest, folder: Path, split: str) -> SeparatorEvaluation:
        seed, separator = self.options.seed, self.separator
        store = ClipStore(clips.clips, separator.sample_rate, progress=self.progress)
        n_samples = round(SEGMENT_S * separator.sample_rate)
        anchors = mine(store, n_samples, self.detector, progress=self.progress)
        mixtures = AnchorMixtures(store, anchors, n_samples)
        tests = draw_tests(mixtures, self.n_per_class, seed)
        digests = clip_digests(clips)
        measured = track(
            measure(separator, mixtures, tests, digests), "Separating", total=len(tests), show=self.progress
        )
        table = pd.DataFrame([row for rows in measured for row in rows])
        evaluation = SeparatorEvaluation(
            folder,
            split,
            table,
            seed,
            sample_rate=separator.sample_rate,
            n_measured=len(clips) - len(clips.negatives),
            n_heard=len(RunClips(self.folder).heard(clips.clips)),
        )
        evaluation.examples = examples(separator, mixtures, tests, table, evaluation.queries[-1])
        return evaluation

    def settings(self) -> dict[str, Any]:
        detector = self.options.detector
        return {
            "mixtures": self.n_per_class,
            "segment_s": SEGMENT_S,
            "detector": {"path": detector, "digest": run_digest(detector)} if detector else None,
            "seed": self.options.seed,
        }

    def model(self) -> dict[str, Any]:
        model = self.separator
        return describe_model(
            model.config, {"all": model}, sample_rate=model.sample_rate, seed=model.seed, run=Path(self.options.run)
        )

    def write_report(self, evaluation: Any, record: dict[str, Any]) -> Path | None:
        return write_report(evaluation, record)


def draw_tests(mixtures: AnchorMixtures, n_per_class: int, seed: int) -> list[MixtureSpec]:
    """`n_per_class` mixtures for each class, reproducible for the same clips and seed.

    The anchors of a class are used in turn in a random order; the other sound is drawn as in training.
    """
    tests = []
    for label, members in sorted(mixtures.classes.items()):
        order = np.random.default_rng(stable_seed(seed, "order", label)).permutation(members)
        for turn in range(n_per_class):
            anchor, own = int(order[turn % len(order)]), stable_seed(seed, "mixture", label, turn)
            tests.append(MixtureSpec(label, anchor, mixtures.partner(anchor, np.random.default_rng(own)), own))
    return tests


@torch.no_grad()
def measure(
    separator: Separator, mixtures: AnchorMixtures, tests: Sequence[MixtureSpec], digests: Sequence[str]
) -> Iterator[list[dict[str, Any]]]:
    """Yield for each test its rows of clips.csv, one for each query; `digests` are those of the clips."""
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
        if not all(np.isfinite(result).all() for result in results.values()):
            raise AuricleError("the separator gave NaN or infinite samples")
        seen = [separator.scaled_queries(queries) for queries in (oracles, averages)]
        cosines = F.cosine_similarity(seen[0], seen[1]).tolist()
        for i, test in enumerate(batch):
            row = _describe(mixtures, test, digests)
            values = {q: _metrics(result[i], targets[i].numpy(), mixed[i].numpy()) for q, result in results.items()}
            yield [
                row | {"query": query, **values[query], "cosine": cosines[i] if test.label in kept else np.nan}
                for query in (ORACLE, AVERAGE)
                if query == ORACLE or test.label in kept
            ]


def _describe(mixtures: AnchorMixtures, test: MixtureSpec, digests: Sequence[str]) -> dict[str, Any]:
    clips = mixtures.store.clips
    anchor, other = mixtures.anchors[test.anchor], mixtures.anchors[test.other]
    return {
        "class": test.label,
        "clip": clips[anchor.clip].name,
        "digest": digests[anchor.clip],
        "other_class": other.label,
        "other_clip": clips[other.clip].name,
        "other_digest": digests[other.clip],
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
    separator: Separator, mixtures: AnchorMixtures, tests: Sequence[MixtureSpec], clips: pd.DataFrame, query: str
) -> dict[str, Example]:
    """Separate once more the mixtures with the best, the median and the worst SDR improvement by `query`."""
    own = clips[clips["query"] == query]
    by_seed = {test.seed: test for test in tests}
    found = {}
    for place, index in best_median_worst(own["sdri"].tolist()).items():
        row = {str(name): value for name, value in own.iloc[index].to_dict().items()}
        test = by_seed[row["seed"]]
        item = mixtures[test.anchor, test.seed, mixtures.n_samples]
        with evaluating(separator):
            target = item["target"][None].to(separator.device)
            embedding = (
                separator.embed_query(target) if query == ORACLE else separator.queries[test.label][None].to(target)
            )
            result = separator(item["mixture"][None].to(separator.device), embedding)[0].cpu().numpy()
        found[place] = Example(row, item["mixture"].numpy(), item["target"].numpy(), result)
    return found
