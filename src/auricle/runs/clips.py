"""clips.csv of a run: which clips were used for training, validation and testing."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from auricle.config import RunOptions
from auricle.data.clips import Clip, Original
from auricle.data.copies import Segments, recordings_of, sound_of
from auricle.data.labels import listable, mistaken, told_apart, visible
from auricle.data.manifest import Manifest
from auricle.data.rows import ORIGINAL_COLUMNS, split_name
from auricle.data.splits import Splits
from auricle.data.tasks import Task
from auricle.errors import AuricleError, note, shown_path
from auricle.files import csv_text, write_text
from auricle.identity import file_digests
from auricle.readers import read_rows
from auricle.runs.folder import CLIPS, FINISHED, UNFINISHED, changes_of_run

SPLITS = ("train", "valid", "test")
_LEARNT = SPLITS[:2]
_HEARD = "heard"  # without labels, by a part of the model
_LISTED = 20
COLUMNS = ("task", "clip", "split", "group", "labels", "start_s", "end_s", "sha256", "sound", "path")


def select_clips(
    manifest: Manifest, split: str, fold: str, run_clips: RunClips, task: str | None = None
) -> tuple[Manifest, str]:
    """Select the clips to evaluate on; returns them and the name of the selection.

    These are the given split or fold; else the data's split "test" or "valid"; else the test split of the run; else all
    clips. A split of data without splits is the run's.
    """

    def of_run(wanted: str) -> tuple[Clip, ...]:
        splits = run_clips.splits_of(manifest.clips, task)
        return tuple(clip for clip, was in zip(manifest, splits, strict=True) if was == wanted)

    if split or fold:
        name = "-".join([*([split] if split else []), *([f"fold{fold}"] if fold else [])])
        own = of_run(split_name(split)) if split and not manifest.splits else ()
        if own:
            manifest, split = manifest.only(own), ""
        return manifest.select(split=split or None, fold=fold or None), name
    for usual in ("test", "valid"):
        if usual in manifest.splits:
            return manifest.select(split=usual), usual
    aside = of_run("test")
    return (manifest.only(aside), "test") if aside else (manifest, "all")


def check_labels(manifest: Manifest, task: Task) -> None:
    """Raise `AuricleError` for labels unknown to the task, and unless it is multi-label for clips without one label."""
    source = shown_path(manifest.source)
    unknown = sorted({label for clip in manifest for label in clip.labels} - set(task.labels))
    if unknown:
        for label, known in mistaken(unknown, task.labels).items():
            raise AuricleError(
                f"{source}: unknown label {label!r}: the model has {known!r}, which looks alike: "
                f"{told_apart(label, known)}"
            )
        advice = ""
        if task.multi_label and len(unknown) == 1:
            advice = f" (if clips labelled {unknown[0]!r} have none of these sounds: --negative-label)"
        raise AuricleError(
            f"{source}: labels that the model does not know: {_some(unknown)}; it knows {_some(task.labels)}{advice}"
        )
    for clips, what in (
        ([clip for clip in manifest if len(clip.labels) > 1], "have several labels"),
        (manifest.negatives, "have no label"),
    ):
        if clips and not task.multi_label:
            labels = f" ({', '.join(map(listable, clips[0].labels))})" if clips[0].labels else ""
            raise AuricleError(
                f"{source}: {len(clips)} of {len(manifest)} clips {what}, first {clips[0].name}{labels}, and the model "
                "was trained to give one label to each clip"
            )


def _some(labels: Sequence[str]) -> str:
    return ", ".join(visible(listable(label)) for label in labels[:_LISTED]) + (
        f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else ""
    )


def clip_digests(clips: Iterable[Clip]) -> list[str]:
    """A digest of each clip's sound: 16 hex digits from its file's content, start and end."""
    clips = tuple(clips)
    segments = [
        bytes.fromhex(recording) + repr((clip.start_s, clip.end_s)).encode()
        for clip, recording in zip(clips, recordings_of(clips), strict=True)
    ]
    return [hashlib.sha256(segment).hexdigest()[:16] for segment in segments]


def clips_digest(clips: Sequence[Clip], digests: Sequence[str] | None = None) -> str:
    """SHA-256 of the clips' sounds and labels, independent of their order, names and folders.

    `digests` are those of `clip_digests`, if known already.
    """
    known = clip_digests(clips) if digests is None else digests
    rows = sorted([digest, *sorted(clip.labels)] for digest, clip in zip(known, clips, strict=True))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def clip_table(data_sets: Iterable[Splits], *starts_from: str | Path, unlabelled: str | Path | None = None) -> str:
    """The content of clips.csv: each clip with its split, segment in seconds, and its file's SHA-256 and path.

    An empty `end_s` means the end of the file. The clips that the runs `starts_from` were trained on and validated with
    follow, then, as the split "heard", those of the run `unlabelled`, which learnt without labels. If clips are
    corrupted versions, further columns have their originals.
    """
    rows: list[dict[str, object]] = []
    for splits in data_sets:
        for name in SPLITS:
            clips = tuple(getattr(splits, name) or ())
            digests = file_digests(clip.path for clip in clips)
            for clip in clips:
                known = [splits.task.name, clip.name, name, clip.group or "", ";".join(clip.labels)]
                place = [
                    *_segment(clip.start_s, clip.end_s),
                    digests[clip.path],
                    sound_of(clip.path),
                    clip.path.resolve(),
                ]
                row: dict[str, object] = dict(zip(COLUMNS, [*known, *place], strict=True))
                if clip.original:
                    original = [clip.original.recording, *_segment(clip.original.start_s, clip.original.end_s)]
                    row |= dict(zip(ORIGINAL_COLUMNS, original, strict=True))
                rows.append(row)
    for run in starts_from:
        rows.extend({**row} for row in listed_clips(run) if row["split"] in (*_LEARNT, _HEARD))
    rows.extend({**row, "split": _HEARD} for row in listed_clips(unlabelled) if row["split"] in _LEARNT)
    columns = [*COLUMNS, *(ORIGINAL_COLUMNS if any(row.get(ORIGINAL_COLUMNS[0]) for row in rows) else ())]
    return csv_text(columns, ([row.get(column) for column in columns] for row in rows))


def _segment(start_s: float, end_s: float | None) -> tuple[str, str]:
    return repr(start_s), "" if end_s is None else repr(end_s)


def write_clips(folder: Path, table: str) -> None:
    """Write clips.csv; raises `AuricleError` if an unfinished run in `folder` has other clips or splits.

    Clips are compared by content; their files may have moved.
    """
    path = folder / CLIPS
    if (folder / UNFINISHED).exists() and path.exists() and not same_clips(folder, table):
        raise AuricleError(
            f"{folder} holds an unfinished run whose clips were others (compare {path}): restore the data to resume, "
            "or give another --output"
        )
    write_text(path, table)


def refuse_other_run(options: RunOptions, inputs: Mapping[str, str], table: str) -> None:
    """Raise `AuricleError` if the run in `options.output` was trained with other options, inputs or clips."""
    folder = Path(options.output)
    changes = changes_of_run(options, inputs)
    if changes:
        raise AuricleError(f"{folder} was trained with other settings ({', '.join(changes)}): give another --output")
    refuse_other_clips(folder, table)


def refuse_other_clips(folder: Path, table: str) -> None:
    """Raise `AuricleError` if the run in `folder` was trained on other clips than those of `table`."""
    if not same_clips(folder, table):
        raise AuricleError(f"{folder} was trained on other clips (compare {folder / CLIPS}): give another --output")


def same_clips(folder: Path, table: str) -> bool:
    """Whether the run's clips.csv equals `table` except for the paths of files."""
    return _placeless(_rows(folder / CLIPS)) == _placeless(csv.DictReader(io.StringIO(table)))


