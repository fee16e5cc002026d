"""`auricle corrupt`: apply the conditions of a suite to a data set and write files with a manifest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from auricle import audio
from auricle.conditions import SUITES, Cell, Suite, create_suite, suite_from_spec
from auricle.conditions.material import Material
from auricle.config import Corrupt, verb
from auricle.data.clips import Clip, Original, unique_names
from auricle.data.copies import without_copies
from auricle.data.hugging_face import is_hugging_face
from auricle.data.manifest import read_manifest
from auricle.data.material import read_material
from auricle.data.reading import clip_of
from auricle.data.rows import ORIGINAL_COLUMNS
from auricle.errors import AuricleError, shown_path, those_counted
from auricle.files import is_partial, write_json, write_rows
from auricle.identity import file_names, folded, joined, key_of, same_contents
from auricle.progress import track
from auricle.readers import read_json
from auricle.runs.batch import attempt, opened
from auricle.runs.cluster import on_ray
from auricle.runs.inputs import Shard, reason_of
from auricle.runs.journal import FAILED, JOURNAL, Journal
from auricle.runs.outcomes import Batch, Outcome, write_failed
from auricle.runs.work import Item, Work

SPEC, MANIFEST = "suite.json", "manifest.csv"
_COLUMNS = ("path", "label", "split", "fold", "group", "condition", "severity", "source_file", *ORIGINAL_COLUMNS)


@dataclass(frozen=True)
class Corrupted:
    """Result of `corrupt_data`: the folder, its suite, and the outcome of each of its files.

    `n_copies` clips were left out. `complete` is false if other shards have not done theirs: then there is no manifest.
    `labelled` says whether any clip has a label. `n_old` files of earlier calls, whose clips are gone or in another
    cell now, are in the folder but not in the manifest.
    """

    folder: Path
    suite: Suite
    outcomes: tuple[Outcome[None], ...]
    n_copies: int = 0
    complete: bool = True
    labelled: bool = False
    n_old: int = 0

    @property
    def batch(self) -> Batch[None]:
        where = f"{'with their manifest ' if self.complete else ''}in {self.folder}"
        return Batch([*self.outcomes], "written", where, str(self.folder))

    @property
    def n_files(self) -> int:
        """The number of files that exist."""
        return sum(not outcome.error for outcome in self.outcomes)

    @property
    def complaint(self) -> str:
        return self.batch.complaint

    @property
    def exit_code(self) -> int:
        return self.batch.exit_code

    def __str__(self) -> str:
        synthetic = ", ".join(self.suite.material.synthetic_kinds)
        return "\n".join(
            [
                str(self.batch),
                *([] if self.complete else [f"{MANIFEST} is written when all shards are done"]),
                f"suite {self.suite.name}, seed {self.suite.seed}, SHA-256 {self.suite.digest}",
                *([f"synthetic, where they are mixed in: {synthetic}"] if synthetic else []),
                *([f"{self.n_old} files of earlier calls are not in {MANIFEST}"] if self.n_old else []),
                *(
                    [f"{those_counted(self.n_copies, 'clip')} left out: copies of clips of a later split"]
                    if self.n_copies
                    else []
                ),
            ]
        )


@dataclass(frozen=True)
class Version:
    """A clip under a cell: the item of work, and its row in the manifest."""

    clip: Clip
    cell: Cell
    item: Item
    row: dict[str, Any]


def corrupt_data(
    data: str | Path,
    suite: str,
    output: str | Path,
    *,
    seed: int = 0,
    material: Sequence[str] = (),
    material_split: str = "test",
    sample_rate: int | None = None,
    label_column: str = "label",
    skip_bad: bool = False,
    shard: str | None = None,
    progress: bool = True,
) -> Corrupted:
    """Write the clips of `data` under every cell of a suite, or each under its assigned cell, to the folder `output`.

    Files are `CELL/NAME.wav`, mono, 32-bit floating point (peaks beyond full scale are kept), at their own sample rate
    or at `sample_rate` Hz. `manifest.csv`, written last, has the clips' labels, splits, folds and groups (for a clip
    without one the first file of the same content, so that its versions stay together) and the columns condition,
    severity, source_file and source_sha256 (for segments also source_start and source_end), by which runs recognise
    the recordings. Copies of test clips are left out of the splits train and valid, and copies of validation clips out
    of train. `suite.json` is the suite's specification. Files of an earlier call are kept if, according to
    `files.jsonl`, they are unchanged and were made from the same recordings in the same way; all others are written
    again. A clip that cannot be read or written affects no other; it is listed in `failed.csv`.

    `suite` is a name, or a specification file, whose seed and material split are then used. `data` is a folder of sound
    files, with or without class folders (without, there is no label column), or a manifest. `shard` is as in
    `Shard.of`.
    """
    audio.check_rate(sample_rate)
    share = Shard.of(shard)
    made = open_suite(suite, seed, read_material(material, progress=progress), material_split)
    folder = Path(output)
    _refuse_other_files(folder, Path(data))
    record = _record(made, Path(data), sample_rate)
    _refuse_other_suite(folder, record)
    given, left_out = _clips(Path(data), label_column, skip_bad, progress)
    clips = _without_copies(given)
    versions = _versions(clips, made, sample_rate)
    with opened(folder) as (journal, unfinished):
        with journal.locks.writing():
            _refuse_other_suite(folder, record)
            write_json(folder / SPEC, record)
        own = [version for version in versions if share.has(version.clip.name)]
        work: Work[None] = Work([version.item for version in own], journal, unfinished)
        with audio.isolated():
            _write(work, own, made, sample_rate, progress)
        outcomes = [work.outcomes[number] for number in sorted(work.outcomes)]
        outcomes += [work.leave_out(path, name, why) for path, name, why in left_out if share.has(name)]
        write_failed(journal, work.unreadable, sharded=share.count > 1)
        complete = _write_manifest(journal, versions, {id(version) for version in own})
        old = journal.places() - {os.path.realpath(folder / version.item.output) for version in versions}
        n_old = sum(map(os.path.exists, old)) if complete else 0
    labelled = any(clip.labels for clip in clips)
    return Corrupted(folder, made, tuple(outcomes), len(given) - len(clips), complete, labelled, n_old)


def _versions(clips: Sequence[Clip], suite: Suite, sample_rate: int | None) -> list[Version]:
    """Every clip under each of its cells."""
    assigned = suite.assign(unique_names(clips), [";".join(clip.labels) for clip in clips])
    cell_names = file_names(cell.name for cell in suite.cells)
    made_by = [suite.seed, suite.material.describe(), sample_rate]
    versions = []
    for clip, place, group, cells in zip(clips, _places(clips), _groups(clips), assigned, strict=True):
        for cell in cells:
            made_of = [clip.start_s, clip.end_s, clip.name]
            key = key_of("version", made_of, cell.corruption, cell.condition, dict(cell.parameters), made_by)
            path = f"{cell_names[cell.name]}/{place.as_posix()}"
            item = Item(clip.path, clip.name, key, kind=cell.name, output=path)
            versions.append(Version(clip, cell, item, _row(clip, group, cell, path)))
    return versions


def _write(work: Work[None], versions: Sequence[Version], suite: Suite, rate: int | None, progress: bool) -> None:
    """Write the versions that do not exist yet; a clip is read once for all its cells."""
    by_item = {id(version.item): version for version in versions}
    read: dict[tuple[str, float, float | None], tuple[np.ndarray, int]] = {}

    def write(version: Version, target: Path) -> None:
        clip = version.clip
        if clip.key not in read:
            read.clear()
            end_s = clip.start_s + clip.duration_s if clip.is_segment else None
            read[clip.key] = audio.read(clip.path, sample_rate=rate, start_s=clip.start_s, end_s=end_s)
        waveform, own_rate = read[clip.key]
        audio.write(target, suite.apply(version.cell, waveform, own_rate, clip.name), own_rate, subtype="FLOAT")

    for job in track(work.jobs(), f"Writing {suite.name}", total=len(versions), show=progress):
        if job is not None:
            version = by_item[id(job.item)]
            attempt(work, job, lambda path, target, version=version: write(version, target))  # type: ignore[misc]


def open_suite(name: str, seed: int, material: Material, split: str) -> Suite:
    """The suite of that name, or of a .json specification, whose seed and material split are then used."""
    if name in SUITES or not name.endswith(".json"):
        return create_suite(name, seed=seed, material=material, split=split)
    try:
        return suite_from_spec(_read_spec(Path(name)), material)
    except AuricleError as error:
        raise AuricleError(str(error) if name in str(error) else f"{name}: {error}") from None


def _read_spec(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise AuricleError(f"{path}: no such file")
    try:
        return read_json(path, dict)
    except AuricleError as error:
        raise AuricleError(f"{error}: not the spec of a suite") from None


def _clips(
    data: Path, label_column: str, skip_bad: bool, progress: bool
) -> tuple[tuple[Clip, ...], list[tuple[Path, str, str]]]:
    """The clips of a manifest or of class folders; unlabelled clips of a flat folder, and what is left out of that."""
    if data.is_dir() and not (data / "manifest.csv").is_file() and not is_hugging_face(data):
        files = audio.find_audio(data)
        if all(file.parent == data for file in files):
            unlabelled = []
            left_out = [(path, path.relative_to(data).as_posix(), why) for path, why in audio.left_out(data)]
            for file in files:
                try:
                    unlabelled.append(clip_of(file, file.relative_to(data).as_posix()))
                except Exception as error:
                    left_out.append((file, file.relative_to(data).as_posix(), reason_of(error, file)))
            if not unlabelled:
                raise AuricleError(f"{shown_path(left_out[0][0])}: {left_out[0][2]}")
            return tuple(unlabelled), left_out
    manifest = read_manifest(data, label_column=label_column, multi_label=True, skip_bad=skip_bad, progress=progress)
    return manifest.clips, []


def _without_copies(clips: Sequence[Clip]) -> tuple[Clip, ...]:
    """The clips without those of the splits train and valid that are copies of clips of a later split."""
    splits = {name: [clip for clip in clips if clip.split == name] for name in ("train", "valid", "test")}
    train = without_copies(splits["train"], [*splits["valid"], *splits["test"]])
    valid = without_copies(splits["valid"], splits["test"])
    kept = {clip.key for clip in (*train, *valid)}
    return tuple(clip for clip in clips if clip.split not in ("train", "valid") or clip.key in kept)


def _groups(clips: Sequence[Clip]) -> list[str]:
    """The group of each clip; of a clip without one, that of a file of the same content, or the first such file."""
    contents = same_contents([clip.path for clip in clips])
    files = joined([clip.file for clip in clips], contents)
    known = {content: clip.group for clip, content in zip(clips, contents, strict=True) if clip.group}
    return [clip.group or known.get(content, file) for clip, content, file in zip(clips, contents, files, strict=True)]


def _places(clips: Sequence[Clip]) -> list[Path]:
    """The path of each clip below a cell's folder: its name with the suffix .wav."""
    places = []
    for clip in clips:
        whole_wav = clip.name.lower().endswith(".wav") and not clip.is_segment
        name = PurePosixPath(clip.name.replace(os.sep, "/") + ("" if whole_wav else ".wav"))
        places.append(Path(*(part for part in name.parts if part != ".." and part != name.anchor)))
    if len({folded(place.as_posix()) for place in places}) < len(places):
        return [Path(str(number), place) for number, place in enumerate(places)]
    return places


