"""`auricle corrupt`: a suite applied to a data set, as files with a manifest."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from auricle import audio
from auricle.conditions import SUITES, Cell, Suite, create_suite, suite_from_spec
from auricle.conditions.material import Material
from auricle.config import Corrupt, verb
from auricle.data.clips import Clip
from auricle.data.manifest import read_manifest
from auricle.data.material import read_material
from auricle.errors import AuricleError
from auricle.progress import track

SPEC, MANIFEST = "suite.json", "manifest.csv"
_COLUMNS = ("path", "label", "split", "fold", "group", "condition", "severity", "source_file")


@dataclass(frozen=True)
class Corrupted:
    """What `corrupt_data` wrote: the folder, its suite, how many files, and how many of them were there before."""

    folder: Path
    suite: Suite
    n_files: int
    n_before: int

    def __str__(self) -> str:
        before = f" ({self.n_before} of them before)" if self.n_before else ""
        synthetic = ", ".join(self.suite.material.synthetic_kinds)
        return "\n".join(
            [
                f"{self.n_files} files{before} and their manifest are in {self.folder}",
                f"suite {self.suite.name}, seed {self.suite.seed}, SHA-256 {self.suite.digest}",
                *([f"synthetic, where they are mixed in: {synthetic}"] if synthetic else []),
            ]
        )


def corrupt_data(
    suite: str,
    data: str | Path,
    output: str | Path,
    *,
    seed: int = 0,
    material: Sequence[str] = (),
    part: str = "test",
    sample_rate: int | None = None,
    label_column: str = "label",
    skip_bad: bool = False,
    progress: bool = True,
) -> Corrupted:
    """Write the clips of `data` under each cell of a suite, or the cell that is theirs, below the folder `output`.

    Files are `CELL/NAME.wav`, mono, 32-bit floating point (peaks beyond full scale are kept), at their own rate or at
    `sample_rate` Hz. `manifest.csv` has the clips' labels, splits, folds and groups (where a clip has none, its file,
    so that its versions stay together) and the columns condition, severity and source_file; it is written when all
    files are there. `suite.json` is the suite's spec. Files of an earlier, interrupted call are kept.

    `suite` is a name, or the file of a spec, whose seed and part then hold. `data` is a folder of sound files, with
    class folders or without (then there is no column of labels), or a manifest.
    """
    if sample_rate is not None and sample_rate < 1:
        raise AuricleError(f"the sample rate {sample_rate!r} has to be a positive whole number of Hz")
    made = open_suite(suite, seed, read_material(material, progress=progress), part)
    clips = _clips(Path(data), label_column, skip_bad, progress)
    folder = Path(output)
    _open(folder, made, Path(data), sample_rate)
    assigned = made.assign([clip.name for clip in clips], [";".join(clip.labels) for clip in clips])
    places = _places(clips)
    n_before = 0
    rows: list[dict[str, Any]] = []
    jobs = [(clip, place, cells) for clip, place, cells in zip(clips, places, assigned, strict=True)]
    for clip, place, cells in track(jobs, f"Writing {made.name}", total=len(jobs), show=progress):
        paths = [folder / cell.name / place for cell in cells]
        missing = [(cell, path) for cell, path in zip(cells, paths, strict=True) if not path.exists()]
        n_before += len(cells) - len(missing)
        for path, waveform, rate in _versions(made, clip, missing, sample_rate):
            audio.write(path, waveform, rate, subtype="FLOAT")
        rows += [_row(clip, cell, path.relative_to(folder)) for cell, path in zip(cells, paths, strict=True)]
    _write_manifest(folder / MANIFEST, rows)
    return Corrupted(folder, made, len(rows), n_before)


def open_suite(name: str, seed: int, material: Material, part: str) -> Suite:
    """The suite of that name, or of the spec in a .json file, whose seed and part then hold."""
    if name in SUITES or not name.endswith(".json"):
        return create_suite(name, seed=seed, material=material, part=part)
    return suite_from_spec(_read_spec(Path(name)), material)


def _read_spec(path: Path) -> dict[str, Any]:
    try:
        spec = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AuricleError(f"{path}: there is no such file") from None
    except ValueError as error:
        raise AuricleError(f"{path}: not the spec of a suite: {error}") from None
    if not isinstance(spec, dict):
        raise AuricleError(f"{path}: not the spec of a suite")
    return spec


def _clips(data: Path, label_column: str, skip_bad: bool, progress: bool) -> tuple[Clip, ...]:
    """The clips of a manifest or of class folders; those of any other folder without labels."""
    if data.is_dir() and not (data / "manifest.csv").is_file():
        files = audio.find_audio(data)
        if any(file.parent == data for file in files):
            return tuple(_unlabelled(file, data) for file in files)
    return read_manifest(data, label_column=label_column, skip_bad=skip_bad, progress=progress).clips


def _unlabelled(path: Path, root: Path) -> Clip:
    header = audio.info(path)
    return Clip(
        name=path.relative_to(root).as_posix(),
        path=path,
        labels=(),
        sample_rate=header.sample_rate,
        duration_s=header.duration_s,
        channels=header.channels,
    )


def _places(clips: Sequence[Clip]) -> list[Path]:
    """Where each clip is written below a cell's folder: by its name, which gets .wav at its end."""
    places = []
    for clip in clips:
        whole_wav = clip.name.lower().endswith(".wav") and not clip.is_part
        name = PurePosixPath(clip.name.replace("\\", "/") + ("" if whole_wav else ".wav"))
        places.append(Path(*(part for part in name.parts if part != ".." and part != name.anchor)))
    if len(set(places)) < len(places):
        return [Path(str(number), place) for number, place in enumerate(places)]
    return places


