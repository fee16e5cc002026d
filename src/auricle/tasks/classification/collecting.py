"""From the logits of a file's windows to its detections and the label of the whole file."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.reports.detections import Detection
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import WindowClassifier, columns, probabilities


class FileResult(NamedTuple):
    """The detections in a file, and the first task's most probable label for the whole file with its probability."""

    detections: list[Detection]
    label: str
    probability: float


class FileLabels:
    """Collects what a model says about one file, from consecutive batches of its windows.

    The label of the whole file is that of the logits averaged over windows. Batches may be divided at any window.
    """

    def __init__(self, model: WindowClassifier, path: str | Path, selection: Selection) -> None:
        self.model = model
        self.path = str(path)
        self.selection = selection
        self._detections: list[Detection] = []
        self._total = np.zeros(sum(len(task.labels) for task in model.tasks))
        self._count = 0
        self._events = [Events(self.path, task) for task in model.tasks]

    def add(self, starts: np.ndarray, ends: np.ndarray, logits: np.ndarray, frames: np.ndarray | None = None) -> None:
        """Add the next windows: starts and ends in s `(n,)`, and logits `(n, labels of all tasks + extras)`.

        A detector's windows also have `frames`, logits `(n, frames, labels of all tasks)`. Raises `AuricleError` for
        values that are not finite.
        """
        finite = np.isfinite(logits).all(axis=1)
        if frames is not None:
            finite &= np.isfinite(frames).all(axis=(1, 2))
        if not finite.all():
            first = int(np.argmin(finite))
            raise AuricleError(
                f"{self.path}: the model's output is not a number from {starts[first]:g} to {ends[first]:g} s"
            )
        self._total += logits[:, : len(self._total)].sum(axis=0, dtype=np.float64)
        self._count += len(logits)
        if frames is None:
            self._add_windows(starts, ends, logits)
        else:
            self._add_frames(starts, ends, frames)

    def finish(self) -> FileResult:
        """The result for the whole file; call it once, after at least one window."""
        events = [event for tracker in self._events for event in tracker.close()]
        detections = self._detections + sorted(events, key=lambda event: event.start_s)
        first = self.model.tasks[0]
        logits = self._total[columns(self.model.tasks, first)] / self._count
        overall = probabilities(logits, first.multi_label)
        return FileResult(detections, first.labels[int(overall.argmax())], float(overall.max()))

    def _add_windows(self, starts: np.ndarray, ends: np.ndarray, logits: np.ndarray) -> None:
        model = self.model
        extras = logits[:, len(logits.T) - len(model.extras) :]
        for task in model.tasks:
            values = probabilities(logits[:, columns(model.tasks, task)], task.multi_label)
            chosen = self.selection.chosen(values)
            for start_s, end_s, row, mask, extra in zip(starts, ends, values, chosen, extras, strict=True):
                for index in np.argsort(-row, kind="stable")[: mask.sum()]:
                    estimates = {name: float(value) for name, value in zip(model.extras, extra, strict=True)}
                    label, probability, times = task.labels[index], float(row[index]), (float(start_s), float(end_s))
                    self._detections.append(Detection(self.path, task.name, *times, label, probability, **estimates))

    def _add_frames(self, starts: np.ndarray, ends: np.ndarray, frames: np.ndarray) -> None:
        """An event is a sequence of consecutive frames in which `selection` has the label.

        Frame k covers the time from k to k + 1 frame periods. An event's probability is the highest of its frames.
        Events may continue from one window into the next.
        """
        frame_s = self.model.frame_s
        assert frame_s is not None
        for start_s, end_s, rows in zip(starts, ends, frames, strict=True):
            n_frames = min(len(rows), math.ceil((end_s - start_s) / frame_s - 1e-6))
            times = np.append(start_s + frame_s * np.arange(n_frames), end_s)
            for task, tracker in zip(self.model.tasks, self._events, strict=True):
                values = probabilities(rows[:n_frames, columns(self.model.tasks, task)], task.multi_label)
                tracker.add(times, values, self.selection.chosen(values))


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
