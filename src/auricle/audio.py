"""Reading, writing and resampling of sound files; no other module opens sound files.

Every format of libsndfile can be read (WAV, FLAC, OGG, MP3, …), at any sample rate and with any number of channels.
Arrays are float32 in [-1, 1], `(time,)` or `(channels, time)`; resampling uses soxr. An error about a file is an
`AuricleError` whose message starts with the file's path.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from auricle.errors import AuricleError

PathLike = str | os.PathLike[str]

#: File suffixes that `find_audio` looks for, with libsndfile's format and the default subtype for writing.
_FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aif": ("AIFF", "PCM_16"),
    ".aiff": ("AIFF", "PCM_16"),
    ".au": ("AU", "PCM_16"),
    ".caf": ("CAF", "PCM_16"),
    ".w64": ("W64", "PCM_16"),
}
AUDIO_SUFFIXES = tuple(_FORMATS)

_CHUNK = 65536  # samples per channel decoded or written at once
_PRE_ROLL = 16384  # samples decoded and discarded after a seek in a lossy file, more than two windows of any codec
_ADD_PEAK_CHUNK = 0x1050  # SFC_SET_ADD_PEAK_CHUNK of libsndfile's sf_command
_UNKNOWN = 2**62  # lengths in samples from this value on mean that the header has no length


@dataclass(frozen=True)
class AudioInfo:
    """A sound file's header: sample rate in Hz, channels, samples per channel, libsndfile's format and subtype."""

    sample_rate: int
    channels: int
    n_samples: int
    format: str
    subtype: str

    @property
    def duration_s(self) -> float:
        return self.n_samples / self.sample_rate


def info(path: PathLike) -> AudioInfo:
    """Read the header of the sound file `path`.

    The length of an MP3 file is checked by reading its last sample. If the header is wrong (a truncated file, or a
    variable bit rate without an index), the whole file is decoded to count the samples.
    """
    with _opened(path) as file:
        return AudioInfo(file.samplerate, file.channels, _length(file), file.format, file.subtype)


def read(
    path: PathLike,
    *,
    sample_rate: int | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    mono: bool = True,
) -> tuple[np.ndarray, int]:
    """Read the segment [start_s, end_s) of a sound file; returns it and its sample rate in Hz.

    Samples are float32, `(time,)` if `mono` (the mean of the channels), else `(channels, time)`. Only the segment is
    decoded. Its start and end are rounded to samples of the file; an `end_s` past the end of the file means the end.
    With `sample_rate`, the segment's n samples become ceil(n * sample_rate / rate), resampled as if it were surrounded
    by silence.

    Raises `AuricleError` for a file that cannot be decoded, is truncated or has samples that are NaN or infinite, and
    for a segment outside the file or without a sample.
    """
    _check_rate(sample_rate)
    with _opened(path) as file:
        first, last = _sample_range(file, start_s, end_s)
        waveform = np.concatenate(list(_decode(file, first, last, mono)), axis=-1)
        rate = file.samplerate
    if sample_rate is None or sample_rate == rate:
        return waveform, rate
    return resample(waveform, rate, sample_rate), sample_rate


def blocks(
    path: PathLike,
    *,
    block_s: float,
    hop_s: float | None = None,
    sample_rate: int | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    mono: bool = True,
) -> Iterator[tuple[float, np.ndarray]]:
    """Iterate over a sound file of any length in bounded memory, as pairs (seconds after `start_s`, block).

    A block is an array as `read` returns it. Blocks start every `hop_s` seconds (by default `block_s`). The last block
    is the first that reaches the end, and may be shorter. With `hop_s == block_s`, the concatenated blocks are what
    `read` returns, resampled or not. Raises as `read`, and for a `block_s` or `hop_s` out of range.
    """
    _check_rate(sample_rate)
    hop_s = block_s if hop_s is None else hop_s
    if not 0 < block_s < np.inf:
        raise AuricleError(f"block_s is {block_s!r}: it should be a positive number of seconds")
    if not 0 < hop_s <= block_s:
        raise AuricleError(f"hop_s is {hop_s!r}: it should be above 0 and at most block_s ({block_s!r})")

    def iterate() -> Iterator[tuple[float, np.ndarray]]:
        with _opened(path) as file:
            rate = sample_rate or file.samplerate
            chunks = _decode(file, *_sample_range(file, start_s, end_s), mono)
            if rate != file.samplerate:
                chunks = _resample_stream(chunks, file.samplerate, rate)
            size, hop = max(1, round(block_s * rate)), max(1, round(hop_s * rate))
            for start, block in _reblock(chunks, size, hop):
                yield start / rate, block

    return iterate()


def resample(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample the last axis of `(…, time)` between two rates in Hz: n samples become ceil(n * to_rate / from_rate).

    A float64 array stays float64; every other type becomes float32.
    """
    _check_rate(from_rate)
    _check_rate(to_rate)
    waveform = np.asarray(waveform)
    if waveform.dtype != np.float64:
        waveform = waveform.astype(np.float32, copy=False)
    n_samples = waveform.shape[-1]
    if from_rate == to_rate or waveform.size == 0:
        return waveform.copy()
    lead = waveform.shape[:-1]
    columns = waveform.reshape(-1, n_samples).T
    columns = np.concatenate([columns, np.zeros((_tail(from_rate, to_rate), columns.shape[1]), waveform.dtype)])
    length = _resampled_length(n_samples, from_rate, to_rate)
    resampled = soxr.resample(columns, from_rate, to_rate)[:length]
    return np.ascontiguousarray(resampled.T).reshape(*lead, length)


