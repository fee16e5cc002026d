"""OGG files (Vorbis, Opus, FLAC, Speex): chained streams, damaged pages and a cut last page.

A page has a sequence number, a checksum, and the position of its last sample, its granule position (RFC 3533).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import soundfile as sf

from auricle.audio.alive import alive
from auricle.audio.formats import AudioInfo
from auricle.audio.layout import Link
from auricle.audio.parts import Part, Stretch, frames, info_of
from auricle.audio.tags import after_tags

_HEAD = struct.Struct("<4sBBqIIIB")
_FIRST, _LAST = 2, 4
_WINDOW = 2**16
_PAGES_PER_SIGN = 256
_CHECKED = 8  # pages at the beginning, among them the first with sound
_OPUS_RATE = 48_000
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class _Page:
    start: int
    end: int
    flags: int
    granule: int
    serial: int
    sequence: int


def links(path: str, size: int, info: AudioInfo, thorough: bool = False) -> list[Link]:
    """The streams that are chained in an OGG file.

    `thorough` verifies the checksum of every page, else this is done where a page at the beginning or end is damaged.
    """
    with open(path, "rb") as file:
        start = after_tags(file, 0)
        pages = list(_pages(file, start, size))
        checked = pages if thorough else [*pages[:_CHECKED], *pages[-1:]]
        bad = {page for page in checked if page.end <= size and not _is_right(file, page)}
        chained = list(_chained([page for page in pages if page not in bad]))
        if not thorough and (bad or len(chained) > 1):
            return links(path, size, info, thorough=True)
        if not bad and len(chained) == 1 and _is_in_order(pages, start, size):
            part = Part(0, info.n_samples, Stretch.rest(start, size))
            return [Link(info, [part], unfinished=not pages[-1].flags & _LAST)]
        ends = [*(pages[0].start for pages in chained[1:]), size]
        found = [_link(path, file, own, end) for own, end in zip(chained, ends, strict=True)]
    return [link for link in found if link is not None]


def _pages(file: BinaryIO, position: int, size: int) -> Iterator[_Page]:
    """All pages from a byte on whose header can be found; the last may reach beyond the end of the file."""
    while position < size:
        file.seek(position)
        data = file.read(_HEAD.size + 255)
        if len(data) >= _HEAD.size and data.startswith(b"OggS\0"):
            _, _, flags, granule, serial, sequence, _, n_segments = _HEAD.unpack_from(data)
            length = _HEAD.size + n_segments + sum(data[_HEAD.size : _HEAD.size + n_segments])
            if sequence % _PAGES_PER_SIGN == 0:
                alive()
            yield _Page(position, position + length, flags, granule, serial, sequence)
            position += length
            continue
        position += 1
        while position < size:
            file.seek(position)
            data = file.read(_WINDOW)
            place = data.find(b"OggS\0")
            position += place if place >= 0 else max(1, len(data) - 4)
            if place >= 0:
                break


def _chained(pages: list[_Page]) -> Iterator[list[_Page]]:
    """The pages of each stream of sound; a stream begins where pages of the stream before have ended."""
    own: list[_Page] = []
    for page in pages:
        if page.flags & _FIRST and own and not own[-1].flags & _FIRST:
            yield own
            own = []
        if page.flags & _FIRST or own:
            own.append(page)
    if own:
        yield own


def _is_in_order(pages: list[_Page], start: int, size: int) -> bool:
    """Whether the pages of one stream follow each other from byte `start` to the last byte of a file."""
    ends = [start, *(page.end for page in pages)]
    starts = [*(page.start for page in pages), size]
    return ends == starts and len(list(_runs(pages))) == 1 and len({page.serial for page in pages}) == 1


def _link(path: str, file: BinaryIO, pages: list[_Page], end: int) -> Link | None:
    serial = pages[0].serial
    pages = [page for page in pages if page.serial == serial]
    whole = [page for page in pages if page.end <= end]
    n_heads = next((k for k, page in enumerate(whole) if page.granule > 0), len(whole))
    head_pages = [_bytes(file, page.start, page.end) for page in whole[:n_heads]]
    pre_skip, head_pages[:1] = _without_pre_skip(head_pages[0]) if head_pages else (0, [])
    heads = b"".join(head_pages)
    rest = _complete_packets(_bytes(file, pages[-1].start, end)) if len(whole) < len(pages) else b""
    runs = list(_runs(whole))
    stretches = []
    for run in runs:
        first = run[0].start
        stretches.append(Stretch(first, run[-1].end, b"" if run[0] is whole[0] else heads))
    if rest and stretches:
        stretches[-1] = replace(stretches[-1], after=rest)
    info, parts = _placed(path, runs, stretches, pre_skip)
    if info is None:
        return None
    if rest:
        n_missing = _missing(path, [page for page in runs[-1][-3:] if page not in whole[:n_heads]], heads, rest)
        info = replace(info, n_samples=info.n_samples - n_missing)
        parts[-1] = replace(parts[-1], n_samples=max(0, parts[-1].n_samples - n_missing))
    unfinished = len(whole) < len(pages) or not pages[-1].flags & _LAST
    return Link(info, [part for part in parts if part.n_samples], unfinished=unfinished)


def _placed(
    path: str, runs: list[list[_Page]], stretches: list[Stretch], base: int
) -> tuple[AudioInfo | None, list[Part]]:
    """The parts at their places, which follow from the granule positions of their ends, and what libsndfile says.

    `base` is the granule position of the first sample, if the first part is damaged.
    """
    info: AudioInfo | None = None
    parts: list[Part] = []
    for run, stretch in zip(runs, stretches, strict=True):
        try:
            own = info_of(path, Part(0, 0, stretch))
        except sf.SoundFileError:
            continue
        scale = _OPUS_RATE // own.sample_rate if own.subtype == "OPUS" else 1
        granule = max(page.granule for page in run)
        if stretch.after:
            granule = max(granule, _HEAD.unpack_from(stretch.after)[3])
        if info is None:
            info = own
            if run is runs[0] and own.n_samples:
                base = granule - own.n_samples * scale
        end = (granule - base) // scale
        first = max(end - own.n_samples, parts[-1].end if parts else 0)
        if end > first:
            parts.append(Part(first, end - first, stretch, skip=own.n_samples - (end - first)))
    if info is None or not parts:
        return None, []
    return replace(info, n_samples=parts[-1].end), parts


def _runs(pages: list[_Page]) -> Iterator[list[_Page]]:
    """Pages that follow each other without a gap."""
    run: list[_Page] = []
    for page in pages:
        if run and page.sequence != run[-1].sequence + 1:
            yield run
            run = []
        run.append(page)
    if run:
        yield run


def _complete_packets(page: bytes) -> bytes:
    """A cut page reduced to the packets that are complete; empty if there are none."""
    if len(page) < _HEAD.size or len(page) < _HEAD.size + page[26]:
        return b""
    lengths = page[_HEAD.size : _HEAD.size + page[26]]
    body = _HEAD.size + page[26]
    n_kept = n_bytes = total = 0
    for place, length in enumerate(lengths):
        total += length
        if body + total > len(page):
            break
        if length < 255:
            n_kept, n_bytes = place + 1, total
    if not n_kept:
        return b""
    head = bytearray(page[: _HEAD.size])
    head[5] &= ~_LAST
    head[26] = n_kept
    return _with_checksum(bytes(head) + lengths[:n_kept] + page[body : body + n_bytes])


def _without_pre_skip(page: bytes) -> tuple[int, list[bytes]]:
    """The samples that an Opus decoder skips at a stream's beginning, and the page that tells it to, which does not."""
    place = page.find(b"OpusHead")
    if place < 0 or place + 12 > len(page):
        return 0, [page]
    pre_skip = struct.unpack_from("<H", page, place + 10)[0]
    return pre_skip, [_with_checksum(page[: place + 10] + bytes(2) + page[place + 12 :])]


def _missing(path: str, pages: list[_Page], heads: bytes, rest: bytes) -> int:
    """How many samples fewer than the granule position of the cut page says can be decoded."""
    start, end = (pages[0].start, pages[-1].end) if pages else (0, 0)
    part = Part(0, 0, Stretch(start, end, heads, rest))
    try:
        with part.opened(path) as file:
            return max(0, file.frames - sum(chunk.shape[-1] for chunk in frames(file)))
    except sf.SoundFileError:
        return 0


def _bytes(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _is_right(file: BinaryIO, place: _Page) -> bool:
    """Whether the checksum of a page is right."""
    if place.sequence % _PAGES_PER_SIGN == 0:
        alive()
    page = _bytes(file, place.start, place.end)
    return len(page) > _HEAD.size and _with_checksum(page) == page


def _with_checksum(page: bytes) -> bytes:
    """A page with its checksum: CRC-32, most significant bit first, from 0, which is zlib's of the reversed bits."""
    without = page[:22] + bytes(4) + page[26:]
    reflected = zlib.crc32(without.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return without[:22] + struct.pack(">I", reflected).translate(_REVERSED) + without[26:]
