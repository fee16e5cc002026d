"""Where the samples are in WAV, RF64, Wave64, AIFF, AU, CAF and NIST files, whatever size their header states.

The header of an interrupted recording may state no samples or too few, that of a cut file too many. libsndfile is then
given the samples with a header of the right size before them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from auricle.audio.chunks import CAF, RIFF, RIFX, W64, Chunks, begins, find, is_metadata, is_padding, put
from auricle.audio.parts import Stretch
from auricle.audio.tags import after_tags

_MOST_HEADER = 2**24
_BLOCKWISE = (0x02, 0x11, 0x31)  # formats of WAV files in which a cut block cannot be decoded: MS and IMA ADPCM, GSM


_W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_STREAMED = (range(0x7FFFFF00, 0x80000001), range(0xFFFFFF00, 0x100000000))  # sizes of files written into a pipe


@dataclass(frozen=True)
class Samples:
    """The samples' bytes [start, end) of one recording in a file, and the bytes that its header states.

    `stated` is None where the header states no length. libsndfile finds the samples in `stretch` (None: the file).
    `follows` is where the next recording begins, 0 for none.
    """

    start: int
    end: int
    stated: int | None
    stretch: Stretch | None
    follows: int = 0


@dataclass(frozen=True)
class _Header:
    """What a header says: first byte of the samples, their bytes (None if it does not say), bytes that belong together.

    `magic` is how it begins, and `patched(header, n)` is the header for n bytes of samples.
    """

    start: int
    stated: int | None
    magic: bytes
    chunks: Chunks | None
    patched: Callable[[bytes, int], bytes]
    block: int = 1


def find_samples(file: BinaryIO, size: int, origin: int) -> Samples | None:
    """The samples of the recording that begins at byte `origin` of a file of `size` bytes.

    None for other formats, and if the header ends before the samples.
    """
    file.seek(origin)
    start = file.read(12)
    for magic, read in _READERS.items():
        if start.startswith(magic):
            try:
                return _samples(file, size, origin, read(file, origin))
            except (struct.error, ValueError):
                return None
    return None


def _samples(file: BinaryIO, size: int, origin: int, header: _Header) -> Samples:
    """The samples behind a header: to their stated end if chunks, tags or a recording follow it, else to the end."""
    start, stated, chunks = header.start, header.stated, header.chunks
    if stated is not None and start + stated > size and any(stated in sizes for sizes in _STREAMED):
        stated = None
    if start > size or start - origin > _MOST_HEADER:
        raise ValueError
    end, follows = size - (size - start) % header.block, 0
    if stated is not None and start + stated <= size:
        after = chunks.after(origin, start, stated) if chunks else start + stated
        ends = (after, start + stated)  # some programs leave out the byte between an odd number of bytes and a chunk
        follows = next((place for end in ends if begins(file, place := after_tags(file, end), header.magic)), 0)
        known = any(is_metadata(file, end) for end in ends)
        padding = stated > 0 and is_padding(file, after, size)
        if follows or known or padding or (chunks and chunks.only_chunks(file, origin, after, size)):
            end = start + stated
    stretch = Stretch.rest(origin, size)
    if stated != end - start or follows or (chunks is W64 and end < size):
        file.seek(origin)
        stretch = Stretch(start, end, header.patched(file.read(start - origin), end - start))
    return Samples(start, end, stated, stretch, follows)


def _riff(file: BinaryIO, origin: int) -> _Header:
    file.seek(origin)
    magic = file.read(4)
    chunks = RIFX if magic == b"RIFX" else RIFF
    places, start, stated = find(file, chunks, origin + 12, origin, b"data")
    known: int | None = stated
    if magic == b"RF64" and b"ds64" in places and (stated == 0xFFFFFFFF or stated == 0):
        file.seek(places[b"ds64"] + 8)
        known = struct.unpack("<Q", file.read(8))[0]

    def patched(header: bytes, n_bytes: int) -> bytes:
        if n_bytes + len(header) < 0xFFFFFF00 and magic != b"RF64":
            return put(header, (4, chunks.size, len(header) - 8 + n_bytes), (-4, chunks.size, n_bytes))
        sizes = struct.pack("<4sIQQQI", b"ds64", 28, len(header) + 28 + n_bytes, n_bytes, 0, 0)
        body = header[12:-8]
        if b"ds64" in places:
            after = places[b"ds64"] - origin + struct.unpack_from("<I", header, places[b"ds64"] - origin - 4)[0]
            body = header[12 : places[b"ds64"] - origin - 8] + header[after:-8]
        return b"RF64\xff\xff\xff\xffWAVE" + sizes + body + b"data\xff\xff\xff\xff"

    return _Header(start, known, magic, chunks, patched, _block(file, places))


def _block(file: BinaryIO, places: dict[bytes, int]) -> int:
    """The block size that the format of a WAV file states; 1 for none."""
    if b"fmt " not in places:
        return 1
    file.seek(places[b"fmt "])
    kind, channels, _, _, block = struct.unpack("<HHIIH", file.read(14))
    return block if 0 < channels < block and kind in _BLOCKWISE else 1


def _w64(file: BinaryIO, origin: int) -> _Header:
    places, start, stated = find(file, W64, origin + 40, origin, b"data")

    def patched(header: bytes, n_bytes: int) -> bytes:
        return put(header, (16, W64.size, len(header) + n_bytes), (-8, W64.size, n_bytes + 24))

    known = stated if stated >= 0 else 0
    return _Header(start, known, _W64_RIFF, W64, patched, _block(file, places))


def _aiff(file: BinaryIO, origin: int) -> _Header:
    places, chunk, chunk_size = find(file, RIFX, origin + 12, origin, b"SSND")
    file.seek(chunk)
    offset = struct.unpack(">I", file.read(4))[0]
    start, stated = chunk + 8 + offset, max(0, chunk_size - 8 - offset)
    comm = places[b"COMM"] - origin if b"COMM" in places else 0
    width = 0
    if comm:
        file.seek(origin + comm)
        channels, _, bits = struct.unpack(">hIh", file.read(8))
        width = channels * (-(-bits // 8))

    def patched(header: bytes, n_bytes: int) -> bytes:
        changed = put(header, (4, RIFX.size, len(header) - 8 + n_bytes))
        changed = put(changed, (chunk - 4 - origin, RIFX.size, n_bytes + 8 + offset))
        return put(changed, (comm + 2, RIFX.size, n_bytes // width)) if width > 0 else changed

    return _Header(start, stated, b"FORM", RIFX, patched)


def _au(file: BinaryIO, origin: int) -> _Header:
    file.seek(origin)
    order = ">I" if file.read(4) == b".snd" else "<I"
    offset, stated = struct.unpack(order[0] + "II", file.read(8))
    kind = struct.Struct(order)
    magic = b".snd" if order == ">I" else b"dns."
    return _Header(origin + offset, stated, magic, None, lambda header, n: put(header, (8, kind, n)))


def _caf(file: BinaryIO, origin: int) -> _Header:
    _, chunk, chunk_size = find(file, CAF, origin + 8, origin, b"data")

    def patched(header: bytes, n_bytes: int) -> bytes:
        return put(header, (-12, CAF.size, n_bytes + 4))

    known = None if chunk_size < 0 else max(0, chunk_size - 4)
    return _Header(chunk + 4, known, b"caff", CAF, patched)


def _nist(file: BinaryIO, origin: int) -> _Header:
    file.seek(origin)
    lines = file.read(1024).split(b"\n")
    fields = [line.split() for line in lines[2:]]
    values = {line[0]: int(line[2]) for line in fields if len(line) == 3 and line[1] == b"-i"}
    wanted = (b"sample_count", b"channel_count", b"sample_n_bytes")
    if not set(wanted) <= values.keys():
        raise ValueError
    stated = values[wanted[0]] * values[wanted[1]] * values[wanted[2]]
    return _Header(origin + int(lines[1]), stated, b"NIST_1A\n", None, lambda header, _: header)


_READERS: dict[bytes, Callable[[BinaryIO, int], _Header]] = {
    **dict.fromkeys((b"RIFF", b"RIFX", b"RF64"), _riff),
    _W64_RIFF[:12]: _w64,
    b"FORM": _aiff,
    **dict.fromkeys((b".snd", b"dns."), _au),
    b"caff": _caf,
    b"NIST_1A\n": _nist,
}
