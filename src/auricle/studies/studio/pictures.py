"""Spectrograms of sounds of any length, reduced to as many columns as a screen can show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from auricle import audio
from auricle.errors import AuricleError
from auricle.frontends import Frontend, create_frontend
from auricle.progress import track
from auricle.reports.plots.learned import band_ticks
from auricle.studies.studio.sounds import Sound
from auricle.systems.overlap import with_last_flag

MOST_COLUMNS = 1200
HIGHEST_RATE = 16000
_BLOCK, _MARGIN = 1000, 10  # frames


@dataclass(frozen=True)
class Picture:
    """A spectrogram `(bands, columns)`, the lowest band first, and what its axes show.

    `ticks` are pairs (share of the height, text) of centre frequencies in Hz; there are none for a front-end whose
    bands have no frequencies.
    """

    values: np.ndarray
    ticks: tuple[tuple[float, str], ...]
    start_s: float
    duration_s: float


def seen(sound: Sound, frontend: Frontend) -> Picture:
    """What a front-end makes of a sound of up to a minute, at the front-end's sample rate."""
    waveform, rate = audio.read(sound.path, sample_rate=frontend.sample_rate)
    with torch.no_grad():
        values = frontend(torch.from_numpy(waveform)[None])[0].numpy()
    return _picture(sound, frontend, values, len(waveform) / rate)


def overview(sound: Sound) -> Picture:
    """The log-mel spectrogram of a sound of any length, up to 8 kHz, in bounded memory."""
    header = audio.info(sound.path)
    frontend = create_frontend("mel", sample_rate=min(header.sample_rate, HIGHEST_RATE), n_filters=64)
    n_frames = header.duration_s * frontend.sample_rate / frontend.hop_length
    per_column = max(1, int(np.ceil(n_frames / MOST_COLUMNS)))
    parts, left = [], np.empty((frontend.n_filters, 0), np.float32)
    for frames in track(_frames(sound.path, frontend), "Drawing", total=int(n_frames / _BLOCK) + 1, show=False):
        frames = np.concatenate([left, frames], axis=1)
        whole = frames.shape[1] // per_column * per_column
        parts.append(columns(frames[:, :whole], per_column))
        left = frames[:, whole:]
    values = np.concatenate([*parts, columns(left, per_column)], axis=1)
    return _picture(sound, frontend, values, header.duration_s)


def _frames(path: Path, frontend: Frontend) -> Iterator[np.ndarray]:
    """The front-end's output for a whole file, `(bands, frames)` block by block."""
    hop_s = frontend.hop_length / frontend.sample_rate
    blocks = audio.blocks(
        path, block_s=(_BLOCK + 2 * _MARGIN) * hop_s, hop_s=_BLOCK * hop_s, sample_rate=frontend.sample_rate
    )
    for number, (block, last) in enumerate(with_last_flag(block for _, block in blocks)):
        with torch.no_grad():
            frames = frontend(torch.from_numpy(block)[None])[0].numpy()
        yield frames[:, _MARGIN if number else 0 : None if last else _MARGIN + _BLOCK]


def columns(frames: np.ndarray, per_column: int) -> np.ndarray:
    """`(bands, frames)` with `per_column` frames to a column, which shows their highest value: no click is lost."""
    if per_column == 1 or frames.shape[1] == 0:
        return frames
    return np.maximum.reduceat(frames, np.arange(0, frames.shape[1], per_column), axis=1)


def _picture(sound: Sound, frontend: Frontend, values: np.ndarray, duration_s: float) -> Picture:
    if not np.isfinite(values).all():
        raise AuricleError("the front-end's output is not finite")
    values = columns(values, -(-values.shape[1] // MOST_COLUMNS))
    ticks = tuple(((band + 0.5) / len(values), text) for band, text in band_ticks(frontend, 4))
    return Picture(values, ticks, sound.start_s, duration_s)