def _row(clip: Clip, group: str, cell: Cell, path: str) -> dict[str, Any]:
    original = clip.original or Original(clip.recording, clip.start_s, clip.end_s)
    return {
        "path": path,
        "label": ";".join(clip.labels),
        "split": clip.split,
        "fold": clip.fold,
        "group": group,
        "condition": cell.corruption,
        "severity": cell.severity,
        "source_file": clip.name,
        "source_sha256": original.recording,
        "source_start": original.start_s or None,
        "source_end": original.end_s,
    }


def _write_manifest(journal: Journal, versions: Sequence[Version], own: set[int]) -> bool:
    """Write the manifest of all versions that exist; returns False, without it, if other shards are not done."""
    with journal.locks.writing():
        journal.refresh()
        rows = []
        for version in versions:
            entry = journal.entry_of(version.item.output)
            if entry is not None and entry.key == version.item.key and (journal.folder / entry.output).is_file():
                rows.append(version.row)
            elif id(version) not in own and not journal.has_failed(version.item.name, version.item.kind):
                return False
        columns = [name for name in _COLUMNS if any(row[name] not in (None, "") for row in rows)]
        write_rows(journal.folder / MANIFEST, columns, ([row[name] for name in columns] for row in rows))
        return True


def _refuse_other_files(folder: Path, data: Path) -> None:
    """Raise `AuricleError` for a folder that is not one, is inside the data, or holds files that are not a suite's."""
    if data.is_dir() and folder.resolve().is_relative_to(data.resolve()):
        raise AuricleError(f"{folder} is inside the data folder {data}: give a folder outside it")
    if folder.exists() and not folder.is_dir():
        raise AuricleError(f"{folder} is a file: give a folder for the suite")
    if folder.is_dir() and not (folder / SPEC).is_file():
        others = [path for path in folder.iterdir() if path.name not in (JOURNAL, FAILED) and not is_partial(path)]
        if others:
            raise AuricleError(f"{folder} holds files that are not from a suite: give another folder")


