"""Read data sets given on the command line: manifests, folders, and unlabelled recordings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from auricle import audio
from auricle.config import DataOptions
from auricle.data.clips import Clip, Problem
from auricle.data.manifest import Manifest, read_manifest
from auricle.errors import AuricleError
from auricle.progress import track


def data_name(source: str) -> tuple[str, str]:
    """Name and path of a source: ('digits', 'fsdd/manifest.csv') for 'digits=fsdd/manifest.csv'.

    The default name is that of the folder.
    """
    name, found, path = source.partition("=")
    if found and not Path(source).exists():
        return name, path
    where = Path(source).resolve()
    return (where.parent.name if where.is_file() else where.name), source


def read_data(source: str, options: DataOptions, *, progress: bool = False) -> Manifest:
    """Read the manifest or folder `source`; with `skip_bad`, every file is decoded to find the ones that cannot be."""
    without_groups = options.group_column == "none"
    manifest = read_manifest(
        source,
        label_column=options.label_column,
        group_column=None if without_groups else options.group_column,
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


def read_unlabelled(
    source: str, label: str, options: DataOptions = DataOptions(), *, progress: bool = False
) -> Manifest:
    """Read a manifest, ignoring its labels, or all sound files in a folder; every clip has the label `label`."""
    path = Path(source)
    if path.is_dir() and not (path / "manifest.csv").is_file():
        files = audio.find_audio(path)
        return Manifest(path, tuple(clip_of(file, file.relative_to(path).as_posix(), label) for file in files))
    manifest = read_data(source, dataclasses.replace(options, label_column="path"), progress=progress)
    clips = [dataclasses.replace(clip, labels=(label,)) for clip in manifest]
    return dataclasses.replace(manifest, clips=tuple(clips))


def clip_of(path: Path, name: str, label: str) -> Clip:
    """A whole sound file as a clip; `name` is its displayed path."""
    header = audio.info(path)
    return Clip(
        file=name,
        path=path,
        labels=(label,),
        sample_rate=header.sample_rate,
        duration_s=header.duration_s,
        channels=header.channels,
    )


def _reason(clip: Clip) -> str:
    """The reason why a clip cannot be decoded; empty if it can."""
    try:
        for _ in audio.blocks(clip.path, block_s=10.0, start_s=clip.start_s, end_s=clip.end_s):
            pass
    except AuricleError as error:
        return str(error).removeprefix(f"{clip.path}: ")
    return ""
