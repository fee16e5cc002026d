"""`auricle predict`: labels of recordings of any length, file by file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from auricle import audio
from auricle.data.windows import fit_length
from auricle.errors import AuricleError
from auricle.inference.tables import SUFFIXES, Detection, check_format, write_table
from auricle.progress import track
from auricle.runs import write_json
from auricle.systems.classifier import WINDOWS_AT_ONCE, Classifier, evaluating, probabilities
from auricle.systems.system import WEIGHTS

SETTINGS = "settings.json"


@dataclass(frozen=True)
class Selection:
    """Which labels of a window are reported: the `top_k` likeliest, of those at `threshold` or above."""

    top_k: int
    threshold: float

    @classmethod
    def usual(cls, model: Classifier, top_k: int | None, threshold: float | None) -> Selection:
        """By default the likeliest label; where several may hold, all at 0.5 or above."""
        several = any(task.multi_label for task in model.tasks)
        n_labels = max(len(task.labels) for task in model.tasks)
        return cls(
            top_k if top_k is not None else (n_labels if several else 1),
            threshold if threshold is not None else (0.5 if several else 0.0),
        )


@dataclass
class FileResult:
    """One file's table and its likeliest label over all windows, or why there is none."""

    file: str
    table: Path | None = None
    label: str = ""
    probability: float = 0.0
    error: str = ""


@torch.no_grad()
def window_probabilities(
    model: Classifier, path: str | Path, hop_s: float | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Windows of a file in bounded memory: (starts in s (n,), ends in s (n,), logits (n, labels of all tasks)).

    Windows start every `hop_s`, by default without overlap. A rest below half a window is left out unless it is all.
    """
    window_s = model.window / model.sample_rate
    hop_s = window_s if hop_s is None else hop_s
    if not 0 < hop_s <= window_s:
        raise AuricleError(f"a hop of {hop_s:g} s does not fit: more than 0 and at most the window's {window_s:g} s")
    starts: list[Any] = []
    ends: list[Any] = []
    windows: list[Any] = []

    def classified() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        logits = model(torch.from_numpy(np.stack(windows)).to(model.device)).cpu().numpy()
        result = np.array(starts), np.array(ends), logits
        for pending in (starts, ends, windows):
            pending.clear()
        return result

    with evaluating(model):
        any_before = False
        for start_s, block in audio.blocks(path, block_s=window_s, hop_s=hop_s, sample_rate=model.sample_rate):
            if len(block) < model.window and 2 * len(block) < model.window and any_before:
                continue
            starts.append(start_s)
            ends.append(start_s + len(block) / model.sample_rate)
            windows.append(fit_length(block.astype(np.float32), model.window, model.short))
            any_before = True
            if len(windows) == WINDOWS_AT_ONCE:
                yield classified()
        if windows:
            yield classified()


def predict_file(
    model: Classifier, path: str | Path, selection: Selection, hop_s: float | None = None
) -> tuple[list[Detection], str, float]:
    """Detections of one file, and the label (of the first task) that is likeliest over all windows."""
    detections: list[Detection] = []
    total, count = np.zeros(0), 0
    for starts, ends, logits in window_probabilities(model, path, hop_s):
        total = logits.sum(axis=0) + (total if count else 0.0)
        count += len(logits)
        for task in model.tasks:
            values = probabilities(torch.from_numpy(logits[:, model.columns(task)]), task.multi_label).numpy()
            for start_s, end_s, row in zip(starts, ends, values, strict=True):
                for index in np.argsort(-row, kind="stable")[: selection.top_k]:
                    if row[index] >= selection.threshold:
                        detections.append(
                            Detection(
                                str(path),
                                task.name,
                                float(start_s),
                                float(end_s),
                                task.labels[index],
                                float(row[index]),
                            )
                        )
    first = model.tasks[0]
    overall = probabilities(torch.from_numpy(total / count)[model.columns(first)], first.multi_label)
    return detections, first.labels[int(overall.argmax())], float(overall.max())


def predict_files(
    model: Classifier,
    run: Path,
    files: Sequence[str],
    output: Path,
    *,
    table_format: str = "csv",
    hop_s: float | None = None,
    selection: Selection,
    overwrite: bool = False,
    progress: bool = True,
) -> list[FileResult]:
    """A table for each file below `output`; a file that cannot be read is reported and stops nobody else.

    Called again after an interruption it leaves out the files whose tables are there. Tables of another model or of
    other options in `output` are an `AuricleError` unless `overwrite`.
    """
    check_format(table_format)
    paths = [path for file in files for path in audio.find_audio(file)] if files else []
    if not paths:
        raise AuricleError(f"no sound files in {', '.join(files)}")
    _same_output(output, run, table_format, hop_s, selection, overwrite)
    tables = _table_paths(paths, output, SUFFIXES[table_format])
    results = []
    pairs = list(zip(paths, tables, strict=True))
    for path, table in track(pairs, "Labelling files", total=len(pairs), show=progress):
        result = FileResult(str(path), table)
        if overwrite or not table.exists():
            try:
                detections, result.label, result.probability = predict_file(model, path, selection, hop_s)
                write_table(table, detections, table_format, audio.info(path).sample_rate / 2)
            except (AuricleError, OSError) as error:
                result = FileResult(str(path), error=str(error))
        results.append(result)
    return results


def _same_output(
    output: Path, run: Path, table_format: str, hop_s: float | None, selection: Selection, overwrite: bool
) -> None:
    digest = hashlib.sha256((run / WEIGHTS).read_bytes()).hexdigest()[:16]
    settings = {
        "weights": digest,
        "format": table_format,
        "hop_s": hop_s,
        "top_k": selection.top_k,
        "threshold": selection.threshold,
    }
    path = output / SETTINGS
    if output.exists() and not output.is_dir():
        raise AuricleError(f"{output} is a file: give a folder for the tables")
    if path.exists() and not overwrite and json.loads(path.read_text(encoding="utf-8")) != settings:
        raise AuricleError(
            f"{output} holds tables of another model or of other options: give another --output, or --overwrite true"
        )
    write_json(path, settings)


def _table_paths(paths: Sequence[Path], output: Path, suffix: str) -> list[Path]:
    """A name for each file's table: its stem, with as much of the rest as tells it from the others."""
    names: dict[str, int] = {}
    tables = []
    for path in paths:
        number = names.get(path.stem, 0)
        names[path.stem] = number + 1
        tables.append(output / f"{path.stem}{f'-{number + 1}' if number else ''}{suffix}")
    return tables
