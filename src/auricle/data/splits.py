"""Which clips a model learns from, which choose its best epoch, and which it is tested on: kept apart and on record.

A run's clips.csv lists every clip with its part, so that a later evaluation knows what the model has seen.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from auricle import audio
from auricle.config import Data, SplitOptions
from auricle.data.clips import Clip, Problem
from auricle.data.manifest import Manifest, read_manifest
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.progress import track
from auricle.runs.folder import CLIPS


@dataclass
class Splits:
    """The clips of one data set by what they are for."""

    task: Task
    train: Manifest
    validation: Manifest
    test: Manifest | None
    skipped: tuple[Problem, ...] = ()


def data_name(source: str) -> tuple[str, str]:
    """('digits', 'fsdd/manifest.csv') for 'digits=fsdd/manifest.csv'; without a name the folder's."""
    name, found, path = source.partition("=")
    if found and not Path(source).exists():
        return name, path
    where = Path(source).resolve()
    return (where.parent.name if where.is_file() else where.name), source


def read_data(source: str, options: Data, *, progress: bool = False) -> Manifest:
    """The manifest or folder `source` as `options` say; with `skip_bad`, every file is decoded to see if it can be."""
    without_groups = options.group_column == "none"
    manifest = read_manifest(
        source,
        label_column=options.label_column,
        group_column=None if without_groups else options.group_column or None,
        skip_bad=options.skip_bad,
        progress=progress,
    )
    clips, skipped = manifest.clips, manifest.skipped
    if options.skip_bad:
        reasons = [_reason(clip) for clip in track(clips, "Listening", total=len(clips), show=progress)]
        bad = [Problem(c.name, "unreadable-file", why) for c, why in zip(clips, reasons, strict=True) if why]
        clips, skipped = tuple(c for c, why in zip(clips, reasons, strict=True) if not why), (*skipped, *bad)
    if not clips:
        raise AuricleError(f"{source}: none of the {len(manifest)} clips can be read")
    if without_groups:
        clips = tuple(dataclasses.replace(clip, group=None) for clip in clips)
    return Manifest(manifest.source, clips, skipped)


def read_unlabelled(source: str, label: str, options: Data = Data(), *, progress: bool = False) -> Manifest:
    """A manifest, whose labels do not matter, or a folder of sound files in any arrangement; each clip is a `label`."""
    path = Path(source)
    if path.is_dir() and not (path / "manifest.csv").is_file():
        files = audio.find_audio(path)
        return Manifest(path, tuple(clip_of(file, file.relative_to(path).as_posix(), label) for file in files))
    manifest = read_data(source, dataclasses.replace(options, label_column="path"), progress=progress)
    clips = [dataclasses.replace(clip, labels=(label,)) for clip in manifest]
    return dataclasses.replace(manifest, clips=tuple(clips))


def clip_of(path: Path, name: str, label: str) -> Clip:
    """A sound file as a clip."""
    header = audio.info(path)
    return Clip(
        name=name,
        path=path,
        labels=(label,),
        sample_rate=header.sample_rate,
        duration_s=header.duration_s,
        channels=header.channels,
    )


def _reason(clip: Clip) -> str:
    """Why a clip cannot be decoded; empty if it can."""
    try:
        for _ in audio.blocks(clip.path, block_s=10.0, start_s=clip.start_s, end_s=clip.end_s):
            pass
    except AuricleError as error:
        return str(error).removeprefix(f"{clip.path}: ")
    return ""


def divide(manifest: Manifest, name: str, split_options: SplitOptions) -> Splits:
    """The parts that `cut` makes, where training has every label that the others have."""
    train, validation, test = cut(manifest, split_options)
    task = Task(name, train.label_names, manifest.multi_label)
    for part, clips in (("validation", validation), ("test", test)):
        unknown = sorted({label for clip in clips or () for label in clip.labels} - set(task.labels))
        if unknown:
            raise AuricleError(
                f"{manifest.source}: the training part lacks labels that the {part} part has: {', '.join(unknown)}; "
                "give more recordings of them, or let clips of one group be parted by --group-column none"
            )
    return Splits(task, train, validation, test, manifest.skipped)


def cut(manifest: Manifest, split_options: SplitOptions) -> tuple[Manifest, Manifest, Manifest | None]:
    """Training, validation and test clips.

    The test part is never looked at in training: it is the data's own test (or valid) split, the fold that is left out,
    or, where there is neither, a share cut off by group. Validation is the split "valid" where there is a "test" split
    too, and otherwise cut from the training part by group.
    """
    test: Manifest | None = None
    validation: Manifest | None = None
    if split_options.test_fold:
        train, test = (
            manifest.select(without_fold=split_options.test_fold),
            manifest.select(fold=split_options.test_fold),
        )
    elif manifest.splits:
        train = manifest.select(split=split_options.split)
        others = [split for split in manifest.splits if split != split_options.split]
        if {"valid", "test"} <= set(others):
            validation, test = manifest.select(split="valid"), manifest.select(split="test")
        elif others:
            test = manifest.select(split="test" if "test" in others else others[0])
    elif split_options.test_share > 0:
        train, test = manifest.hold_out(split_options.test_share, seed=split_options.seed)
    else:
        train = manifest
    if validation is None:
        train, validation = train.hold_out(split_options.validation_share, seed=split_options.seed)
    return train, validation, test


def advice(manifest: Manifest, split_options: SplitOptions) -> list[str]:
    """What a user would want to know of how the data are divided."""
    lines = []
    if manifest.skipped:
        lines.append(f"{len(manifest.skipped)} files cannot be used and are left out")
    if manifest.folds and not manifest.splits and not split_options.test_fold:
        lines.append(
            f"the data have folds ({', '.join(manifest.folds)}), but a share was put aside for testing: "
            "leave a fold out with --select.test-fold"
        )
    unused = (
        [s for s in manifest.splits if s not in (split_options.split, "valid", "test")]
        if not split_options.test_fold
        else []
    )
    if unused and len(manifest.splits) > 2:
        lines.append(f"clips of the splits {', '.join(unused)} are not used")
    return lines


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
