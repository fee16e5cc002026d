"""FLAC files whose header is wrong or whose frames are damaged: every good frame, at its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from auricle.audio.flac_frames import TAIL, Frame, Stream, find_frames, find_heads, find_streams, read_bytes
from auricle.audio.formats import AudioInfo
from auricle.audio.layout import Link
from auricle.audio.parts import Part, Stretch

_PROBES = 4
_FRAMES_PER_PART = 100


def links(path: str, size: int, info: AudioInfo, thorough: bool = False) -> list[Link] | None:
    """The streams in a FLAC file; None if libsndfile finds all samples by itself, as far as a few headers tell.

    `thorough` looks at all frames.
    """
    with open(path, "rb") as file:
        first = next(find_streams(file, size, 2**16), None)
        if first is None or (not thorough and _is_whole(file, first, size)):
            return None
        streams = list(find_streams(file, size))
        ends = [*(stream.start for stream in streams[1:]), size]
        found = [_link(file, stream, end, info) for stream, end in zip(streams, ends, strict=True)]
    return [link for link in found if link is not None] or None


def _is_whole(file: BinaryIO, stream: Stream, size: int) -> bool:
    """Whether the last frame ends where the header says, and frame numbers grow with the position in the file."""
    n_tail = min(TAIL, 2 * stream.largest_frame or TAIL)
    span = max(stream.frames, size - n_tail)
    heads = find_heads(read_bytes(file, span, size), stream)
    if not stream.n_samples or not heads or heads[-1][2] != stream.n_samples:
        return False
    numbers = [0]
    for k in range(1, _PROBES + 1) if span > stream.frames else ():
        start = stream.frames + k * (span - stream.frames) // (_PROBES + 1)
        heads_there = find_heads(read_bytes(file, start, start + n_tail), stream)
        numbers.append(heads_there[0][1] if heads_there else -1)
    return all(0 <= a <= b for a, b in zip(numbers, [*numbers[1:], heads[-1][1]], strict=True))


def _link(file: BinaryIO, stream: Stream, end: int, info: AudioInfo) -> Link | None:
    found = list(find_frames(file, stream, stream.frames, end))
    good: list[Frame] = []
    for frame in found:
        if frame.good and (not good or frame.first >= good[-1].last):
            good.append(frame)
    if not good:
        return None
    n_samples = good[-1].last
    if found[-1].first == n_samples and not found[-1].good and found[-1].last >= stream.n_samples:
        n_samples = found[-1].last  # the last frame is there, and damaged
    parts = [_part(stream, run) for run in _runs(good)]
    own = replace(info, sample_rate=stream.sample_rate, channels=stream.channels, n_samples=n_samples)
    return Link(own, parts, stream.n_samples or None, unstated=not stream.n_samples)


def _runs(frames: list[Frame]) -> Iterator[list[Frame]]:
    """Frames that follow each other without a gap, at most `_FRAMES_PER_PART`."""
    run: list[Frame] = []
    for frame in frames:
        if run and (frame.start != run[-1].end or frame.first != run[-1].last or len(run) == _FRAMES_PER_PART):
            yield run
            run = []
        run.append(frame)
    yield run


def _part(stream: Stream, run: list[Frame]) -> Part:
    n_samples = run[-1].last - run[0].first
    stretch = Stretch(run[0].start, run[-1].end, stream.header(n_samples))
    return Part(run[0].first, n_samples, stretch, seekable=False)
