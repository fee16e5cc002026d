"""Findings about the labels of a data set: classes, look-alikes, negatives, and groups in several splits."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator

import pandas as pd

from auricle.data.clips import Clip
from auricle.data.findings import Finding, Severity
from auricle.data.labels import label_errors, listable
from auricle.data.manifest import Manifest
from auricle.errors import counted, some_of

IMBALANCE = 10.0
FEW_WITH_SEVERAL = 0.1
NO_LABEL = "(none)"
_WHOLE_NUMBER = re.compile(r"0*([0-9]+)(?:[.]0+)?")
_MISSING = ("nan", "-nan", "nat", "na", "<na>", "n/a", "#n/a", "none", "null", "nil")


def labels(manifest: Manifest) -> Iterator[Finding]:
    """Labels that cannot be classes or may stand for none, and clips with several, which make all data multi-label."""
    for code, message, names in label_errors(manifest.label_names):
        concerned = tuple(clip.name for clip in manifest if not names.isdisjoint(clip.labels))
        yield Finding("error", code, message, concerned)
    for name in filter(_may_be_missing, manifest.label_names):
        message = (
            f"the label {name!r} may stand for a missing one, as programs write it in tables: correct it, or leave it "
            f"empty; if these clips have none of the sounds, give --negative-label={shlex.quote(name)}"
        )
        yield Finding("warning", "missing-value", message, tuple(clip.name for clip in manifest if name in clip.labels))
    for group in _same_numbers(manifest.label_names):
        listed = some_of(tuple(map(repr, group)), 3)
        message = f"labels that are one number: {listed}; if they are one class, write it in one way"
        concerned = tuple(clip.name for clip in manifest if not set(group).isdisjoint(clip.labels))
        yield Finding("warning", "same-number", message, concerned)
    names = frozenset(manifest.label_names)
    combined = {name for name in names if "," in name and names.issuperset(map(str.strip, name.split(",")))}
    if combined:
        made = f"{counted(len(combined), 'label')} made of other labels and commas, as {min(combined)!r}"
        message = f"{made}: several labels of a clip are separated by ;"
        concerned = tuple(clip.name for clip in manifest if not combined.isdisjoint(clip.labels))
        yield Finding("warning", "combined-labels", message, concerned)
    several = tuple(clip.name for clip in manifest if len(clip.labels) > 1)
    if several and not manifest.declared_multi_label:
        clips = f"{len(several)} of {counted(len(manifest), 'clip')} with several labels"
        if len(several) < FEW_WITH_SEVERAL * len(manifest):
            message = f"only {clips}: they make the whole data set multi-label; correct them if one label each is meant"
            yield Finding("warning", "few-several-labels", message, several)
        else:
            yield Finding("note", "several-labels", f"{clips}: each label is learnt by itself (multi-label)", several)


def _same_numbers(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """The groups of labels that are one whole number, as programs for tables write it: '01', '1' and '1.0'."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        if found := _WHOLE_NUMBER.fullmatch(label):
            groups[found[1]].append(label)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _may_be_missing(label: str) -> bool:
    """Whether a label is a missing value as pandas and others write it, or punctuation alone."""
    return label.casefold() in _MISSING or all(unicodedata.category(char).startswith("P") for char in label)


def leaks(manifest: Manifest) -> Iterator[Finding]:
    """Groups and files in several splits or folds, and segments that overlap with one in another."""
    for kind in ("split", "fold"):
        groups: dict[str, list[Clip]] = defaultdict(list)
        files: dict[str, list[Clip]] = defaultdict(list)
        for clip in manifest:
            if getattr(clip, kind) is None:
                continue
            if clip.group is not None:
                groups[clip.group].append(clip)
            elif clip.is_segment:
                files[clip.file].append(clip)
        for what, by_name in (("group", groups), ("file", files)):
            leaking = {name: clips for name, clips in by_name.items() if len({getattr(c, kind) for c in clips}) > 1}
            if leaking:
                names = tuple(clip.name for clips in leaking.values() for clip in clips)
                message = (
                    f"{len(leaking)} of {counted(len(by_name), what)} in more than one {kind} "
                    f"({some_of(tuple(leaking), 3)}): results will not show how a model does on a new {what}"
                )
                yield Finding("warning", f"{what}-across-{kind}s", message, names)
        segments: dict[str, list[Clip]] = defaultdict(list)
        for clip in manifest:
            segments[clip.file].append(clip)
        overlapping = tuple(name for clips in segments.values() for name in _overlapping(clips, kind))
        if overlapping:
            message = f"{counted(len(overlapping), 'segment')} overlapping with one of the same file in another {kind}"
            yield Finding("error", f"overlap-across-{kind}s", message, overlapping)


