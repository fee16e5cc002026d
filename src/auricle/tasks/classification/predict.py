"""`auricle predict`: labels for recordings of any length, window by window or as detected events."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from auricle import audio
from auricle.data.tasks import Task
from auricle.data.windows import fit_length, windows_at_once
from auricle.errors import AuricleError
from auricle.reports.detections import SUFFIXES, Detection, check_format, write_table
from auricle.runs.journal import Outcome, each_file
from auricle.tasks.classification.window_classifiers import WindowClassifier, columns, probabilities


@dataclass(frozen=True)
class Selection:
    """Which labels are reported: the `top_k` most probable of those with a probability of at least `threshold`."""

    top_k: int
    threshold: float

    def chosen(self, values: np.ndarray) -> np.ndarray:
        """Boolean mask `(n, labels)` of the reported labels, for probabilities `(n, labels)`."""
        rank = np.argsort(np.argsort(-values, axis=1, kind="stable"), axis=1, kind="stable")
        return (rank < self.top_k) & (values >= self.threshold)

    @classmethod
    def for_model(cls, model: WindowClassifier, top_k: int | None, threshold: float | None) -> Selection:
        """The selection for `model`; None means the most probable label, or for multi-label all of at least 0.5.
        Raises `AuricleError` for a `top_k` below 1 and a `threshold` outside [0, 1].
        """
        if top_k is not None and top_k < 1:
            raise AuricleError(f"top_k={top_k}: it should be 1 or more")
        if threshold is not None and not 0 <= threshold <= 1:
            raise AuricleError(f"threshold={threshold:g}: it should be a probability, from 0 to 1")
        multi_label = any(task.multi_label for task in model.tasks)
        n_labels = max(len(task.labels) for task in model.tasks)
        return cls(
            top_k if top_k is not None else (n_labels if multi_label else 1),
            threshold if threshold is not None else (0.5 if multi_label else 0.0),
        )


def check_hop(model: WindowClassifier, hop_s: float | None) -> None:
    """Raise `AuricleError` for a hop that is not positive or exceeds the window, and for any hop with a detector."""
    if hop_s is not None and model.frame_s is not None:
        raise AuricleError(f"a hop of {hop_s:g} s: a detector reports every frame, leave out the hop")
    window_s = model.window / model.sample_rate
    if hop_s is not None and not 0 < hop_s <= window_s:
        raise AuricleError(f"a hop of {hop_s:g} s: it should be above 0 and at most the window of {window_s:g} s")


def file_logits(
    model: WindowClassifier, path: str | Path, hop_s: float | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Iterate over batches of a file's windows: starts in s `(n,)`, ends in s `(n,)`, logits `(n, labels + extras)`.

    Windows start every `hop_s` seconds, by default without overlap. A last window of less than half a window is left
    out unless it is the only one. Memory is bounded.
    """
    for starts, ends, windows in file_windows(model, path, hop_s):
        yield starts, ends, model.logits(windows)


