"""Sound files in and out: the only module that opens one.

Whatever libsndfile reads can be read (WAV, FLAC, OGG, MP3, …) at any rate and with any number of channels. Arrays are
float32 in [-1, 1], `(time,)` or `(channels, time)`; resampling is soxr's. Every error is an `AuricleError` that starts
with the path.
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

#: What is looked for below a folder, and what each suffix is written as: (libsndfile's format, subtype by default).
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

_CHUNK = 65536  # samples per channel decoded at a time
_PRE_ROLL = 16384  # samples decoded and dropped after a seek in a lossy file: more than two of any codec's windows
_ADD_PEAK_CHUNK = 0x1050  # of libsndfile's sf_command
_UNKNOWN = 2**62  # at least so many samples: the header does not say


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says: rate in Hz, channels, samples per channel, libsndfile's format and subtype."""

    sample_rate: int
    channels: int
    n_samples: int
    format: str
    subtype: str

    @property
    def duration_s(self) -> float:
        return self.n_samples / self.sample_rate


def info(path: PathLike) -> AudioInfo:
    """The header of the sound file `path`.

    An MP3's length is verified against its last frame, and counted by decoding where the header is wrong (a file that
    was cut off, or one of variable bitrate without an index).
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
    """The part [start_s, end_s) of a sound file, and its rate in Hz.

    Returns a float32 array, `(time,)` if `mono` (the mean of the channels), else `(channels, time)`. Only that part is
    decoded; its borders are rounded to samples of the file, and an `end_s` past the end of the file means the end. With
    `sample_rate` the part is resampled by itself, to ceil(n * sample_rate / rate) samples.
    """
    _check_rate(sample_rate)
    with _opened(path) as file:
        first, last = _borders(file, start_s, end_s)
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
    """Iterate over a sound file of any length in bounded memory: (start in seconds from `start_s`, block).

    A block has the shape that `read` gives. Blocks start every `hop_s` (`block_s` by default) and the last one, which
    may be shorter, is the first that reaches the end. With `hop_s == block_s` their concatenation is what `read`
    returns, resampled or not.
    """
    _check_rate(sample_rate)
    hop_s = block_s if hop_s is None else hop_s
    if not 0 < block_s < np.inf:
        raise AuricleError(f"block_s is {block_s!r}: it has to be a positive number of seconds")
    if not 0 < hop_s <= block_s:
        raise AuricleError(f"hop_s is {hop_s!r}: it has to lie above 0 and not above block_s ({block_s!r})")

    def iterate() -> Iterator[tuple[float, np.ndarray]]:
        with _opened(path) as file:
            rate = sample_rate or file.samplerate
            chunks = _decode(file, *_borders(file, start_s, end_s), mono)
            if rate != file.samplerate:
                chunks = _resample_stream(chunks, file.samplerate, rate)
            size, hop = max(1, round(block_s * rate)), max(1, round(hop_s * rate))
            for start, block in _reblock(chunks, size, hop):
                yield start / rate, block

    return iterate()


def resample(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample the last axis from one rate in Hz to another: n samples become ceil(n * to_rate / from_rate).

    A float64 array stays so; everything else becomes float32.
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
    """Write `waveform`, `(time,)` or `(channels, time)` at `sample_rate` Hz, in the format that the suffix names.

    With `target_rate` it is resampled first: a processed file goes back at its original rate. `subtype` is libsndfile's
    (16 bits where the format has a split_options; "FLOAT" keeps what lies beyond [-1, 1], which others clip). The file
    appears whole or not at all; folders that it needs are made.
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
    """`write` of the concatenated blocks, `(time,)` or `(channels, time)`, in bounded memory.

    `n_samples` is how many samples of each channel are written at most, at the rate of the file.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise _error(path, f"cannot be written: its suffix is none of {' '.join(AUDIO_SUFFIXES)}")
    _check_rate(sample_rate)
    _check_rate(target_rate)
    kind, usual = _FORMATS[path.suffix.lower()]
    rate = target_rate or sample_rate
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    options = {"format": kind, "subtype": subtype or usual}
    checked = (_check_samples(path, np.atleast_2d(np.asarray(block))) for block in waveforms)
    blocks = checked if rate == sample_rate else _resample_stream(checked, sample_rate, rate)
    left = _UNKNOWN if n_samples is None else n_samples
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _SoundFile(str(unfinished), "w", rate, channels, **options) as file:
            file.leave_out_peaks()
            for block in blocks:
                frames = np.ascontiguousarray(block[:, :left].T, dtype=np.float32)
                left -= len(frames)
                for start in range(0, len(frames), _CHUNK):
                    file.write(frames[start : start + _CHUNK])
        os.replace(unfinished, path)
    except AuricleError:
        raise
    except (sf.SoundFileError, ValueError, OSError) as error:
        at = f"at {rate} Hz with {channels} channel(s)"
        raise _error(path, f"cannot be written as {kind} {subtype or usual} {at}: {_reason(error)}") from None
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
    """`path` itself if it is a file, else every sound file below the folder, sorted; hidden ones are left out."""
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
    """A sound file that is read and written straight on.

    soundfile seeks to where it is after every read, if it may. In MP3 and OGG that restarts the decoder, so each read
    would begin with a few hundred wrong samples. `seek` still works.
    """

    def seekable(self) -> bool:
        return False

    def leave_out_peaks(self) -> None:
        """Write no PEAK chunk, which has the time of day in it: the same samples are to give the same file."""
        sf._snd.sf_command(self._file, _ADD_PEAK_CHUNK, sf._ffi.NULL, 0)


@contextmanager
def _opened(path: PathLike) -> Iterator[_SoundFile]:
    """The opened file; whatever libsndfile has against it, now or while it is read, becomes an `AuricleError`."""
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
    """Samples per channel: the header's number, if it can be believed."""
    if file.frames < _UNKNOWN and (file.format != "MP3" or file.frames == 0 or _reaches(file, file.frames)):
        return file.frames
    file.seek(0)
    return sum(chunk.shape[-1] for chunk in _frames(file))


