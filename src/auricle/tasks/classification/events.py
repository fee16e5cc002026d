"""Events: stretches of time with a label, from the probabilities of consecutive windows or frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from auricle.config import require
from auricle.data.tasks import Task
from auricle.reports.detections import Detection

TOUCHING_S = 1e-6  # times closer than this are the same
LOW_SHARE = 0.5


@dataclass(frozen=True)
class EventRule:
    """When an event begins and ends: by a double threshold, after Dinkel and Yu (2020, arXiv:1904.03841).

    An event begins where a label reaches its threshold and goes on while its probability is at least `low` (by default
    half of the threshold). Of the events of a label, those with a gap of at most `gap_s` seconds between them become
    one, and what is then shorter than `min_s` seconds is left out. Raises `AuricleError` for other than such values.
    """

    low: float | None = None
    gap_s: float = 0.0
    min_s: float = 0.0

    def __post_init__(self) -> None:
        require(self.low is None or 0 <= self.low <= 1, f"event_low={self.low}: a probability, from 0 to 1")
        require(0 <= self.gap_s < float("inf"), f"event_gap_s={self.gap_s:g}: seconds, 0 or more")
        require(0 <= self.min_s < float("inf"), f"event_min_s={self.min_s:g}: seconds, 0 or more")

    def lows(self, thresholds: np.ndarray) -> np.ndarray:
        """The lower threshold that belongs to each of `thresholds`, and is never above it."""
        return LOW_SHARE * thresholds if self.low is None else np.minimum(self.low, thresholds)


def hysteresis(begins: np.ndarray, goes_on: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Where events are on: `(n, …)` bool, from where they begin and go on, `(n, …)`, and the state `before`, `(…)`."""
    decided = begins | ~goes_on
    places = np.arange(len(begins)).reshape(-1, *[1] * (begins.ndim - 1))
    last = np.maximum.accumulate(np.where(decided, places, -1), axis=0)
    return np.where(last >= 0, np.take_along_axis(begins, last.clip(0), axis=0), before)


class Events:
    """Collects the events of `task` in a file, from consecutive windows or frames in the order of their starts.

    Windows may overlap. An event lasts from the start of its first window to the end of its last, and its probability
    is the highest of its windows.
    """

    def __init__(self, file: str, task: Task, rule: EventRule) -> None:
        self.file = file
        self.task = task
        self.rule = rule
        self._events: list[list[Detection]] = [[] for _ in task.labels]
        self._on = np.zeros(len(task.labels), dtype=bool)

    def add(
        self, starts: np.ndarray, ends: np.ndarray, values: np.ndarray, begins: np.ndarray, goes_on: np.ndarray
    ) -> None:
        """Add windows: starts and ends in s `(n,)`; probabilities, and where events begin and go on, `(n, labels)`."""
        if len(starts) == 0:
            return
        on = hysteresis(begins, goes_on, self._on)
        self._on = on[-1]
        for index in np.flatnonzero(on.any(axis=0)):
            changes = np.flatnonzero(np.diff(on[:, index].astype(int), prepend=0, append=0))
            for first, after in changes.reshape(-1, 2):
                peak = float(values[first:after, index].max())
                self._append(int(index), float(starts[first]), float(ends[after - 1]), peak)

    def _append(self, index: int, start_s: float, end_s: float, probability: float) -> None:
        """Add a stretch of windows, or lengthen the label's last event by it."""
        own = self._events[index]
        if own and start_s - own[-1].end_s <= self.rule.gap_s + TOUCHING_S:
            highest = max(own[-1].probability, probability)
            own[-1] = replace(own[-1], end_s=max(own[-1].end_s, end_s), probability=highest)
        else:
            label = self.task.labels[index]
            own.append(Detection(self.file, self.task.name, start_s, end_s, label, probability))

    def close(self) -> list[Detection]:
        """The events of all labels that last long enough, label by label."""
        least_s = self.rule.min_s - TOUCHING_S
        return [event for own in self._events for event in own if event.end_s - event.start_s >= least_s]
