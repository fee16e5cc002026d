"""`auricle predict`: labels of recordings of any length, file by file."""

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
    """Which labels of a window are reported: the `top_k` likeliest, of those at `threshold` or above."""

    top_k: int
    threshold: float

    def chosen(self, values: np.ndarray) -> np.ndarray:
        """Which of the probabilities `(n, labels)` are reported, as `(n, labels)` of bool."""
        rank = np.argsort(np.argsort(-values, axis=1, kind="stable"), axis=1, kind="stable")
        return (rank < self.top_k) & (values >= self.threshold)

    @classmethod
    def usual(cls, model: WindowClassifier, top_k: int | None, threshold: float | None) -> Selection:
        """By default the likeliest label; where several may hold, all at 0.5 or above."""
        if top_k is not None and top_k < 1:
            raise AuricleError(f"top_k={top_k}: 1 or more")
        if threshold is not None and not 0 <= threshold <= 1:
            raise AuricleError(f"threshold={threshold:g} is not a probability")
        several = any(task.multi_label for task in model.tasks)
        n_labels = max(len(task.labels) for task in model.tasks)
        return cls(
            top_k if top_k is not None else (n_labels if several else 1),
            threshold if threshold is not None else (0.5 if several else 0.0),
        )


def check_hop(model: WindowClassifier, hop_s: float | None) -> None:
    """An `AuricleError` for a hop that is longer than the window, or not positive, or not a detector's own."""
    if hop_s is not None and model.frame_s is not None:
        raise AuricleError(f"a hop of {hop_s:g} s: a detector tells of every frame, leave out the hop")
    window_s = model.window / model.sample_rate
    if hop_s is not None and not 0 < hop_s <= window_s:
        raise AuricleError(f"a hop of {hop_s:g} s does not fit: more than 0 and at most the window's {window_s:g} s")


def file_logits(
    model: WindowClassifier, path: str | Path, hop_s: float | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Windows of a file in bounded memory: starts in s `(n,)`, ends in s `(n,)`, logits `(n, labels and extras)`.

    Windows start every `hop_s`, by default without overlap. A rest below half a window is left out unless it is all.
    """
    for starts, ends, windows in file_windows(model, path, hop_s):
        yield starts, ends, model.logits(windows)


def file_windows(
    model: WindowClassifier, path: str | Path, hop_s: float | None = None, least: float = 0.5
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Starts and ends in s `(n,)` of a file's windows, and their samples `(n, model.window)`, some at a time.

    A rest below the share `least` of a window is left out unless it is all.
    """
    window_s = model.window / model.sample_rate
    hop_s = window_s if hop_s is None else hop_s
    starts: list[Any] = []
    ends: list[Any] = []
    windows: list[Any] = []

    def collected() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        result = np.array(starts), np.array(ends), np.stack(windows)
        for pending in (starts, ends, windows):
            pending.clear()
        return result

    first = True
    for start_s, block in audio.blocks(path, block_s=window_s, hop_s=hop_s, sample_rate=model.sample_rate):
        if len(block) < least * model.window and not first:
            continue
        starts.append(start_s)
        ends.append(start_s + len(block) / model.sample_rate)
        windows.append(fit_length(block.astype(np.float32), model.window, model.short))
        first = False
        if len(windows) == windows_at_once(model.window):
            yield collected()
    if windows:
        yield collected()


def predict_file(
    model: WindowClassifier, path: str | Path, selection: Selection, hop_s: float | None = None
) -> tuple[list[Detection], str, float]:
    """Detections of one file, and the label (of the first task) that is likeliest over all windows."""
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
            for start_s, end_s, row, those, extra in zip(starts, ends, values, chosen, extras, strict=True):
                for index in np.argsort(-row, kind="stable")[: those.sum()]:
                    told = {name: float(value) for name, value in zip(model.extras, extra, strict=True)}
                    label, probability, times = task.labels[index], float(row[index]), (float(start_s), float(end_s))
                    detections.append(Detection(str(path), task.name, *times, label, probability, **told))
    return detections, *_likeliest(model, total / count)


def _likeliest(model: WindowClassifier, logits: np.ndarray) -> tuple[str, float]:
    """The first task's likeliest label and its probability by `logits` `(labels of all tasks,)`."""
    first = model.tasks[0]
    overall = probabilities(logits[columns(model.tasks, first)], first.multi_label)
    return first.labels[int(overall.argmax())], float(overall.max())


def _file_events(model: WindowClassifier, path: str | Path, selection: Selection) -> tuple[list[Detection], str, float]:
    """What `predict_file` gives of a detector: for each label its runs of frames that `selection` takes.

    Frame k stands for the time from k to k + 1 frames. A run's probability is that of its likeliest frame, and it may
    go on from one window into the next.
    """
    assert model.frame_s is not None
    logits: list[np.ndarray] = []
    events = [Events(str(path), task) for task in model.tasks]
    for starts, ends, windows in file_windows(model, path, least=0.0):
        clips, frames = model.detect(windows)
        logits.extend(clips)
        for start_s, end_s, rows in zip(starts, ends, frames, strict=True):
            n_frames = min(len(rows), math.ceil((end_s - start_s) / model.frame_s - 1e-6))
            times = np.append(start_s + model.frame_s * np.arange(n_frames), end_s)
            for task, of_task in zip(model.tasks, events, strict=True):
                values = probabilities(rows[:n_frames, columns(model.tasks, task)], task.multi_label)
                of_task.add(times, values, selection.chosen(values))
    detections = sorted((event for of_task in events for event in of_task.close()), key=lambda event: event.start_s)
    return detections, *_likeliest(model, np.mean(logits, axis=0))


class Events:
    """Runs of frames in which a label of `task` was chosen, of consecutive pieces of a file."""

    def __init__(self, file: str, task: Task) -> None:
        self.file = file
        self.task = task
        self._done: list[Detection] = []
        self._open: dict[int, Detection] = {}

    def add(self, times: np.ndarray, values: np.ndarray, chosen: np.ndarray) -> None:
        """The next frames: their borders in s `(frames + 1,)`, probabilities and split_options `(frames, labels)`."""
        for index in sorted({*self._open, *np.flatnonzero(chosen.any(axis=0))}):
            changes = np.flatnonzero(np.diff(chosen[:, index].astype(int), prepend=0, append=0))
            for first, beyond in changes.reshape(-1, 2):
                peak = float(values[first:beyond, index].max())
                before = self._open.pop(index, None)
                if before is not None and first == 0:
                    run = replace(before, end_s=float(times[beyond]), probability=max(before.probability, peak))
                else:
                    self._done += [before] if before is not None else []
                    label = self.task.labels[index]
                    run = Detection(self.file, self.task.name, float(times[first]), float(times[beyond]), label, peak)
                self._open[index] = run
            if index in self._open and not chosen[-1, index]:
                self._done.append(self._open.pop(index))

    def close(self) -> list[Detection]:
        """All runs."""
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
    """A table for each file below `output`, as `each_file`; each file's likeliest label and its probability."""
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
        of_another="tables of another model or of other options",
        suffix=SUFFIXES[table_format],
        caption="Labelling files",
        overwrite=overwrite,
        progress=progress,
    )
