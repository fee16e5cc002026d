"""MP3 files: joined streams, damaged stretches, and lengths that no header states.

A frame has no number and no checksum, but its header gives its length. The first frame of a stream may hold no sound
but the number of frames (the tag "Xing" or "Info").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import soundfile as sf

from auricle.audio.formats import AudioInfo
from auricle.audio.layout import Link
from auricle.audio.parts import UNKNOWN, Part, SoundFile, Stretch, frames

_WINDOW = 2**22
_LONGEST_SEARCH = 2**24  # bytes without a frame after which the rest is not looked at
_BITRATES = {  # kbit/s by (MPEG 1?, layer)
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_DECODER_DELAY = 529
_MOST_LEFT_OUT = 4 * 1152  # samples that an encoder adds at the beginning and at the end


@dataclass(frozen=True)
class _Header:
    """A frame's header of 4 bytes: length in bytes, samples, rate in Hz, channels, bytes before the sound's data."""

    data: bytes
    length: int
    samples: int
    rate: int
    channels: int
    side: int

    @classmethod
    def of(cls, data: bytes) -> _Header | None:
        if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
            return None
        version, layer = data[1] >> 3 & 3, 4 - (data[1] >> 1 & 3)
        bitrate, rate, mode = data[2] >> 4, data[2] >> 2 & 3, data[3] >> 6
        if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
            return None
        hz, first = _RATES[version][rate], version == 3
        bits = 1000 * _BITRATES[first, layer][bitrate]
        padding = data[2] >> 1 & 1
        samples = 384 if layer == 1 else 576 if layer == 3 and not first else 1152
        length = 4 * (12 * bits // hz + padding) if layer == 1 else samples // 8 * bits // hz + padding
        side = 4 + ((32 if first else 17) if mode != 3 else (17 if first else 9))
        return cls(data[:4], length, samples, hz, 1 if mode == 3 else 2, side)

    def is_like(self, other: _Header) -> bool:
        return (self.samples, self.rate, self.channels) == (other.samples, other.rate, other.channels)


@dataclass
class _Run:
    """Frames of the bytes [start, end) that follow each other, after `lost` bytes that are no frames.

    `tag` is the frame at their beginning that counts them.
    """

    start: int
    end: int
    header: _Header
    n_frames: int = 0
    tag: bytes = b""
    lost: int = 0


@dataclass
class _Stream:
    """The runs of one recording, and the bytes after them that are no frames and no tag (`lost`)."""

    runs: list[_Run] = field(default_factory=list)
    lost: int = 0


def links(path: str, size: int, info: AudioInfo, thorough: bool = False) -> list[Link] | None:
    """The streams that are joined in an MP3 file; None if its first header counts all of it, or no frame is found.

    `thorough` looks at all frames.
    """
    with open(path, "rb") as file:
        if not thorough and is_whole(file, size, info.n_samples):
            return None
        streams = list(_streams(file, size))
        if len(streams) == 1 and _is_in_order(file, streams[0], info.n_samples):
            return [Link(info, [Part(0, info.n_samples)], info.n_samples)]
    found = [_link(path, stream, info) for stream in streams]
    return [link for link in found if link is not None] or None


def is_whole(file: BinaryIO, size: int, n_samples: int) -> bool:
    """Whether the tag in the first frame states the bytes that there are, and frames for `n_samples` samples."""
    start = _after_tags(file, 0)
    file.seek(start)
    data = file.read(2**12)
    header = _Header.of(data)
    if header is None or not _is_tag(header, data):
        return False
    n_frames, n_bytes = _counts(data[: header.length])
    if n_frames is None or n_bytes is None:
        return False
    file.seek(max(0, size - 128))
    tag = 128 if file.read(3) == b"TAG" else 0
    n_left_out = n_frames * header.samples - n_samples
    return start + n_bytes == size - tag and 0 <= n_left_out <= _MOST_LEFT_OUT


def _is_in_order(file: BinaryIO, stream: _Stream, n_samples: int) -> bool:
    """Whether a stream has the frames that its tag states, without a gap, and they are those of `n_samples` samples."""
    first = stream.runs[0]
    n_left_out = first.n_frames * first.header.samples - n_samples
    return (
        len(stream.runs) == 1
        and not stream.lost
        and first.start == _after_tags(file, 0)
        and _counts(first.tag)[0] == first.n_frames
        and 0 <= n_left_out <= _MOST_LEFT_OUT
    )


def _is_tag(header: _Header, frame: bytes) -> bool:
    return frame[header.side : header.side + 4] in (b"Xing", b"Info") or frame[36:40] == b"VBRI"


def _counts(frame: bytes) -> tuple[int | None, int | None]:
    """The numbers of frames and of bytes that a tag states."""
    place = max(frame.find(b"Xing"), frame.find(b"Info"))
    if place < 0:
        vbri = frame.find(b"VBRI")
        return (int.from_bytes(frame[vbri + 14 : vbri + 18], "big"), None) if vbri >= 0 else (None, None)
    flags, values = frame[place + 7], list[int | None]()
    for bit in (1, 2):
        at = place + 8 + 4 * len([v for v in values if v is not None])
        values.append(int.from_bytes(frame[at : at + 4], "big") if flags & bit else None)
    return values[0], values[1]


def _delay(frame: bytes) -> int:
    """Samples at the beginning that a tag of an encoder says to leave out, with the decoder's own delay."""
    place = max(frame.find(b"Xing"), frame.find(b"Info"))
    if place < 0:
        return _DECODER_DELAY
    flags = frame[place + 7]
    encoder = place + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    delays = frame[encoder + 21 : encoder + 24]
    if not frame[encoder : encoder + 4].strip(b"\0") or len(delays) < 3:
        return _DECODER_DELAY
    return (delays[0] << 4 | delays[1] >> 4) + _DECODER_DELAY


