"""`auricle embed`: what a model makes of each window of recordings, as vectors in one table."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import numpy as np

from auricle.config import Embed, verb
from auricle.errors import AuricleError
from auricle.extras import require
from auricle.files import refuse_special, remove_partials
from auricle.progress import track
from auricle.reports.detections import part_name
from auricle.runs.batch import run_batch
from auricle.runs.cluster import on_ray
from auricle.runs.inputs import find_inputs
from auricle.runs.journal import Journal
from auricle.runs.outcomes import Batch
from auricle.runs.work import Work
from auricle.tasks.classification.reading import check_hop
from auricle.tasks.classification.scheduling import Steps, work_through
from auricle.tasks.embedding.embedders import open_embedder
from auricle.tasks.embedding.table import SCHEMA, Facts, merge, remove_table, write_part

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


class FileVectors:
    """Collects starts and ends in s `(n,)` and vectors `(n, size)` of the windows of the file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[Rows] = []

    def add(self, starts: np.ndarray, ends: np.ndarray, rows: np.ndarray, frames: np.ndarray | None) -> None:
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            first = int(np.argmin(finite))
            span = f"from {starts[first]:g} to {ends[first]:g} s"
            raise AuricleError(f"{self.path}: the model's output is not finite {span}")
        self._rows.append((starts, ends, rows))

    def finish(self) -> Rows:
        starts, ends, vectors = (np.concatenate(values) for values in zip(*self._rows, strict=True))
        return starts, ends, vectors


def parts_of(output: Path) -> Path:
    """The folder of the tables of single files, from which the table `output` is made."""
    return output.with_name(output.name + ".parts")


@verb
def embed(options: Embed) -> Batch[int]:
    """Embed files; returns the outcome of each, with its number of windows."""
    require("pyarrow", "a table of embeddings")
    output = Path(options.output)
    if output.suffix.lower() != ".parquet":
        raise AuricleError(f"{output}: the table is a Parquet file, as in --output embeddings.parquet")
    refuse_special(output)
    if options.engine == "ray":
        return on_ray(embed, options)
    model = open_embedder(
        options.run, options.device, window_s=options.window_s, frontend_options=options.frontend_options
    )
    check_hop(model, options.hop_s)
    is_run = Path(options.run).is_dir()
    facts = Facts(
        os.path.abspath(options.run) if is_run else options.run,
        model.digest,
        model.sample_rate,
        model.window / model.sample_rate,
        dict(options.frontend_options or {}),
    )

    def write(path: Path, table: Path, rows: Rows, _: int) -> int:
        write_part(table, str(path), rows, facts)
        return len(rows[0])

    steps = Steps(run=model.run, collect=FileVectors, write=write)

    def run(work: Work[int]) -> None:
        jobs = work_through(work, model, steps, options.hop_s)
        for _ in track(jobs, "Embedding files", total=len(work.items), show=not options.quiet):
            pass

    parts = parts_of(output)
    settings = {"weights": model.digest, "schema": SCHEMA, "hop_s": options.hop_s, "window_s": facts.window_s}
    outcomes = run_batch(
        options.files,
        parts,
        settings,
        run,
        conflict="embeddings by another model or with other options",
        suffix=".parquet",
        place=lambda name: Path(part_name(name)),
        shard=options.shard,
        overwrite=options.overwrite,
    )
    made = list(dict.fromkeys(outcome.output for outcome in outcomes if outcome.output is not None))
    if options.shard is not None:
        made = _of_every_shard(parts, options.files)
    remove_partials(output.parent)
    if made:
        where = f"{merge(made, output)} windows in {output}"
    else:
        remove_table(output)
        where = "there is no table"
    return Batch(outcomes, "embedded", where, str(parts))


def _of_every_shard(parts: Path, files: Iterable[str]) -> list[Path]:
    """The tables in `parts` of the sound files in `files`, whichever shard has made them, on this machine or another.

    The journal knows where a recording was found; paths that are not on this machine say nothing.
    """
    inputs = find_inputs(files).files
    names, places = {name for _, name in inputs}, {os.path.realpath(path) for path, _ in inputs}
    made = []
    with closing(Journal(parts)) as journal:
        journal.refresh()
        for path in sorted(parts.glob("part-*.parquet")):
            entry = journal.entry_of(path.name)
            if entry is None or entry.name not in names:
                continue
            known = [place for place in entry.places if os.path.exists(place)]
            if not known or places.intersection(known):
                made.append(path)
    return made
