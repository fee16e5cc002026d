"""The frames of a FLAC stream: where they are, which samples they hold, and whether their checksums are right.

A frame states the number of its first sample and ends with a checksum (RFC 9639, section 9).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from auricle.audio.alive import alive

_SYNC = re.compile(rb"\xff[\xf8\xf9][\x10-\xff][\x00-\xad]", re.DOTALL)
_STREAM = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22", re.DOTALL)
TAIL = 2**17  # bytes; longer than any frame of usual sound
_WINDOW = 2**24  # bytes looked at together
_MOST_FALSE = 16  # patterns inside a frame that look like the next frame
_BLOCK_SIZES = {1: 192, **{k: 576 << (k - 2) for k in range(2, 6)}, **{k: 256 << (k - 8) for k in range(8, 16)}}
_BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}


def _table(polynomial: int, bits: int) -> list[int]:
    table = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1) ^ (polynomial if value >> (bits - 1) else 0)
            value &= (1 << bits) - 1
        table.append(value)
    return table


_CRC8, _CRC16 = _table(0x07, 8), _table(0x8005, 16)
_CRC16_ARRAY = np.array(_CRC16, np.uint16)
_CRC16_OF_WORDS = np.arange(2**16, dtype=np.uint16)
for _ in range(2):
    _CRC16_OF_WORDS = (_CRC16_OF_WORDS << np.uint16(8)) ^ _CRC16_ARRAY[_CRC16_OF_WORDS >> np.uint16(8)]


@dataclass(frozen=True)
class Stream:
    """The STREAMINFO block of a FLAC stream that begins at byte `start`; its frames begin at byte `frames`."""

    start: int
    frames: int
    block: bytes

    @property
    def block_size(self) -> int:
        return int.from_bytes(self.block[0:2], "big")

    @property
    def largest_frame(self) -> int:
        """In bytes, 0 if unknown."""
        return int.from_bytes(self.block[7:10], "big")

    @property
    def sample_rate(self) -> int:
        return int.from_bytes(self.block[10:13], "big") >> 4

    @property
    def channels(self) -> int:
        return (self.block[12] >> 1 & 7) + 1

    @property
    def bits(self) -> int:
        return ((self.block[12] & 1) << 4 | self.block[13] >> 4) + 1

    @property
    def n_samples(self) -> int:
        """The stated length, 0 for none."""
        return int.from_bytes(self.block[13:18], "big") & 0xFFFFFFFFF

    def header(self, n_samples: int) -> bytes:
        """The beginning of a FLAC file of `n_samples` samples."""
        packed = (int.from_bytes(self.block[10:18], "big") >> 36 << 36) | n_samples
        return b"fLaC\x80\0\0\x22" + self.block[:10] + packed.to_bytes(8, "big") + bytes(16)


@dataclass(frozen=True)
class Frame:
    """A frame from byte `start` to `end` with samples [first, last), whose checksum is right (`good`)."""

    start: int
    end: int
    first: int
    last: int
    good: bool = True


def find_streams(file: BinaryIO, size: int, window: int = _WINDOW) -> Iterator[Stream]:
    for origin in range(0, size, window):
        alive()
        for match in _STREAM.finditer(read_bytes(file, origin, min(size, origin + window + 64))):
            start = origin + match.start()
            position, last = start + 4, False
            while not last and position + 4 <= size:
                head = read_bytes(file, position, position + 4)
                last = bool(head[0] & 0x80)
                position += 4 + int.from_bytes(head[1:], "big")
            stream = Stream(start, position, read_bytes(file, start + 8, start + 42))
            if match.start() < window and last and position <= size and stream.sample_rate:
                yield stream


def read_bytes(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def find_frames(file: BinaryIO, stream: Stream, start: int, end: int) -> Iterator[Frame]:
    """The frames between two bytes, in order; those whose checksum is wrong have `good` False."""
    end = _without_tags(file, end)
    while start < end:
        alive()
        data = read_bytes(file, start, min(start + _WINDOW, end))
        heads = find_heads(data, stream)
        complete = start + len(data) >= end
        edges = [head[0] for head in heads] + [len(data)]
        right = _checksums_are_right(data, edges)
        place = 0
        while place < len(heads) - (not complete and len(heads) > 1):
            after = place + 1
            good = bool(right[place])
            if not good:
                farther = range(place + 2, min(place + 2 + _MOST_FALSE, len(edges)))
                fitting = (k for k in farther if k == len(heads) or heads[k][1] == heads[place][2])
                whole = next(fitting, after)
                after = whole if _is_right(data[edges[place] : edges[whole]]) else after
                good = after > place + 1
            yield Frame(start + edges[place], start + edges[after], *heads[place][1:], good)
            place = after
        start += edges[place] if data else end


def find_heads(data: bytes, stream: Stream) -> list[tuple[int, int, int]]:
    """Place, first sample and end of every frame header in `data`."""
    found = (
        (match.start(), _header(data[match.start() : match.start() + 16], stream)) for match in _SYNC.finditer(data)
    )
    return [(place, *samples) for place, samples in found if samples is not None]


def _header(head: bytes, stream: Stream) -> tuple[int, int] | None:
    """First sample and end of the frame that begins with `head`; None if this is no frame of the stream."""
    block_code, rate_code, channel_code, bits_code = head[2] >> 4, head[2] & 15, head[3] >> 4, head[3] >> 1 & 7
    channels = 2 if channel_code >= 8 else channel_code + 1
    if (
        rate_code == 15
        or head[3] & 1
        or channels != stream.channels
        or _BITS.get(bits_code, stream.bits) != stream.bits
    ):
        return None
    first_byte = head[4] if len(head) > 4 else 0xFF
    n_more = 0 if first_byte < 0x80 else 8 - (first_byte ^ 0xFF).bit_length() - 1
    if first_byte == 0xFF or (first_byte >= 0x80 and n_more < 1):
        return None
    number = first_byte if n_more == 0 else first_byte & (0x3F >> n_more)
    for byte in head[5 : 5 + n_more]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | (byte & 0x3F)
    position = 5 + n_more
    block_size = _BLOCK_SIZES.get(block_code, 0)
    if block_code in (6, 7):
        block_size = int.from_bytes(head[position : position + block_code - 5], "big") + 1
        position += block_code - 5
    position += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if position >= len(head) or _crc(head[:position], _CRC8, 8) != head[position]:
        return None
    first = number if head[1] & 1 else number * stream.block_size
    return first, first + block_size


def _crc(data: bytes, table: list[int], bits: int) -> int:
    value, mask = 0, (1 << bits) - 1
    for byte in data:
        value = (value << 8 & mask) ^ table[(value >> (bits - 8)) ^ byte]
    return value


def _is_right(frame: bytes) -> bool:
    """Whether the checksum at a frame's end is that of the frame, which makes the whole's checksum 0."""
    return len(frame) < TAIL and _crc(frame, _CRC16, 16) == 0


def _checksums_are_right(data: bytes, edges: list[int]) -> np.ndarray:
    """`_is_right` for the bytes between each two consecutive `edges`, all at once, two bytes at a time."""
    array = np.frombuffer(data + b"\0", np.uint8)
    words = array[:-1].astype(np.uint16) << np.uint16(8) | array[1:]
    starts = np.array(edges, np.int64)
    lengths = np.diff(starts)
    order = np.argsort(-lengths, kind="stable")
    begins, sizes = starts[:-1][order], lengths[order]
    odd = sizes % 2 == 1
    state = np.where(odd, _CRC16_ARRAY[array[begins]], np.uint16(0))
    begins, steps = begins + odd, sizes // 2
    n_active, n_skipped = len(order), int(np.count_nonzero(sizes >= TAIL))
    for step in range(int(steps[n_skipped]) if n_skipped < len(steps) else 0):
        while steps[n_active - 1] <= step:
            n_active -= 1
        now = slice(n_skipped, n_active)
        state[now] = _CRC16_OF_WORDS[state[now] ^ words[begins[now] + 2 * step]]
    right = np.zeros(len(order), bool)
    right[order] = (state == 0) & (sizes < TAIL)
    return right


def _without_tags(file: BinaryIO, end: int) -> int:
    """The end of the frames before tags of MP3 software."""
    tail = read_bytes(file, max(0, end - TAIL), end)
    tail = tail[:-128] if tail[-128:].startswith(b"TAG") else tail
    tag = tail.rfind(b"APETAGEX")
    return end - min(TAIL, end) + (tag if tag >= 0 else len(tail))
