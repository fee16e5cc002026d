"""Where the samples are in WAV, RF64, Wave64, AIFF, AU and CAF files, whatever size their header states.

The header of an interrupted recording may state no samples or too few, that of a cut file too many. libsndfile is then
given the samples with a header of the right size before them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from auricle.audio.parts import Stretch

_MOST_CHUNKS = 10_000
_MOST_HEADER = 2**24
_PADDING = 2**16  # bytes of zeros after the samples that are taken for padding
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_STREAMED = (range(0x7FFFFF00, 0x80000001), range(0xFFFFFF00, 0x100000000))  # sizes of files written into a pipe


@dataclass(frozen=True)
class Samples:
    """The samples' bytes [start, end) of one recording in a file, and the bytes that its header states.

    `stated` is None where the header states no length. `follows` is where the next recording begins, 0 for none, and
    `direct` whether libsndfile finds the samples by itself.
    """

    start: int
    end: int
    stated: int | None
    stretch: Stretch
    follows: int = 0
    direct: bool = True


def find_samples(file: BinaryIO, size: int, origin: int = 0) -> Samples | None:
    """The samples of the recording that begins at byte `origin` of a file of `size` bytes.

    None for other formats, and if the header ends before the samples.
    """
    file.seek(origin)
    start = file.read(12)
    for magic, read in _READERS.items():
        if start.startswith(magic):
            try:
                return read(file, size, origin)
            except (struct.error, ValueError):
                return None
    return None


@dataclass(frozen=True)
class _Chunks:
    """How the chunks of a container are laid out: a name, and a size that may include `extra` bytes of the header."""

    name: int
    size: struct.Struct
    extra: int = 0
    align: int = 2

    @property
    def header(self) -> int:
        return self.name + self.size.size

    def next(self, file: BinaryIO, position: int) -> tuple[bytes, int, int]:
        """Name, first byte and size of the chunk at `position`; raises `struct.error` at the end of the file."""
        file.seek(position)
        data = file.read(self.header)
        return data[: self.name], position + self.header, self.size.unpack(data[self.name :])[0] - self.extra

    def after(self, origin: int, start: int, size: int) -> int:
        end = start + size
        return end + (origin - end) % self.align

    def is_name(self, name: bytes) -> bool:
        if self.name == 16:
            return name[4:] == _W64_TAIL
        return all(32 <= byte < 127 for byte in name) and any(byte > 32 for byte in name)

    def only_chunks(self, file: BinaryIO, origin: int, position: int, size: int) -> bool:
        """Whether the file's bytes from `position` on are chunks, at least one."""
        for n_chunks in range(_MOST_CHUNKS):
            if n_chunks and _is_padding(file, position, size):
                return True
            try:
                name, start, length = self.next(file, position)
            except struct.error:
                return False
            if not self.is_name(name) or length < 0 or start + length > size:
                return False
            position = self.after(origin, start, length)
        return False


_RIFF, _RIFX = _Chunks(4, struct.Struct("<I")), _Chunks(4, struct.Struct(">I"))
_W64 = _Chunks(16, struct.Struct("<Q"), extra=24, align=8)
_CAF = _Chunks(4, struct.Struct(">q"), align=1)


def _is_padding(file: BinaryIO, position: int, size: int) -> bool:
    """Whether only zeros or a tag of 128 bytes follow."""
    if size - position > _PADDING:
        return False
    file.seek(position)
    rest = file.read(size - position)
    return not rest.strip(b"\0") or (len(rest) == 128 and rest.startswith(b"TAG"))


def _is_streamed(size: int) -> bool:
    return any(size in sizes for sizes in _STREAMED)


def _find(
    file: BinaryIO, chunks: _Chunks, position: int, origin: int, name: bytes
) -> tuple[dict[bytes, int], int, int]:
    """The places of the chunks up to the first called `name`, its first byte and its size."""
    places: dict[bytes, int] = {}
    for _ in range(_MOST_CHUNKS):
        found, start, size = chunks.next(file, position)
        places[found[:4]] = start
        if found.startswith(name):
            return places, start, size
        if size < 0:
            break
        position = chunks.after(origin, start, size)
    raise ValueError


def _samples(
    file: BinaryIO,
    size: int,
    origin: int,
    start: int,
    stated: int | None,
    magic: bytes,
    chunks: _Chunks | None,
    patched: Callable[[bytes, int], bytes],
) -> Samples:
    """The samples from `start` on: to their stated end if chunks or another recording follow it, else to the end.

    `patched(header, n)` is the header for n bytes of samples.
    """
    if start > size or start - origin > _MOST_HEADER:
        raise ValueError
    end, follows = size, 0
    if stated is not None and start + stated <= size:
        after = chunks.after(origin, start, stated) if chunks else start + stated
        follows = next((place for place in (after, start + stated) if _begins(file, place, magic)), 0)
        padding = stated > 0 and _is_padding(file, after, size)
        if follows or padding or (chunks and chunks.only_chunks(file, origin, after, size)):
            end = start + stated
    file.seek(origin)
    stretch = Stretch(start, end, patched(file.read(start - origin), end - start))
    direct = origin == 0 and stated == end - start and not follows and not (magic == _W64_RIFF and end < size)
    return Samples(start, end, stated, stretch, follows, direct)


