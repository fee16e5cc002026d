"""Decoding of a file's parts into one recording, without bad samples, and resampled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from auricle.audio.alive import alive
from auricle.audio.damage import LARGEST_SAMPLE, Damage, notice, without_bad_samples
from auricle.audio.formats import AudioInfo, PathLike, file_error
from auricle.audio.layout import Layout
from auricle.audio.opening import opened
from auricle.audio.parts import UNKNOWN
from auricle.audio.resampling import check_rate, resample, resample_stream, resampled_length
from auricle.errors import those_counted

_MOST_VALUES = 2**26  # read into memory at once, before and after resampling, from a small file
_VALUES_PER_BYTE = 64  # of a larger file
_LARGEST_RATIO = 2**14  # of two sample rates, times the number of channels; a resampler takes 20 kB for each


@dataclass(frozen=True)
class Segment:
    """What to read of a file: [start_s, end_s), at a sample rate in Hz or the file's, mixed to mono or not."""

    sample_rate: int | None
    start_s: float
    end_s: float | None
    mono: bool

    @classmethod
    def of(cls, sample_rate: int | None, start_s: float, end_s: float | None, mono: bool) -> Segment:
        """Of any types of numbers; raises `AuricleError` for an invalid sample rate."""
        check_rate(sample_rate)
        rate = None if sample_rate is None else int(sample_rate)
        return cls(rate, float(start_s), None if end_s is None else float(end_s), bool(mono))

    def range_in(self, layout: Layout) -> tuple[int, int]:
        """First and last sample in a file."""
        rate, path = layout.info.sample_rate, layout.path
        start_s, end_s, n_samples = self.start_s, self.end_s, layout.info.n_samples
        if not 0 <= start_s < np.inf:
            raise file_error(path, f"cannot be read from start_s {start_s!r}: it should be 0 or more seconds")
        first = round(start_s * rate)
        if first and first >= n_samples:
            raise file_error(path, f"cannot be read from start_s {start_s!r}: it ends at {n_samples / rate:g} s")
        if end_s is None:
            return first, n_samples
        if not end_s > start_s:
            raise file_error(path, f"cannot be read up to end_s {end_s!r}: it should be after start_s ({start_s!r})")
        last = round(min(end_s, n_samples / rate) * rate)
        if last <= first:
            raise file_error(
                path, f"has no sample from {start_s!r} to {end_s!r} s: at {rate} Hz this is less than one sample"
            )
        return first, last

    def end_in(self, layout: Layout) -> int:
        """The end in samples, which may be beyond that of the file."""
        return UNKNOWN if self.end_s is None else round(min(self.end_s * layout.info.sample_rate, UNKNOWN))


def info(path: PathLike) -> AudioInfo:
    """See `auricle.audio.info`."""
    with opened(path) as layout:
        for damage in layout.damage(0, UNKNOWN):
            notice(damage)
        return layout.info


def read(path: PathLike, segment: Segment) -> tuple[np.ndarray, int]:
    """See `auricle.audio.read`."""
    with opened(path) as layout:
        layout.prepare()
        first, last = segment.range_in(layout)
        rate = layout.info.sample_rate
        target = segment.sample_rate or rate
        _check_resampling(layout, segment, target)
        _check_size(layout, segment, last - first, target)
        waveform = np.concatenate(list(_decode(layout, segment, first, last)), axis=-1)
    return (waveform if target == rate else resample(waveform, rate, target)), target


def blocks(path: PathLike, segment: Segment, block_s: float, hop_s: float) -> Iterator[tuple[float, np.ndarray]]:
    """See `auricle.audio.blocks`."""
    with opened(path) as layout:
        layout.prepare()
        first, last = segment.range_in(layout)
        rate = segment.sample_rate or layout.info.sample_rate
        _check_resampling(layout, segment, rate)
        chunks = _decode(layout, segment, first, last)
        if rate != layout.info.sample_rate:
            chunks = resample_stream(chunks, layout.info.sample_rate, rate)
        size, hop = max(1, round(block_s * rate)), max(1, round(hop_s * rate))
        for start, block in _reblock(chunks, size, hop):
            yield start / rate, block


def _decode(layout: Layout, segment: Segment, first: int, last: int) -> Iterator[np.ndarray]:
    """Samples [first, last) in chunks, `(time,)` or `(channels, time)`; damage is noticed."""
    n_bad, first_bad, position = 0, 0, first
    try:
        for chunk in layout.decode(first, last):
            changed, n_replaced = without_bad_samples(chunk)
            if n_replaced and not n_bad:
                first_bad = position + int(np.argmax((changed != chunk).any(axis=0)))
            n_bad += n_replaced
            position += chunk.shape[-1]
            alive()
            yield changed.mean(axis=0) if segment.mono else changed
    finally:
        for damage in layout.damage(first, segment.end_in(layout) if position == last else position):
            notice(damage)
        if n_bad:
            notice(_bad_samples(layout, n_bad, first_bad))


def _bad_samples(layout: Layout, n_bad: int, first_bad: int) -> Damage:
    samples = those_counted(n_bad, "sample")
    where = f"from {first_bad / layout.info.sample_rate:g} s on"
    return Damage(layout.path, "bad-samples", f"{samples} not finite or beyond ±{LARGEST_SAMPLE:g}, {where}; read as 0")


def _check_size(layout: Layout, segment: Segment, n_samples: int, rate: int) -> None:
    """Raise `AuricleError` if a segment would take far more memory than its file leads one to expect."""
    channels = 1 if segment.mono else layout.info.channels
    n_values = channels * (n_samples + resampled_length(n_samples, layout.info.sample_rate, rate))
    if n_values > max(_MOST_VALUES, _VALUES_PER_BYTE * layout.size):
        raise file_error(
            layout.path,
            f"{n_samples / layout.info.sample_rate:g} s at {rate} Hz are too much to read at once; "
            "read shorter segments",
        )


def _check_resampling(layout: Layout, segment: Segment, rate: int) -> None:
    """Raise `AuricleError` if the resampler of every channel would take too much memory together."""
    own, channels = layout.info.sample_rate, 1 if segment.mono else layout.info.channels
    if channels * max(own, rate) > _LARGEST_RATIO * min(own, rate):
        raise file_error(layout.path, f"{channels} channels at {own} Hz cannot be resampled to {rate} Hz at once")


def _reblock(chunks: Iterator[np.ndarray], size: int, hop: int) -> Iterator[tuple[int, np.ndarray]]:
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
