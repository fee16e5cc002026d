"""From recordings to batches of windows, and from windows to logits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from auricle import audio
from auricle.data.windows import fit_length, windows_at_once
from auricle.errors import AuricleError
from auricle.tasks.classification.window_classifiers import TakesWindows, WindowClassifier

_SHARE = 0.5
_MAX_WINDOWS, _MAX_SAMPLES = 16, 2**18  # of a batch on a CPU, which gains nothing from more


def check_hop(model: TakesWindows, hop_s: float | None) -> None:
    """Raise `AuricleError` for a hop of less than a sample or more than the window, and for any hop with a detector."""
    if hop_s is not None and model.frame_s is not None:
        raise AuricleError(f"a hop of {hop_s:g} s: a detector reports every frame, leave out the hop")
    window_s = model.window / model.sample_rate
    if hop_s is not None and not 0 < hop_s <= window_s:
        raise AuricleError(f"a hop of {hop_s:g} s: it should be above 0 and at most the window of {window_s:g} s")
    if hop_s is not None and round(hop_s * model.sample_rate) == 0:
        raise AuricleError(f"a hop of {hop_s:g} s: less than a sample at {model.sample_rate} Hz")


def batch_size(model: TakesWindows) -> int:
    """The number of windows that `run_model` gives to a model at a time: it depends on the model alone."""
    size = getattr(model, "batch_size", None)
    return size or max(1, min(_MAX_WINDOWS, _MAX_SAMPLES // model.window, windows_at_once(model.window)))


def full_batch(model: TakesWindows, windows: np.ndarray) -> np.ndarray:
    """`windows` `(n, window)`, to which silent ones are added: `(batch_size(model), window)`.

    With batches of one size, a window's result does not depend on the windows beside it, as libraries choose how to
    compute by size.
    """
    missing = batch_size(model) - len(windows)
    return np.pad(windows, ((0, missing), (0, 0))) if missing else windows


def run_model(model: WindowClassifier, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Logits of up to `batch_size(model)` windows `(n, window)`, and for a detector those of their frames."""
    batch = full_batch(model, windows)
    if model.frame_s is None:
        return model.logits(batch)[: len(windows)], None
    clips, frames = model.detect(batch)
    return clips[: len(windows)], frames[: len(windows)]


def file_windows(
    model: TakesWindows, path: str | Path, hop_s: float | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Iterate over batches of a file's windows: starts and ends in s `(n,)`, and samples `(n, model.window)`.

    Windows start every `hop_s` seconds, by default without overlap; a detector ignores `hop_s`. A last window that is
    not full is lengthened, but left out if it is the second or later and, unless the model is a detector, less than
    half full. Batches have `batch_size(model)` windows, the last one maybe fewer.
    """
    if model.frame_s is not None:
        hop_s = None
    min_share = _SHARE if model.frame_s is None else 0.0
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
        windows.append(fit_length(block.astype(np.float32), model.window, model.short if first else "pad"))
        first = False
        if len(windows) == batch_size(model):
            yield take_batch()
    if windows:
        yield take_batch()
