"""What is wrong with data before anybody trains on it: `check_data` listens to every clip once and says."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from auricle.data.clips import Clip
from auricle.data.findings import SEVERITIES, Finding, Report, Severity, channels_in_words, counted, some_of
from auricle.data.listening import SoundStatistics, listen
from auricle.data.manifest import Manifest, scan_manifest
from auricle.errors import AuricleError
from auricle.progress import track

SILENT_DBFS = -80.0
MOSTLY_QUIET_SHARE = 0.8
CLIPPED_SHARE = 0.001
OFFSET = 0.02
BEYOND_FULL_SCALE = 2.0  # decoders of lossy files overshoot full scale, though not so far
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
    """Read what `read_manifest` reads, decode every clip once, and report what would spoil a training.

    Bad files do not stop it: they are errors in the report. Errors are also duplicates across splits or folds, the
    same sound under different labels, and classes that `train` lacks; what needs a look is a warning, what one should
    know a note. Raises `AuricleError` only where there is no data to check.
    """
    manifest = scan_manifest(data, label_column=label_column, group_column=group_column, progress=progress)
    sounds, failed = _listen_to_all(manifest.clips, progress)
    heard = Manifest(manifest.source, tuple(clip for clip in manifest.clips if clip.key in sounds))
    findings = [
        *_unusable(manifest, failed),
        *_duplicates(heard, sounds),
        *_leaks(heard),
        *_levels(heard, sounds),
        *_formats(heard),
        *_lengths(heard),
        *_classes(heard),
    ]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    summary = {
        "clips": len(heard),
        "skipped": len(manifest.skipped) + len(failed),
        "hours": sum(clip.duration_s for clip in heard) / 3600,
        "classes": len(heard.label_names),
        "groups": len({clip.group for clip in heard if clip.group is not None}),
        "rates": _counts(clip.sample_rate for clip in heard),
        "channels": _counts(clip.channels for clip in heard),
    }
    return Report(manifest.source, tuple(findings), _class_table(heard), summary)


def _listen_to_all(clips: tuple[Clip, ...], progress: bool) -> tuple[dict[Key, SoundStatistics], dict[str, str]]:
    """What was heard in each clip, by its key, and why the others could not be decoded, by name."""

    def attempt(clip: Clip) -> SoundStatistics | AuricleError:
        try:
            return listen(clip)
        except AuricleError as error:
            return error

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = track(
            pool.map(attempt, clips),
            "Listening",
            total=len(clips),
            show=progress,
        )
        both = list(zip(clips, results, strict=True))
    failed = {c.name: str(r).removeprefix(f"{c.path}: ") for c, r in both if isinstance(r, AuricleError)}
    return {c.key: r for c, r in both if isinstance(r, SoundStatistics)}, failed


def _unusable(manifest: Manifest, failed: dict[str, str]) -> Iterator[Finding]:
    reasons: dict[str, dict[str, str]] = defaultdict(dict)
    for problem in manifest.skipped:
        reasons[problem.code][problem.name] = problem.reason
    for name, reason in failed.items():
        reasons["unreadable-file"][name] = reason
    for code, by_name in reasons.items():
        name, reason = next(iter(by_name.items()))
        more = f", and {len(by_name) - 1} more of the kind" if len(by_name) > 1 else ""
        yield Finding("error", code, f"cannot be used: {name}: {reason}{more}", tuple(by_name))


def _duplicates(manifest: Manifest, sounds: dict[Key, SoundStatistics]) -> Iterator[Finding]:
    same: dict[str, list[Clip]] = defaultdict(list)
    for clip in manifest:
        if not _silent(sounds[clip.key]):
            same[sounds[clip.key].fingerprint].append(clip)
    sets = [clips for clips in same.values() if len(clips) > 1]

    def found(severity: Severity, code: str, what: str, chosen: list[list[Clip]]) -> Iterator[Finding]:
        if chosen:
            names = tuple(clip.name for clips in chosen for clip in clips)
            example = " = ".join(repr(clip.name) for clip in chosen[0][:2])
            yield Finding(severity, code, f"{counted(len(chosen), 'sound')} {what}, for example {example}", names)

    differing = [clips for clips in sets if _labellings(clips) > 1]
    across = [clips for clips in sets if _sides(clips) > 1]
    within = [clips for clips in sets if _labellings(clips) == _sides(clips) == 1]
    yield from found("error", "same-audio-other-label", "with more than one labelling", differing)
    yield from found("error", "duplicates-across-splits", "in more than one split or fold", across)
    yield from found("warning", "duplicates", "more than once", within)


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
        for what, found in (("group", groups), ("file", files)):
            torn = {name: clips for name, clips in found.items() if len({getattr(clip, kind) for clip in clips}) > 1}
            if torn:
                names = tuple(clip.name for clips in torn.values() for clip in clips)
                message = (
                    f"{len(torn)} of {counted(len(found), what)} in more than one {kind} ({some_of(tuple(torn), 3)}): "
                    f"results will not tell how it does on a new one"
                )
                yield Finding("warning", f"{what}-across-{kind}s", message, names)
        by_file: dict[str, list[Clip]] = defaultdict(list)
        for clip in manifest:
            by_file[clip.file].append(clip)
        overlapping = tuple(name for clips in by_file.values() for name in _overlapping(clips, kind))
        if overlapping:
            message = f"{counted(len(overlapping), 'segment')} of files overlap with one in another {kind}"
            yield Finding("error", f"overlap-across-{kind}s", message, overlapping)


def _levels(manifest: Manifest, sounds: dict[Key, SoundStatistics]) -> Iterator[Finding]:
    heard = [(clip.name, sounds[clip.key]) for clip in manifest]

    def found(severity: Severity, code: str, what: str, names: list[str]) -> Iterator[Finding]:
        if names:
            yield Finding(severity, code, f"{counted(len(names), 'clip')} {what}", tuple(names))

    silent = [name for name, sound in heard if _silent(sound)]
    quiet = [name for name, sound in heard if not _silent(sound) and sound.quiet_share >= MOSTLY_QUIET_SHARE]
    clipped = [name for name, sound in heard if sound.clipped_share >= CLIPPED_SHARE]
    beyond = [name for name, sound in heard if sound.peak >= BEYOND_FULL_SCALE]
    offset = [name for name, sound in heard if abs(sound.offset) >= OFFSET]
    highest = max((sound.peak for _, sound in heard), default=0.0)
    farthest = max((sound.offset for _, sound in heard), key=abs, default=0.0)
    at_full_scale = f"clipped: {CLIPPED_SHARE:.1%} of the samples or more in runs at full scale"
    yield from found("warning", "silent", f"silent: no sample above {SILENT_DBFS:g} dBFS", silent)
    yield from found("note", "mostly-silent", f"below -60 dBFS for {MOSTLY_QUIET_SHARE:.0%} of the time or more", quiet)
    yield from found("warning", "clipped", at_full_scale, clipped)
    yield from found("warning", "beyond-full-scale", f"with samples far beyond [-1, 1], up to {highest:g}", beyond)
    yield from found("warning", "dc-offset", f"with a mean off 0 by {OFFSET:g} or more, up to {farthest:.3f}", offset)


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
            yield Finding("note", code, f"not all clips are alike: {listed}", others)


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
        ("long", long, f"more than {LONG_S:g} s long: if a label holds only for a part, give start and end"),
    ):
        if names:
            yield Finding("note", code, f"{counted(len(names), 'clip')} {what}", names)


def _classes(manifest: Manifest) -> Iterator[Finding]:
    if not manifest.clips:
        return
    names = manifest.label_names
    if len(names) == 1:
        yield Finding("error", "one-class", f"every clip has the label {names[0]!r}: there is nothing to tell apart")
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
        message = f"{counted(len(single), 'class')} with a single clip to learn from: {some_of(single, 5)}"
        yield Finding("note", "one-clip", message)


def _class_table(manifest: Manifest) -> pd.DataFrame:
    """Clips of each class (rows), in each split, or else each fold, and in all."""
    columns = manifest.splits or manifest.folds
    table = pd.DataFrame(0, index=pd.Index(manifest.label_names, name="label"), columns=[*columns, "total"])
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for clip in manifest:
        side = clip.split if manifest.splits else clip.fold
        for label in clip.labels:
            counts[label, "total"] += 1
            if side is not None:
                counts[label, side] += 1
    for (label, column), count in counts.items():
        table.loc[label, column] = count
    return table


def _silent(sound: SoundStatistics) -> bool:
    return sound.peak < 10 ** (SILENT_DBFS / 20)


def _labellings(clips: list[Clip]) -> int:
    return len({frozenset(clip.labels) for clip in clips})


def _sides(clips: list[Clip]) -> int:
    """On how many sides of a split or fold they lie."""
    return max(len({getattr(clip, kind) for clip in clips}) for kind in ("split", "fold"))


def _overlapping(clips: list[Clip], kind: str) -> list[str]:
    """The names of the segments of one file that share samples with one on another side of `kind`."""
    ends: dict[str | None, tuple[float, str]] = {}
    names: dict[str, None] = {}
    for clip in sorted(clips, key=lambda clip: clip.start_s):
        side = getattr(clip, kind)
        for other, (end_s, name) in ends.items():
            if other != side and end_s > clip.start_s:
                names |= dict.fromkeys((name, clip.name))
        end_s = clip.start_s + clip.duration_s
        ends[side] = max(ends.get(side, (0.0, "")), (end_s, clip.name))
    return list(names)


def _counts(values: Iterable[int]) -> dict[str, int]:
    counts: dict[int, int] = defaultdict(int)
    for value in values:
        counts[value] += 1
    return {str(value): counts[value] for value in sorted(counts)}
