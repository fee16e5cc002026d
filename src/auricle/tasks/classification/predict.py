"""`auricle predict`: labels for recordings of any length, window by window or as detected events."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from auricle.errors import counted, some_of
from auricle.progress import track
from auricle.reports.detections import FORMATS, SCHEMA, check_format, write_table
from auricle.runs.batch import run_batch
from auricle.runs.outcomes import Outcome
from auricle.runs.work import Work
from auricle.tasks.classification.collecting import FileLabels, FileResult
from auricle.tasks.classification.reading import check_hop, file_windows, run_model
from auricle.tasks.classification.scheduling import Steps, work_through
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import WindowClassifier

_NAMED = 5  # labels of a file, in its line


class Labelled(NamedTuple):
    """The most probable label of a file with its probability, and a line that says what the table has."""

    label: str
    probability: float
    line: str


def predict_file(
    model: WindowClassifier, path: str | Path, selection: Selection, hop_s: float | None = None
) -> FileResult:
    """Detections in one file and its label; `hop_s` is as in `file_windows`."""
    labels = FileLabels(model, path, selection)
    for starts, ends, windows in file_windows(model, path, hop_s):
        labels.add(starts, ends, *run_model(model, windows))
    return labels.finish()


def in_words(result: FileResult, model: WindowClassifier, selection: Selection) -> str:
    """What was detected in a file: its one label, or the number and labels of events, or several labels."""
    events = selection.events is not None or model.frame_s is not None
    found, first = result.detections, model.tasks[0]
    if not found:
        return "no event" if events else "nothing above the threshold"
    if events:
        labels = tuple(dict.fromkeys(detection.label for detection in found))
        return f"{counted(len(found), 'event')}: {some_of(labels, _NAMED)}"
    if not first.multi_label and any(detection.task == first.name for detection in found):
        return f"{result.label} ({result.probability:.2f})"
    highest: dict[str, float] = {}
    for detection in sorted(found, key=lambda detection: -detection.probability):
        highest.setdefault(detection.label, detection.probability)
    return some_of(tuple(f"{label} ({value:.2f})" for label, value in highest.items()), _NAMED)


def predict_files(
    model: WindowClassifier,
    files: Sequence[str],
    output: Path,
    *,
    table_format: str = "csv",
    hop_s: float | None = None,
    selection: Selection,
    shard: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> list[Outcome[Labelled]]:
    """Write a table for each sound file to `output` (see `each_file`).

    `table_format` is one of `FORMATS`; tables of several formats may be in one folder. Files whose tables exist already
    are skipped unless `overwrite`.
    """
    check_format(table_format)
    check_hop(model, hop_s)

    def write(path: Path, table: Path, result: FileResult, sample_rate: int) -> Labelled:
        write_table(table, result.detections, table_format, sample_rate / 2)
        return Labelled(result.label, result.probability, in_words(result, model, selection))

    steps = Steps(
        run=partial(run_model, model),
        collect=partial(FileLabels, model, selection=selection),
        write=write,
        with_rate=table_format == "raven",
    )

    def label(work: Work[Labelled]) -> None:
        jobs = work_through(work, model, steps, hop_s)
        for _ in track(jobs, "Labelling files", total=len(work.items), show=progress):
            pass

    return run_batch(
        files,
        output,
        {"weights": model.digest, "schema": SCHEMA, "hop_s": hop_s, **selection.settings()},
        label,
        conflict="tables of another model or of other options",
        suffix=FORMATS[table_format].suffix,
        place=FORMATS[table_format].place,
        kind=table_format,
        shard=shard,
        overwrite=overwrite,
    )
