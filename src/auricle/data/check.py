"""Checks of a data set before training: unusable files, duplicates, leaks between splits, levels, formats, classes."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from auricle.config import Check, verb
from auricle.data.clips import Clip
from auricle.data.findings import SEVERITIES, Finding, Report, Severity, channels_in_words, counted, some_of
from auricle.data.manifest import Manifest, scan_manifest
from auricle.data.statistics import SoundStatistics, sound_statistics
from auricle.errors import AuricleError
from auricle.progress import track

SILENT_DBFS = -80.0
MOSTLY_QUIET_SHARE = 0.8
CLIPPED_SHARE = 0.001
OFFSET = 0.02
BEYOND_FULL_SCALE = 2.0  # decoded lossy files exceed full scale too, but by less
LOW_RATE_HZ = 8000
SHORT_S = 0.1
UNUSUAL_LENGTH = 10.0
LONG_S = 60.0
IMBALANCE = 10.0

Key = tuple[str, float, float | None]


def check_data(
    data: str | os.PathLike[str],
    *,
    label_column: str = "label",
    group_column: str | None = None,
    progress: bool = False,
) -> Report:
    """Check a data set (as for `read_manifest`): decode every clip once and report what would impair training.

    Errors are files that cannot be used, duplicates across splits or folds, the same sound with different labels, and
    classes missing from the split "train". Warnings should be looked at; notes are for information. `progress` shows a
    bar. Raises `AuricleError` only if there is no data to check.
    """
    manifest = scan_manifest(data, label_column=label_column, group_column=group_column, progress=progress)
    sounds, failed = _all_statistics(manifest.clips, progress)
    decoded = Manifest(manifest.source, tuple(clip for clip in manifest.clips if clip.key in sounds))
    findings = [
        *_unusable(manifest, failed),
        *_duplicates(decoded, sounds),
        *_leaks(decoded),
        *_levels(decoded, sounds),
        *_formats(decoded),
        *_lengths(decoded),
        *_classes(decoded),
    ]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    summary = {
        "clips": len(decoded),
        "skipped": len(manifest.skipped) + len(failed),
        "hours": sum(clip.duration_s for clip in decoded) / 3600,
        "classes": len(decoded.label_names),
        "groups": len({clip.group for clip in decoded if clip.group is not None}),
        "rates": _counts(clip.sample_rate for clip in decoded),
        "channels": _counts(clip.channels for clip in decoded),
    }
    return Report(manifest.source, tuple(findings), _class_table(decoded), summary)


def _all_statistics(clips: tuple[Clip, ...], progress: bool) -> tuple[dict[Key, SoundStatistics], dict[str, str]]:
    """Statistics of the clips that could be decoded, by key, and error messages of the others, by name."""

    def attempt(clip: Clip) -> SoundStatistics | AuricleError:
        try:
            return sound_statistics(clip)
        except AuricleError as error:
            return error

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = list(track(pool.map(attempt, clips), "Decoding", total=len(clips), show=progress))
    pairs = list(zip(clips, results, strict=True))
    failed = {c.name: str(r).removeprefix(f"{c.path}: ") for c, r in pairs if isinstance(r, AuricleError)}
    return {c.key: r for c, r in pairs if isinstance(r, SoundStatistics)}, failed


def _unusable(manifest: Manifest, failed: dict[str, str]) -> Iterator[Finding]:
    reasons: dict[str, dict[str, str]] = defaultdict(dict)
    for problem in manifest.skipped:
        reasons[problem.code][problem.name] = problem.reason
    for name, reason in failed.items():
        reasons["unreadable-file"][name] = reason
    for code, by_name in reasons.items():
        name, reason = next(iter(by_name.items()))
        more = f", and {len(by_name) - 1} more like this" if len(by_name) > 1 else ""
        yield Finding("error", code, f"cannot be used: {name}: {reason}{more}", tuple(by_name))


def _duplicates(manifest: Manifest, sounds: dict[Key, SoundStatistics]) -> Iterator[Finding]:
    same: dict[str, list[Clip]] = defaultdict(list)
    for clip in manifest:
        if not _silent(sounds[clip.key]):
            same[sounds[clip.key].fingerprint].append(clip)
    sets = [clips for clips in same.values() if len(clips) > 1]

    def report(severity: Severity, code: str, what: str, chosen: list[list[Clip]]) -> Iterator[Finding]:
        if chosen:
            names = tuple(clip.name for clips in chosen for clip in clips)
            example = " = ".join(repr(clip.name) for clip in chosen[0][:2])
            yield Finding(severity, code, f"{counted(len(chosen), 'sound')} {what}, for example {example}", names)

    differing = [clips for clips in sets if _n_label_sets(clips) > 1]
    across = [clips for clips in sets if _n_splits(clips) > 1]
    within = [clips for clips in sets if _n_label_sets(clips) == _n_splits(clips) == 1]
    yield from report("error", "same-audio-other-label", "with different labels", differing)
    yield from report("error", "duplicates-across-splits", "in more than one split or fold", across)
    yield from report("warning", "duplicates", "more than once", within)


def _leaks(manifest: Manifest) -> Iterator[Finding]:
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


def _levels(manifest: Manifest, sounds: dict[Key, SoundStatistics]) -> Iterator[Finding]:
    decoded = [(clip.name, sounds[clip.key]) for clip in manifest]

    def report(severity: Severity, code: str, what: str, names: list[str]) -> Iterator[Finding]:
        if names:
            yield Finding(severity, code, f"{counted(len(names), 'clip')} {what}", tuple(names))

    silent = [name for name, sound in decoded if _silent(sound)]
    quiet = [name for name, sound in decoded if not _silent(sound) and sound.quiet_share >= MOSTLY_QUIET_SHARE]
    clipped = [name for name, sound in decoded if sound.clipped_share >= CLIPPED_SHARE]
    beyond = [name for name, sound in decoded if sound.peak >= BEYOND_FULL_SCALE]
    offset = [name for name, sound in decoded if abs(sound.offset) >= OFFSET]
    highest = max((sound.peak for _, sound in decoded), default=0.0)
    farthest = max((sound.offset for _, sound in decoded), key=abs, default=0.0)
    at_full_scale = f"clipped: at least {CLIPPED_SHARE:.1%} of the samples are in runs at full scale"
    yield from report("warning", "silent", f"silent: no sample above {SILENT_DBFS:g} dBFS", silent)
    yield from report(
        "note", "mostly-silent", f"below -60 dBFS for at least {MOSTLY_QUIET_SHARE:.0%} of the time", quiet
    )
    yield from report("warning", "clipped", at_full_scale, clipped)
    yield from report("warning", "beyond-full-scale", f"with samples far beyond [-1, 1], up to {highest:g}", beyond)
    yield from report("warning", "dc-offset", f"with a DC offset of at least {OFFSET:g}, up to {farthest:.3f}", offset)


def _formats(manifest: Manifest) -> Iterator[Finding]:
    rates, channels = _counts(c.sample_rate for c in manifest), _counts(c.channels for c in manifest)
    low = tuple(clip.name for clip in manifest if clip.sample_rate < LOW_RATE_HZ)
    if low:
        lowest = min(int(rate) for rate in rates)
        message = f"{counted(len(low), 'clip')} below {LOW_RATE_HZ} Hz, down to {lowest} Hz"
        yield Finding("warning", "low-rate", message, low)
    for code, counts, name in (
        ("several-rates", rates, lambda rate: f"{rate} Hz"),
        ("several-channel-counts", channels, lambda n: channels_in_words(int(n))),
    ):
        if len(counts) > 1:
            usual = max(counts, key=lambda key: counts[key])
            attribute = "sample_rate" if code == "several-rates" else "channels"
            others = tuple(clip.name for clip in manifest if str(getattr(clip, attribute)) != usual)
            listed = ", ".join(f"{name(key)} ({count})" for key, count in counts.items())
            yield Finding("note", code, f"the clips differ: {listed}", others)


def _lengths(manifest: Manifest) -> Iterator[Finding]:
    if not manifest.clips:
        return
    usual = float(np.median([clip.duration_s for clip in manifest]))
    short = tuple(clip.name for clip in manifest if clip.duration_s < SHORT_S)
    shorter = tuple(c.name for c in manifest if SHORT_S <= c.duration_s < usual / UNUSUAL_LENGTH)
    longer = tuple(c.name for c in manifest if c.duration_s > usual * UNUSUAL_LENGTH)
    long = tuple(c.name for c in manifest if LONG_S < c.duration_s <= usual * UNUSUAL_LENGTH)
    if short:
        shortest = min(clip.duration_s for clip in manifest)
        message = f"{counted(len(short), 'clip')} shorter than {SHORT_S:g} s, down to {shortest:.3g} s"
        yield Finding("warning", "very-short", message, short)
    for code, names, what in (
        ("short", shorter, f"less than a tenth of the median of {usual:.3g} s"),
        ("long", longer, f"more than ten times the median of {usual:.3g} s"),
        ("long", long, f"more than {LONG_S:g} s long: where a label applies to a segment only, give start and end"),
    ):
        if names:
            yield Finding("note", code, f"{counted(len(names), 'clip')} {what}", names)


def _classes(manifest: Manifest) -> Iterator[Finding]:
    if not manifest.clips:
        return
    names = manifest.label_names
    if len(names) == 1:
        yield Finding("error", "one-class", f"every clip has the label {names[0]!r}: a classifier needs at least two")
    table = _class_table(manifest)
    for kind in manifest.splits or manifest.folds:
        absent = tuple(name for name in names if table.loc[name, kind] == 0)
        if absent:
            severity: Severity = "error" if kind == "train" else "warning" if manifest.splits else "note"
            of = "split" if manifest.splits else "fold"
            message = (
                f"{len(absent)} of {counted(len(names), 'class')} absent from the {of} {kind!r}: {some_of(absent, 5)}"
            )
            yield Finding(severity, f"class-absent-from-{of}", message)
    training = table["train"] if "train" in table else table["total"]
    present = training[training > 0]
    if len(present) > 1 and present.max() / present.min() >= IMBALANCE:
        most, least = present.idxmax(), present.idxmin()
        message = f"imbalance: {most!r} has {present.max()} clips, {least!r} {present.min()}"
        yield Finding("warning", "imbalance", message)
    single = tuple(str(name) for name in training.index[training == 1])
    if single:
        message = f"{counted(len(single), 'class')} with a single training clip: {some_of(single, 5)}"
        yield Finding("note", "one-clip", message)


def _class_table(manifest: Manifest) -> pd.DataFrame:
    """Number of clips per class (rows) and split, or fold if there are no splits, with a column "total"."""
    columns = manifest.splits or manifest.folds
    table = pd.DataFrame(0, index=pd.Index(manifest.label_names, name="label"), columns=[*columns, "total"])
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for clip in manifest:
        column = clip.split if manifest.splits else clip.fold
        for label in clip.labels:
            counts[label, "total"] += 1
            if column is not None:
                counts[label, column] += 1
    for cell, count in counts.items():
        table.loc[cell] = count
    return table


def _silent(sound: SoundStatistics) -> bool:
    return sound.peak < 10 ** (SILENT_DBFS / 20)


def _n_label_sets(clips: list[Clip]) -> int:
    """Number of different label sets of the clips."""
    return len({frozenset(clip.labels) for clip in clips})


def _n_splits(clips: list[Clip]) -> int:
    """Number of splits or of folds that the clips are in, whichever is larger."""
    return max(len({getattr(clip, kind) for clip in clips}) for kind in ("split", "fold"))


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


def _counts(values: Iterable[int]) -> dict[str, int]:
    """Number of occurrences of each value, in ascending order; the keys are strings."""
    counts: dict[int, int] = defaultdict(int)
    for value in values:
        counts[value] += 1
    return {str(value): counts[value] for value in sorted(counts)}


@verb
def check(options: Check) -> Report:
    """Check a data set; the report's `ok` is true if there are no errors."""
    group_column = None if options.group_column in (None, "none") else options.group_column
    report = check_data(
        options.data, label_column=options.label_column, group_column=group_column, progress=not options.quiet
    )
    if options.output:
        report.to_json(options.output)
    return report
