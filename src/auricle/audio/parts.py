"""What a sound file consists of: parts that libsndfile can decode, each at its place in the recording.

A sound file in good order is one part. A damaged or joined one is several, with gaps between them where nothing can be
decoded; a part is then a stretch of the file with a header of its own before it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile as sf

from auricle.audio.formats import AudioInfo
from auricle.audio.quiet import quiet
from auricle.audio.resampling import CHUNK_VALUES

PRE_ROLL = 16384  # samples decoded and discarded after a seek in a lossy file, more than two windows of any codec
UNKNOWN = 2**62  # lengths in samples from this value on mean that the header has no length


class SoundFile(sf.SoundFile):
    """A sound file that reports not to be seekable, although `seek` works, and whose decoder prints nothing.

    After every read of a seekable file, soundfile seeks to the current position. In MP3 and OGG this restarts the
    decoder, so that each read would begin with a few hundred wrong samples.
    """

    __init__ = quiet()(sf.SoundFile.__init__)
    read = quiet()(sf.SoundFile.read)
    seek = quiet()(sf.SoundFile.seek)

    def seekable(self) -> bool:
        return False


@dataclass(frozen=True)
class Stretch:
    """The bytes from `start` to `end` of a file, between the bytes `before` and `after`."""

    start: int
    end: int
    before: bytes = b""
    after: bytes = b""

    @classmethod
    def rest(cls, start: int, size: int) -> Stretch | None:
        """The bytes from `start` on of a file of `size` bytes; None for all of them."""
        return cls(start, size) if start else None

    def open(self, path: str) -> io.BufferedReader:
        """The bytes as a file."""
        return io.BufferedReader(_Bytes(path, self), 2**16)


class _Bytes(io.RawIOBase):
    def __init__(self, path: str, stretch: Stretch) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self._stretch = stretch
        self._end = len(stretch.before) + stretch.end - stretch.start
        self._length = self._end + len(stretch.after)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        before, after = self._stretch.before, self._stretch.after
        if self._position < len(before):
            data = before[self._position : self._position + len(buffer)]
        elif self._position >= self._end:
            data = after[self._position - self._end : self._position - self._end + len(buffer)]
        else:
            wanted = min(len(buffer), self._end - self._position)
            self._file.seek(self._stretch.start + self._position - len(before))
            data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True)
class Part:
    """Samples [first, first + n_samples) of a recording: those of `stretch` (None: of the file) from `skip` on.

    Where it is not `seekable`, everything before the wanted samples is decoded.
    """

    first: int
    n_samples: int
    stretch: Stretch | None = None
    skip: int = 0
    seekable: bool = True

    @property
    def end(self) -> int:
        return self.first + self.n_samples

    def opened(self, path: str) -> SoundFile:
        """Open it for decoding; raises `soundfile.SoundFileError`."""
        source = os.fsencode(path) if self.stretch is None else self.stretch.open(path)
        return SoundFile(source)  # pyright: ignore[reportArgumentType]

    def decode(self, path: str, first: int, last: int) -> Iterator[np.ndarray]:
        """Samples [first, last) of the recording, which are in this part, in chunks `(channels, time)`.

        Ends early where there is nothing more; raises `soundfile.SoundFileError` where decoding fails.
        """
        with self.opened(path) as file:
            start = self.skip + first - self.first
            before = PRE_ROLL if file.format in ("MP3", "OGG") else 0
            position = max(0, start - before) if self.seekable else 0
            if position:
                file.seek(position)
            for chunk in frames(file, start + last - first - position):
                wanted = chunk[:, max(0, start - position) :]
                position += chunk.shape[-1]
                if wanted.shape[-1]:
                    yield wanted


def frames(file: SoundFile, n_samples: int = UNKNOWN) -> Iterator[np.ndarray]:
    """Read up to `n_samples` from the current position, in chunks `(channels, time)`."""
    size = max(1, CHUNK_VALUES // file.channels)
    while n_samples > 0:
        chunk = file.read(min(size, n_samples), dtype="float32", always_2d=True)
        if len(chunk) == 0:
            return
        n_samples -= len(chunk)
        yield np.ascontiguousarray(chunk.T)


def info_of(path: str, part: Part) -> AudioInfo:
    """What libsndfile says of a part; raises `soundfile.SoundFileError`."""
    with part.opened(path) as file:
        return AudioInfo(file.samplerate, file.channels, file.frames, file.format, file.subtype)
