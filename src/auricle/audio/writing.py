"""Writing of sound files, whole or block by block."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile as sf

from auricle.audio.formats import AUDIO_SUFFIXES, FORMATS, PathLike, file_error
from auricle.audio.opening import reason as _reason
from auricle.audio.parts import UNKNOWN as _UNKNOWN
from auricle.audio.resampling import check_rate, resample, resample_stream
from auricle.errors import AuricleError

_CHUNK = 65536  # samples per channel written at once
_ADD_PEAK_CHUNK = 0x1050  # SFC_SET_ADD_PEAK_CHUNK of libsndfile's sf_command


class _SoundFile(sf.SoundFile):
    def omit_peak_chunk(self) -> None:
        """Do not write a PEAK chunk, which contains the time of day: the same samples should give the same file."""
        sf._snd.sf_command(self._file, _ADD_PEAK_CHUNK, sf._ffi.NULL, 0)


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
    if path.suffix.lower() not in FORMATS:
        raise file_error(path, f"cannot be written: its suffix should be one of {' '.join(AUDIO_SUFFIXES)}")
    check_rate(sample_rate)
    check_rate(target_rate)
    file_format, default_subtype = FORMATS[path.suffix.lower()]
    rate = target_rate or sample_rate
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    options = {"format": file_format, "subtype": subtype or default_subtype}
    checked = (_check_samples(path, np.atleast_2d(np.asarray(block))) for block in waveforms)
    blocks = checked if rate == sample_rate else resample_stream(checked, sample_rate, rate)
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
        raise file_error(path, f"cannot be written as {' '.join(options.values())} {at}: {_reason(error)}") from None
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _check_samples(path: PathLike, waveform: np.ndarray) -> np.ndarray:
    if not np.issubdtype(waveform.dtype, np.floating):
        raise file_error(path, f"cannot be written: samples are {waveform.dtype}, not floating-point in [-1, 1]")
    if not np.isfinite(waveform).all():
        raise file_error(path, "cannot be written: some samples are NaN or infinite")
    return waveform
