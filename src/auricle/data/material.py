"""Recordings to mix into clips, from folders and manifests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auricle import audio
from auricle.conditions import KINDS, Material, Recording
from auricle.conditions.material import synthetic_recordings
from auricle.data.left_out import found_audio
from auricle.data.manifest import Manifest, read_manifest
from auricle.errors import AuricleError, shown_path
from auricle.registry import unknown_name

SYNTHETIC_SOURCE = "synthetic"
_REMEDY = "leave their rows out"
_SPLITS = {"train": "train", "valid": "train", "test": "test"}


def read_material(sources: Sequence[str], *, progress: bool = False) -> Material:
    """Read the recordings of `sources`; kinds without recordings are synthetic.

    A source is a folder with the sub-folders music, noise, room or speech (as in MUSAN; others are ignored), a manifest
    with these kinds as labels, or KIND=PATH, where the path is a folder of sound files, a file, or a manifest with any
    labels. A folder that holds a `manifest.csv` is that manifest. The word "synthetic" adds synthetic recordings of
    every kind. Groups and splits of a manifest are used (validation counts as training); otherwise every file is its
    own source, named by its file name without folders and suffix.
    """
    recordings = [recording for source in sources for recording in _recordings(source, progress)]
    return Material.of(recordings)


def _recordings(source: str, progress: bool) -> list[Recording]:
    if source == SYNTHETIC_SOURCE:
        return synthetic_recordings()
    kind, named, path = source.partition("=")
    if named and kind not in KINDS and not Path(source).exists():
        raise AuricleError(f"--material {source}: {unknown_name('kind', kind, KINDS)}")
    if named and kind in KINDS:
        if Path(path).suffix.lower() == ".csv" or (Path(path) / "manifest.csv").is_file():
            return _of_manifest(read_manifest(path, remedy=_REMEDY, progress=progress), kind)
        files = found_audio(path)
        return [_of_file(file, kind, Path(path)) for file in files]
    folder = Path(source)
    if not folder.exists():
        raise AuricleError(
            f"--material {source}: there is no such folder or manifest; without one, noises are synthetic"
        )
    if folder.is_dir() and not (folder / "manifest.csv").is_file():
        found = [name for name in KINDS if (folder / name).is_dir()]
        if not found:
            raise AuricleError(
                f"{source}: no folder {', '.join(KINDS)} in it; give its kind, as in --material noise={source}"
            )
        return [_of_file(file, name, folder) for name in found for file in found_audio(folder / name)]
    manifest = read_manifest(source, remedy=_REMEDY, progress=progress)
    strange = sorted(set(manifest.label_names).difference(KINDS))
    if strange:
        raise AuricleError(
            f"{source}: labels of material are {', '.join(KINDS)}, not {', '.join(strange[:5])}; to use all of it as "
            f"one kind, give it as in --material noise={source}"
        )
    if manifest.negatives:
        raise AuricleError(f"{source}: {manifest.negatives[0].name} has no label: {', '.join(KINDS)}")
    return _of_manifest(manifest)


def _of_file(path: Path, kind: str, root: Path) -> Recording:
    name = path.relative_to(root).as_posix() if path != root else path.name
    with audio.noticing():  # the damage is said when the recording is decoded
        duration_s = audio.info(path).duration_s
    return Recording(kind, shown_path(path.stem), shown_path(name), duration_s, path=path)


def _of_manifest(manifest: Manifest, kind: str = "") -> list[Recording]:
    return [
        Recording(
            kind or clip.labels[0],
            clip.group or Path(clip.file).stem,
            clip.name,
            clip.duration_s,
            clip.start_s,
            _SPLITS.get(clip.split) if clip.split else None,
            clip.path,
        )
        for clip in manifest
    ]
