"""Background: recordings without any of a model's sounds, and a model's outputs for recordings of any length."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from auricle import audio
from auricle.config import DataOptions
from auricle.data.clips import Clip
from auricle.data.labels import listable
from auricle.data.manifest_file import csv_records
from auricle.data.reading import read_unlabelled
from auricle.data.tasks import Task, columns
from auricle.data.windows import fit_length, whole_windows, windows_at_once
from auricle.errors import AuricleError
from auricle.runs.clips import clips_trained_on
from auricle.tasks.classification.window_classifiers import WindowClassifier

STRETCH_S = 60.0
"""What is read, and corrupted, at once of a long recording."""

Corrupt = Callable[[np.ndarray, str], np.ndarray]
"""From samples `(time,)` and the name of a stretch of a recording to its corrupted version."""


class Outputs(NamedTuple):
    """Logits of consecutive windows, `(windows, labels)`, and of what events consist of: frames or these windows."""

    windows: np.ndarray
    steps: np.ndarray


def read_background(
    source: str | None, task: Task, run: str | Path | None, options: DataOptions, negatives: Sequence[Clip] = ()
) -> tuple[Clip, ...]:
    """The recordings of a folder or manifest, and after them `negatives`, clips of labelled data without a label.

    Raises `AuricleError` for recordings that have a label of `task`, and for those that `run` was trained on.
    """
    clips: tuple[Clip, ...] = ()
    if source is not None:
        _refuse_labels(Path(source), task, options.label_column)
        found = read_unlabelled(source, "", dataclasses.replace(options, group_column=None))
        clips = tuple(dataclasses.replace(clip, labels=()) for clip in found)
        if heard := clips_trained_on(run, clips):
            raise AuricleError(
                f"--background {source}: {run} was trained on {len(heard)} of its {len(clips)} recordings, first "
                f"{heard[0].name}; give recordings that it was not trained on"
            )
    return (*clips, *negatives)


def _refuse_labels(source: Path, task: Task, column: str) -> None:
    """Raise `AuricleError` if the manifest, or a folder of class folders, has a label of `task`."""
    manifest = source / "manifest.csv" if source.is_dir() else source
    if manifest.is_file():
        cells = [record.get(column, "") for record in csv_records(manifest)]
        named = {label.strip() for cell in cells for label in cell.split(";")}
    else:
        named = {path.name for path in source.iterdir() if path.is_dir()} if source.is_dir() else set()
    known = sorted(named & set(task.labels))
    if known:
        raise AuricleError(
            f"{source}: recordings of {', '.join(map(listable, known[:5]))}: the background is without the sounds that "
            "the model knows"
        )


def outputs(model: WindowClassifier, clip: Clip, task: Task, corrupt: Corrupt | None = None) -> Iterator[Outputs]:
    """The model's logits of `task` for a clip of any length, in batches of consecutive windows.

    A remainder is used as by `auricle predict`. `corrupt` is applied to a minute at a time. Raises `AuricleError` where
    an output is not finite.
    """
    own = columns(model.tasks, task)
    for start_s, windows, n_samples in _windows(model, clip, corrupt):
        if model.frame_s is None:
            logits = model.logits(windows)[:, own]
            made = Outputs(logits, logits)
        else:
            clips, frames = model.detect(windows)
            period = model.frame_s * model.sample_rate
            lengths = np.clip(n_samples - model.window * np.arange(len(windows)), 0, model.window)
            heard = [rows[: int(np.ceil(n / period - 1e-6)), own] for rows, n in zip(frames, lengths, strict=True)]
            made = Outputs(clips[:, own], np.concatenate(heard))
        if not all(np.isfinite(values).all() for values in made):
            raise AuricleError(f"{clip.name}: the model's output is not finite after {start_s:g} s")
        yield made


def _windows(model: WindowClassifier, clip: Clip, corrupt: Corrupt | None) -> Iterator[tuple[float, np.ndarray, int]]:
    """Batches of windows: their start in s, samples `(n, window)`, and the number of samples that are no padding."""
    rate, window = model.sample_rate, model.window
    per_stretch = max(1, round(STRETCH_S * rate / window))
    stretch_s = per_stretch * window / rate
    parts = audio.blocks(
        clip.path, block_s=stretch_s, hop_s=stretch_s, sample_rate=rate, start_s=clip.start_s, end_s=clip.end_s
    )
    for start_s, block in parts:
        if start_s > 0 and model.frame_s is None and 2 * len(block) < window:
            continue
        samples = block.astype(np.float32)
        if corrupt is not None:
            samples = corrupt(samples, f"{clip.name}@{start_s:g}").astype(np.float32)
        short = model.short if start_s == 0 and len(samples) < window else "pad"
        if model.frame_s is None:
            whole = whole_windows(samples, window, short)
        else:
            whole = fit_length(samples, -(-len(samples) // window) * window, short)
        windows = whole.reshape(-1, window)
        at_once = windows_at_once(window)
        for first in range(0, len(windows), at_once):
            left = len(samples) - first * window
            yield start_s + first * window / rate, windows[first : first + at_once], left
