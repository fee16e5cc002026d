"""Predictions of every model for every clip in every cell (condition and severity) of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from auricle.conditions.suites import CLEAN, Cell, Suite
from auricle.data.clip_store import ClipStore
from auricle.data.clips import Clip, unique_names
from auricle.data.loading import ClipCondition
from auricle.data.manifest import Manifest
from auricle.errors import AuricleError
from auricle.files import write_json
from auricle.identity import Store, file_digests, key_of
from auricle.readers import read_rows, read_table
from auricle.studies.stress.models import StressedModel
from auricle.tasks.classification.conditions import remembered
from auricle.tasks.classification.score import EvaluationSet, score_windows

CELLS = "cells.csv"
TEXTS = dict.fromkeys(("run", "model", "corruption", "cell", "clip", "group", "labels", "predicted"), str)
COLUMNS = [
    "run", "model", "seed", "corruption", "severity", "cell", "clip", "group", "labels", "predicted", "right",
    "probability", "own",
]  # fmt: skip
NEEDED = ("model", "seed", "corruption", "severity", "cell", "clip", "group", "right", "own")
"""The columns that figures are made of."""


def read_cells(path: str | Path) -> pd.DataFrame:
    """Read the table of `measure_cells`, all or those columns that figures are made of; labels stay text."""
    return read_table(path, TEXTS, needed=NEEDED, what="the cells of auricle stress")


def measured_runs(path: Path) -> list[str]:
    """The models of a table of cells, as they were given; none if there is no such table, or a damaged one."""
    try:
        return list(dict.fromkeys(row["run"] for row in read_rows(path, ("run",))))
    except (OSError, AuricleError):
        return []


def clean_first(suite: Suite) -> tuple[Cell, ...]:
    """The clean cell, the reference for all others, followed by the suite's other cells."""
    return (Cell(CLEAN, 0, CLEAN), *(cell for cell in suite.cells if cell.corruption != CLEAN))


def cell_condition(suite: Suite, cell: Cell) -> list[Any] | None:
    """Plain values that stand for everything that a cell does to a clip; None for the clean one."""
    if cell.corruption == CLEAN:
        return None
    return [suite.seed, cell.corruption, cell.condition, dict(cell.parameters), suite.material.describe()]


def measure_cells(
    runs: Sequence[StressedModel], manifest: Manifest, suite: Suite, folder: Path, *, progress: bool = True
) -> pd.DataFrame:
    """Predictions of every model for every clip of `manifest` in every cell: one row each, with `COLUMNS`.

    `predicted` is the most probable label. It is `right` if it is one of the clip's; a clip without labels, in
    multi-label work, is right if no label reaches its threshold.

    If the suite assigns each clip to one cell, the clip is measured in that cell and clean; `own` marks the assigned
    cell. Predictions are kept in `folder` by model, clips and condition; those of a model without a digest are not.
    """
    cells = clean_first(suite)
    names = unique_names(manifest.clips)
    assigned = suite.assign(names, [";".join(clip.labels) for clip in manifest])
    corrupted = {cell.name for cell in cells if cell.corruption != CLEAN}
    if not any(cell.name in corrupted for ones in assigned for cell in ones):
        raise AuricleError(f"the suite {suite.name} has these {len(names)} clips in no condition other than clean")
    write_json(folder / "suite.json", suite.spec() | {"data": str(manifest.source)})
    store = Store(folder, ".csv.gz")
    file_digests((clip.path for clip in manifest), progress=progress)
    described = [
        [clip.recording, clip.start_s, clip.end_s, list(clip.labels), clip.group, clip.name] for clip in manifest
    ]
    tables = []
    before: tuple[int, ...] = ()
    stores: dict[int, ClipStore] = {}
    for number, cell in enumerate(cells, start=1):
        own = [cell.name in {each.name for each in ones} for ones in assigned]
        chosen = tuple(index for index, is_own in enumerate(own) if is_own or cell.corruption == CLEAN)
        if not chosen:
            continue
        if chosen != before:
            before, stores = chosen, {}
        clips = tuple(manifest.clips[index] for index in chosen)
        condition = cell_condition(suite, cell)
        made: dict[tuple[int, int, str], ClipCondition] = {}
        for run in runs:
            selection = run.selection.settings()
            title = f"{number}/{len(cells)} {cell.name}, {run.name}" if progress else ""
            make = partial(_answers, run, Manifest(manifest.source, clips), stores, suite, cell, made, title)
            if run.digest is None:
                answers = make()
            else:
                key = key_of("stress", run.digest, selection, condition, [described[index] for index in chosen])
                answers = store.get(key, make, _write_answers, partial(_read_answers, n_clips=len(clips)))
            columns = {
                "run": run.shown,
                "model": run.name,
                "seed": run.seed,
                "corruption": cell.corruption,
                "severity": cell.severity,
                "cell": cell.name,
                "clip": [names[index] for index in chosen],
                "group": [clip.group or names[index] for index, clip in zip(chosen, clips, strict=True)],
                "labels": [";".join(clip.labels) for clip in clips],
                "predicted": answers["predicted"],
                "right": [
                    int(predicted in clip.labels if clip.labels else not given)
                    for clip, predicted, given in zip(clips, answers["predicted"], answers["given"], strict=True)
                ],
                "probability": answers["probability"],
                "own": [int(own[index]) for index in chosen],
            }
            tables.append(pd.DataFrame(columns)[COLUMNS])
    return pd.concat(tables, ignore_index=True)


