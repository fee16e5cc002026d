"""Where the samples of a sound file are, by what its bytes say and not only its header."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import soundfile as sf

from auricle.audio.damage import Damage
from auricle.audio.formats import AudioInfo, PathLike, file_error
from auricle.audio.parts import UNKNOWN, Part, SoundFile, frames
from auricle.audio.resampling import CHUNK_VALUES, HIGHEST_RATE, LOWEST_RATE

_MOST_SHOWN = 3  # broken stretches that a message lists


@dataclass(frozen=True)
class Flaw:
    """A kind of `Damage` with its reason, which concerns whoever asks for a sample in [first, last)."""

    kind: Literal["cut", "broken", "beyond-header"]
    first: int
    last: int
    reason: str


@dataclass
class Layout:
    """A sound file of `size` bytes, its `parts` in order, and in what its header is wrong (`flaws`)."""

    path: str
    size: int
    info: AudioInfo
    parts: list[Part]
    flaws: list[Flaw] = field(default_factory=list)

    def decode(self, first: int, last: int) -> Iterator[np.ndarray]:
        """Samples [first, last) in chunks `(channels, time)`, with silence between the parts.

        What turns out not to be decodable is cut out of the parts, so that `damage` tells of it.
        """
        position, n_decoded = first, 0
        while position < last:
            part = next((part for part in self.parts if part.end > position), None)
            next_first = self.info.n_samples if part is None else part.first
            if part is None or next_first > position:
                n_silent = min(next_first, last) - position
                yield from self._silence(n_silent)
                position += n_silent
                continue
            failed = False
            try:
                for chunk in part.decode(self.path, position, min(part.end, last)):
                    position += chunk.shape[-1]
                    n_decoded += chunk.shape[-1]
                    yield chunk
            except sf.SoundFileError:
                failed = True
            if failed or position < min(part.end, last):
                self._mend(part, position)
        if n_decoded == 0 and not self.parts:
            raise sf.SoundFileRuntimeError("nothing in it can be decoded")

    def damage(self, first: int, last: int) -> list[Damage]:
        """What is wrong with samples [first, last), where `last` may be beyond the end."""
        flaws = [*self.flaws, *self._broken(first, last)]
        return [Damage(self.path, f.kind, f.reason) for f in flaws if f.first < last and f.last > first]

    def _broken(self, first: int, last: int) -> list[Flaw]:
        """The gaps between the parts in samples [first, last), as one flaw."""
        ends = [0, *(part.end for part in self.parts)]
        starts = [*(part.first for part in self.parts), self.info.n_samples]
        gaps = [gap for gap in zip(ends, starts, strict=True) if max(gap[0], first) < min(gap[1], last)]
        if not gaps:
            return []
        rate = self.info.sample_rate
        shown = [f"{start / rate:.3f} to {end / rate:.3f} s" for start, end in gaps[:_MOST_SHOWN]]
        more = f" and {len(gaps) - _MOST_SHOWN} more stretches" if len(gaps) > _MOST_SHOWN else ""
        reason = f"cannot be decoded from {', '.join(shown)}{more}; read as silence"
        return [Flaw("broken", gaps[0][0], gaps[-1][1], reason)]

    def _silence(self, n_samples: int) -> Iterator[np.ndarray]:
        size = max(1, CHUNK_VALUES // self.info.channels)
        for start in range(0, n_samples, size):
            yield np.zeros((self.info.channels, min(size, n_samples - start)), np.float32)

    def _mend(self, part: Part, position: int) -> None:
        """Take out of `part` what follows `position`, where decoding failed."""
        place = self.parts.index(part)
        kept = [replace(part, n_samples=position - part.first)] if position > part.first else []
        self.parts[place : place + 1] = kept


@contextmanager
def opened(path: PathLike) -> Iterator[Layout]:
    """The layout of a sound file; errors of the file and of decoding in this context become `AuricleError`s."""
    path = os.fsdecode(path)
    try:
        yield _layout(path)
    except sf.SoundFileError as error:
        raise file_error(path, f"not a sound file that can be read ({reason(error)})") from None
    except OSError as error:
        raise file_error(path, f"cannot be read ({error.strerror or error})") from None


def reason(error: Exception) -> str:
    """What libsndfile or the system says, as a phrase."""
    return str(getattr(error, "error_string", error)).strip().rstrip(".")


def _layout(path: str) -> Layout:
    size = _file_size(path)
    with SoundFile(os.fsencode(path)) as file:
        info = AudioInfo(file.samplerate, file.channels, file.frames, file.format, file.subtype)
        if not LOWEST_RATE <= info.sample_rate <= HIGHEST_RATE:
            raise file_error(
                path,
                f"its header states a sample rate of {info.sample_rate} Hz: "
                f"it should be from {LOWEST_RATE} to {HIGHEST_RATE} Hz",
            )
        info = replace(info, n_samples=_length(file))
    if info.n_samples == 0:
        raise file_error(path, "an empty sound file (0 samples)")
    return Layout(path, size, info, [Part(0, info.n_samples)])


def _file_size(path: str) -> int:
    """Size in bytes of a regular file; raises `AuricleError` for anything else."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise file_error(path, "there is no such file") from None
    if stat.S_ISDIR(status.st_mode):
        raise file_error(path, "a folder, not a sound file")
    if not stat.S_ISREG(status.st_mode):
        raise file_error(path, "not a regular file (a named pipe, a socket or a device)")
    if path.lower().endswith(".raw"):
        raise file_error(path, "not a sound file that can be read (it has no header)")
    if status.st_size == 0:
        raise file_error(path, "an empty file (0 bytes)")
    return status.st_size


def _length(file: SoundFile) -> int:
    """Samples per channel: from the header if that is reliable, else counted by decoding."""
    if file.frames < UNKNOWN and (file.format != "MP3" or file.frames == 0 or _reaches(file, file.frames)):
        return file.frames
    file.seek(0)
    return sum(chunk.shape[-1] for chunk in frames(file))


def _reaches(file: SoundFile, n_samples: int) -> bool:
    """Whether sample `n_samples - 1` can be read."""
    try:
        file.seek(n_samples - 1)
        return len(file.read(1)) == 1
    except sf.SoundFileError:
        return False