def listed_clips(folder: str | Path | None) -> list[dict[str, str]]:
    """The rows of the run's clips.csv; none without a folder, or for a model folder that holds no training.

    Raises `AuricleError` where a training has left its model without a list of its clips.
    """
    if not folder:
        return []
    path = Path(folder) / CLIPS
    rows = _rows(path) if os.path.lexists(path) else []
    if not rows and (path.parent / FINISHED).exists():
        raise AuricleError(
            f"{path} lists no clip: which ones the model was trained on must be known, put the file back"
        )
    return rows


def say_if_unknown(folder: str | Path | None) -> None:
    """Print a note where it is not known which clips the model in `folder` was trained on."""
    if folder and not listed_clips(folder):
        note(f"which clips {shown_path(folder)} was trained on is not known; these may be among them")


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of a clips.csv; raises `AuricleError` if it is damaged."""
    needed = ("task", "split", "start_s", "end_s", "sha256")
    times = tuple(f"{name}?" for name in ("start_s", "end_s", *ORIGINAL_COLUMNS[1:]))
    return read_rows(path, needed, times, what="the clips of a run")


def _placeless(rows: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """The rows of clips.csv without what depends on the version or on the place of the files."""
    return [{name: value for name, value in row.items() if name not in ("sound", "path")} for row in rows]


class RunClips:
    """The clips in a run's clips.csv, identified by file content and segment: their own or those of their originals.

    A clip is in the split of the listed clip that it overlaps; if it overlaps several, in the first of train, valid and
    test. Without a folder (None) or clips.csv no clip is listed.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self._listed: Segments[tuple[str, str]] = Segments()
        for row in listed_clips(folder):
            for recording, start_s, end_s in (
                ("sha256", "start_s", "end_s"),
                ("sound", "start_s", "end_s"),
                ORIGINAL_COLUMNS,
            ):
                if row.get(recording):
                    segment = float(row[start_s] or 0), float(row[end_s] or "inf")
                    if not 0 <= segment[0] < min(segment[1], float("inf")):
                        raise AuricleError(
                            f"{folder}: clips.csv is damaged: a clip from {segment[0]} to {segment[1]} s"
                        )
                    self._listed.add(Original(row[recording], *segment), (row["task"], row["split"]))

    def split_of(self, clip: Clip, task: str | None = None) -> str:
        """The split of `clip`: "train", "valid", "test", or "" if it is not listed (for `task`, if one is given)."""
        return self._split_of(clip, clip.recording, task) if self._listed else ""

    def splits_of(self, clips: Sequence[Clip], task: str | None = None) -> list[str]:
        """`split_of` for each clip."""
        if not self._listed:
            return [""] * len(clips)
        recordings = recordings_of(clips)
        return [self._split_of(clip, recording, task) for clip, recording in zip(clips, recordings, strict=True)]

    def heard(self, clips: Sequence[Clip]) -> list[Clip]:
        """The `clips` that a part of the model, such as an autoencoder, learnt from without labels."""
        if not self._listed:
            return []
        found = [self._listed.of(clip, own) for clip, own in zip(clips, recordings_of(clips), strict=True)]
        return [clip for clip, rows in zip(clips, found, strict=True) if any(split == _HEARD for _, split in rows)]

    def _split_of(self, clip: Clip, recording: str, task: str | None) -> str:
        found = {split for of_task, split in self._listed.of(clip, recording) if task in (None, of_task)}
        return next((split for split in SPLITS if split in found), "")


def clips_trained_on(run: str | Path | None, clips: Iterable[Clip]) -> list[Clip]:
    """The `clips` that the run used for training or validation."""
    clips = tuple(clips)
    splits = RunClips(run).splits_of(clips)
    return [clip for clip, split in zip(clips, splits, strict=True) if split in _LEARNT]


def refuse_trained_on(run: str | Path | None, clips: Iterable[Clip]) -> None:
    """Raise `AuricleError` if the run used any of `clips` for training or validation."""
    clips = tuple(clips)
    used = clips_trained_on(run, clips)
    if used:
        others = "give recordings that it was not trained on"
        advice = f"{others}, or train it again with clips put aside for testing (--splits.test-share 0.2)"
        if any(clip.split or clip.fold for clip in clips):
            advice = f"choose others with --split or --fold, or {others}"
        raise AuricleError(
            f"{run} was trained on {len(used)} of these {len(clips)} clips, first {used[0].name}: {advice}"
        )
