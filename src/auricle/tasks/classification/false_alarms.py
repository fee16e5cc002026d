"""False alarms per hour of background, against the recall of the sounds, for every threshold.

A false alarm is an event (see `events`) in a recording without the sound, not a window: a label that is above its
threshold for a minute is one. Rates have the exact interval of a Poisson rate (Garwood, 1936), which has an upper bound
for no event too. Recall is the share of the labelled clips with a label in which an event of it begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from auricle.data.clips import Clip
from auricle.data.tasks import Task
from auricle.errors import duration_text
from auricle.metrics import Interval, bootstrap_weights, central_interval, hourly_rate
from auricle.metrics.signals import mean_interval
from auricle.progress import track
from auricle.reports import plots
from auricle.tasks.classification.background import Corrupt, outputs
from auricle.tasks.classification.events import EventRule, hysteresis
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import WindowClassifier

EVERY = "all labels"
LEVELS = 1 / (1 + np.exp(-np.linspace(-7, 7, 57)))
"""Thresholds of the curves: probabilities at even steps of the logit, from 0.0009 to 0.9991."""
LEAST_S = 600.0
"""Background that was not asked for, such as clips without a label, tells nothing if it is shorter."""
_AT_ONCE = 2_000_000  # comparisons held in memory


def too_little(hours: float, asked_for: bool) -> str:
    """What is said in place of rates that short background, unless it was `asked_for`, would not tell; else empty."""
    if asked_for or 3600 * hours >= LEAST_S:
        return ""
    heard = duration_text(3600 * hours)
    return f"false alarms: {heard} without the sounds are too little to measure them; give --background FOLDER"


class AlarmCounter:
    """Counts the events that begin, for several `thresholds` `(levels, labels)` at once, as probabilities arrive."""

    def __init__(self, thresholds: np.ndarray, rule: EventRule) -> None:
        self.thresholds = thresholds
        self.lows = rule.lows(thresholds)
        self.counts = np.zeros(thresholds.shape, dtype=np.int64)
        self.next_recording()

    def next_recording(self) -> None:
        """End what is on: no event lasts from one recording into another."""
        self._on = np.zeros(self.thresholds.shape, dtype=bool)

    def add(self, values: np.ndarray) -> None:
        """Add the probabilities `(n, labels)` of the next windows or frames."""
        size = max(1, _AT_ONCE // self.thresholds.size)
        for first in range(0, len(values), size):
            part = values[first : first + size, None]
            on = hysteresis(part >= self.thresholds, part >= self.lows, self._on)
            self.counts += (on & ~np.concatenate([self._on[None], on[:-1]])).sum(axis=0)
            self._on = on[-1]


@dataclass(frozen=True)
class Heard:
    """What a model made of background: `counts` of events `(levels, labels)`, and the time it listened to.

    `unknown` says which recordings are "unknown" as a whole; of their windows, `unknown_windows` are, of `n_windows`
    in all, each `(recordings,)`.
    """

    counts: np.ndarray
    hours: float
    unknown: np.ndarray
    unknown_windows: np.ndarray
    n_windows: np.ndarray

    def count(self, level: int, label: int | None = None) -> int:
        """Events of a label, or of all labels together, at one of the thresholds."""
        own = self.counts[level]
        return int(own.sum() if label is None else own[label])

    def rate(self, level: int, label: int | None = None) -> Interval:
        """These events per hour."""
        return hourly_rate(self.count(level, label), self.hours)

    def unknown_shares(self, seed: int = 0) -> dict[str, Interval]:
        """The shares of the `recordings` and of their `windows` that are "unknown", by bootstrap over recordings."""
        n_recordings = len(self.n_windows)
        drawn = bootstrap_weights(n_recordings, seed=seed) if n_recordings > 1 else np.zeros((0, 1))
        bounds = central_interval((drawn @ self.unknown_windows) / (drawn @ self.n_windows))
        share = float(self.unknown_windows.sum() / self.n_windows.sum())
        return {"recordings": mean_interval(self.unknown, seed=seed), "windows": Interval(share, *bounds)}


def listen(
    model: WindowClassifier,
    background: Sequence[Clip],
    task: Task,
    selection: Selection,
    thresholds: np.ndarray,
    *,
    corrupt: Corrupt | None = None,
    caption: str = "",
) -> Heard:
    """Count the events of `task` in `background` at `thresholds` `(levels, labels)`; memory is bounded."""
    counter = AlarmCounter(thresholds, selection.events or EventRule())
    unknown, unknown_windows, n_windows = [], [], []
    for clip in track(background, caption, total=len(background), show=bool(caption)):
        counter.next_recording()
        total, n_unknown, n_all = np.zeros((1, len(task.labels))), 0, 0
        for made in outputs(model, clip, task, corrupt):
            counter.add(selection.probabilities(task, made.steps))
            n_unknown += int(selection.is_unknown(task, selection.probabilities(task, made.windows)).sum())
            total += made.windows.sum(axis=0, dtype=np.float64)
            n_all += len(made.windows)
        whole = selection.probabilities(task, total / n_all)
        unknown.append(bool(selection.is_unknown(task, whole)[0]))
        unknown_windows.append(n_unknown)
        n_windows.append(n_all)
    hours = sum(clip.duration_s for clip in background) / 3600
    return Heard(counter.counts, hours, np.array(unknown), np.array(unknown_windows), np.array(n_windows))


def peaks(
    model: WindowClassifier, clips: Sequence[Clip], task: Task, selection: Selection, caption: str = ""
) -> np.ndarray:
    """The highest probability of each label in a window, or frame, of each clip: `(clips, labels)`."""

    def peak(clip: Clip) -> np.ndarray:
        each = [selection.probabilities(task, made.steps).max(axis=0) for made in outputs(model, clip, task)]
        return np.max(each, axis=0)

    rows = [peak(clip) for clip in track(clips, caption, total=len(clips), show=bool(caption))]
    return np.array(rows).reshape(len(rows), len(task.labels))


def threshold_levels(task: Task, selection: Selection) -> np.ndarray:
    """Thresholds `(1 + levels, labels)`: those of the selection, and below them `LEVELS` for every label."""
    return np.concatenate([selection.thresholds(task)[None], np.tile(LEVELS[:, None], len(task.labels))])


@dataclass(frozen=True)
class FalseAlarms:
    """False alarms in the background against the recall of labelled clips.

    The first row of `thresholds` `(1 + levels, labels)` is the one in use. `peaks` are those of the clips, and
    `present` says which labels they have, both `(clips, labels)`. `tells_unknown` says whether the answer "unknown" was
    counted, `asked_for` whether the background was given as such.
    """

    task: Task
    thresholds: np.ndarray
    heard: Heard
    peaks: np.ndarray
    present: np.ndarray
    tells_unknown: bool = False
    asked_for: bool = True

    def found(self, level: int, label: int | None = None) -> np.ndarray:
        """For each label of each clip (or for each clip with `label`), whether an event of it begins there."""
        found, present = self.peaks >= self.thresholds[level], self.present.astype(bool)
        return found[present] if label is None else found[present[:, label], label]

    def recall(self, level: int, label: int | None = None) -> float:
        found = self.found(level, label)
        return float(found.mean()) if len(found) else float("nan")

    @property
    def _labels(self) -> Iterable[tuple[str, int | None]]:
        return [(EVERY, None), *((label, index) for index, label in enumerate(self.task.labels))]

    def table(self) -> pd.DataFrame:
        """A row for each label, and for all together, at each threshold, first the one in use."""
        rows = []
        for name, label in self._labels:
            for level, thresholds in enumerate(self.thresholds):
                one = thresholds[0 if label is None else label]
                rate = self.heard.rate(level, label)
                rows.append(
                    {
                        "label": name,
                        "threshold": float("nan") if label is None and level == 0 else float(one),
                        "in_use": level == 0,
                        "events": self.heard.count(level, label),
                        "hours": self.heard.hours,
                        "per_hour": rate.value,
                        "low": rate.low,
                        "high": rate.high,
                        "recall": self.recall(level, label),
                        "n_clips": len(self.found(level, label)),
                    }
                )
        return pd.DataFrame(rows)

    def record(self, seed: int = 0) -> dict[str, Any]:
        """What results.json holds: rates and recall at the thresholds in use, and the curves."""
        labels, levels = {}, range(1, len(self.thresholds))
        for name, label in self._labels:
            found = self.found(0, label).astype(float)
            recall = mean_interval(found, seed=seed) if len(found) else Interval(*[float("nan")] * 3)
            labels[name] = {
                "threshold": None if label is None else float(self.thresholds[0, label]),
                "per_hour": asdict(self.heard.rate(0, label)),
                "recall": asdict(recall),
                "curve": {
                    "per_hour": [self.heard.count(level, label) / self.heard.hours for level in levels],
                    "recall": [self.recall(level, label) for level in levels],
                },
            }
        shares = self.heard.unknown_shares(seed) if self.tells_unknown else {}
        return {
            "hours": self.heard.hours,
            "unknown": {name: asdict(share) for name, share in shares.items()},
            "levels": self.thresholds[1:, 0].tolist(),
            "labels": labels,
        }

    def figure(self) -> Figure:
        """Recall against false alarms per hour, from the highest threshold to the lowest, and the point in use."""
        levels = range(len(self.thresholds) - 1, 0, -1)
        curves = {
            name: [(self.heard.count(level, label) / self.heard.hours, self.recall(level, label)) for level in levels]
            for name, label in self._labels
            if len(self.found(0, label))
        }
        return plots.recall_against_false_alarms(curves, (self.heard.rate(0).value, self.recall(0)))
