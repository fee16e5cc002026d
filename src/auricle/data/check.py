"""Checks of a data set before training: every clip is decoded once, and what would impair training is reported."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from auricle import audio
from auricle.config import Check, verb
from auricle.data.class_findings import class_table, classes, labels, leaks, ungrouped
from auricle.data.clips import Clip, Problem
from auricle.data.damage import BAD_SAMPLES, bad_samples, reason_of
from auricle.data.findings import SEVERITIES, Finding, Report
from auricle.data.manifest import scan_manifest
from auricle.data.manifest_file import quoted, unread_columns
from auricle.data.sound_findings import counts, duplicates, formats, lengths, levels
from auricle.data.statistics import SoundStatistics, sound_statistics
from auricle.data.threads import mapped
from auricle.errors import AuricleError, counted
from auricle.files import refuse_special


def check_data(
    data: str | os.PathLike[str],
    *,
    label_column: str = "label",
    group_column: str | None = None,
    multi_label: bool = False,
    negative_label: str | None = None,
    progress: bool = False,
) -> Report:
    """Check a data set (as for `read_manifest`): decode every clip once and report what would impair training.

    Errors are files that cannot be used, samples that are not finite, duplicates across splits or folds, the same sound
    with different labels, labels that look alike, and classes missing from the split "train". Warnings should be looked
    at; notes are for information. `progress` shows a bar. Raises `AuricleError` only if there is no data to check.
    """
    manifest = scan_manifest(
        data,
        label_column=label_column,
        group_column=group_column,
        multi_label=multi_label,
        negative_label=negative_label,
        progress=progress,
    )
    sounds, failed, damaged = _listen(manifest.clips, progress)
    decoded = manifest.only(clip for clip in manifest.clips if clip.key in sounds)
    findings = [
        *_unusable(manifest.skipped, failed),
        *_damaged(damaged),
        *_left_out(manifest.left_out),
        *_unread(manifest.source, label_column, group_column),
        *labels(manifest),
        *duplicates(decoded, sounds),
        *leaks(decoded),
        *(() if group_column == "none" else ungrouped(decoded)),
        *levels(decoded, sounds),
        *formats(decoded),
        *lengths(decoded),
        *classes(decoded),
    ]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    summary = {
        "clips": len(decoded),
        "skipped": len(manifest.skipped) + len(failed),
        "left_out": len(manifest.left_out),
        "negatives": len(decoded.negatives),
        "hours": sum(clip.duration_s for clip in decoded) / 3600,
        "classes": len(decoded.label_names),
        "groups": len({clip.group for clip in decoded if clip.group is not None}),
        "rates": counts(clip.sample_rate for clip in decoded),
        "channels": counts(clip.channels for clip in decoded),
    }
    return Report(manifest.source, tuple(findings), class_table(decoded), summary)


def _listen(
    clips: tuple[Clip, ...], progress: bool
) -> tuple[dict[tuple[str, float, float | None], SoundStatistics], dict[str, str], dict[str, list[audio.Damage]]]:
    """Statistics of the clips that can be decoded, by key; error messages of the others and all damage, by name."""

    def attempt(clip: Clip) -> tuple[SoundStatistics | AuricleError, list[audio.Damage]]:
        with audio.noticing() as damage:
            try:
                return sound_statistics(clip), damage
            except AuricleError as error:
                return error, damage

    sounds, failed, damaged = {}, {}, {}
    for clip, (result, damage) in zip(clips, mapped(attempt, clips, "Decoding", progress=progress), strict=True):
        if isinstance(result, SoundStatistics):
            sounds[clip.key] = result
            damaged[clip.name] = damage
        else:
            failed[clip.name] = reason_of(result, clip.path)
    return sounds, failed, damaged


def _unusable(skipped: tuple[Problem, ...], failed: Mapping[str, str]) -> Iterator[Finding]:
    reasons: dict[str, dict[str, str]] = defaultdict(dict)
    for problem in skipped:
        reasons[problem.code][problem.name] = problem.reason
    for name, reason in failed.items():
        reasons["unreadable-file"][name] = reason
    for code, by_name in reasons.items():
        name, reason = next(iter(by_name.items()))
        more = f", and {len(by_name) - 1} more like this" if len(by_name) > 1 else ""
        yield Finding("error", code, f"cannot be used: {name}: {reason}{more}", tuple(by_name))


def _damaged(damaged: Mapping[str, list[audio.Damage]]) -> Iterator[Finding]:
    """Files with bad samples, which training refuses, and files with other damage, which are used."""
    bad = {name: reason for name, own in damaged.items() if (reason := bad_samples(own))}
    other = {name: "; ".join(d.reason for d in own if d.kind != BAD_SAMPLES) for name, own in damaged.items()}
    other = {name: reasons for name, reasons in other.items() if reasons}
    if bad:
        message = f"{counted(len(bad), 'clip')} that cannot be learnt from: {_first(bad)}"
        yield Finding("error", BAD_SAMPLES, message, tuple(bad))
    if other:
        yield Finding("warning", "damaged", f"{counted(len(other), 'clip')} damaged: {_first(other)}", tuple(other))


def _first(reasons: Mapping[str, str]) -> str:
    name, reason = next(iter(reasons.items()))
    return f"{name}: {reason}"


def _left_out(left_out: tuple[Problem, ...]) -> Iterator[Finding]:
    if left_out:
        first, names = left_out[0], tuple(problem.name for problem in left_out)
        message = f"{counted(len(names), 'file')} not read: {first.name}: {first.reason}"
        yield Finding("warning", "left-out", message, names)


def _unread(source: Path, label_column: str, group_column: str | None) -> Iterator[Finding]:
    unread = unread_columns(source, label_column, group_column) if source.is_file() else []
    if unread:
        yield Finding("note", "unread-columns", f"columns that training a classifier does not read: {quoted(unread)}")


@verb
def check(options: Check) -> Report:
    """Check a data set; the report's `ok` is true if there are no errors."""
    if options.output:
        refuse_special(Path(options.output))
    report = check_data(
        options.data,
        label_column=options.label_column,
        group_column=options.group_column,
        multi_label=options.multi_label,
        negative_label=options.negative_label,
        progress=not options.quiet,
    )
    if options.output:
        report.to_json(options.output)
    return report
