"""`auricle corrupt`: apply the conditions of a suite to a data set and write files with a manifest."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from auricle import audio
from auricle.conditions import SUITES, Cell, Suite, create_suite, suite_from_spec
from auricle.conditions.material import Material
from auricle.config import Corrupt, verb
from auricle.data.clips import Clip, Original, unique_names
from auricle.data.copies import without_copies
from auricle.data.left_out import found_audio
from auricle.data.manifest import read_manifest
from auricle.data.material import read_material
from auricle.data.rows import ORIGINAL_COLUMNS
from auricle.errors import AuricleError, shown_path
from auricle.files import append_line, write_json, write_text
from auricle.identity import file_digest, file_names, folded, joined, key_of, same_contents
from auricle.progress import track
from auricle.readers import read_json, read_text

SPEC, MANIFEST, JOURNAL = "suite.json", "manifest.csv", "files.jsonl"
_COLUMNS = ("path", "label", "split", "fold", "group", "condition", "severity", "source_file", *ORIGINAL_COLUMNS)


@dataclass(frozen=True)
class Corrupted:
    """Result of `corrupt_data`: the folder, its suite, the number of files, and how many of them existed before.

    `n_copies` clips were left out.
    """

    folder: Path
    suite: Suite
    n_files: int
    n_before: int
    n_copies: int = 0

    def __str__(self) -> str:
        before = f" ({self.n_before} of them before)" if self.n_before else ""
        synthetic = ", ".join(self.suite.material.synthetic_kinds)
        return "\n".join(
            [
                f"{self.n_files} files{before} and their manifest are in {self.folder}",
                f"suite {self.suite.name}, seed {self.suite.seed}, SHA-256 {self.suite.digest}",
                *([f"synthetic, where they are mixed in: {synthetic}"] if synthetic else []),
                *([f"{self.n_copies} clips are left out: copies of clips of a later split"] if self.n_copies else []),
            ]
        )


def corrupt_data(
    suite: str,
    data: str | Path,
    output: str | Path,
    *,
    seed: int = 0,
    material: Sequence[str] = (),
    material_split: str = "test",
    sample_rate: int | None = None,
    label_column: str = "label",
    skip_bad: bool = False,
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
    again.

    `suite` is a name, or a specification file, whose seed and material split are then used. `data` is a folder of sound
    files, with or without class folders (without, there is no label column), or a manifest.
    """
    if sample_rate is not None and sample_rate < 1:
        raise AuricleError(f"the sample rate {sample_rate!r} must be a positive whole number of Hz")
    made = open_suite(suite, seed, read_material(material, progress=progress), material_split)
    given = _clips(Path(data), label_column, skip_bad, progress)
    clips = _without_copies(given)
    folder = Path(output)
    _open(folder, made, Path(data), sample_rate)
    assigned = made.assign(unique_names(clips), [";".join(clip.labels) for clip in clips])
    places, groups = _places(clips), _groups(clips)
    cell_names = file_names(cell.name for cell in made.cells)
    versions = CorruptedVersions(folder, made, sample_rate)
    n_before = 0
    rows: list[dict[str, Any]] = []
    jobs = list(zip(clips, places, groups, assigned, strict=True))
    for clip, place, group, cells in track(jobs, f"Writing {made.name}", total=len(jobs), show=progress):
        paths = [folder / cell_names[cell.name] / place for cell in cells]
        missing = [(cell, path) for cell, path in zip(cells, paths, strict=True) if not versions.has(clip, cell, path)]
        n_before += len(cells) - len(missing)
        for cell, path, waveform, rate in _made(made, clip, missing, sample_rate):
            audio.write(path, waveform, rate, subtype="FLOAT")
            versions.add(clip, cell, path)
        rows += [_row(clip, group, cell, path.relative_to(folder)) for cell, path in zip(cells, paths, strict=True)]
    _write_manifest(folder / MANIFEST, rows)
    return Corrupted(folder, made, len(rows), n_before, len(given) - len(clips))