def write(
    path: PathLike,
    waveform: np.ndarray,
    sample_rate: int,
    *,
    target_rate: int | None = None,
    subtype: str | None = None,
) -> None:
    """Write `waveform`, `(time,)` or `(channels, time)` at `sample_rate` Hz, in the format of the file's suffix.

    With `target_rate` in Hz it is resampled first. `subtype` is libsndfile's name of the sample format, by default
    16-bit PCM if the format allows it; "FLOAT" keeps samples beyond [-1, 1], which the others clip. Folders are
    created, and the file is written atomically.

    Raises `AuricleError` for other shapes and types, samples that are NaN or infinite, and a suffix, rate or number of
    channels that the format does not have.
    """
    waveform = np.asarray(waveform)
    if waveform.ndim not in (1, 2) or waveform.size == 0 or (waveform.ndim == 2 and waveform.shape[0] > 1024):
        raise _error(path, f"cannot be written: the shape {waveform.shape} is not (time,) or (channels, time)")
    if target_rate is not None:
        _check_samples(path, waveform)
        _check_rate(sample_rate)
        waveform = resample(waveform, sample_rate, target_rate)
    write_blocks(path, [waveform], target_rate or sample_rate, channels=len(np.atleast_2d(waveform)), subtype=subtype)


def write_blocks(
    path: PathLike,
    waveforms: Iterable[np.ndarray],
    sample_rate: int,
    *,
    channels: int,
    target_rate: int | None = None,
    n_samples: int | None = None,
    subtype: str | None = None,
) -> None:
    """`write` the concatenation of `waveforms`, each `(time,)` or `(channels, time)`, in bounded memory.

    `n_samples` limits the samples written per channel, counted at the file's rate.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise _error(path, f"cannot be written: its suffix should be one of {' '.join(AUDIO_SUFFIXES)}")
    _check_rate(sample_rate)
    _check_rate(target_rate)
    file_format, default_subtype = _FORMATS[path.suffix.lower()]
    rate = target_rate or sample_rate
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    options = {"format": file_format, "subtype": subtype or default_subtype}
    checked = (_check_samples(path, np.atleast_2d(np.asarray(block))) for block in waveforms)
    blocks = checked if rate == sample_rate else _resample_stream(checked, sample_rate, rate)
    remaining = _UNKNOWN if n_samples is None else n_samples
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _SoundFile(str(unfinished), "w", rate, channels, **options) as file:
            file.omit_peak_chunk()
            for block in blocks:
                frames = np.ascontiguousarray(block[:, :remaining].T, dtype=np.float32)
                remaining -= len(frames)
                for start in range(0, len(frames), _CHUNK):
                    file.write(frames[start : start + _CHUNK])
        os.replace(unfinished, path)
    except AuricleError:
        raise
    except (sf.SoundFileError, ValueError, OSError) as error:
        at = f"at {rate} Hz with {channels} channel(s)"
        raise _error(path, f"cannot be written as {' '.join(options.values())} {at}: {_reason(error)}") from None
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _check_samples(path: PathLike, waveform: np.ndarray) -> np.ndarray:
    if not np.issubdtype(waveform.dtype, np.floating):
        raise _error(path, f"cannot be written: samples are {waveform.dtype}, not floating-point in [-1, 1]")
    if not np.isfinite(waveform).all():
        raise _error(path, "cannot be written: some samples are NaN or infinite")
    return waveform


def find_audio(path: PathLike) -> list[Path]:
    """`[path]` if it is a file, else every sound file below that folder, sorted; hidden files and folders are skipped.

    Raises `AuricleError` if the path does not exist or has no sound file.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise _error(path, "there is no such file or folder")
    found = [
        file
        for file in path.rglob("*")
        if file.suffix.lower() in _FORMATS
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
        and file.is_file()
    ]
    if not found:
        raise _error(path, f"there are no sound files below this folder ({' '.join(AUDIO_SUFFIXES)})")
    return sorted(found)


