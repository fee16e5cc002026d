"""Copies of clips: files with the same content under other names, and overlapping segments of one file."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable

from auricle.data.clips import Clip
from auricle.identity import same_contents


def without_copies(clips: Iterable[Clip], others: Iterable[Clip]) -> tuple[Clip, ...]:
    """The `clips` that are not copies of any of `others`.

    A copy is a clip of another file with the same content, or an overlapping segment of the same file.
    """
    clips, others = tuple(clips), tuple(others)
    found = same_contents([clip.path for clip in (*clips, *others)])
    by_content: dict[str, list[Clip]] = defaultdict(list)
    for clip, content in zip(others, found[len(clips) :], strict=True):
        by_content[content].append(clip)
    return tuple(
        clip
        for clip, content in zip(clips, found, strict=False)
        if not any(is_copy(clip, other) for other in by_content.get(content, ()))
    )


def is_copy(clip: Clip, other: Clip) -> bool:
    """Whether clips from files of the same content are copies: from different files, or overlapping in one file."""
    if os.path.realpath(clip.path) != os.path.realpath(other.path):
        return True
    return overlap(clip.samples(), other.samples())


def overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two half-open ranges overlap."""
    return max(one[0], other[0]) < min(one[1], other[1])
