"""Findings about the sounds of a data set: duplicates, levels, formats and lengths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from auricle.data.clips import Clip
from auricle.data.findings import Finding, Severity, channels_in_words
from auricle.data.manifest import Manifest
from auricle.data.statistics import CANCELLED_DB, SoundStatistics
from auricle.errors import counted

SILENT_DBFS = -80.0
MOSTLY_QUIET_SHARE = 0.8
CLIPPED_SHARE = 0.001
OFFSET = 0.02
BEYOND_FULL_SCALE = 2.0  # decoded lossy files exceed full scale too, but by less
CANCELLED_SHARE = 0.5
PARTLY_CANCELLED_DB = 3.0
PARTLY_CANCELLED_SHARE = 0.05
LOW_RATE_HZ = 8000
SHORT_S = 0.1
UNUSUAL_LENGTH = 10.0
LONG_S = 60.0

Key = tuple[str, float, float | None]


def duplicates(manifest: Manifest, sounds: dict[Key, SoundStatistics]) -> Iterator[Finding]:
    """The same sound more than once, in several splits, or with different labels."""
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


def levels(manifest: Manifest, sounds: dict[Key, SoundStatistics]) -> Iterator[Finding]:
    """Silence, channels that cancel, clipping, samples beyond full scale, and DC offsets."""
    decoded = [(clip.name, sounds[clip.key]) for clip in manifest]

    def report(severity: Severity, code: str, what: str, names: list[str]) -> Iterator[Finding]:
        if names:
            yield Finding(severity, code, f"{counted(len(names), 'clip')} {what}", tuple(names))

    cancelling = [name for name, sound in decoded if _cancels(sound)]
    partly = [name for name, sound in decoded if _partly_cancels(sound)]
    silent = [name for name, sound in decoded if _silent(sound) and not _cancels(sound)]
    quiet = [name for name, sound in decoded if not _silent(sound) and sound.quiet_share >= MOSTLY_QUIET_SHARE]
    clipped = [name for name, sound in decoded if sound.clipped_share >= CLIPPED_SHARE]
    beyond = [name for name, sound in decoded if sound.peak >= BEYOND_FULL_SCALE]
    offset = [name for name, sound in decoded if abs(sound.offset) >= OFFSET]
    highest = max((sound.peak for _, sound in decoded), default=0.0)
    farthest = max((sound.offset for _, sound in decoded), key=abs, default=0.0)
    at_full_scale = f"clipped: at least {CLIPPED_SHARE:.1%} of the samples are in runs at full scale"
    in_mix = "the mono mix, which is what models hear"
    yield from report("warning", "cancels", f"whose channels cancel in {in_mix}", cancelling)
    yield from report("warning", "partly-cancels", f"whose channels partly cancel in {in_mix}", partly)
    yield from report("warning", "silent", f"silent: no sample above {SILENT_DBFS:g} dBFS", silent)
    yield from report(
        "note", "mostly-silent", f"below -60 dBFS for at least {MOSTLY_QUIET_SHARE:.0%} of the time", quiet
    )
    yield from report("warning", "clipped", at_full_scale, clipped)
    yield from report("warning", "beyond-full-scale", f"with samples far beyond [-1, 1], up to {highest:g}", beyond)
    yield from report("warning", "dc-offset", f"with a DC offset of at least {OFFSET:g}, up to {farthest:.3f}", offset)


def formats(manifest: Manifest) -> Iterator[Finding]:
    """Low sample rates, and sample rates and channel counts that differ."""
    rates, channels = counts(c.sample_rate for c in manifest), counts(c.channels for c in manifest)
    low = tuple(clip.name for clip in manifest if clip.sample_rate < LOW_RATE_HZ)
    if low:
        lowest = min(int(rate) for rate in rates)
        message = f"{counted(len(low), 'clip')} below {LOW_RATE_HZ} Hz, down to {lowest} Hz"
        yield Finding("warning", "low-rate", message, low)
    for code, found, name in (
        ("several-rates", rates, lambda rate: f"{rate} Hz"),
        ("several-channel-counts", channels, lambda n: channels_in_words(int(n))),
    ):
        if len(found) > 1:
            usual = max(found, key=lambda key: found[key])
            attribute = "sample_rate" if code == "several-rates" else "channels"
            others = tuple(clip.name for clip in manifest if str(getattr(clip, attribute)) != usual)
            listed = ", ".join(f"{name(key)} ({count})" for key, count in found.items())
            yield Finding("note", code, f"the clips differ: {listed}", others)


def lengths(manifest: Manifest) -> Iterator[Finding]:
    """Clips that are very short, or much shorter or longer than the others."""
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


def _silent(sound: SoundStatistics) -> bool:
    return sound.peak < 10 ** (SILENT_DBFS / 20)


def _cancels(sound: SoundStatistics) -> bool:
    return sound.cancelled_db >= CANCELLED_DB or sound.cancelled_share >= CANCELLED_SHARE


def _partly_cancels(sound: SoundStatistics) -> bool:
    parts = sound.cancelled_db >= PARTLY_CANCELLED_DB or sound.cancelled_share >= PARTLY_CANCELLED_SHARE
    return parts and not _cancels(sound)


def _n_label_sets(clips: list[Clip]) -> int:
    """Number of different label sets of the clips."""
    return len({frozenset(clip.labels) for clip in clips})


def _n_splits(clips: list[Clip]) -> int:
    """Number of splits or of folds that the clips are in, whichever is larger."""
    return max(len({getattr(clip, kind) for clip in clips}) for kind in ("split", "fold"))


def counts(values: Iterable[int]) -> dict[str, int]:
    """Number of occurrences of each value, in ascending order; the keys are strings."""
    counts: dict[int, int] = defaultdict(int)
    for value in values:
        counts[value] += 1
    return {str(value): counts[value] for value in sorted(counts)}
