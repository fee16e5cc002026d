"""Anchors: the segments of recordings most likely to contain a labelled sound, found by a detector or by energy.

Kong et al., 2023, "Universal source separation with weakly labelled data", section II.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from auricle import audio
from auricle.data.clip_store import ClipStore
from auricle.data.clips import Clip, unique_names
from auricle.data.windows import loudest_start
from auricle.errors import AuricleError
from auricle.files import write_rows
from auricle.identity import Store, key_of
from auricle.progress import track
from auricle.readers import read_table
from auricle.runs.provenance import run_digest
from auricle.systems.classifier.system import Classifier, probabilities

_COLUMNS = ("split", "clip", "label", "start_s")


@dataclass(frozen=True)
class Anchor:
    """A segment of the clip with index `clip` that represents class `label`; `start` is in samples of the store."""

    clip: int
    label: str
    start: int


def mine(
    store: ClipStore, n_samples: int, detector: Classifier | None = None, *, progress: bool = False
) -> list[Anchor]:
    """Find an anchor of `n_samples` for each label of each clip: by the `detector`, or the loudest segment.

    A clip without a label has none.
    """
    if detector is not None:
        _check(detector, store.clips)
    anchors = []
    for index, clip in track(enumerate(store.clips), "Mining anchors", total=len(store), show=progress):
        if not clip.labels:
            continue
        waveform = store.read(index)
        if detector is None:
            anchors += [Anchor(index, label, loudest_start(waveform, n_samples)) for label in clip.labels]
            continue
        frames = _frame_probabilities(detector, waveform, store.sample_rate)
        hop_s = detector.frontend.hop_length / detector.sample_rate
        width = 2 * round(n_samples / store.sample_rate / hop_s / 2) + 1
        for label in clip.labels:
            best = int(smoothed(frames[label], width).argmax())
            start = round(best * hop_s * store.sample_rate) - n_samples // 2
            anchors.append(Anchor(index, label, int(np.clip(start, 0, max(0, len(waveform) - n_samples)))))
    return anchors


def smoothed(values: np.ndarray, width: int) -> np.ndarray:
    """Moving average `(frames,)` over an odd `width` of frames, with edge padding."""
    padded = np.pad(values.astype(np.float64), width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), mode="valid")


def cached_anchors(
    folder: Path, store: ClipStore, n_samples: int, detector: str | None, find: Callable[[], list[Anchor]]
) -> list[Anchor]:
    """The anchors that `find` returns, cached in `folder` by clips, length and `detector` (a run folder)."""
    clips = [[clip.recording, clip.start_s, clip.end_s, list(clip.labels)] for clip in store.clips]
    key = key_of("anchors", store.sample_rate, n_samples, run_digest(detector) if detector else None, clips)
    return Store(folder, ".csv.gz").get(key, find, _write_cached, _read_cached)


def _write_cached(path: Path, anchors: Sequence[Anchor]) -> None:
    table = pd.DataFrame([astuple(anchor) for anchor in anchors], columns=["clip", "label", "start"])
    table.to_csv(path, index=False, lineterminator="\r\n", compression={"method": "gzip", "mtime": 0})


def _read_cached(path: Path) -> list[Anchor]:
    table = read_table(path, {"clip": int, "label": str, "start": int})
    return [Anchor(int(clip), label, int(start)) for clip, label, start in table.itertuples(index=False)]


def write_anchors(path: Path, splits: dict[str, tuple[ClipStore, Sequence[Anchor]]]) -> None:
    """Write a table of the anchors of each split: split, clip, label, start in seconds."""
    rows: list[tuple[str, str, str, str]] = []
    for split, (store, anchors) in splits.items():
        names, rate = unique_names(store.clips), store.sample_rate
        rows += [(split, names[a.clip], a.label, f"{a.start / rate:.6f}") for a in anchors]
    write_rows(path, _COLUMNS, rows)


def _check(detector: Classifier, clips: Sequence[Clip]) -> None:
    if not detector.detects:
        raise AuricleError("the detector decides on clips as a whole: train one with --head max or --head attention")
    known = {label for task in detector.tasks for label in task.labels}
    strange = sorted({label for clip in clips for label in clip.labels} - known)
    if strange:
        raise AuricleError(f"the detector does not know {strange[0]!r} and {len(strange) - 1} other labels of the data")


@torch.no_grad()
def _frame_probabilities(detector: Classifier, waveform: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
    """The detector's frame-wise probabilities `(frames,)` of each label for `waveform` `(time,)`."""
    resampled = torch.from_numpy(audio.resample(waveform, sample_rate, detector.sample_rate)).to(detector.device)
    logits = detector.detect(resampled[None])[1][0]
    found: dict[str, np.ndarray] = {}
    for task in detector.tasks:
        shares = probabilities(logits[:, detector.columns(task)], task.multi_label).cpu().numpy()
        found |= dict(zip(task.labels, shares.T, strict=True))
    return found