class _SoundFile(sf.SoundFile):
    """A sound file that reports not to be seekable, although `seek` works.

    After every read of a seekable file, soundfile seeks to the current position. In MP3 and OGG this restarts the
    decoder, so that each read would begin with a few hundred wrong samples.
    """

    def seekable(self) -> bool:
        return False

    def omit_peak_chunk(self) -> None:
        """Do not write a PEAK chunk, which contains the time of day: the same samples should give the same file."""
        sf._snd.sf_command(self._file, _ADD_PEAK_CHUNK, sf._ffi.NULL, 0)


@contextmanager
def _opened(path: PathLike) -> Iterator[_SoundFile]:
    """Open a file for reading; errors of libsndfile in opening or reading become `AuricleError`s."""
    path = os.fspath(path)
    if os.path.isdir(path):
        raise _error(path, "a folder, not a sound file")
    if not os.path.exists(path):
        raise _error(path, "there is no such file")
    if path.lower().endswith(".raw"):
        raise _error(path, "not a sound file that can be read (it has no header)")
    try:
        if os.path.getsize(path) == 0:
            raise _error(path, "an empty file (0 bytes)")
        with _SoundFile(path) as file:
            if file.frames == 0:
                raise _error(path, "an empty sound file (0 samples)")
            yield file
    except sf.SoundFileError as error:
        raise _error(path, f"not a sound file that can be read ({_reason(error)})") from None
    except OSError as error:
        raise _error(path, f"cannot be read ({error.strerror})") from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).strip().rstrip(".")


def _length(file: _SoundFile) -> int:
    """Samples per channel: from the header if that is reliable, else counted by decoding."""
    if file.frames < _UNKNOWN and (file.format != "MP3" or file.frames == 0 or _reaches(file, file.frames)):
        return file.frames
    file.seek(0)
    return sum(chunk.shape[-1] for chunk in _frames(file))


def _reaches(file: _SoundFile, n_samples: int) -> bool:
    """Whether sample `n_samples - 1` can be read."""
    try:
        file.seek(n_samples - 1)
        return len(file.read(1)) == 1
    except sf.SoundFileError:
        return False


def _sample_range(file: _SoundFile, start_s: float, end_s: float | None) -> tuple[int, int]:
    """The segment [start_s, end_s) in samples of the file."""
    rate, path = file.samplerate, file.name
    if not 0 <= start_s < np.inf:
        raise _error(path, f"cannot be read from start_s {start_s!r}: it should be 0 or more seconds")
    first = round(start_s * rate)
    if first and first >= file.frames:
        raise _error(path, f"cannot be read from start_s {start_s!r}: it ends at {file.frames / rate:g} s")
    if end_s is None:
        return first, file.frames
    if not end_s > start_s:
        raise _error(path, f"cannot be read up to end_s {end_s!r}: it should be after start_s ({start_s!r})")
    last = round(min(end_s, file.frames / rate) * rate)
    if last <= first:
        raise _error(path, f"has no sample from {start_s!r} to {end_s!r} s: at {rate} Hz this is less than one sample")
    return first, last