def _streams(file: BinaryIO, size: int) -> Iterator[_Stream]:
    """The streams of a file: each begins with a tag, or where rate or channels change."""
    stream = _Stream()
    position = lost = 0
    window, origin = b"", 0
    while position + 4 <= size:
        if (not origin <= position <= origin + len(window) - 4096 and origin + len(window) < size) or position < origin:
            file.seek(position)
            window, origin = file.read(_WINDOW), position
        place = position - origin
        header = _Header.of(window[place : place + 4])
        last = stream.runs[-1] if stream.runs else None
        if (
            header is not None
            and position + header.length <= size
            and (
                (last is not None and not lost and header.is_like(last.header))
                or _continues(file, position, header, size)
            )
        ):
            frame = window[place : place + header.length]
            is_tag = _is_tag(header, frame)
            if stream.runs and (is_tag or not header.is_like(stream.runs[-1].header)):
                stream.lost = lost
                yield stream
                stream, lost = _Stream(), 0
            if not stream.runs or lost or stream.runs[-1].end != position:
                stream.runs.append(_Run(position, position, header, tag=frame if is_tag else b"", lost=lost))
            run = stream.runs[-1]
            run.n_frames += not is_tag
            position += header.length
            run.end, lost = position, 0
            continue
        after = _after_tags(file, position)
        if after > position:
            position = after
            continue
        following = window.find(b"\xff", place + 1)
        step = following - place if following >= 0 else max(1, len(window) - place)
        position += step
        lost += step if stream.runs else 0
        if lost > _LONGEST_SEARCH:
            break
    if stream.runs:
        file.seek(max(0, size - 128))
        stream.lost = lost - (128 if file.read(3) == b"TAG" else 0)
        yield stream


def _continues(file: BinaryIO, position: int, header: _Header, size: int) -> bool:
    """Whether a frame like this one follows it, or the end of the file."""
    end = position + header.length
    file.seek(end)
    following = _Header.of(file.read(4))
    return end == size or (following is not None and following.is_like(header))


def _after_tags(file: BinaryIO, position: int) -> int:
    """The end of a tag with a title and the like (ID3v2) at `position`."""
    file.seek(position)
    head = file.read(10)
    if len(head) < 10 or not head.startswith(b"ID3") or max(head[6:10]) > 127:
        return position
    n_bytes = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return position + 10 + n_bytes + (10 if head[5] & 0x10 else 0)


def _link(path: str, stream: _Stream, info: AudioInfo) -> Link | None:
    first, last = stream.runs[0], stream.runs[-1]
    n_stated = _counts(first.tag)[0] if first.tag else None
    part = Part(0, 0, Stretch(first.start, last.end, b"" if first.tag else _counting(first)))
    n_lost = _n_lost(stream, n_stated)
    broken = len(stream.runs) > 1 or n_lost > 0
    try:
        with part.opened(path) as file:
            stated, n_samples = file.frames, 0 if broken else _length(file)
    except sf.SoundFileError:
        return None
    promised = stated if n_stated and stated < UNKNOWN else None
    own = replace(info, sample_rate=first.header.rate, channels=first.header.channels, n_samples=n_samples)
    if broken:
        return _broken(own, stream, n_lost, promised)
    return Link(own, [replace(part, n_samples=n_samples)], promised)


def _n_lost(stream: _Stream, n_stated: int | None) -> int:
    """The frames that were where there are none: as many as the tag states, or as their bytes would be."""
    n_frames = sum(run.n_frames for run in stream.runs)
    n_bytes = sum(run.end - run.start - len(run.tag) for run in stream.runs)
    within = sum(run.lost for run in stream.runs)
    guessed = round((within + stream.lost) * n_frames / max(1, n_bytes))
    if n_stated and n_frames < n_stated <= n_frames + 2 * guessed + 1:
        return n_stated - n_frames if within or stream.lost else 0
    stream.lost = 0  # a cut frame
    return round(within * n_frames / max(1, n_bytes))


def _broken(info: AudioInfo, stream: _Stream, n_lost: int, promised: int | None) -> Link:
    """A stream with `n_lost` frames in stretches without frames, which share them by their bytes."""
    samples, n_frames = stream.runs[0].header.samples, sum(run.n_frames for run in stream.runs)
    delay = _delay(stream.runs[0].tag)
    n_lost_bytes = sum(run.lost for run in stream.runs) + stream.lost
    parts, n_before, bytes_before = [], 0, 0
    for run in stream.runs:
        bytes_before += run.lost
        first = (n_before + round(n_lost * bytes_before / max(1, n_lost_bytes))) * samples - delay + _DECODER_DELAY
        n_before += run.n_frames
        skip, n_samples = max(0, -first), run.n_frames * samples - _DECODER_DELAY
        if n_samples > skip:
            stretch = Stretch(run.start + len(run.tag), run.end, _counting(run))
            parts.append(Part(first + skip, n_samples - skip, stretch, skip=skip))
    end = (n_frames + n_lost) * samples - delay
    end = end if promised is None else min(end, promised)
    parts = [replace(part, n_samples=min(part.n_samples, end - part.first)) for part in parts if part.first < end]
    return Link(replace(info, n_samples=end), parts, promised)


def _counting(run: _Run) -> bytes:
    """A frame without sound that states the number of frames of a run."""
    header = bytearray(run.header.data)
    header[1] |= 1  # no checksum
    header[2] = header[2] & 0x0D | 0xE0 if run.header.rate else header[2]
    made = _Header.of(bytes(header))
    assert made is not None
    frame = bytes(header) + bytes(made.side - 4) + b"Xing\0\0\0\1" + run.n_frames.to_bytes(4, "big")
    return frame.ljust(made.length, b"\0")


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
