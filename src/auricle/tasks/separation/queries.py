"""Queries for a separator: a class by name, recordings of the sound, or every class that the tagger finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from auricle import audio
from auricle.data.windows import fit_length, loudest_start
from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.reports.detections import Detection
from auricle.systems.separator import Separator
from auricle.systems.system import evaluating
from auricle.tasks.classification.events import EventRule
from auricle.tasks.classification.predict import predict_file
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier
from auricle.tasks.separation.data import scaled

RESIDUAL = "residual"
"""What is left of a mixture when all sources are taken out."""
SEGMENT_S = 2.0
"""Length in seconds of the loudest segment, which is the part of a reference recording that is used."""


@dataclass(frozen=True)
class Query:
    """A source to extract: its name and its query embedding `(query_size,)`."""

    name: str
    embedding: Tensor
    of_class: bool = False
    """Whether the name is that of a class, not of a recording."""


def class_query(separator: Separator, name: str) -> Query:
    """The separator's average query of a class; raises `AuricleError` if it has none."""
    kept = separator.queries
    if not kept:
        raise AuricleError(f"{name!r} is no query: this separator has no average queries; give --reference instead")
    if name not in kept:
        raise AuricleError(unknown_name("query", name, kept))
    return Query(name, kept[name], of_class=True)


@torch.no_grad()
def reference_query(separator: Separator, files: Sequence[str]) -> Query:
    """The mean query embedding of recordings of one sound: the loudest segment of each, scaled to a peak of 1."""
    n_samples = round(SEGMENT_S * separator.sample_rate)
    embeddings = []
    with evaluating(separator):
        for file in files:
            waveform, _ = audio.read(file, sample_rate=separator.sample_rate)
            if not waveform.any():
                raise AuricleError(f"{file}: silence cannot be a query")
            start = loudest_start(waveform, n_samples)
            segment = fit_length(waveform[start : start + n_samples], n_samples)
            segment = scaled(segment, float(np.abs(segment).max()))
            embeddings.append(separator.embed_query(torch.from_numpy(segment)[None].to(separator.device))[0])
    return Query(Path(files[0]).stem if len(files) == 1 else "reference", torch.stack(embeddings).mean(0))


def read_queries(separator: Separator, classes: Sequence[str], references: Sequence[str]) -> list[Query]:
    """A query for each class, and one for all references together."""
    queries = [class_query(separator, name) for name in classes]
    if references:
        queries.append(reference_query(separator, references))
    names = [RESIDUAL, *(query.name for query in queries)]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise AuricleError(f"two sources would be called {twice[0]!r}: separate them one at a time")
    return queries


def detect_classes(separator: Separator, path: str | Path, threshold: float) -> list[Detection]:
    """Events of at least `threshold` that the separator's tagger finds in a recording; empty without a tagger."""
    if separator.tagger is None:
        return []
    classifier = TorchWindowClassifier(separator.tagger)
    n_labels = max(len(task.labels) for task in classifier.tasks)
    return predict_file(classifier, path, Selection(n_labels, threshold, events=EventRule(low=threshold))).detections


def findable_classes(separator: Separator) -> list[str]:
    """The classes that the separator finds by itself: its tagger has the label, and they have an average query."""
    tasks = separator.tagger.tasks if separator.tagger else ()
    return [name for name in separator.queries if any(name in task.labels for task in tasks)]


def detected_queries(separator: Separator, found: Sequence[Detection]) -> list[Query]:
    """The average query of each detected class that the separator has one for, the most probable first."""
    best: dict[str, float] = {}
    for detection in found:
        best[detection.label] = max(detection.probability, best.get(detection.label, 0.0))
    return [
        class_query(separator, name) for name in sorted(best, key=lambda n: (-best[n], n)) if name in separator.queries
    ]