def _decode(file: _SoundFile, first: int, last: int, mono: bool) -> Iterator[np.ndarray]:
    """Decode samples [first, last) in chunks, `(time,)` or `(channels, time)`; raises if any is not finite."""
    position = first
    if first:
        position -= min(first, _PRE_ROLL) if file.format in ("MP3", "OGG") else 0
        file.seek(position)
    for chunk in _frames(file, last - position):
        if not np.isfinite(chunk).all():
            bad = position + int(np.argmin(np.isfinite(chunk).all(axis=0)))
            raise _error(file.name, f"has samples that are NaN or infinite, first at {bad / file.samplerate:g} s")
        wanted = chunk[:, max(0, first - position) :]
        position += chunk.shape[-1]
        if wanted.shape[-1]:
            yield wanted.mean(axis=0) if mono else wanted
    at_s = position / file.samplerate
    if position <= first:
        raise _error(file.name, f"ends at {at_s:g} s, before the segment that starts at {first / file.samplerate:g} s")
    if position < last and file.frames < _UNKNOWN and file.format != "MP3":
        expected_s = file.frames / file.samplerate
        raise _error(file.name, f"is truncated: it should last {expected_s:g} s and ends at {at_s:g} s")


def _frames(file: _SoundFile, n_samples: int = _UNKNOWN) -> Iterator[np.ndarray]:
    """Read up to `n_samples` from the current position, in chunks `(channels, time)`."""
    while n_samples > 0:
        frames = file.read(min(_CHUNK, n_samples), dtype="float32", always_2d=True)
        if len(frames) == 0:
            return
        n_samples -= len(frames)
        yield np.ascontiguousarray(frames.T)


def _resample_stream(chunks: Iterable[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """`resample` the concatenation of `chunks`, chunk by chunk."""
    stream: soxr.ResampleStream | None = None
    n_in = n_out = 0
    for chunk in chunks:
        if stream is None:
            stream = soxr.ResampleStream(from_rate, to_rate, 1 if chunk.ndim == 1 else len(chunk), dtype="float32")
        n_in += chunk.shape[-1]
        out = stream.resample_chunk(np.ascontiguousarray(chunk.T)).T
        n_out += out.shape[-1]
        yield out
    if stream is not None:
        silence = np.zeros((*chunk.shape[:-1], _tail(from_rate, to_rate)), dtype=np.float32)
        out = stream.resample_chunk(np.ascontiguousarray(silence.T), last=True).T
        yield out[..., : _resampled_length(n_in, from_rate, to_rate) - n_out]


def _reblock(chunks: Iterable[np.ndarray], size: int, hop: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (start, block) with `size` samples every `hop`, until a block reaches the end of all chunks."""
    start = end = total = 0
    pending: list[np.ndarray] = []
    for chunk in chunks:
        pending.append(chunk)
        total += chunk.shape[-1]
        if total < start + size:
            continue
        rest = np.concatenate(pending, axis=-1)
        origin = start
        while total >= start + size:
            offset, end = start - origin, start + size
            yield start, rest[..., offset : offset + size].copy()
            start += hop
        pending = [rest[..., start - origin :].copy()]
    if total > end:
        yield start, np.concatenate(pending, axis=-1)


def _resampled_length(n_samples: int, from_rate: int, to_rate: int) -> int:
    return -(-n_samples * to_rate // from_rate)


def _tail(from_rate: int, to_rate: int) -> int:
    """Zeros to append so that soxr, which rounds the length down, also gives the last sample."""
    return 2 + -(-from_rate // to_rate)


def _check_rate(rate: int | None) -> None:
    if rate is not None and not (isinstance(rate, (int, np.integer)) and rate > 0):
        raise AuricleError(f"the sample rate is {rate!r}: it should be a positive whole number of Hz")


def _error(path: PathLike, reason: str) -> AuricleError:
    return AuricleError(f"{os.fspath(path)}: {reason}")


@contextmanager
def isolated() -> Iterator[None]:
    yield


@contextmanager
def noticing() -> Iterator[list[object]]:
    yield []


def left_out(path: PathLike) -> list[tuple[Path, str]]:
    return []
