"""From the logits of a file's windows to its detections and the label of the whole file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from auricle.data.tasks import columns
from auricle.errors import AuricleError
from auricle.reports.detections import Detection
from auricle.tasks.classification.events import EventRule, Events
from auricle.tasks.classification.selection import UNKNOWN, Selection
from auricle.tasks.classification.window_classifiers import WindowClassifier


class FileResult(NamedTuple):
    """The detections in a file, and the first task's most probable label for the whole file with its probability.

    An "unknown" has the probability of the likeliest label.
    """

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
        self._events = [Events(self.path, task, selection.events or EventRule()) for task in model.tasks]

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
                f"{self.path}: the model's output is not finite from {starts[first]:g} to {ends[first]:g} s"
            )
        self._total += logits[:, : len(self._total)].sum(axis=0, dtype=np.float64)
        self._count += len(logits)
        if frames is not None:
            self._add_frames(starts, ends, frames)
        elif self.selection.events is not None:
            self._add_to_events(starts, ends, logits)
        else:
            self._add_windows(starts, ends, logits)

    def finish(self) -> FileResult:
        """The result for the whole file; call it once, after at least one window."""
        events = [event for collected in self._events for event in collected.close()]
        detections = self._detections + sorted(events, key=lambda event: event.start_s)
        first = self.model.tasks[0]
        logits = self._total[columns(self.model.tasks, first)] / self._count
        overall = self.selection.probabilities(first, logits[None])
        unknown = self.selection.is_unknown(first, overall)[0]
        return FileResult(detections, UNKNOWN if unknown else first.labels[int(overall.argmax())], float(overall.max()))

    def _add_windows(self, starts: np.ndarray, ends: np.ndarray, logits: np.ndarray) -> None:
        model = self.model
        extras = logits[:, len(logits.T) - len(model.extras) :]
        for task in model.tasks:
            values = self.selection.probabilities(task, logits[:, columns(model.tasks, task)])
            for window, answers in enumerate(self.selection.answers(task, values)):
                estimates: dict[str, Any] = dict(zip(model.extras, map(float, extras[window]), strict=True))
                place = self.path, task.name, float(starts[window]), float(ends[window])
                self._detections += [Detection(*place, *answer, **estimates) for answer in answers]

    def _add_frames(self, starts: np.ndarray, ends: np.ndarray, frames: np.ndarray) -> None:
        """Add each window's frames, which cover it from its start to its end; frame k lasts from k to k + 1 periods."""
        frame_s = self.model.frame_s
        assert frame_s is not None
        for start_s, end_s, rows in zip(starts, ends, frames, strict=True):
            n_frames = min(len(rows), math.ceil((end_s - start_s) / frame_s - 1e-6))
            times = np.append(start_s + frame_s * np.arange(n_frames), end_s)
            self._add_to_events(times[:-1], times[1:], rows[:n_frames])

    def _add_to_events(self, starts: np.ndarray, ends: np.ndarray, logits: np.ndarray) -> None:
        """Add windows or frames to the events; where no rule is given, an event lasts while it could begin."""
        rule = self.selection.events
        for task, events in zip(self.model.tasks, self._events, strict=True):
            values = self.selection.probabilities(task, logits[:, columns(self.model.tasks, task)])
            begins = self.selection.chosen(task, values)
            goes_on = begins if rule is None else values >= rule.lows(self.selection.thresholds(task))
            events.add(starts, ends, values, begins, goes_on)
