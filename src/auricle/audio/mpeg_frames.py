"""The frames of an MP3 file: where they are, and which streams they make.

A frame has no number and no checksum, but its header gives its length. The first frame of a stream may hold no sound
but the number of frames (the tag "Xing" or "Info").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import BinaryIO

from auricle.audio.alive import alive
from auricle.audio.tags import after_tags

_WINDOW = 2**22
_LONGEST_FRAME = 4096  # more than any frame and the header of the next
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
_HEADER = re.compile(rb"\xff[\xe0-\xff][\x10-\xef]")  # how a header begins
DECODER_DELAY = 529


@dataclass(frozen=True)
class Header:
    """A frame's header of 4 bytes: length in bytes, samples, rate in Hz, channels, bytes before the sound's data."""

    data: bytes
    length: int
    samples: int
    rate: int
    channels: int
    side: int

    @staticmethod
    def of(data: bytes) -> Header | None:
        """The header at the beginning of `data`; None if there is none."""
        if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
            return None
        return _header(data[:4])

    def is_like(self, other: Header) -> bool:
        return (self.samples, self.rate, self.channels) == (other.samples, other.rate, other.channels)


@lru_cache(maxsize=2**12)
def _header(data: bytes) -> Header | None:
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
    return Header(data, length, samples, hz, 1 if mode == 3 else 2, side)


@dataclass
class Run:
    """Frames of the bytes [start, end) that follow each other, after `lost` bytes that are no frames.

    `tag` is the frame at their beginning that counts them.
    """

    start: int
    end: int
    header: Header
    n_frames: int = 0
    tag: bytes = b""
    lost: int = 0


@dataclass
class Stream:
    """The runs of one recording, and the bytes after them that are no frames and no tag (`lost`)."""

    runs: list[Run] = field(default_factory=list)
    lost: int = 0


def is_tag(header: Header, frame: bytes) -> bool:
    return frame[header.side : header.side + 4] in (b"Xing", b"Info") or frame[36:40] == b"VBRI"


def counts(frame: bytes) -> tuple[int | None, int | None]:
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


def recounted(frame: bytes, n_frames: int) -> bytes:
    """The tag `frame`, which states a number of frames, with another number."""
    place = max(frame.find(b"Xing"), frame.find(b"Info"))
    at = place + 8 if place >= 0 else frame.find(b"VBRI") + 14
    return frame[:at] + n_frames.to_bytes(4, "big") + frame[at + 4 :]


def delay_of(frame: bytes) -> int:
    """Samples at the beginning that a tag of an encoder says to leave out, with the decoder's own delay."""
    place = max(frame.find(b"Xing"), frame.find(b"Info"))
    if place < 0:
        return DECODER_DELAY
    flags = frame[place + 7]
    encoder = place + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    delays = frame[encoder + 21 : encoder + 24]
    if not frame[encoder : encoder + 4].strip(b"\0") or len(delays) < 3:
        return DECODER_DELAY
    return (delays[0] << 4 | delays[1] >> 4) + DECODER_DELAY


def find_streams(file: BinaryIO, size: int) -> Iterator[Stream]:
    """The streams of a file: each begins with a tag, or where rate or channels change."""
    stream = Stream()
    position = lost = searched = 0
    window, origin = b"", 0
    while position + 4 <= size:
        end = origin + len(window)
        if position < origin or (position > end - _LONGEST_FRAME and end < size):
            file.seek(position)
            window, origin = file.read(_WINDOW), position
            alive()
        place = position - origin
        header = Header.of(window[place : place + 4])
        last = stream.runs[-1] if stream.runs else None
        if (
            header is not None
            and position + header.length <= size
            and (
                (last is not None and not lost and header.is_like(last.header))
                or _continues(window, place, header)
                or (last is None and is_tag(header, window[place : place + header.length]))
            )
        ):
            frame = window[place : place + header.length]
            tagged = is_tag(header, frame)
            if stream.runs and (tagged or not header.is_like(stream.runs[-1].header)):
                stream.lost = lost
                yield stream
                stream, lost = Stream(), 0
            if not stream.runs or lost or stream.runs[-1].end != position:
                stream.runs.append(Run(position, position, header, tag=frame if tagged else b"", lost=lost))
            run = stream.runs[-1]
            run.n_frames += not tagged
            position += header.length
            run.end, lost, searched = position, 0, 0
            continue
        after = after_tags(file, position) if window.startswith(b"ID3", place) else position
        if after > position:
            position = after
            continue
        following = _HEADER.search(window, place + 1)
        beyond = len(window) - (2 if origin + len(window) < size else 0)  # a header may begin in the last two
        step = max(1, (following.start() if following else beyond) - place)
        position += step
        lost += step if stream.runs else 0
        searched += step
        if searched > _LONGEST_SEARCH:
            break
    if stream.runs:
        file.seek(max(0, size - 128))
        stream.lost = lost - (128 if file.read(3) == b"TAG" else 0)
        yield stream


def _continues(window: bytes, place: int, header: Header) -> bool:
    """Whether a frame like this one follows it, or the end of the file."""
    end = place + header.length
    following = Header.of(window[end : end + 4])
    return end == len(window) or (following is not None and following.is_like(header))


def counting(run: Run) -> bytes:
    """A frame without sound that states the number of frames of a run."""
    header = bytearray(run.header.data)
    header[1] |= 1  # no checksum
    header[2] = header[2] & 0x0D | 0xE0
    made = Header.of(bytes(header))
    assert made is not None
    frame = bytes(header) + bytes(made.side - 4) + b"Xing\0\0\0\1" + run.n_frames.to_bytes(4, "big")
    return frame.ljust(made.length, b"\0")