def ungrouped(manifest: Manifest) -> Iterator[Finding]:
    """That no clip of data whose test clips are still to be chosen has a group."""
    if len(manifest) > 1 and not (manifest.splits or manifest.folds or any(clip.group for clip in manifest)):
        message = (
            "no clip has a group: if several are of one recording, place or animal, name it in a column 'group'; "
            "otherwise some are used for training and some for testing, and the results look too good"
        )
        yield Finding("note", "no-groups", message)


def classes(manifest: Manifest) -> Iterator[Finding]:
    """Too few classes, classes absent from a split, imbalance, and classes of a single clip."""
    if not manifest.clips:
        return
    names = manifest.label_names
    if not names:
        yield Finding("error", "no-class", "no clip has a label")
        return
    if len(names) == 1 and not manifest.negatives:
        yield Finding("error", "one-class", f"every clip has the label {names[0]!r}: a classifier needs at least two")
    table = class_table(manifest)
    for kind in manifest.splits or manifest.folds:
        absent = tuple(listable(name) for name, count in zip(names, table[kind], strict=False) if not count)
        if absent:
            severity: Severity = "error" if kind == "train" else "warning" if manifest.splits else "note"
            of = "split" if manifest.splits else "fold"
            message = (
                f"{len(absent)} of {counted(len(names), 'class')} absent from the {of} {kind!r}: {some_of(absent, 5)}"
            )
            yield Finding(severity, f"class-absent-from-{of}", message)
    training = (table["train"] if "train" in table else table.iloc[:, -1]).loc[list(names)]
    present = training[training > 0]
    if len(present) > 1 and present.max() / present.min() >= IMBALANCE:
        most, least = present.idxmax(), present.idxmin()
        message = f"imbalance: {most!r} has {present.max()} clips, {least!r} {present.min()}"
        yield Finding("warning", "imbalance", message)
    single = tuple(listable(str(name)) for name in training.index[training == 1])
    if single:
        message = f"{counted(len(single), 'class')} with a single training clip: {some_of(single, 5)}"
        yield Finding("note", "one-clip", message)


def class_table(manifest: Manifest) -> pd.DataFrame:
    """Number of clips per class (rows) and split, or fold if there are no splits, with a last column "total".

    Clips without a label are the row "(none)".
    """
    columns = manifest.splits or manifest.folds
    total = "total" if "total" not in columns else "all clips"
    labels = [*manifest.label_names, *([NO_LABEL] if manifest.negatives else [])]
    rows = {label: [0] * (len(columns) + 1) for label in labels}
    place = {name: number for number, name in enumerate(columns)}
    for clip in manifest:
        column = clip.split if manifest.splits else clip.fold
        for label in clip.labels or (NO_LABEL,):
            rows[label][-1] += 1
            if column is not None:
                rows[label][place[column]] += 1
    index = pd.Index(list(rows), name="label", dtype=object)
    return pd.DataFrame(list(rows.values()), index=index, columns=[*columns, total])


def _overlapping(clips: list[Clip], kind: str) -> list[str]:
    """Names of the segments of one file that overlap with a segment in another split or fold (`kind`)."""
    ends: dict[str | None, tuple[float, str]] = {}
    names: dict[str, None] = {}
    for clip in sorted(clips, key=lambda clip: clip.start_s):
        own = getattr(clip, kind)
        for other, (end_s, name) in ends.items():
            if other != own and end_s > clip.start_s:
                names |= dict.fromkeys((name, clip.name))
        end_s = clip.start_s + clip.duration_s
        ends[own] = max(ends.get(own, (0.0, "")), (end_s, clip.name))
    return list(names)
