"""Reading of sound files: the header, a segment, or block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from auricle.audio import decoding
from auricle.audio.decoding import Segment
from auricle.audio.formats import AudioInfo, PathLike
from auricle.audio.isolation import current
from auricle.errors import AuricleError


def info(path: PathLike) -> AudioInfo:
    """Rate, channels, length and format of the sound file `path`; the length is that of the samples that can be read.

    This reads headers and sizes, and decodes only where there is no other way. Raises `AuricleError`, and notices
    damage, as `read`.
    """
    decoders = current()
    return decoding.info(path) if decoders is None else decoders.info(path)


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

    Everything that can be decoded is read; `Damage` in the segment goes to `noticing()`. A stretch that cannot be
    decoded is silence, and so are samples that are not finite or beyond ±1e4. Raises `AuricleError` for a file of which
    nothing can be decoded, and for a segment outside the file or without a sample.
    """
    segment = Segment.of(sample_rate, start_s, end_s, mono)
    decoders = current()
    return decoding.read(path, segment) if decoders is None else decoders.read(path, segment)


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
    segment = Segment.of(sample_rate, start_s, end_s, mono)
    hop_s = block_s if hop_s is None else hop_s
    if not 0 < block_s < np.inf:
        raise AuricleError(f"block_s is {block_s!r}: it should be a positive number of seconds")
    if not 0 < hop_s <= block_s:
        raise AuricleError(f"hop_s is {hop_s!r}: it should be above 0 and at most block_s ({block_s!r})")
    block_s, hop_s = float(block_s), float(hop_s)
    decoders = current()
    if decoders is None:
        return decoding.blocks(path, segment, block_s, hop_s)
    return decoders.blocks(path, segment, block_s, hop_s)
