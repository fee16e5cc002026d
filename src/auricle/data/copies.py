"""Which clips share a sound: segments of recordings of one content that overlap, or that they were made from.

Recordings are of one content if their files are the same, or if they sound the same (`sound_of`): lossless copies in
another format, or with other tags.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from auricle import audio
from auricle.data.clips import Clip, Original, samples
from auricle.errors import AuricleError
from auricle.identity import digest_of, file_digest, file_digests, same_contents

T = TypeVar("T")
_COMPARED_S = 2.0  # at the beginning and at the end of a recording
_sounds: dict[str, str] = {}


def sound_of(path: Path) -> str:
    """What a recording sounds like: equal for lossless copies in other formats, with other tags or equal channels.

    It is a digest of rate, length, and the mean of the channels at the beginning and at the end; empty where these are
    silent, and for a file that cannot be read.
    """
    try:
        digest = file_digest(path)
        if digest not in _sounds:
            with audio.noticing():
                info = audio.info(path)
                last_s = info.duration_s - _COMPARED_S
                spans = ((0.0, _COMPARED_S), (last_s, None)) if last_s > _COMPARED_S else ((0.0, None),)
                ends = [audio.read(path, start_s=start_s, end_s=end_s)[0] for start_s, end_s in spans]
            heard = digest_of("sound", info.sample_rate, info.n_samples, *(end.tobytes() for end in ends))
            _sounds[digest] = heard if any(end.any() for end in ends) else ""
        return _sounds[digest]
    except AuricleError:
        return ""


class Segments(Generic[T]):
    """Segments of recordings, which are identified by their content, with something that is known of each."""

    def __init__(self) -> None:
        self._known: dict[str, list[tuple[Original, T]]] = defaultdict(list)

    def add(self, segment: Original, known: T) -> None:
        self._known[segment.recording].append((segment, known))

    def of(self, clip: Clip, content: str) -> Iterator[T]:
        """What is known of segments that overlap the clip, whose file has that content, or what it was made from."""
        rate = clip.sample_rate
        for own in segments(clip, content):
            for other, known in self._known.get(own.recording, ()):
                if overlap(samples(own.start_s, own.end_s, rate), samples(other.start_s, other.end_s, rate)):
                    yield known

    def __bool__(self) -> bool:
        return bool(self._known)


def segments(clip: Clip, content: str) -> list[Original]:
    """The clip's segment of its file, which has that content, of its sound, and the one it was made from, if any."""
    sound = sound_of(clip.path)
    own = [Original(known, clip.start_s, clip.end_s) for known in (content, sound) if known]
    return [*own, *([clip.original] if clip.original else [])]


def recordings_of(clips: Sequence[Clip]) -> list[str]:
    """SHA-256 of the content of each clip's file."""
    digests = file_digests(clip.path for clip in clips)
    return [digests[clip.path] for clip in clips]


def contents_of(clips: Sequence[Clip]) -> list[str]:
    """A string for the content of each clip's file; SHA-256 if a clip was made from another, which is named by that."""
    if any(clip.original for clip in clips):
        return recordings_of(clips)
    return same_contents([clip.path for clip in clips])


def sharing(clips: Sequence[Clip], others: Sequence[Clip]) -> list[list[Clip]]:
    """For each of the `clips` those of `others` with which it shares a sound.

    Two clips share one if they, or what they were made from, are overlapping segments of files of the same content.
    """
    contents = contents_of((*clips, *others))
    taken: Segments[Clip] = Segments()
    for clip, content in zip(others, contents[len(clips) :], strict=True):
        for segment in segments(clip, content):
            taken.add(segment, clip)
    return [list(taken.of(clip, content)) for clip, content in zip(clips, contents, strict=False)]


def without_copies(clips: Iterable[Clip], others: Iterable[Clip]) -> tuple[Clip, ...]:
    """The `clips` that share no sound with any of `others` (see `sharing`)."""
    clips = tuple(clips)
    return tuple(clip for clip, same in zip(clips, sharing(clips, tuple(others)), strict=True) if not same)


def of_other_recordings(clips: Iterable[Clip], others: Iterable[Clip]) -> tuple[Clip, ...]:
    """The `clips` of whose recordings, or of those they were made from, no part is among `others`."""
    clips, others = tuple(clips), tuple(others)
    contents = contents_of((*clips, *others))
    recordings = [
        {segment.recording for segment in segments(clip, content)}
        for clip, content in zip((*clips, *others), contents, strict=True)
    ]
    taken = set().union(*recordings[len(clips) :])
    return tuple(clip for clip, own in zip(clips, recordings, strict=False) if not own & taken)


def overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two half-open ranges overlap."""
    return max(one[0], other[0]) < min(one[1], other[1])