def _reaches(file: _SoundFile, n_samples: int) -> bool:
    try:
        file.seek(n_samples - 1)
        return len(file.read(1)) == 1
    except sf.SoundFileError:
        return False


def _borders(file: _SoundFile, start_s: float, end_s: float | None) -> tuple[int, int]:
    """[start_s, end_s) in samples of the file."""
    rate, path = file.samplerate, file.name
    if not 0 <= start_s < np.inf:
        raise _error(path, f"cannot be read from start_s {start_s!r}: it has to be 0 or more seconds")
    first = round(start_s * rate)
    if first and first >= file.frames:
        raise _error(path, f"cannot be read from start_s {start_s!r}: it ends at {file.frames / rate:g} s")
    if end_s is None:
        return first, file.frames
    if not end_s > start_s:
        raise _error(path, f"cannot be read up to end_s {end_s!r}: it has to lie after start_s ({start_s!r})")
    last = round(min(end_s, file.frames / rate) * rate)
    if last <= first:
        raise _error(path, f"has no sample from {start_s!r} to {end_s!r} s: at {rate} Hz that is less than one")
    return first, last


def _decode(file: _SoundFile, first: int, last: int, mono: bool) -> Iterator[np.ndarray]:
    """Samples [first, last) of the file in chunks, `(time,)` or `(channels, time)`; all of them finite."""
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
        raise _error(file.name, f"ends at {at_s:g} s, before the part from {first / file.samplerate:g} s on")
    if position < last and file.frames < _UNKNOWN and file.format != "MP3":
        promised_s = file.frames / file.samplerate
        raise _error(file.name, f"is cut off: it should last {promised_s:g} s and ends at {at_s:g} s")


def _frames(file: _SoundFile, n_samples: int = _UNKNOWN) -> Iterator[np.ndarray]:
    """Up to `n_samples` from where the file is, in chunks of `(channels, time)`."""
    while n_samples > 0:
        frames = file.read(min(_CHUNK, n_samples), dtype="float32", always_2d=True)
        if len(frames) == 0:
            return
        n_samples -= len(frames)
        yield np.ascontiguousarray(frames.T)


def _resample_stream(chunks: Iterable[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """`resample` of the concatenated chunks, chunk by chunk."""
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
    """(start, block) of `size` samples every `hop`, until one reaches the end of the concatenated chunks."""
    start = end = total = 0
    held: list[np.ndarray] = []
    for chunk in chunks:
        held.append(chunk)
        total += chunk.shape[-1]
        if total < start + size:
            continue
        rest = np.concatenate(held, axis=-1)
        origin = start
        while total >= start + size:
            offset, end = start - origin, start + size
            yield start, rest[..., offset : offset + size].copy()
            start += hop
        held = [rest[..., start - origin :].copy()]
    if total > end:
        yield start, np.concatenate(held, axis=-1)


def _resampled_length(n_samples: int, from_rate: int, to_rate: int) -> int:
    return -(-n_samples * to_rate // from_rate)


def _tail(from_rate: int, to_rate: int) -> int:
    """Zeros after the end that make soxr, which rounds down, give the last sample too."""
    return 2 + -(-from_rate // to_rate)


def _check_rate(rate: int | None) -> None:
    if rate is not None and not (isinstance(rate, (int, np.integer)) and rate > 0):
        raise AuricleError(f"the sample rate {rate!r} has to be a positive whole number of Hz")


def _error(path: PathLike, reason: str) -> AuricleError:
    return AuricleError(f"{os.fspath(path)}: {reason}")
