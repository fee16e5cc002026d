"""Resampling of whole waveforms and of streams of chunks, with soxr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from auricle.errors import AuricleError

LOWEST_RATE, HIGHEST_RATE = 50, 10_000_000  # in Hz; no sound is recorded beyond them
CHUNK_VALUES = 2**16  # values of all channels that are decoded, resampled or written at once
HELD_SAMPLES = 4000  # more than soxr keeps, at the lower of the two rates


def check_rate(rate: int | None, *, needed: bool = False) -> None:
    """Raise `AuricleError` for a sample rate in Hz that is not a whole number in the range of sounds.

    It may be None unless it is `needed`.
    """
    if rate is None and not needed:
        return
    if not isinstance(rate, (int, np.integer)) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AuricleError(
            f"the sample rate is {rate!r}: it should be a whole number of Hz from {LOWEST_RATE} to {HIGHEST_RATE}"
        )


def resample(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample the last axis of `(…, time)` between two rates in Hz: n samples become ceil(n * to_rate / from_rate).

    A float64 array stays float64; every other type becomes float32.
    """
    check_rate(from_rate, needed=True)
    check_rate(to_rate, needed=True)
    waveform = np.asarray(waveform)
    if waveform.dtype != np.float64:
        waveform = waveform.astype(np.float32, copy=False)
    n_samples = waveform.shape[-1]
    if from_rate == to_rate or waveform.size == 0:
        return waveform.copy()
    lead = waveform.shape[:-1]
    columns = waveform.reshape(-1, n_samples).T
    columns = np.concatenate([columns, np.zeros((_tail(from_rate, to_rate), columns.shape[1]), waveform.dtype)])
    length = resampled_length(n_samples, from_rate, to_rate)
    resampled = soxr.resample(columns, from_rate, to_rate)[:length]
    return np.ascontiguousarray(resampled.T).reshape(*lead, length)


def resample_stream(chunks: Iterable[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """`resample` the concatenation of `chunks`, `(time,)` or `(channels, time)`, chunk by chunk in bounded memory."""
    stream: soxr.ResampleStream | None = None
    n_in = n_out = 0
    for chunk in chunks:
        channels = 1 if chunk.ndim == 1 else len(chunk)
        if stream is None:
            stream = soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32")
        step = max(1, CHUNK_VALUES * from_rate // (channels * max(from_rate, to_rate)))
        for start in range(0, chunk.shape[-1], step):
            piece = chunk[..., start : start + step]
            n_in += piece.shape[-1]
            out = stream.resample_chunk(np.ascontiguousarray(piece.T)).T
            n_out += out.shape[-1]
            yield out
    if stream is not None:
        silence = np.zeros((*chunk.shape[:-1], _tail(from_rate, to_rate)), dtype=np.float32)
        out = stream.resample_chunk(np.ascontiguousarray(silence.T), last=True).T
        yield out[..., : resampled_length(n_in, from_rate, to_rate) - n_out]


def held_back_s(from_rate: int, to_rate: int) -> float:
    """The longest stretch of sound in seconds that `resample_stream` has read but not given: it computes in blocks."""
    stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32")
    step = max(1, from_rate // 1000)
    n_in, n_out, longest = 0, 0, 0.0
    while n_in < HELD_SAMPLES * max(1, from_rate // to_rate):
        n_in += step
        n_out += len(stream.resample_chunk(np.zeros(step, np.float32)))
        longest = max(longest, n_in / from_rate - n_out / to_rate)
    return longest


def resampled_length(n_samples: int, from_rate: int, to_rate: int) -> int:
    return -(-n_samples * to_rate // from_rate)


def _tail(from_rate: int, to_rate: int) -> int:
    """Zeros to append so that soxr, which rounds the length down, also gives the last sample."""
    return 2 + -(-from_rate // to_rate)
