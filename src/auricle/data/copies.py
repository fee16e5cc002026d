"""Clips that are heard in others: segments that overlap, and recordings of the same content under other names."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable

from auricle.data.clips import Clip
from auricle.identity import same_contents


def without_copies(clips: Iterable[Clip], others: Iterable[Clip]) -> tuple[Clip, ...]:
    """Those of `clips` that are not heard in `others`.

    Left out are clips of another file with the same content, and of the same file those that overlap.
    """
    clips, others = tuple(clips), tuple(others)
    found = same_contents([clip.path for clip in (*clips, *others)])
    heard: dict[str, list[Clip]] = defaultdict(list)
    for clip, content in zip(others, found[len(clips) :], strict=True):
        heard[content].append(clip)
    return tuple(
        clip
        for clip, content in zip(clips, found, strict=False)
        if not any(is_copy(clip, other) for other in heard.get(content, ()))
    )


def is_copy(clip: Clip, other: Clip) -> bool:
    """Whether clips of the same content are of different files, or of overlapping segments of one file."""
    if os.path.realpath(clip.path) != os.path.realpath(other.path):
        return True
    return overlap(clip.samples(), other.samples())


def overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two half-open ranges have something in common."""
    return max(one[0], other[0]) < min(one[1], other[1])
