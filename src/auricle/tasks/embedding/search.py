"""`auricle search`: the windows of a table of embeddings that sound most like an example."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from auricle import audio
from auricle.config import Search, require, verb
from auricle.errors import AuricleError, shown_path
from auricle.files import write_rows
from auricle.tasks.classification.reading import file_windows
from auricle.tasks.embedding.embedders import Embedder, open_embedder
from auricle.tasks.embedding.table import Embeddings


@dataclass(frozen=True)
class Match:
    """A window of a recording, from `start_s` to `end_s` seconds, and its `similarity` to the example, at most 1."""

    file: str
    start_s: float
    end_s: float
    similarity: float


class Matches(list[Match]):
    """Matches, the most similar first; as text a line for each, below the names of the columns."""

    def record(self) -> list[dict[str, Any]]:
        """The matches as plain values."""
        return [asdict(match) for match in self]

    def __str__(self) -> str:
        lines = (f"{m.similarity:10.3f}  {m.start_s:9.2f}  {m.end_s:9.2f}  {shown_path(m.file)}" for m in self)
        return "\n".join((f"{'similarity':>10}  {'start_s':>9}  {'end_s':>9}  file", *lines))


@verb
def search(options: Search) -> Matches:
    """Search a table; returns the nearest windows, the most similar first."""
    require(options.top >= 1, f"top={options.top}: 1 or more")
    require(bool(options.like), "like: give a sound file")
    table = Embeddings(options.embeddings)
    model = _embedder(table, options.run, options.device)
    with audio.isolated():
        examples = np.concatenate([_vectors(model, path) for path in options.like])
    matches = nearest(table, examples, options.top, per_file=options.per_file)
    if options.output:
        rows = [(match.file, match.start_s, match.end_s, f"{match.similarity:.6f}") for match in matches]
        write_rows(options.output, ("file", "start_s", "end_s", "similarity"), rows)
    return matches


def nearest(table: Embeddings, examples: np.ndarray, top: int, *, per_file: bool = False) -> Matches:
    """The `top` windows of `table` that are nearest to any of `examples` `(n, size)`.

    The similarity of x and y is the cosine of x − m and y − m, where m is the mean of the table, or 0 if it has one
    window. Windows as similar as each other are in the order of the table.
    """
    if examples.shape[1] != table.size:
        raise AuricleError(
            f"{table.path}: damaged, its vectors have {table.size} numbers, those of its model {examples.shape[1]}"
        )
    mean = _mean(table)
    wanted = _unit(examples - mean)
    found: list[Match] = []
    for files, starts, ends, vectors in table.batches():
        similarity = (_unit(vectors - mean) @ wanted.T).max(axis=1)
        own = [
            Match(file, float(start), float(end), float(value))
            for file, start, end, value in zip(files, starts, ends, similarity, strict=True)
        ]
        found = _best([*found, *own], top, per_file)
    return Matches(found)


def _best(matches: list[Match], top: int, per_file: bool) -> list[Match]:
    ordered = sorted(matches, key=lambda match: -match.similarity)
    if per_file:
        first: dict[str, Match] = {}
        for match in ordered:
            first.setdefault(match.file, match)
        ordered = list(first.values())
    return ordered[:top]


def _mean(table: Embeddings) -> np.ndarray:
    """The mean of all vectors, `(size,)`; 0 of a single one, which would be its own mean."""
    count, total = 0, np.zeros(table.size)
    for *_, vectors in table.batches():
        count += len(vectors)
        total += vectors.sum(axis=0, dtype=np.float64)
    if not count:
        raise AuricleError(f"{table.path}: the table is empty")
    return total / count if count > 1 else np.zeros_like(total)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """The vectors `(n, size)`, each divided by its length; zeros stay zeros."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)


def _embedder(table: Embeddings, run: str | None, device: str) -> Embedder:
    """The model that made the table. Raises `AuricleError` if it is not there, or another one."""
    facts = table.facts
    model = run or facts.model
    if run is None and facts.model != Path(facts.model).name and not Path(facts.model).is_dir():
        raise AuricleError(f"{table.path} was made by {facts.model}, which is not there: give its place by --run")
    embedder = open_embedder(model, device, window_s=facts.window_s, frontend_options=facts.frontend_options)
    if embedder.digest != facts.digest:
        raise AuricleError(f"{table.path} was not made by {model} as it is now: embed the recordings again")
    return embedder


def _vectors(model: Embedder, path: str) -> np.ndarray:
    return np.concatenate([model.run(windows)[0] for _, _, windows in file_windows(model, path)])
