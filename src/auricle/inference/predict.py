"""`auricle predict`: labels of recordings of any length, file by file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from auricle import audio
from auricle.data.windows import WINDOWS_AT_ONCE, fit_length
from auricle.errors import AuricleError
from auricle.inference.journal import same_output
from auricle.inference.labellers import Labeller, columns, probabilities
from auricle.inference.tables import SUFFIXES, Detection, check_format, write_table
from auricle.progress import track


@dataclass(frozen=True)
class Selection:
    """Which labels of a window are reported: the `top_k` likeliest, of those at `threshold` or above."""

    top_k: int
    threshold: float

    @classmethod
    def usual(cls, model: Labeller, top_k: int | None, threshold: float | None) -> Selection:
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


@dataclass
class FileResult:
    """One file's table and its likeliest label over all windows, or why there is none."""

    file: str
    table: Path | None = None
    label: str = ""
    probability: float = 0.0
    error: str = ""
    done_before: bool = False


def check_hop(model: Labeller, hop_s: float | None) -> None:
    """An `AuricleError` for a hop that is longer than the window, or not positive."""
    window_s = model.window / model.sample_rate
    if hop_s is not None and not 0 < hop_s <= window_s:
        raise AuricleError(f"a hop of {hop_s:g} s does not fit: more than 0 and at most the window's {window_s:g} s")


def file_logits(
    model: Labeller, path: str | Path, hop_s: float | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Windows of a file in bounded memory: starts in s `(n,)`, ends in s `(n,)`, logits `(n, labels and extras)`.

    Windows start every `hop_s`, by default without overlap. A rest below half a window is left out unless it is all.
    """
    window_s = model.window / model.sample_rate
    hop_s = window_s if hop_s is None else hop_s
    starts: list[Any] = []
    ends: list[Any] = []
    windows: list[Any] = []

    def classified() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        logits = model.logits(np.stack(windows))
        result = np.array(starts), np.array(ends), logits
        for pending in (starts, ends, windows):
            pending.clear()
        return result

    first = True
    for start_s, block in audio.blocks(path, block_s=window_s, hop_s=hop_s, sample_rate=model.sample_rate):
        if 2 * len(block) < model.window and not first:
            continue
        starts.append(start_s)
        ends.append(start_s + len(block) / model.sample_rate)
        windows.append(fit_length(block.astype(np.float32), model.window, model.short))
        first = False
        if len(windows) == WINDOWS_AT_ONCE:
            yield classified()
    if windows:
        yield classified()


def predict_file(
    model: Labeller, path: str | Path, selection: Selection, hop_s: float | None = None
) -> tuple[list[Detection], str, float]:
    """Detections of one file, and the label (of the first task) that is likeliest over all windows."""
    detections: list[Detection] = []
    total, count = np.zeros(0), 0
    for starts, ends, logits in file_logits(model, path, hop_s):
        total = logits.sum(axis=0) + (total if count else 0.0)
        count += len(logits)
        extras = logits[:, len(logits.T) - len(model.extras) :]
        for task in model.tasks:
            values = probabilities(logits[:, columns(model.tasks, task)], task.multi_label)
            for start_s, end_s, row, extra in zip(starts, ends, values, extras, strict=True):
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
                                **{name: float(value) for name, value in zip(model.extras, extra, strict=True)},
                            )
                        )
    first = model.tasks[0]
    overall = probabilities((total / count)[columns(model.tasks, first)], first.multi_label)
    return detections, first.labels[int(overall.argmax())], float(overall.max())


def predict_files(
    model: Labeller,
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
    check_hop(model, hop_s)
    results: list[FileResult] = []
    paths: list[tuple[Path, Path]] = []
    for given in files:
        try:
            root = Path(given) if Path(given).is_dir() else Path(given).parent
            paths += [(path, path.relative_to(root)) for path in audio.find_audio(given)]
        except AuricleError as error:
            results.append(FileResult(given, error=str(error)))
    settings = {"weights": model.digest, "format": table_format, "hop_s": hop_s, **asdict(selection)}
    journal = same_output(output, settings, "tables of another model or of other options", overwrite)
    for path, relative in track(paths, "Labelling files", total=len(paths), show=progress):
        table = journal.table_of(path, output / relative, SUFFIXES[table_format])
        result = FileResult(str(path), table)
        if not overwrite and journal.has(path, table):
            result.done_before = True
        else:
            try:
                detections, result.label, result.probability = predict_file(model, path, selection, hop_s)
                write_table(table, detections, table_format, audio.info(path).sample_rate / 2)
                journal.add(path, table)
            except (AuricleError, OSError) as error:
                result = FileResult(str(path), error=str(error))
        results.append(result)
    return results
