"""Folders of class folders: a sound file's label is the name of its folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from auricle import audio
from auricle.data.clips import Problem
from auricle.data.manifest_file import is_unicode
from auricle.data.rows import SPLIT_NAMES, ManifestRow
from auricle.errors import AuricleError, shown_path


def folder_rows(source: Path) -> tuple[list[ManifestRow], list[Problem], list[Problem]]:
    """A row for each sound file in a class folder, the files that are in none, and what is not read.

    A class of which nothing can be read is among the files that cannot be used.
    """
    layout = "a folder for each class (dog/1.wav), or for each split with classes in it (train/dog/1.wav)"
    where = shown_path(source)
    not_read = [(path.relative_to(source), reason) for path, reason in audio.left_out(source)]
    left_out = [Problem(shown_path(path), "left-out", reason) for path, reason in not_read]
    try:
        files = audio.find_audio(source)
    except AuricleError:
        more = f" that can be read ({left_out[0].name}: {left_out[0].reason})" if left_out else ""
        raise AuricleError(f"{where}: there are no sound files{more}; expected {layout}") from None
    parts = {file: file.relative_to(source).parts for file in files}
    tops = {folders[0] for folders in parts.values() if len(folders) > 1}
    if not tops:
        tables = sorted(source.glob("*.csv"))
        hint = f"; if {shown_path(tables[0].name)} is one, give {shown_path(tables[0])}" if tables else ""
        raise AuricleError(f"{where}: there are no class folders; expected {layout}, or a manifest.csv{hint}")
    if len(tops) > 1 and all(re.fullmatch(r"fold[ _-]?\d+", top, re.IGNORECASE) for top in tops):
        raise AuricleError(
            f"{where}: {' and '.join(sorted(tops)[:2])} look like folds, not like classes: write a manifest with the "
            "columns path, label and fold"
        )
    has_splits = all(top.lower() in SPLIT_NAMES for top in tops) and any(len(p) > 2 for p in parts.values())
    mixed = [top for top in sorted(tops) if top.lower() in ("train", "training")]
    if mixed and not has_splits and all(len(p) > 2 for p in parts.values() if p[0] == mixed[0]):
        others = sorted(top for top in tops if top.lower() not in SPLIT_NAMES)
        raise AuricleError(f"{where}: {mixed[0]!r} looks like a split and {others[0]!r} does not; expected {layout}")

    depth = 1 if has_splits else 0
    rows, problems = [], _lost_classes(not_read, parts.values(), depth + 1)
    for file in files:
        name = shown_path("/".join(parts[file]))
        if len(parts[file]) < depth + 2:
            problems.append(Problem(name, "no-class-folder", f"is in no class folder; expected {layout}"))
            continue
        folder = parts[file][depth]
        if ";" in folder:
            raise AuricleError(
                f"{where}: the class folder {shown_path(folder)!r} has a ';' in its name, which separates labels: "
                "rename it"
            )
        if not is_unicode(folder):
            reason = f"the name of its class folder is not UTF-8 ({shown_path(folder)}): rename that"
            problems.append(Problem(name, "label-not-unicode", reason))
            continue
        split = parts[file][0] if has_splits else ""
        rows.append(ManifestRow(where=name, path=file, name=name, labels=(folder,), split=split))
    return rows, problems, left_out


def _lost_classes(not_read: Iterable[tuple[Path, str]], read: Iterable[tuple[str, ...]], depth: int) -> list[Problem]:
    """A problem for each class folder, at `depth`, in which nothing is read and something is left out."""
    known = {parts[:depth] for parts in read}
    lost: dict[tuple[str, ...], list[str]] = {}
    for path, reason in not_read:
        is_class = len(path.parts) > depth or (len(path.parts) == depth and not path.suffix)
        if is_class and path.parts[:depth] not in known:
            lost.setdefault(path.parts[:depth], []).append(f"{shown_path(path)}: {reason}")
    return [
        Problem(shown_path("/".join(folder)), "lost-class", f"nothing of this class can be read, as {reasons[0]}")
        for folder, reasons in lost.items()
    ]
