"""Manifests: the clips of a data set with their labels, from a CSV file or from class folders.

A manifest file has a column `path` (relative to the file) and a column of labels; `split`, `fold`, `group`, `start` and
`end` (seconds) are optional, and so are `source_sha256`, `source_start` and `source_end`, which name the recording that
a corrupted clip was made from. Several labels of a clip are separated by `;`.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from auricle import audio
from auricle.data.clips import Clip, Problem
from auricle.data.holding_out import choose_held_out
from auricle.data.rows import SPLIT_NAMES, BadRow, csv_rows, folder_rows, split_name
from auricle.errors import AuricleError
from auricle.files import write_text
from auricle.identity import joined, same_contents
from auricle.progress import track

__all__ = ["Clip", "Manifest", "Problem", "read_manifest", "scan_manifest"]

_LISTED = 20


@dataclass(frozen=True)
class Manifest:
    """The clips of `source` in order, and the rows that were skipped (which `select` and `hold_out` drop)."""

    source: Path
    clips: tuple[Clip, ...]
    skipped: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """All labels, sorted; numbers in numeric order."""
        return _in_order(label for clip in self.clips for label in clip.labels)

    @cached_property
    def multi_label(self) -> bool:
        """Whether any clip has several labels."""
        return any(len(clip.labels) > 1 for clip in self.clips)

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The splits of the clips: train, valid, test, then any others."""
        names = {clip.split for clip in self.clips if clip.split is not None}
        usual = tuple(name for name in dict.fromkeys(SPLIT_NAMES.values()) if name in names)
        return usual + _in_order(names.difference(usual))

    @cached_property
    def folds(self) -> tuple[str, ...]:
        """The folds of the clips, sorted; numbers in numeric order."""
        return _in_order(clip.fold for clip in self.clips if clip.fold is not None)

    def select(
        self, *, split: str | None = None, fold: str | int | None = None, without_fold: str | int | None = None
    ) -> Manifest:
        """The clips of a split, of a fold, or of all folds but one; several criteria are combined.

        Raises `AuricleError` for an unknown split or fold and if no clip is left.
        """
        clips = self.clips
        if split is not None:
            wanted = split_name(split)
            self._require("split", wanted, self.splits)
            clips = tuple(clip for clip in clips if clip.split == wanted)
        if fold is not None:
            self._require("fold", str(fold), self.folds)
            clips = tuple(clip for clip in clips if clip.fold == str(fold))
        if without_fold is not None:
            self._require("fold", str(without_fold), self.folds)
            clips = tuple(clip for clip in clips if clip.fold != str(without_fold))
        if not clips:
            raise AuricleError(
                f"{self.source}: no clip is left by split={split!r}, fold={fold!r}, without_fold={without_fold!r}"
            )
        return Manifest(self.source, clips)

    def hold_out(self, share: float, *, seed: int = 0) -> tuple[Manifest, Manifest]:
        """Hold out about `share` of the clips, by group and stratified by label; returns (rest, held out).

        Groups are not divided; the clips of a file without a group form a group, and groups that share a recording (by
        content, or as their original) are joined. The result depends on the seed and the names, not on the order of
        rows. A label with more than one group stays in the rest, and neither result is empty. With few large groups the
        share is approximate.
        """
        if not 0 < share < 1:
            raise AuricleError(f"the share to hold out is {share!r}: it must be between 0 and 1")
        own = [("file", clip.file) if clip.group is None else ("group", clip.group) for clip in self.clips]
        groups: dict[tuple[str, str], list[Clip]] = {}
        contents = same_contents([clip.path for clip in self.clips])
        originals = [
            clip.original.recording if clip.original else content
            for clip, content in zip(self.clips, contents, strict=True)
        ]
        for clip, key in zip(self.clips, joined([*own, *own], [*contents, *originals]), strict=False):
            groups.setdefault(key, []).append(clip)
        if len(groups) < 2:
            raise AuricleError(
                f"{self.source}: cannot hold out {share:g} of {len(self.clips)} clip(s) of one group or one file "
                "(including copies)"
            )
        keys = sorted(groups)
        held_keys = choose_held_out([[clip.labels for clip in groups[key]] for key in keys], share, seed)
        held = {clip.key for index in held_keys for clip in groups[keys[index]]}
        return (
            Manifest(self.source, tuple(clip for clip in self.clips if clip.key not in held)),
            Manifest(self.source, tuple(clip for clip in self.clips if clip.key in held)),
        )

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the clips as a manifest that `read_manifest` reads; paths are relative to its folder."""
        path = Path(path)
        columns: dict[str, Callable[[Clip], object]] = {
            "path": lambda clip: _relative(clip.path, path.parent),
            "label": lambda clip: ";".join(clip.labels),
            "split": lambda clip: clip.split,
            "fold": lambda clip: clip.fold,
            "group": lambda clip: clip.group,
            "start": lambda clip: clip.start_s or None,
            "end": lambda clip: clip.end_s,
            "source_sha256": lambda clip: clip.original and clip.original.recording,
            "source_start": lambda clip: (clip.original and clip.original.start_s) or None,
            "source_end": lambda clip: clip.original and clip.original.end_s,
        }
        used = {name: [column(clip) for clip in self.clips] for name, column in columns.items()}
        used = {name: cells for name, cells in used.items() if name in ("path", "label") or any(cells)}
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(used)
        writer.writerows(zip(*used.values(), strict=True))
        write_text(path, text.getvalue())

    def _require(self, kind: str, name: str, known: tuple[str, ...]) -> None:
        if name not in known:
            there_are = f"there are {', '.join(map(repr, known))}" if known else f"no clip has a {kind}"
            raise AuricleError(f"{self.source}: there is no {kind} {name!r}; {there_are}")


def read_manifest(
    data: str | os.PathLike[str],
    *,
    label_column: str = "label",
    group_column: str | None = None,
    labels: Sequence[str] | None = None,
    skip_bad: bool = False,
    progress: bool = False,
) -> Manifest:
    """Read a manifest or folder, and the header of every sound file in it.

    `data` is a CSV file, a folder with a `manifest.csv`, a folder of class folders (`dog/1.wav`), or one of splits with
    class folders (`train/dog/1.wav`). Labels are text ("07" stays "07"). `group_column` is by default the first column
    of group, speaker, source and session that exists and is not the label column. `labels` are the allowed labels.

    Raises one `AuricleError` that lists all bad rows; with `skip_bad` they are left out and listed in `skipped`.
    """
    manifest = scan_manifest(
        data, label_column=label_column, group_column=group_column, labels=labels, progress=progress
    )
    bad = manifest.skipped
    if not bad or (skip_bad and manifest.clips):
        return manifest
    lines = [f"  {problem.name}: {problem.reason}" for problem in bad[:_LISTED]]
    if len(bad) > _LISTED:
        lines.append(f"  … and {len(bad) - _LISTED} more")
    advice = "; correct them, or skip them (--skip-bad):" if manifest.clips else ":"
    total = len(bad) + len(manifest.clips)
    raise AuricleError("\n".join([f"{manifest.source}: {len(bad)} of {total} clips cannot be used{advice}", *lines]))


def scan_manifest(
    data: str | os.PathLike[str],
    *,
    label_column: str = "label",
    group_column: str | None = None,
    labels: Sequence[str] | None = None,
    progress: bool = False,
) -> Manifest:
    """`read_manifest` with all bad rows in `skipped`, even if no clip is left."""
    source = Path(data)
    if source.is_dir() and (source / "manifest.csv").is_file():
        source = source / "manifest.csv"
    if source.is_dir():
        if group_column is not None:
            raise AuricleError(f"{source}: a folder has no column {group_column!r}; write a manifest to name groups")
        rows, problems = folder_rows(source)
    elif source.is_file():
        rows, problems = csv_rows(source, label_column, group_column)
    else:
        raise AuricleError(f"{source}: there is no such manifest (CSV file) or folder of class folders")

    headers = _headers([row.path for row in rows], progress)
    clips: list[Clip] = []
    seen: dict[tuple[str, float, float | None], str] = {}
    for row in rows:
        try:
            clip = row.clip(headers[row.path], labels)
            segment = (os.path.normpath(clip.path), clip.start_s, clip.end_s)
            if segment in seen:
                before = f"is listed before, in {seen[segment]}"
                raise BadRow("duplicate-row", f"{before} (several labels: 'one;two' in one row)")
            seen[segment] = row.where
            clips.append(clip)
        except BadRow as bad:
            problems.append(Problem(row.name or row.where, bad.code, bad.reason))
    return Manifest(source, tuple(clips), tuple(problems))


def _headers(paths: Iterable[Path], progress: bool) -> dict[Path, audio.AudioInfo | BadRow]:
    unique = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 2)) as pool:
        headers = track(
            pool.map(_header, unique),
            "Reading headers",
            total=len(unique),
            show=progress,
        )
        return dict(zip(unique, headers, strict=True))


def _header(path: Path) -> audio.AudioInfo | BadRow:
    try:
        return audio.info(path)
    except AuricleError as error:
        code = "unreadable-file" if path.exists() else "missing-file"
        return BadRow(code, str(error).removeprefix(f"{path}: "))


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    def key(name: str) -> tuple[bool, float, str]:
        number = re.fullmatch(r"[+-]?\d+(\.\d+)?", name)
        return number is None, float(name) if number else 0.0, name

    return tuple(sorted(set(names), key=key))


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()
