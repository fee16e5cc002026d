"""What models make of a sound: labels with their events, an enhanced version, separated sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from auricle import audio
from auricle.errors import AuricleError
from auricle.progress import track
from auricle.readers import read_rows
from auricle.reports.detections import Detection, write_table
from auricle.studies.studio.sounds import Shelf, Sound
from auricle.systems.enhancer import PiecewiseEnhancer
from auricle.systems.separator import Separator
from auricle.tasks.classification.collecting import FileLabels
from auricle.tasks.classification.events import EventRule
from auricle.tasks.classification.reading import batch_size, check_hop, file_windows, run_model
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import WindowClassifier
from auricle.tasks.enhancement.predict import enhance_file
from auricle.tasks.separation.predict import COLUMNS, separate_file
from auricle.tasks.separation.queries import findable_classes, read_queries


class Labelled(NamedTuple):
    """The events of a sound, its likeliest label as a whole with its probability, and a table of the events."""

    events: list[Detection]
    label: str
    probability: float
    table: Path


def label(
    model: WindowClassifier, sound: Sound, shelf: Shelf, *, threshold: float | None = None, hop_s: float | None = None
) -> Labelled:
    """Label a sound of any length, as `auricle predict --events` does."""
    check_hop(model, hop_s)
    labels = FileLabels(model, sound.title, Selection.for_model(model, threshold=threshold, events=EventRule()))
    hop = hop_s or model.window / model.sample_rate
    total = int(audio.info(sound.path).duration_s / hop / batch_size(model)) + 1
    for starts, ends, windows in track(file_windows(model, sound.path, hop_s), "Labelling", total=total, show=False):
        labels.add(starts, ends, *run_model(model, windows))
    result = labels.finish()
    table = shelf.place(f"{sound.path.stem}-events.csv")
    write_table(table, result.detections, "csv", model.sample_rate / 2)
    return Labelled(result.detections, result.label, result.probability, table)


def enhance(model: PiecewiseEnhancer, sound: Sound, shelf: Shelf, name: str) -> Sound:
    """Reduce the noise in a sound of any length, as `auricle enhance` does; `name` is that of the model."""
    path = shelf.place(f"{sound.path.stem}-enhanced.wav")
    enhance_file(model, sound.path, path)
    return Sound(path, f"{sound.title}: {name}", sound.start_s)


class Separated(NamedTuple):
    """The sources of a sound by name, of which the last is the residual, and what was found when."""

    sources: dict[str, Sound]
    found: list[Detection]


def separate(
    model: Separator, sound: Sound, shelf: Shelf, classes: Sequence[str] = (), threshold: float = 0.2
) -> Separated:
    """Extract classes, or without any every class that is found, as `auricle separate` does."""
    queries = read_queries(model, classes, []) if classes else None
    if queries is None and not findable_classes(model):
        raise AuricleError("this separator does not find classes by itself: choose some")
    table = shelf.place(f"{sound.path.stem}.csv")
    separate_file(model, sound.path, table, queries, threshold, progress=False)
    rows = read_rows(table, COLUMNS)
    sources = {row["class"]: Sound(table.parent / row["file"], row["class"], sound.start_s) for row in rows}
    found = [
        Detection(sound.title, "", float(row["start_s"]), float(row["end_s"]), row["class"], float(row["probability"]))
        for row in rows
        if row["probability"]
    ]
    return Separated(sources, found)


def by_label(events: Sequence[Detection]) -> pd.DataFrame:
    """A row for each label: its events, their seconds in all, and their highest probability; the longest first."""
    table = pd.DataFrame(
        [(event.label, event.end_s - event.start_s, event.probability) for event in events],
        columns=["label", "seconds", "highest probability"],
    )
    grouped = table.groupby("label", as_index=False).agg(
        events=("seconds", "size"), seconds=("seconds", "sum"), highest=("highest probability", "max")
    )
    grouped = grouped.rename(columns={"highest": "highest probability"})
    return grouped.sort_values(["seconds", "label"], ascending=[False, True], ignore_index=True)
