"""Opening a sound file: what it is, where its samples are, and one kind of error for all that can go wrong."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial

import soundfile as sf

from auricle.audio import flac, mpeg, ogg
from auricle.audio.containers import find_samples
from auricle.audio.formats import UNDECODABLE_SUFFIXES, AudioInfo, PathLike, file_error
from auricle.audio.layout import Layout, Link, join
from auricle.audio.parts import UNKNOWN, Part, SoundFile, Stretch, frames, info_of
from auricle.audio.resampling import HIGHEST_RATE, LOWEST_RATE
from auricle.audio.tags import after_tags

_MOST_LINKS = 10_000
# what libsndfile says of a file that exists, if it is no MP3 file, and of a header without a sample rate
_MEANINGLESS = ("File does not exist", "Internal error", "Unspecified internal error")
_SEARCHED = {"FLAC": flac.links, "OGG": ogg.links}
_UNRECOGNISED = 1  # libsndfile's error for a format that it does not know


@contextmanager
def opened(path: PathLike) -> Iterator[Layout]:
    """The layout of a sound file; errors of the file and of decoding in this context become `AuricleError`s."""
    path = os.fsdecode(path)
    try:
        yield _layout(path)
    except sf.SoundFileError as error:
        suffix = os.path.splitext(path)[1].lower()
        if suffix in UNDECODABLE_SUFFIXES:
            raise file_error(path, f"{suffix} cannot be decoded; convert it to WAV or FLAC") from None
        why = reason(error)
        detail = "" if why.startswith(_MEANINGLESS) else f" ({why})"
        raise file_error(path, f"not a sound file that can be read{detail}") from None
    except OSError as error:
        raise file_error(path, f"cannot be read ({error.strerror or error})") from None


def reason(error: Exception) -> str:
    """What libsndfile or the system says, as a phrase."""
    return str(getattr(error, "error_string", error)).strip().rstrip(".")


def _layout(path: str) -> Layout:
    status = _status(path)
    return _layout_of(path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=256)
def _layout_of(path: str, size: int, *_: int) -> Layout:
    links = [link for link in _links(path, size) if link.info.n_samples]
    if not links:
        raise file_error(path, "an empty sound file (0 samples)")
    rate = links[0].info.sample_rate
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        allowed = f"from {LOWEST_RATE} to {HIGHEST_RATE} Hz"
        raise file_error(path, f"its header states a sample rate of {rate} Hz: it should be {allowed}")
    layout = join(path, size, links)
    if layout.info.format in _SEARCHED:
        layout.search = partial(_searched, path, size, layout.info)
        layout.search_first = layout.info.format == "OGG"
    return layout


def _searched(path: str, size: int, info: AudioInfo) -> Layout | None:
    """The layout after looking at all frames or pages of the file."""
    found = _SEARCHED[info.format](path, size, info, thorough=True)
    return join(path, size, found) if found else None


def _links(path: str, size: int) -> list[Link]:
    with open(path, "rb") as file:
        links: list[Link] = []
        start = after_tags(file, 0)
        samples = find_samples(file, size, start)
        while samples is not None and len(links) < _MOST_LINKS:
            links.append(_link(path, Part(0, 0, samples.stretch), samples.end - samples.start, samples.stated))
            samples = find_samples(file, size, samples.follows) if samples.follows else None
    if links:
        return links
    try:
        plain = _whole(path, start, size)
    except sf.SoundFileError:
        if found := mpeg.damaged_links(path, size):
            return found
        raise
    if plain.info.format == "MP3":
        return mpeg.links(path, size, plain.info) or [plain]
    search = _SEARCHED.get(plain.info.format)
    short = plain.promised is not None and plain.promised > plain.info.n_samples
    return (search(path, size, plain.info, short) if search else None) or [plain]


def _link(path: str, part: Part, n_bytes: int, stated: int | None) -> Link:
    """A recording of which `n_bytes` bytes of samples are there and `stated` are promised."""
    info = info_of(path, part)
    promised = None
    if stated is not None and info.n_samples:
        width, rest = divmod(n_bytes, info.n_samples)  # a width of 0 or a large rest: samples are compressed
        promised = stated // width if rest < width else round(info.n_samples * stated / n_bytes)
    return Link(info, [replace(part, n_samples=info.n_samples)], promised, unstated=stated is None)


def _whole(path: str, start: int, size: int) -> Link:
    """What libsndfile finds in a file after tags that end at byte `start`; in an MP3 file it finds that by itself."""
    part = Part(0, 0, Stretch.rest(start, size))
    if start and _format(path, part) in ("MP3", None):
        part = Part(0, 0)
    return _plain(path, part)


def _format(path: str, part: Part) -> str | None:
    """The format of a part, None for an unknown one; raises `soundfile.SoundFileError` if it cannot be opened."""
    try:
        return info_of(path, part).format
    except sf.LibsndfileError as error:
        if error.code != _UNRECOGNISED:
            raise
        return None


def _plain(path: str, part: Part) -> Link:
    with part.opened(path) as file:
        info = AudioInfo(file.samplerate, file.channels, _length(file), file.format, file.subtype)
        promised = file.frames if file.frames < UNKNOWN else None
    return Link(info, [replace(part, n_samples=info.n_samples)], promised)


def _status(path: str) -> os.stat_result:
    """The status of a regular file; raises `AuricleError` for anything else."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, ValueError):  # a name with a zero byte is that of no file
        raise file_error(path, "there is no such file") from None
    if stat.S_ISDIR(status.st_mode):
        raise file_error(path, "a folder, not a sound file")
    if not stat.S_ISREG(status.st_mode):
        raise file_error(path, "not a regular file (a named pipe, a socket or a device)")
    if path.lower().endswith(".raw"):
        raise file_error(path, "not a sound file that can be read (it has no header)")
    if status.st_size == 0:
        raise file_error(path, "an empty file (0 bytes)")
    return status


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