def _answers(
    run: StressedModel,
    manifest: Manifest,
    stores: dict[int, ClipStore],
    suite: Suite,
    cell: Cell,
    made: dict[tuple[int, int, str], ClipCondition],
    title: str,
) -> pd.DataFrame:
    """The most probable label of each clip in one cell, its probability, and whether any label is given, one row each.

    In multi-label work a label is given if it reaches its threshold.

    `stores` caches the clips by sample rate, `made` the waveforms of this cell by what they depend on; both are filled.
    """
    rate = run.windows.sample_rate
    if rate not in stores:
        stores[rate] = ClipStore(manifest.clips, rate)

    def condition(waveform: np.ndarray, clip: Clip, power: float) -> np.ndarray:
        return suite.apply(cell, waveform, rate, clip.name)

    heard = made.setdefault((rate, run.windows.window, run.windows.short), remembered(condition))
    tested = EvaluationSet(run.task, manifest, stores[rate])
    chosen = heard if cell.corruption != CLEAN else None
    try:
        scores = score_windows(run.windows, tested, condition=chosen, progress=title).calibrated(run.selection)
    except AuricleError as error:
        raise AuricleError(f"{run.name} in {cell.name}: {error}") from None
    best = scores.probabilities.argmax(axis=1)
    rows = zip(scores.probabilities, best, strict=True)
    given = scores.probabilities >= run.selection.thresholds(tested.task)
    return pd.DataFrame(
        {
            "predicted": [tested.task.labels[index] for index in best],
            "probability": [round(float(row[index]), 6) for row, index in rows],
            "given": given.any(axis=1).astype(int),
        }
    )


def _write_answers(path: Path, answers: pd.DataFrame) -> None:
    answers.to_csv(path, index=False, lineterminator="\r\n", compression={"method": "gzip", "mtime": 0})


def _read_answers(path: Path, n_clips: int) -> pd.DataFrame:
    """Read cached predictions; labels that look like numbers stay text. Raises `ValueError` for a damaged table."""
    kinds = {"predicted": str, "probability": float, "given": int}
    table = read_table(path, kinds)
    if list(table.columns) != list(kinds) or len(table) != n_clips:
        raise ValueError(f"{path}: not the answers for {n_clips} clips")
    return table