class CorruptedVersions:
    """Journal of the files in a folder: a line of JSON for each, with a key of its inputs and the file's SHA-256."""

    def __init__(self, folder: Path, suite: Suite, sample_rate: int | None) -> None:
        self.folder = folder
        self.made_by = [suite.seed, suite.material.describe(), sample_rate]
        self._known: dict[str, tuple[str, str]] = {}
        path = folder / JOURNAL
        text = read_text(path, 2**30, errors="surrogateescape") if path.is_file() else ""
        for line in text.split("\n"):
            with suppress(
                ValueError, TypeError, KeyError, RecursionError
            ):  # incomplete line: the file is written again
                entry = json.loads(line)
                self._known[entry["file"]] = entry["key"], entry["sha256"]

    def has(self, clip: Clip, cell: Cell, path: Path) -> bool:
        """Whether the clip under the cell is at `path`, complete and from the current inputs."""
        known = self._known.get(self._name(path))
        if known is None or path.is_symlink() or not path.is_file():
            return False
        return known == (self._key(clip, cell), file_digest(path))

    def add(self, clip: Clip, cell: Cell, path: Path) -> None:
        """Record that the clip under the cell was written to `path`."""
        entry = {"file": self._name(path), "key": self._key(clip, cell), "sha256": file_digest(path)}
        append_line(self.folder / JOURNAL, json.dumps(entry, ensure_ascii=False))
        self._known[entry["file"]] = entry["key"], entry["sha256"]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _key(self, clip: Clip, cell: Cell) -> str:
        made_of = [clip.recording, clip.start_s, clip.end_s, clip.name]
        return key_of("version", made_of, cell.corruption, cell.condition, dict(cell.parameters), self.made_by)


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


def _clips(data: Path, label_column: str, skip_bad: bool, progress: bool) -> tuple[Clip, ...]:
    """The clips of a manifest or of class folders; unlabelled clips of any other folder."""
    if data.is_dir() and not (data / "manifest.csv").is_file():
        files = found_audio(data)
        if any(file.parent == data for file in files):
            return tuple(_unlabelled(file, data) for file in files)
    return read_manifest(data, label_column=label_column, multi_label=True, skip_bad=skip_bad, progress=progress).clips


def _unlabelled(path: Path, root: Path) -> Clip:
    header = audio.info(path)
    return Clip(
        file=shown_path(path.relative_to(root).as_posix()),
        path=path,
        labels=(),
        sample_rate=header.sample_rate,
        duration_s=header.duration_s,
        channels=header.channels,
    )


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
        name = PurePosixPath(clip.name.replace("\\", "/") + ("" if whole_wav else ".wav"))
        places.append(Path(*(part for part in name.parts if part != ".." and part != name.anchor)))
    if len({folded(place.as_posix()) for place in places}) < len(places):
        return [Path(str(number), place) for number, place in enumerate(places)]
    return places


def _made(
    suite: Suite, clip: Clip, missing: Sequence[tuple[Cell, Path]], sample_rate: int | None
) -> Iterator[tuple[Cell, Path, Any, int]]:
    """Yield (cell, path, waveform, rate) for each of the missing cells of a clip, which is read once."""
    if not missing:
        return
    end_s = clip.start_s + clip.duration_s if clip.is_segment else None
    waveform, rate = audio.read(clip.path, sample_rate=sample_rate, start_s=clip.start_s, end_s=end_s)
    for cell, path in missing:
        yield cell, path, suite.apply(cell, waveform, rate, clip.name), rate


def _row(clip: Clip, group: str, cell: Cell, path: Path) -> dict[str, Any]:
    original = clip.original or Original(clip.recording, clip.start_s, clip.end_s)
    return {
        "path": path.as_posix(),
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


def _write_manifest(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    columns = [name for name in _COLUMNS if any(row[name] not in (None, "") for row in rows)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _open(folder: Path, suite: Suite, data: Path, sample_rate: int | None) -> None:
    """Prepare or reopen the folder for a suite; raises `AuricleError` if it holds another suite or other files."""
    record = {**suite.spec(), "digest": suite.digest, "data": str(data.resolve()), "sample_rate": sample_rate}
    path = folder / SPEC
    if data.is_dir() and folder.resolve().is_relative_to(data.resolve()):
        raise AuricleError(f"{folder} is inside the data folder {data}: give a folder outside it")
    if folder.exists() and not folder.is_dir():
        raise AuricleError(f"{folder} is a file: give a folder for the suite")
    if path.is_file():
        before = _read_spec(path)
        changed = [name for name in ("sample_rate", "digest") if before.get(name) != record[name]]
        if changed:
            what = ", ".join("suite" if name == "digest" else name.replace("_", " ") for name in changed)
            raise AuricleError(f"{folder} was written with another {what}: give another folder")
        write_json(path, record)
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise AuricleError(f"{folder} holds files that are not from a suite: give another folder")
    write_json(path, record)


@verb
def corrupt(options: Corrupt) -> Corrupted:
    """Apply a suite to recordings; returns the folder, its suite and its number of files."""
    return corrupt_data(
        options.suite,
        options.data,
        options.output,
        seed=options.seed,
        material=options.material or [],
        material_split=options.material_split,
        sample_rate=options.rate,
        label_column=options.label_column,
        skip_bad=options.skip_bad,
        progress=not options.quiet,
    )
