"""False alarms per hour of background in every cell of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from auricle.conditions.suites import CLEAN, Cell, Suite
from auricle.data.clips import Clip
from auricle.errors import AuricleError
from auricle.identity import Store, key_of
from auricle.metrics import hourly_rate
from auricle.studies.stress.cells import cell_condition, clean_first
from auricle.studies.stress.models import StressedModel
from auricle.tasks.classification.background import STRETCH_S
from auricle.tasks.classification.false_alarms import EVERY, listen


def measure_alarms(
    runs: Sequence[StressedModel], background: Sequence[Clip], suite: Suite, folder: Path, *, progress: bool = True
) -> pd.DataFrame:
    """The events of every model in `background`, corrupted as each cell says: a row for each label, and for all.

    Events of `runs` that differ in their seed only are added up; `hours` are those of the recordings. Long
    recordings are corrupted minute by minute. Counts are kept in `folder` by model, recordings and condition, if the
    model has a digest.
    """
    store = Store(folder, ".csv")
    hours = sum(clip.duration_s for clip in background) / 3600
    described = [[clip.recording, clip.start_s, clip.end_s, clip.name] for clip in background]
    cells = clean_first(suite)
    models: dict[str, list[StressedModel]] = {}
    for run in runs:
        models.setdefault(run.name, []).append(run)
    rows = []
    for number, cell in enumerate(cells, start=1):
        for model, own in models.items():
            labels = own[0].task.labels
            counts = np.zeros(len(labels), dtype=np.int64)
            for run in own:
                settings = run.selection.settings()
                key = key_of("alarms", run.digest, settings, cell_condition(suite, cell), described, STRETCH_S)
                title = f"{number}/{len(cells)} {cell.name}, {model}, background" if progress else ""
                make = partial(_counts, run, background, suite, cell, title)
                read = partial(_read, n_labels=len(labels))
                counts += make() if run.digest is None else store.get(key, make, _write, read)
            place = {"model": model, "corruption": cell.corruption, "severity": cell.severity, "cell": cell.name}
            for label, count in ((EVERY, counts.sum()), *zip(labels, counts, strict=True)):
                figures = counted_together(int(count), len(own), hours)
                rows.append(
                    {**place, "label": label, "events": int(count), "runs": len(own), "hours": hours, **figures}
                )
    return pd.DataFrame(rows)


def counted_together(count: int, n_runs: int, hours: float) -> dict[str, float]:
    """The events in an hour, with an interval; runs hear the same hours, which thus count once in the interval."""
    rate = hourly_rate(round(count / n_runs), hours)
    return {"per_hour": count / (n_runs * hours), "low": rate.low, "high": rate.high}


def _counts(run: StressedModel, background: Sequence[Clip], suite: Suite, cell: Cell, title: str) -> np.ndarray:
    """Events of each label `(labels,)` at the thresholds of the run."""
    task, rate = run.task, run.windows.sample_rate

    def corrupt(samples: np.ndarray, name: str) -> np.ndarray:
        return suite.apply(cell, samples, rate, name)

    thresholds = run.selection.thresholds(task)[None]
    condition = None if cell.corruption == CLEAN else corrupt
    try:
        heard = listen(run.windows, background, task, run.selection, thresholds, corrupt=condition, caption=title)
    except AuricleError as error:
        raise AuricleError(f"{run.name} in {cell.name}: {error}") from None
    return heard.counts[0]


def _write(path: Path, counts: np.ndarray) -> None:
    path.write_text("".join(f"{count}\n" for count in counts), encoding="utf-8")


def _read(path: Path, n_labels: int) -> np.ndarray:
    """Read cached counts; raises `ValueError` for a damaged file."""
    lines = path.read_text(encoding="utf-8").split("\n")
    if len(lines) != n_labels + 1 or lines[-1]:
        raise ValueError(f"{path}: not the counts of {n_labels} labels")
    return np.array([int(line) for line in lines[:-1]], dtype=np.int64)
