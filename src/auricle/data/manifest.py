"""Manifests: the clips of a data set with their labels, from a CSV file or from class folders.

A manifest file has a column `path` (relative to the file) and a column of labels; `split`, `fold`, `group`, `start` and
`end` (seconds) are optional, and so are `source_sha256`, `source_start` and `source_end`, which name the recording that
a corrupted clip was made from. Several labels of a clip are separated by `;`. A data set is multi-label if a clip has
several labels or if it is declared so; only then a clip may have no label.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from auricle import audio
from auricle.data.class_folders import folder_rows
from auricle.data.clips import Clip, Problem
from auricle.data.copies import contents_of, sound_of
from auricle.data.damage import reason_of
from auricle.data.holding_out import choose_held_out, spread_over_folds
from auricle.data.hugging_face import hugging_face_rows, is_hugging_face
from auricle.data.labels import mistaken, told_apart, visible
from auricle.data.left_out import warn_left_out
from auricle.data.manifest_file import NO_GROUPS, csv_rows
from auricle.data.other_names import remedies
from auricle.data.rows import SPLIT_NAMES, BadRow, split_name
from auricle.data.threads import mapped
from auricle.errors import AuricleError, counted, shown_path
from auricle.files import write_rows
from auricle.identity import joined
from auricle.registry import unknown_name

__all__ = ["Clip", "Manifest", "Problem", "read_manifest", "scan_manifest"]

_LISTED = 20
_MISSING = "missing-file"
_NO_LABEL = ("",)  # the class of clips without a label, where clips are stratified


@dataclass(frozen=True)
class Manifest:
    """The clips of `source` in order.

    `skipped` are rows that cannot be used, `left_out` what lies in a folder and is not read; `only`, `select` and
    `hold_out` drop both. `declared_multi_label` makes the data set multi-label even if no clip has several labels.
    """

    source: Path
    clips: tuple[Clip, ...]
    skipped: tuple[Problem, ...] = ()
    left_out: tuple[Problem, ...] = ()
    declared_multi_label: bool = False

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
        """Whether clips may have any number of labels, none included."""
        return self.declared_multi_label or any(len(clip.labels) > 1 for clip in self.clips)

    @cached_property
    def negatives(self) -> tuple[Clip, ...]:
        """The clips without a label."""
        return tuple(clip for clip in self.clips if not clip.labels)

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

    def only(self, clips: Iterable[Clip]) -> Manifest:
        """Some of the clips; a part of a multi-label data set is multi-label."""
        return Manifest(self.source, tuple(clips), declared_multi_label=self.multi_label)

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
        return self.only(clips)

    def hold_out(self, share: float, *, seed: int = 0) -> tuple[Manifest, Manifest]:
        """Hold out about `share` of the clips, by group (`by_group`) and stratified by label: (rest, held out).

        The result depends on the seed and the names, not on the order of rows. A label with more than one group stays
        in the rest, and neither result is empty. Clips without a label count as a class of their own. With few large
        groups the share is approximate.
        """
        if not 0 < share < 1:
            raise AuricleError(f"the share to hold out is {share!r}: it must be between 0 and 1")
        groups = self.by_group()
        if len(groups) < 2:
            raise AuricleError(
                f"{self.source}: cannot hold out {share:g} of {counted(len(self.clips), 'clip')} of one group or one "
                "file (including copies)"
            )
        keys = sorted(groups)
        held_keys = choose_held_out([[clip.labels or _NO_LABEL for clip in groups[key]] for key in keys], share, seed)
        held = {clip.key for index in held_keys for clip in groups[keys[index]]}
        return (
            self.only(clip for clip in self.clips if clip.key not in held),
            self.only(clip for clip in self.clips if clip.key in held),
        )

    def by_group(self) -> dict[tuple[str, str], list[Clip]]:
        """The clips of each group, none of which are of the same recording as those of another.

        The clips of a file without a group form a group, and groups that share a recording (by content, or as their
        original) are joined.
        """
        own = [("file", clip.file) if clip.group is None else ("group", clip.group) for clip in self.clips]
        contents = contents_of(self.clips)
        originals = [
            clip.original.recording if clip.original else content
            for clip, content in zip(self.clips, contents, strict=True)
        ]
        sounds = [sound_of(clip.path) or content for clip, content in zip(self.clips, contents, strict=True)]
        shared = joined([*own, *own, *own], [*contents, *originals, *sounds])
        groups: dict[tuple[str, str], list[Clip]] = {}
        for clip, key in zip(self.clips, shared, strict=False):
            groups.setdefault(key, []).append(clip)
        return groups

    def cross_folds(self, n_folds: int, *, seed: int = 0) -> list[int]:
        """The number of each clip's fold, for cross-validation by group (see `by_group`).

        The groups of one label are spread evenly over the folds.
        """
        groups = self.by_group()
        keys = sorted(groups)
        folds = spread_over_folds([groups[key][0].labels for key in keys], n_folds, seed)
        fold_of = {clip.key: fold for key, fold in zip(keys, folds, strict=True) for clip in groups[key]}
        return [fold_of[clip.key] for clip in self.clips]

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
        write_rows(path, used, zip(*used.values(), strict=True))

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
    multi_label: bool = False,
    negative_label: str | None = None,
    skip_bad: bool = False,
    remedy: str = "skip them (--skip-bad)",
    progress: bool = False,
) -> Manifest:
    """Read a manifest or folder, and the header of every sound file in it.

    `data` is a CSV file, a folder with a `manifest.csv`, a folder of class folders (`dog/1.wav`), one of splits with
    class folders (`train/dog/1.wav`), or one of Hugging Face (see `hugging_face`). Labels are text ("07" stays "07").
    `group_column` is by default the first column of group, speaker, source and session that exists and is not the label
    column; with "none" every file is on its own. `labels` are the allowed labels.
    `multi_label` declares that clips may have any number of labels, none included, which is known if a clip has several
    labels; clips with the label (or in the class folder) `negative_label` have none.

    Raises one `AuricleError` that lists all bad rows, and says that they can be corrected or what else is a `remedy`;
    with `skip_bad` they are left out and listed in `skipped`. Sound files that are not read are an `AuricleWarning`.
    """
    manifest = scan_manifest(
        data,
        label_column=label_column,
        group_column=group_column,
        labels=labels,
        multi_label=multi_label,
        negative_label=negative_label,
        progress=progress,
    )
    warn_left_out(manifest.source, manifest.left_out)
    bad = manifest.skipped
    if not bad or (skip_bad and manifest.clips):
        return manifest
    lines = [f"  {problem.name}: {problem.reason}" for problem in bad[:_LISTED]]
    if len(bad) > _LISTED:
        lines.append(f"  … and {len(bad) - _LISTED} more")
    advice = f"; correct them, or {remedy}:" if manifest.clips else ":"
    total = len(bad) + len(manifest.clips)
    source = shown_path(manifest.source)
    raise AuricleError("\n".join([f"{source}: {len(bad)} of {total} clips cannot be used{advice}", *lines]))


def scan_manifest(
    data: str | os.PathLike[str],
    *,
    label_column: str = "label",
    group_column: str | None = None,
    labels: Sequence[str] | None = None,
    multi_label: bool = False,
    negative_label: str | None = None,
    progress: bool = False,
) -> Manifest:
    """`read_manifest` with all bad rows in `skipped`, even if no clip is left, and without a warning."""
    source = Path(data)
    if source.is_dir() and (source / "manifest.csv").is_file():
        source = source / "manifest.csv"
    left_out: list[Problem] = []
    if source.is_dir() and is_hugging_face(source):
        rows, problems = hugging_face_rows(source, label_column, group_column)
    elif source.is_dir():
        _refuse_corpus(source)
        for column, usual, what in ((label_column, ("label",), "label"), (group_column, (None, NO_GROUPS), "group")):
            if column not in usual:
                raise AuricleError(
                    f"{shown_path(source)}: a folder has no column {column!r}; write a manifest to name {what}s"
                )
        rows, problems, left_out = folder_rows(source)
    elif source.is_file():
        rows, problems = csv_rows(source, label_column, group_column)
    elif source.exists():
        raise AuricleError(f"{shown_path(source)}: neither a file nor a folder, so not a data set")
    else:
        raise AuricleError(f"{shown_path(source)}: there is no such manifest (CSV file) or folder of class folders")

    if negative_label is not None and not any(negative_label in row.labels for row in rows):
        known = [visible(label) for label in sorted({label for row in rows for label in row.labels})[:_LISTED]]
        raise AuricleError(f"{shown_path(source)}: {unknown_name('negative label', negative_label, known)}")
    alike = mistaken({label for row in rows for label in row.labels}, [negative_label] if negative_label else [])
    for label, negative in sorted(alike.items()):
        raise AuricleError(f"{shown_path(source)}: labels that look alike: {told_apart(negative, label)}")
    declared = multi_label or negative_label is not None
    several = declared or any(len(row.labels) > 1 for row in rows)
    with audio.noticing():  # the damage is said when the clips are decoded
        headers = _headers([row.path for row in rows], progress)
    clips: list[Clip] = []
    seen: dict[tuple[str, float, float | None], str] = {}
    for row in rows:
        try:
            clip = row.clip(headers[row.path], labels, negative_label, multi_label=several)
            segment = (os.path.normpath(clip.path), clip.start_s, clip.end_s)
            if segment in seen:
                before = f"is listed before, in {seen[segment]}"
                raise BadRow("duplicate-row", f"{before} (several labels: 'one;two' in one row)")
            seen[segment] = row.where
            clips.append(clip)
        except BadRow as bad:
            problems.append(Problem(row.name or row.where, bad.code, bad.reason))
    return Manifest(source, tuple(clips), tuple(problems), tuple(left_out), declared)


def _refuse_corpus(folder: Path) -> None:
    """Raise an `AuricleError` for a copy of a published corpus, whose folders do not say all that is known of it."""
    from auricle.data.corpora import corpus_of

    name = corpus_of(folder)
    if name is not None:
        where = shown_path(folder)
        raise AuricleError(
            f"{where}: a copy of the corpus {name}, which has labels and splits of its own: write its manifest "
            f"(auricle manifest {name} {shlex.quote(where)} --output {name}.csv) and use that"
        )


def _headers(paths: Iterable[Path], progress: bool) -> dict[Path, audio.AudioInfo | BadRow]:
    unique = list(dict.fromkeys(paths))
    headers = dict(zip(unique, mapped(_header, unique, "Reading headers", progress=progress), strict=True))
    missing = {path: bad for path, bad in headers.items() if isinstance(bad, BadRow) and bad.code == _MISSING}
    for path, remedy in remedies(missing).items():
        headers[path] = BadRow(_MISSING, f"{missing[path].reason}: {remedy}")
    return headers


def _header(path: Path) -> audio.AudioInfo | BadRow:
    try:
        return audio.info(path)
    except AuricleError as error:
        code = "unreadable-file" if os.path.lexists(path) else _MISSING
        return BadRow(code, reason_of(error, path))


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
