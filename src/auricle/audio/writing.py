"""Writing of sound files, whole or block by block."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from auricle.audio import decoding, mpeg
from auricle.audio.damage import noticing
from auricle.audio.formats import AUDIO_SUFFIXES, FORMATS, AudioInfo, PathLike, file_error
from auricle.audio.opening import reason
from auricle.audio.parts import UNKNOWN
from auricle.audio.resampling import CHUNK_VALUES, check_rate, resample, resample_stream
from auricle.errors import AuricleError
from auricle.files import replacing

_LARGEST_WAV = 2**32 - 2**16  # bytes of samples; the rest is for the header
_ADD_PEAK_CHUNK = 0x1050  # SFC_SET_ADD_PEAK_CHUNK of libsndfile's sf_command
_RF64_AUTO_DOWNGRADE = 0x1210  # SFC_RF64_AUTO_DOWNGRADE
_WIDTHS = {"PCM_S8": 1, "PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "DOUBLE": 8}


class _SoundFile(sf.SoundFile):
    def omit_peak_chunk(self) -> None:
        """Do not write a PEAK chunk, which contains the time of day: the same samples should give the same file."""
        sf._snd.sf_command(self._file, _ADD_PEAK_CHUNK, sf._ffi.NULL, 0)

    def become_wav_if_small(self) -> None:
        """Let an RF64 file of less than 4 GiB be a plain WAV file when it is closed."""
        sf._snd.sf_command(self._file, _RF64_AUTO_DOWNGRADE, sf._ffi.NULL, 1)


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
        raise file_error(path, f"cannot be written: the shape {waveform.shape} is not (time,) or (channels, time)")
    if target_rate is not None:
        _check_samples(path, waveform)
        check_rate(sample_rate)
        waveform = resample(waveform, sample_rate, target_rate)
    channels, n_samples = np.atleast_2d(waveform).shape
    rate = target_rate or sample_rate
    write_blocks(path, [waveform], rate, channels=channels, n_samples=n_samples, subtype=subtype)


def write_blocks(
    path: PathLike,
    waveforms: Iterable[np.ndarray],
    sample_rate: int,
    *,
    channels: int,
    target_rate: int | None = None,
    n_samples: int | None = None,
    subtype: str | None = None,
    container: str | None = None,
) -> None:
    """`write` the concatenation of `waveforms`, each `(time,)` or `(channels, time)`, in bounded memory.

    `n_samples` limits the samples written per channel, counted at the file's rate. WAV beyond 4 GiB is written as RF64.
    `container` is the format of the file that this one is made from: if it is "RF64" or "W64", a WAV file becomes one
    as well. The length of the written file is read back before it takes its name.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise file_error(path, f"cannot be written: its suffix should be one of {' '.join(AUDIO_SUFFIXES)}")
    check_rate(sample_rate)
    check_rate(target_rate)
    file_format, default_subtype = FORMATS[path.suffix.lower()]
    subtype = subtype or default_subtype
    wav = file_format == "WAV"
    if wav:
        file_format = _wav_format(container, n_samples, channels * _WIDTHS.get(subtype, 4))
    rate = target_rate or sample_rate
    checked = (_check_samples(path, np.atleast_2d(np.asarray(block))) for block in waveforms)
    blocks = checked if rate == sample_rate else resample_stream(checked, sample_rate, rate)
    remaining = UNKNOWN if n_samples is None else n_samples
    n_written, step = 0, max(1, CHUNK_VALUES // max(1, channels))
    try:
        with replacing(path) as partial:
            name: Any = os.fsencode(partial)
            with _SoundFile(name, "w", rate, channels, subtype, format=file_format) as file:
                file.omit_peak_chunk()
                if wav and file_format != container:
                    file.become_wav_if_small()
                for block in blocks:
                    frames = np.ascontiguousarray(block[:, : remaining - n_written].T, dtype=np.float32)
                    n_written += len(frames)
                    for start in range(0, len(frames), step):
                        file.write(frames[start : start + step])
            _verify(path, partial, n_written)
    except AuricleError:
        raise
    except (sf.SoundFileError, ValueError, AssertionError, OSError) as error:
        at = f"at {rate} Hz with {channels} channel(s)"
        why = getattr(error, "strerror", None) or reason(error) or "not all samples could be written"
        why += " (is the disk full?)" if why == "System error" else ""
        raise file_error(path, f"cannot be written as {file_format} {subtype} {at}: {why}") from None


def kept_subtype(path: PathLike, header: AudioInfo) -> str | None:
    """The sample format of `header`, a file's, or None if a file with the suffix of `path` cannot have it."""
    file_format, _ = FORMATS.get(Path(path).suffix.lower(), ("", ""))
    try:
        sf.SoundFile(io.BytesIO(), "w", header.sample_rate, header.channels, header.subtype, format=file_format).close()
    except (sf.SoundFileError, ValueError):
        return None
    return header.subtype


def _wav_format(container: str | None, n_samples: int | None, width: int) -> str:
    """WAV, or RF64 or Wave64 for files that need or had it; `width` in bytes per sample of all channels.

    Of unknown length: RF64, which becomes WAV if it stays small.
    """
    if container in ("RF64", "W64"):
        return container
    return "WAV" if n_samples is not None and n_samples * width <= _LARGEST_WAV else "RF64"


def _verify(path: PathLike, written: Path, n_samples: int) -> None:
    """Raise `AuricleError` unless the file has the samples that were written, as with a full disk it has not."""
    try:
        with noticing() as damage:
            info = decoding.info(written)
    except AuricleError as error:
        if n_samples:
            why = str(error).rpartition(": ")[2]
            raise file_error(path, f"cannot be written: {why}; is the disk full?") from None
        return
    whole = info.format != "MP3" or _is_whole_mp3(written, info.n_samples)
    tolerance = info.sample_rate if info.format in ("OGG", "MP3") else 0  # coders add and drop some samples
    if not whole or any(flaw.kind == "cut" for flaw in damage) or abs(info.n_samples - n_samples) > tolerance:
        raise file_error(
            path, f"cannot be written: not all of {n_samples} samples arrived in the file; is the disk full?"
        )


def _is_whole_mp3(path: Path, n_samples: int) -> bool:
    with open(path, "rb") as file:
        return mpeg.is_whole(file, os.path.getsize(path), n_samples)


def _check_samples(path: PathLike, waveform: np.ndarray) -> np.ndarray:
    if not np.issubdtype(waveform.dtype, np.floating):
        raise file_error(path, f"cannot be written: samples are {waveform.dtype}, not floating-point in [-1, 1]")
    with np.errstate(over="ignore"):
        waveform = waveform.astype(np.float32, copy=False)
    if not np.isfinite(waveform).all():
        raise file_error(path, "cannot be written: some samples are NaN or infinite")
    return waveform
