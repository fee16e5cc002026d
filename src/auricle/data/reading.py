"""Read data sets given on the command line: manifests, folders, and unlabelled recordings."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from auricle import audio
from auricle.config import DataOptions
from auricle.data.clips import Clip, Problem
from auricle.data.damage import BAD_SAMPLES, bad_samples, reason_of
from auricle.data.left_out import found_audio
from auricle.data.manifest import Manifest, read_manifest
from auricle.data.manifest_file import PATH_COLUMNS, csv_columns
from auricle.data.threads import mapped
from auricle.errors import AuricleError, counted, shown_path


def data_name(source: str) -> tuple[str, str]:
    """Name and path of a source: ('digits', 'fsdd/manifest.csv') for 'digits=fsdd/manifest.csv'.

    The default name is that of the folder, or of a manifest that is not just called manifest.csv.
    """
    name, found, path = source.partition("=")
    if found and not Path(source).exists():
        return shown_path(name), path
    where = Path(source).resolve()
    if where.is_file():
        return shown_path(where.parent.name if where.stem == "manifest" else where.stem), source
    return shown_path(where.name), source


def read_data(source: str, options: DataOptions, *, progress: bool = False) -> Manifest:
    """Read the manifest or folder `source`.

    With `skip_bad` every clip is decoded, to leave out those that cannot be and those with bad samples.
    """
    manifest = read_manifest(
        source,
        label_column=options.label_column,
        group_column=options.group_column,
        multi_label=options.multi_label,
        negative_label=options.negative_label,
        skip_bad=options.skip_bad,
        progress=progress,
    )
    clips, skipped = manifest.clips, manifest.skipped
    if options.skip_bad:
        problems = list(mapped(_problem, clips, "Listening", progress=progress))
        clips = tuple(clip for clip, bad in zip(clips, problems, strict=True) if not bad)
        skipped = (*skipped, *(bad for bad in problems if bad))
    if not clips:
        raise AuricleError(f"{shown_path(source)}: none of the {len(manifest)} clips can be used")
    return dataclasses.replace(manifest, clips=clips, skipped=skipped, declared_multi_label=manifest.multi_label)


def refuse_unusable(clips: Sequence[Clip], *, progress: bool = False) -> None:
    """Decode every clip; raises `AuricleError` for those that cannot be decoded or have bad samples."""
    problems = [problem for problem in mapped(_problem, clips, "Listening", progress=progress) if problem]
    if problems:
        first = f"{problems[0].name}: {problems[0].reason}"
        what = counted(len(problems), "clip")
        raise AuricleError(f"{what} cannot be used, first {first}; correct them, or leave them out (--skip-bad)")


def read_unlabelled(
    source: str, label: str, options: DataOptions = DataOptions(), *, progress: bool = False
) -> Manifest:
    """Read a manifest, ignoring its labels, or all sound files in a folder; every clip has the label `label`."""
    path = Path(source)
    if path.is_dir() and not (path / "manifest.csv").is_file():
        return _read_folder(path, label, skip_bad=options.skip_bad)
    manifest_file = path / "manifest.csv" if path.is_dir() else path
    columns = csv_columns(manifest_file) if manifest_file.is_file() else []
    of_paths = next((name for name in PATH_COLUMNS if name in columns), "path")
    ignored = dataclasses.replace(options, label_column=of_paths, multi_label=False, negative_label=None)
    manifest = read_data(source, ignored, progress=progress)
    clips = tuple(dataclasses.replace(clip, labels=(label,)) for clip in manifest)
    return dataclasses.replace(manifest, clips=clips, declared_multi_label=False)


def _read_folder(folder: Path, label: str, *, skip_bad: bool) -> Manifest:
    """All sound files in a folder, with `skip_bad` without those that cannot be decoded or have bad samples."""
    files = found_audio(folder)
    clips: list[Clip] = []
    skipped: list[Problem] = []
    for file in files:
        name = file.relative_to(folder).as_posix()
        try:
            with audio.noticing():  # the damage is said when the clips are decoded
                clip = clip_of(file, name, label)
        except AuricleError as error:
            if not skip_bad:
                raise
            skipped.append(Problem(shown_path(name), "unreadable-file", reason_of(error, file)))
            continue
        problem = _problem(clip) if skip_bad else None
        if problem is None:
            clips.append(clip)
        else:
            skipped.append(problem)
    if not clips:
        raise AuricleError(f"{shown_path(folder)}: none of the {len(files)} files can be used")
    return Manifest(folder, tuple(clips), tuple(skipped))


def clip_of(path: Path, name: str, label: str = "") -> Clip:
    """A whole sound file as a clip, without a label if none is given; `name` is its displayed path."""
    header = audio.info(path)
    return Clip(
        file=shown_path(name),
        path=path,
        labels=(label,) if label else (),
        sample_rate=header.sample_rate,
        duration_s=header.duration_s,
        channels=header.channels,
    )


def _problem(clip: Clip) -> Problem | None:
    """Why a clip cannot be decoded or has bad samples; None if it can be used."""
    with audio.noticing() as damage:
        try:
            for _ in audio.blocks(clip.path, block_s=10.0, start_s=clip.start_s, end_s=clip.end_s):
                pass
        except AuricleError as error:
            return Problem(clip.name, "unreadable-file", reason_of(error, clip.path))
    reason = bad_samples(damage)
    return Problem(clip.name, BAD_SAMPLES, reason) if reason else None