def _record(suite: Suite, data: Path, sample_rate: int | None) -> dict[str, Any]:
    """What `suite.json` says of what a folder is for."""
    return {**suite.spec(), "digest": suite.digest, "data": str(data.resolve()), "sample_rate": sample_rate}


def _refuse_other_suite(folder: Path, record: dict[str, Any]) -> None:
    """Raise `AuricleError` for a folder that was for another suite, data set or sample rate."""
    if not (folder / SPEC).is_file():
        return
    before = _read_spec(folder / SPEC)
    words = {"sample_rate": "sample rate", "digest": "suite"}
    changed = [told for name, told in words.items() if before.get(name) != record[name]]
    if before.get("data") != record["data"] and os.path.exists(str(before.get("data"))):  # else it was moved
        changed.insert(0, "data set")
    if changed:
        raise AuricleError(f"{folder} was written with another {', '.join(changed)}: give another folder")


@verb
def corrupt(options: Corrupt) -> Corrupted:
    """Apply a suite to recordings; returns the folder, its suite and its number of files."""
    if options.engine == "ray":
        return on_ray(corrupt, options)
    return corrupt_data(
        options.data,
        options.suite,
        options.output,
        seed=options.seed,
        material=options.material or [],
        material_split=options.material_split,
        sample_rate=options.rate,
        label_column=options.label_column,
        skip_bad=options.skip_bad,
        shard=options.shard,
        progress=not options.quiet,
    )
