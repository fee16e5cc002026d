"""Which clip was for what: the splits of a run's clips, on record in its clips.csv."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable
from pathlib import Path

from auricle.data.clips import Clip
from auricle.data.manifest import Manifest
from auricle.data.splits import Splits
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.runs.folder import CLIPS, UNFINISHED


def choose_clips(manifest: Manifest, split: str, fold: str, known: KnownClips) -> tuple[Manifest, str]:
    """The clips to measure on, and what to call them.

    A split or fold that is named; else the data's split "test", or "valid"; else the clips that training put aside for
    testing; else all.
    """
    if split or fold:
        name = "-".join([*([split] if split else []), *([f"fold{fold}"] if fold else [])])
        return manifest.select(split=split or None, fold=fold or None), name
    for usual in ("test", "valid"):
        if usual in manifest.splits:
            return manifest.select(split=usual), usual
    aside = tuple(clip for clip in manifest if known.part(clip) == "test")
    if aside:
        return dataclasses.replace(manifest, clips=aside), "test"
    return manifest, "all"


def check_labels(manifest: Manifest, task: Task) -> None:
    """An `AuricleError` for clips with labels that are none of the task's."""
    unknown = sorted({label for clip in manifest for label in clip.labels} - set(task.labels))
    if unknown:
        raise AuricleError(
            f"{manifest.source}: labels that the model does not know: {', '.join(unknown[:10])}; "
            f"it knows {', '.join(task.labels)}"
        )


def clip_table(parts: Iterable[Splits]) -> str:
    """clips.csv: task, clip, part (train, validation or test), group, labels, and the file's path and size."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["task", "clip", "part", "group", "labels", "path", "bytes"])
    for part in parts:
        for name in ("train", "validation", "test"):
            for clip in getattr(part, name) or ():
                path, size = clip.path.resolve(), clip.path.stat().st_size
                labels = ";".join(clip.labels)
                writer.writerow([part.task.name, clip.name, name, clip.group or "", labels, path, size])
    return text.getvalue()


def remember_clips(folder: Path, table: str) -> None:
    """Write clips.csv; a training that goes on has to go on with the same clips in the same parts."""
    path = folder / CLIPS
    if (folder / UNFINISHED).exists() and path.exists() and path.read_text(encoding="utf-8") != table:
        raise AuricleError(
            f"{folder} holds an unfinished run whose clips were others (compare {path}): restore the data to go on, or "
            "give another --output"
        )
    path.write_text(table, encoding="utf-8")


class KnownClips:
    """The clips that a run's clips.csv lists for one task, recognised by their path, or by name and size if moved."""

    def __init__(self, folder: Path, task: str) -> None:
        self._parts: dict[tuple[str, str], str] = {}
        path = folder / CLIPS
        if path.exists():
            with open(path, newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    if row["task"] == task:
                        span = row["clip"].rpartition("@")[2] if "@" in row["clip"] else ""
                        self._parts[row["path"], span] = row["part"]
                        self._parts[f"{Path(row['path']).name}:{row['bytes']}", span] = row["part"]

    def part(self, clip: Clip) -> str:
        """train, validation, test, or nothing for a clip that the run does not know."""
        span = clip.name.rpartition("@")[2] if clip.is_part else ""
        moved = f"{clip.path.name}:{clip.path.stat().st_size}"
        return self._parts.get((str(clip.path.resolve()), span)) or self._parts.get((moved, span), "")
