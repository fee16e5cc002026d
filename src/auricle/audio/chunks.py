"""Chunks, of which WAV, RF64, Wave64, AIFF and CAF files consist: a name, a size, and that many bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from auricle.audio.tags import after_tags

_MOST_CHUNKS = 10_000
_PADDING = 2**16  # bytes of zeros after the samples that are taken for padding


_METADATA = (  # how what follows samples may begin: tags, and chunks of WAV, AIFF and CAF files
    *(b"APETAGEX", b"LYRICSBEGIN", b"<?xml", b"LIST", b"list", b"id3 ", b"ID3 ", b"bext", b"iXML", b"axml", b"_PMX"),
    *(b"cue ", b"fact", b"PEAK", b"JUNK", b"junk", b"PAD ", b"FLLR", b"smpl", b"inst", b"acid", b"DISP", b"afsp"),
    *(b"cart", b"chna", b"plst", b"MARK", b"COMT", b"NAME", b"AUTH", b"(c) ", b"ANNO", b"INST", b"APPL", b"MIDI"),
    *(b"AESD", b"info", b"mark", b"strg", b"free", b"uuid", b"peak", b"ovvw", b"umid", b"midi", b"regn"),
)

_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True)
class Chunks:
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
            if n_chunks and is_padding(file, position, size):
                return True
            try:
                name, start, length = self.next(file, position)
            except struct.error:
                return False
            if not self.is_name(name) or length < 0 or start + length > size:
                return False
            position = self.after(origin, start, length)
        return False


RIFF, RIFX = Chunks(4, struct.Struct("<I")), Chunks(4, struct.Struct(">I"))


W64 = Chunks(16, struct.Struct("<Q"), extra=24, align=8)
CAF = Chunks(4, struct.Struct(">q"), align=1)


def is_metadata(file: BinaryIO, position: int) -> bool:
    """Whether a known tag or chunk follows, whole or not."""
    file.seek(position)
    return file.read(16).startswith(_METADATA) or after_tags(file, position) > position


def is_padding(file: BinaryIO, position: int, size: int) -> bool:
    """Whether only zeros or a tag of 128 bytes follow."""
    if size - position > _PADDING:
        return False
    file.seek(position)
    rest = file.read(size - position)
    return not rest.strip(b"\0") or (len(rest) == 128 and rest.startswith(b"TAG"))


def find(file: BinaryIO, chunks: Chunks, position: int, origin: int, name: bytes) -> tuple[dict[bytes, int], int, int]:
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


def begins(file: BinaryIO, position: int, magic: bytes) -> bool:
    file.seek(position)
    return file.read(len(magic)) == magic


def put(header: bytes, *values: tuple[int, struct.Struct, int]) -> bytes:
    """`header` with values at places counted from its end (negative) or beginning."""
    changed = bytearray(header)
    for place, kind, value in values:
        place = place if place >= 0 else len(changed) + place
        largest = 2 ** (8 * kind.size - 1) - 1
        changed[place : place + kind.size] = kind.pack(
            min(value, 2 * largest + 1 if kind.format.endswith("I") else largest)
        )
    return bytes(changed)
