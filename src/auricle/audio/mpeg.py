"""MP3 files: joined streams, damaged stretches, and lengths that no header states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import BinaryIO

import soundfile as sf

from auricle.audio.formats import AudioInfo
from auricle.audio.layout import Link
from auricle.audio.mpeg_frames import (
    DECODER_DELAY,
    Header,
    Stream,
    counting,
    counts,
    delay_of,
    find_streams,
    is_tag,
    recounted,
)
from auricle.audio.parts import UNKNOWN, Part, SoundFile, Stretch, frames
from auricle.audio.tags import after_tags

_MOST_LEFT_OUT = 4 * 1152  # samples that an encoder adds at the beginning and at the end


def links(path: str, size: int, info: AudioInfo) -> list[Link] | None:
    """The streams that are joined in an MP3 file; None if no frame is found. All frames are looked at."""
    with open(path, "rb") as file:
        streams = list(find_streams(file, size))
        if len(streams) == 1 and _is_in_order(file, streams[0], info.n_samples):
            return [Link(info, [Part(0, info.n_samples)], info.n_samples)]
    return _links(path, streams, info)


def damaged_links(path: str, size: int) -> list[Link] | None:
    """The streams of an MP3 file that libsndfile cannot decode.

    None if it neither begins with frames nor has them in half of its bytes, as a video may.
    """
    with open(path, "rb") as file:
        streams = list(find_streams(file, size))
        runs = [run for stream in streams for run in stream.runs]
        if not runs or (runs[0].start > after_tags(file, 0) and 2 * sum(run.end - run.start for run in runs) < size):
            return None
    return _links(path, streams, AudioInfo(0, 0, 0, "MP3", "MPEG_LAYER_III"))


def is_whole(file: BinaryIO, size: int, n_samples: int) -> bool:
    """Whether the tag in the first frame states the bytes that there are, and frames for `n_samples` samples."""
    start = after_tags(file, 0)
    file.seek(start)
    data = file.read(2**12)
    header = Header.of(data)
    if header is None or not is_tag(header, data):
        return False
    n_frames, n_bytes = counts(data[: header.length])
    if n_frames is None or n_bytes is None:
        return False
    file.seek(max(0, size - 128))
    tag = 128 if file.read(3) == b"TAG" else 0
    n_left_out = n_frames * header.samples - n_samples
    return start + n_bytes == size - tag and 0 <= n_left_out <= _MOST_LEFT_OUT


def _is_in_order(file: BinaryIO, stream: Stream, n_samples: int) -> bool:
    """Whether a stream has the frames that its tag states, without a gap, and they are those of `n_samples` samples."""
    first = stream.runs[0]
    n_left_out = first.n_frames * first.header.samples - n_samples
    return (
        len(stream.runs) == 1
        and not stream.lost
        and first.start == after_tags(file, 0)
        and counts(first.tag)[0] == first.n_frames
        and 0 <= n_left_out <= _MOST_LEFT_OUT
    )


def _links(path: str, streams: Iterable[Stream], info: AudioInfo) -> list[Link] | None:
    found = [_link(path, stream, info) for stream in streams]
    return [link for link in found if link is not None] or None


def _link(path: str, stream: Stream, info: AudioInfo) -> Link | None:
    first, last = stream.runs[0], stream.runs[-1]
    n_frames = sum(run.n_frames for run in stream.runs)
    n_stated = counts(first.tag)[0] if first.tag else None
    too_few = n_frames - n_stated if n_stated else 0
    n_lost = _n_lost(stream, n_stated)
    broken = len(stream.runs) > 1 or n_lost > 0
    start, end = first.start + len(first.tag), last.end
    if broken:  # over a gap libsndfile may open nothing
        longest = max(stream.runs, key=lambda run: run.n_frames)
        start, end = longest.start + len(longest.tag), longest.end
    # some encoders do not count the last frame
    tag = recounted(first.tag, n_frames) if too_few > 1 else first.tag or counting(first)
    part = Part(0, 0, Stretch(start, end, tag))
    try:
        with part.opened(path) as file:
            stated, n_samples = file.frames, 0 if broken else _length(file)
    except sf.SoundFileError:
        return None
    promised = stated if n_stated and stated < UNKNOWN else None
    if promised is not None and too_few > 1:
        promised = max(0, promised - too_few * first.header.samples)
    own = replace(info, sample_rate=first.header.rate, channels=first.header.channels, n_samples=n_samples)
    if broken:
        return _broken(own, stream, n_lost, None if too_few > 1 else promised)
    return Link(own, [replace(part, n_samples=n_samples)], promised)


def _n_lost(stream: Stream, n_stated: int | None) -> int:
    """How many frames are lost: those that the tag states and are not there, or as many as their bytes held."""
    n_frames = sum(run.n_frames for run in stream.runs)
    n_bytes = sum(run.end - run.start - len(run.tag) for run in stream.runs)
    within = sum(run.lost for run in stream.runs)
    guessed = round((within + stream.lost) * n_frames / max(1, n_bytes))
    if n_stated and n_frames < n_stated <= n_frames + 2 * guessed + 1:
        return n_stated - n_frames if within or stream.lost else 0
    stream.lost = 0  # a cut frame
    return round(within * n_frames / max(1, n_bytes))


def _broken(info: AudioInfo, stream: Stream, n_lost: int, promised: int | None) -> Link:
    """A stream with `n_lost` frames in stretches without frames, which share them by their bytes."""
    samples, n_frames = stream.runs[0].header.samples, sum(run.n_frames for run in stream.runs)
    delay = delay_of(stream.runs[0].tag)
    n_lost_bytes = sum(run.lost for run in stream.runs) + stream.lost
    parts, n_before, bytes_before = [], 0, 0
    for run in stream.runs:
        bytes_before += run.lost
        first = (n_before + round(n_lost * bytes_before / max(1, n_lost_bytes))) * samples - delay + DECODER_DELAY
        n_before += run.n_frames
        skip, n_samples = max(0, -first), run.n_frames * samples - DECODER_DELAY
        if n_samples > skip:
            stretch = Stretch(run.start + len(run.tag), run.end, counting(run))
            parts.append(Part(first + skip, n_samples - skip, stretch, skip=skip))
    end = (n_frames + n_lost) * samples - delay
    end = end if promised is None else min(end, promised)
    parts = [replace(part, n_samples=min(part.n_samples, end - part.first)) for part in parts if part.first < end]
    return Link(replace(info, n_samples=end), parts, promised)


def _length(file: SoundFile) -> int:
    """The samples that can be decoded, of which the header may state too many."""
    n_samples = file.frames
    try:
        file.seek(n_samples - 1)
        if n_samples and len(file.read(1)) == 1:
            return n_samples
    except sf.SoundFileError:
        pass
    file.seek(0)
    return sum(chunk.shape[-1] for chunk in frames(file))
