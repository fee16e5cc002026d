"""Statistics of a clip in one pass: level, silence, clipping, DC offset, cancelling channels, and a fingerprint.

They are those of the mono mix, the mean of the channels, which is what models hear.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from auricle import audio
from auricle.data.clips import Clip

_BLOCK_S = 10.0
_FRAME_S = 0.05
_QUIET = 10 ** (-60 / 20)
_FULL_SCALE = 32766 / 32768
_MIN_RUN = 3  # smallest number of consecutive samples at full scale that count as clipped
CANCELLED_DB = 9.0  # below the mix of unrelated channels, which for two is 3 dB below them


@dataclass(frozen=True)
class SoundStatistics:
    """Statistics of the samples of a clip, of its mono mix if nothing else is said.

    `fingerprint` is equal for clips with the same decoded samples. `peak` is the largest magnitude, `offset` the mean,
    `quiet_share` the share of 50 ms frames whose peak is below -60 dBFS, and `clipped_share` the share of the channels'
    samples in runs of three or more at full scale with the same sign.

    `cancelled_db` says by how many dB the mix is weaker than that of unrelated channels of the same power: 0 or less
    unless the channels are in opposite phase, infinite if they cancel. `cancelled_share` is the share of the channels'
    energy in 50 ms frames in which it is `CANCELLED_DB` or more.
    """

    fingerprint: str
    peak: float
    offset: float
    quiet_share: float
    clipped_share: float
    cancelled_db: float
    cancelled_share: float


def sound_statistics(clip: Clip) -> SoundStatistics:
    """Compute the statistics of a clip in bounded memory; raises `AuricleError` if it cannot be decoded."""
    frame = max(1, round(_FRAME_S * clip.sample_rate))
    block_s = frame * max(1, round(_BLOCK_S / _FRAME_S)) / clip.sample_rate
    digest = hashlib.blake2b(digest_size=16)
    run = np.zeros(clip.channels, dtype=np.int64)
    n_samples = n_frames = n_quiet = n_clipped = 0
    peak = loudest = total = of_mix = of_channels = cancelled = 0.0
    for _, block in audio.blocks(clip.path, block_s=block_s, start_s=clip.start_s, end_s=clip.end_s, mono=False):
        mix = block.mean(axis=0)
        digest.update(mix.tobytes())
        starts = np.arange(0, len(mix), frame)
        frame_peaks = np.maximum.reduceat(np.abs(mix), starts)
        n_frames += len(frame_peaks)
        n_quiet += int((frame_peaks < _QUIET).sum())
        peak = max(peak, float(frame_peaks.max()))
        total += float(mix.sum(dtype=np.float64))
        n_samples += len(mix)
        mixed, apart = _energies(mix, block, starts)
        of_mix += mixed.sum()
        of_channels += apart.sum()
        cancelled += apart[mixed <= apart / 10 ** (CANCELLED_DB / 10)].sum()
        loudest = max(loudest, float(np.abs(block).max()))
        if loudest >= _FULL_SCALE:
            for channel, samples in enumerate(block):
                n, run[channel] = _clipped(samples, int(run[channel]))
                n_clipped += n
    with np.errstate(divide="ignore"):
        cancelled_db = float(10 * np.log10(of_channels / np.float64(of_mix))) if of_channels > 0 else 0.0
    return SoundStatistics(
        fingerprint=digest.hexdigest(),
        peak=peak,
        offset=total / n_samples,
        quiet_share=n_quiet / n_frames,
        clipped_share=n_clipped / (n_samples * clip.channels),
        cancelled_db=cancelled_db,
        cancelled_share=cancelled / of_channels if of_channels > 0 else 0.0,
    )


def _energies(mix: np.ndarray, channels: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The energy of each frame of the mono mix, and what it is on average for unrelated channels of the same power."""
    mixed = np.add.reduceat(np.square(mix, dtype=np.float64), starts)
    apart = np.add.reduceat(np.square(channels, dtype=np.float64).sum(axis=0), starts) / len(channels) ** 2
    return mixed, apart


def _clipped(samples: np.ndarray, run: int) -> tuple[int, int]:
    """Number of clipped samples in a block of one channel, and the length of the run at full scale at its end.

    `run` is the length of the run at the end of the previous block, 0 for none; runs at negative full scale have
    negative lengths. Samples of the previous block whose run becomes long enough in this block are counted here.
    """
    sign = np.where(samples >= _FULL_SCALE, 1, np.where(samples <= -_FULL_SCALE, -1, 0)).astype(np.int8)
    edges = np.flatnonzero(np.diff(sign)) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [len(sign)]]))
    signs = sign[starts]
    before = abs(run) if run * int(signs[0]) > 0 else 0
    lengths[0] += before
    counted = lengths[(signs != 0) & (lengths >= _MIN_RUN)].sum()
    if before >= _MIN_RUN:
        counted -= before
    return int(counted), int(signs[-1]) * int(lengths[-1])