def _versions(
    suite: Suite, clip: Clip, missing: Sequence[tuple[Cell, Path]], sample_rate: int | None
) -> Iterator[tuple[Path, Any, int]]:
    """(path, waveform, rate) of each version that is missing; the clip is read once."""
    if not missing:
        return
    end_s = clip.start_s + clip.duration_s if clip.is_part else None
    waveform, rate = audio.read(clip.path, sample_rate=sample_rate, start_s=clip.start_s, end_s=end_s)
    for cell, path in missing:
        yield path, suite.apply(cell, waveform, rate, clip.name), rate


def _row(clip: Clip, cell: Cell, path: Path) -> dict[str, Any]:
    return {
        "path": path.as_posix(),
        "label": ";".join(clip.labels),
        "split": clip.split,
        "fold": clip.fold,
        "group": clip.group or clip.file_name,
        "condition": cell.corruption,
        "severity": cell.severity,
        "source_file": clip.name,
    }


def _write_manifest(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    columns = [name for name in _COLUMNS if any(row[name] not in (None, "") for row in rows)]
    partial = path.with_suffix(".part")
    with open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(partial, path)


def _open(folder: Path, suite: Suite, data: Path, sample_rate: int | None) -> None:
    """Make the folder ready for this suite of these data, begun before or not; any other content is an error."""
    record = {**suite.spec(), "digest": suite.digest, "data": str(data.resolve()), "sample_rate": sample_rate}
    path = folder / SPEC
    if data.is_dir() and folder.resolve().is_relative_to(data.resolve()):
        raise AuricleError(f"{folder} lies in {data}, which is read: give a folder outside it")
    if folder.exists() and not folder.is_dir():
        raise AuricleError(f"{folder} is a file: give a folder for the suite")
    if path.is_file():
        before = _read_spec(path)
        changed = [name for name in ("data", "sample_rate", "digest") if before.get(name) != record[name]]
        if changed:
            what = ", ".join("suite" if name == "digest" else name.replace("_", " ") for name in changed)
            raise AuricleError(f"{folder} was begun with another {what}: give another folder")
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise AuricleError(f"{folder} holds files that are no suite's: give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)


@verb
def corrupt(options: Corrupt) -> Corrupted:
    """The folder, its suite, and how many files it has."""
    return corrupt_data(
        options.suite,
        options.data,
        options.output,
        seed=options.seed,
        material=options.material or [],
        part=options.material_split,
        sample_rate=options.rate,
        label_column=options.label_column,
        skip_bad=options.skip_bad,
        progress=not options.quiet,
    )