def file_windows(
    model: WindowClassifier, path: str | Path, hop_s: float | None = None, min_share: float = 0.5
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Iterate over batches of a file's windows: starts and ends in s `(n,)`, and samples `(n, model.window)`.

    The last window is dropped if less than `min_share` of it is filled, unless it is the only one; otherwise it is
    lengthened to `model.window` samples.
    """
    window_s = model.window / model.sample_rate
    hop_s = window_s if hop_s is None else hop_s
    starts: list[Any] = []
    ends: list[Any] = []
    windows: list[Any] = []

    def take_batch() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        batch = np.array(starts), np.array(ends), np.stack(windows)
        for values in (starts, ends, windows):
            values.clear()
        return batch

    first = True
    for start_s, block in audio.blocks(path, block_s=window_s, hop_s=hop_s, sample_rate=model.sample_rate):
        if len(block) < min_share * model.window and not first:
            continue
        starts.append(start_s)
        ends.append(start_s + len(block) / model.sample_rate)
        windows.append(fit_length(block.astype(np.float32), model.window, model.short))
        first = False
        if len(windows) == windows_at_once(model.window):
            yield take_batch()
    if windows:
        yield take_batch()


def predict_file(
    model: WindowClassifier, path: str | Path, selection: Selection, hop_s: float | None = None
) -> tuple[list[Detection], str, float]:
    """Detections in one file, and the first task's most probable label for the whole file with its probability.

    The label for the whole file is that of the logits averaged over windows. `hop_s` is as in `file_logits`; a detector
    ignores it.
    """
    if model.frame_s is not None:
        return _file_events(model, path, selection)
    detections: list[Detection] = []
    total, count = np.zeros(0), 0
    for starts, ends, logits in file_logits(model, path, hop_s):
        total = logits.sum(axis=0) + (total if count else 0.0)
        count += len(logits)
        extras = logits[:, len(logits.T) - len(model.extras) :]
        for task in model.tasks:
            values = probabilities(logits[:, columns(model.tasks, task)], task.multi_label)
            chosen = selection.chosen(values)
            for start_s, end_s, row, mask, extra in zip(starts, ends, values, chosen, extras, strict=True):
                for index in np.argsort(-row, kind="stable")[: mask.sum()]:
                    estimates = {name: float(value) for name, value in zip(model.extras, extra, strict=True)}
                    label, probability, times = task.labels[index], float(row[index]), (float(start_s), float(end_s))
                    detections.append(Detection(str(path), task.name, *times, label, probability, **estimates))
    return detections, *_likeliest(model, total / count)


def _likeliest(model: WindowClassifier, logits: np.ndarray) -> tuple[str, float]:
    """The first task's most probable label and its probability, from logits `(labels of all tasks + extras,)`."""
    first = model.tasks[0]
    overall = probabilities(logits[columns(model.tasks, first)], first.multi_label)
    return first.labels[int(overall.argmax())], float(overall.max())


def _file_events(model: WindowClassifier, path: str | Path, selection: Selection) -> tuple[list[Detection], str, float]:
    """`predict_file` for a detector: an event is a sequence of consecutive frames in which `selection` has the label.

    Frame k covers the time from k to k + 1 frame periods. An event's probability is the highest of its frames. Events
    may continue from one window into the next.
    """
    assert model.frame_s is not None
    logits: list[np.ndarray] = []
    trackers = [Events(str(path), task) for task in model.tasks]
    for starts, ends, windows in file_windows(model, path, min_share=0.0):
        clips, frames = model.detect(windows)
        logits.extend(clips)
        for start_s, end_s, rows in zip(starts, ends, frames, strict=True):
            n_frames = min(len(rows), math.ceil((end_s - start_s) / model.frame_s - 1e-6))
            times = np.append(start_s + model.frame_s * np.arange(n_frames), end_s)
            for task, tracker in zip(model.tasks, trackers, strict=True):
                values = probabilities(rows[:n_frames, columns(model.tasks, task)], task.multi_label)
                tracker.add(times, values, selection.chosen(values))
    detections = sorted((event for tracker in trackers for event in tracker.close()), key=lambda event: event.start_s)
    return detections, *_likeliest(model, np.mean(logits, axis=0))


class Events:
    """Collects the events of `task` in a file: consecutive frames with a label, across consecutive windows."""

    def __init__(self, file: str, task: Task) -> None:
        self.file = file
        self.task = task
        self._done: list[Detection] = []
        self._open: dict[int, Detection] = {}

    def add(self, times: np.ndarray, values: np.ndarray, chosen: np.ndarray) -> None:
        """Add frames: their boundaries in s `(frames + 1,)`, probabilities and selected labels `(frames, labels)`."""
        for index in sorted({*self._open, *np.flatnonzero(chosen.any(axis=0))}):
            changes = np.flatnonzero(np.diff(chosen[:, index].astype(int), prepend=0, append=0))
            for first, end in changes.reshape(-1, 2):
                peak = float(values[first:end, index].max())
                previous = self._open.pop(index, None)
                if previous is not None and first == 0:
                    event = replace(previous, end_s=float(times[end]), probability=max(previous.probability, peak))
                else:
                    self._done += [previous] if previous is not None else []
                    label = self.task.labels[index]
                    event = Detection(self.file, self.task.name, float(times[first]), float(times[end]), label, peak)
                self._open[index] = event
            if index in self._open and not chosen[-1, index]:
                self._done.append(self._open.pop(index))

    def close(self) -> list[Detection]:
        """End the open events and return all events."""
        self._done += self._open.values()
        self._open = {}
        return self._done


def predict_files(
    model: WindowClassifier,
    files: Sequence[str],
    output: Path,
    *,
    table_format: str = "csv",
    hop_s: float | None = None,
    selection: Selection,
    overwrite: bool = False,
    progress: bool = True,
) -> list[Outcome[tuple[str, float]]]:
    """Write a table for each sound file to `output` (see `each_file`).

    Results are (most probable label, its probability). `table_format` is "csv", "audacity" or "raven". Files whose
    tables exist already are skipped unless `overwrite`.
    """
    check_format(table_format)
    check_hop(model, hop_s)
    settings = {"weights": model.digest, "format": table_format, "hop_s": hop_s, **asdict(selection)}

    def work(path: Path, table: Path) -> tuple[str, float]:
        detections, label, probability = predict_file(model, path, selection, hop_s)
        write_table(table, detections, table_format, audio.info(path).sample_rate / 2)
        return label, probability

    return each_file(
        files,
        output,
        settings,
        work,
        conflict="tables of another model or of other options",
        suffix=SUFFIXES[table_format],
        caption="Labelling files",
        overwrite=overwrite,
        progress=progress,
    )