def _begins(file: BinaryIO, position: int, magic: bytes) -> bool:
    file.seek(position)
    return file.read(len(magic)) == magic


def _put(header: bytes, *values: tuple[int, struct.Struct, int]) -> bytes:
    """`header` with values at places counted from its end (negative) or beginning."""
    changed = bytearray(header)
    for place, kind, value in values:
        place = place if place >= 0 else len(changed) + place
        largest = 2 ** (8 * kind.size - 1) - 1
        changed[place : place + kind.size] = kind.pack(
            min(value, 2 * largest + 1 if kind.format.endswith("I") else largest)
        )
    return bytes(changed)


def _riff(file: BinaryIO, size: int, origin: int) -> Samples:
    file.seek(origin)
    magic = file.read(4)
    chunks = _RIFX if magic == b"RIFX" else _RIFF
    places, start, stated = _find(file, chunks, origin + 12, origin, b"data")
    known: int | None = stated
    if magic == b"RF64" and b"ds64" in places and (stated == 0xFFFFFFFF or stated == 0):
        file.seek(places[b"ds64"] + 8)
        known = struct.unpack("<Q", file.read(8))[0]
    elif _is_streamed(stated):
        known = None

    def patched(header: bytes, n_bytes: int) -> bytes:
        if n_bytes + len(header) < 0xFFFFFF00 and magic != b"RF64":
            return _put(header, (4, chunks.size, len(header) - 8 + n_bytes), (-4, chunks.size, n_bytes))
        sizes = struct.pack("<4sIQQQI", b"ds64", 28, len(header) + 28 + n_bytes, n_bytes, 0, 0)
        body = header[12:-8]
        if b"ds64" in places:
            after = places[b"ds64"] - origin + struct.unpack_from("<I", header, places[b"ds64"] - origin - 4)[0]
            body = header[12 : places[b"ds64"] - origin - 8] + header[after:-8]
        return b"RF64\xff\xff\xff\xffWAVE" + sizes + body + b"data\xff\xff\xff\xff"

    return _samples(file, size, origin, start, known, magic, chunks, patched)


def _w64(file: BinaryIO, size: int, origin: int) -> Samples:
    _, start, stated = _find(file, _W64, origin + 40, origin, b"data")

    def patched(header: bytes, n_bytes: int) -> bytes:
        return _put(header, (16, _W64.size, len(header) + n_bytes), (-8, _W64.size, n_bytes + 24))

    known = stated if stated >= 0 else 0
    return _samples(file, size, origin, start, known, _W64_RIFF, _W64, patched)


def _aiff(file: BinaryIO, size: int, origin: int) -> Samples:
    places, chunk, chunk_size = _find(file, _RIFX, origin + 12, origin, b"SSND")
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
        changed = _put(header, (4, _RIFX.size, len(header) - 8 + n_bytes))
        changed = _put(changed, (chunk - 4 - origin, _RIFX.size, n_bytes + 8 + offset))
        return _put(changed, (comm + 2, _RIFX.size, n_bytes // width)) if width > 0 else changed

    known = None if _is_streamed(chunk_size) else stated
    return _samples(file, size, origin, start, known, b"FORM", _RIFX, patched)


def _au(file: BinaryIO, size: int, origin: int) -> Samples:
    file.seek(origin)
    order = ">I" if file.read(4) == b".snd" else "<I"
    offset, stated = struct.unpack(order[0] + "II", file.read(8))
    known = None if _is_streamed(stated) else stated
    kind = struct.Struct(order)
    magic = b".snd" if order == ">I" else b"dns."
    return _samples(
        file, size, origin, origin + offset, known, magic, None, lambda header, n: _put(header, (8, kind, n))
    )


def _caf(file: BinaryIO, size: int, origin: int) -> Samples:
    _, chunk, chunk_size = _find(file, _CAF, origin + 8, origin, b"data")

    def patched(header: bytes, n_bytes: int) -> bytes:
        return _put(header, (-12, _CAF.size, n_bytes + 4))

    known = None if chunk_size < 0 else max(0, chunk_size - 4)
    return _samples(file, size, origin, chunk + 4, known, b"caff", _CAF, patched)


_READERS: dict[bytes, Callable[[BinaryIO, int, int], Samples]] = {
    **dict.fromkeys((b"RIFF", b"RIFX", b"RF64"), _riff),
    _W64_RIFF[:12]: _w64,
    b"FORM": _aiff,
    **dict.fromkeys((b".snd", b"dns."), _au),
    b"caff": _caf,
}
