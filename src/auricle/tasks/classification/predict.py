"""`auricle predict`: labels for recordings of any length, window by window or as detected events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from auricle import audio
from auricle.data.windows import fit_length, windows_at_once
from auricle.errors import AuricleError
from auricle.reports.detections import SUFFIXES, check_format, write_table
from auricle.runs.journal import Outcome, each_file
from auricle.tasks.classification.collecting import FileLabels, FileResult
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import WindowClassifier


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
) -> FileResult:
    """Detections in one file and its label; `hop_s` is as in `file_logits`, and a detector ignores it."""
    labels = FileLabels(model, path, selection)
    if model.frame_s is None:
        for starts, ends, logits in file_logits(model, path, hop_s):
            labels.add(starts, ends, logits)
    else:
        for starts, ends, windows in file_windows(model, path, min_share=0.0):
            labels.add(starts, ends, *model.detect(windows))
    return labels.finish()


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
        result = predict_file(model, path, selection, hop_s)
        write_table(table, result.detections, table_format, audio.info(path).sample_rate / 2)
        return result.label, result.probability

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
