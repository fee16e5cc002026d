"""Statistics of a clip's samples in one pass: level, silence, clipping, DC offset, and a fingerprint."""

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


@dataclass(frozen=True)
class SoundStatistics:
    """Statistics of the samples of a clip.

    `fingerprint` is equal for clips with the same decoded samples. `peak` is the largest magnitude, `offset` the mean
    of the channel whose mean is farthest from 0, `quiet_share` the share of 50 ms frames whose peak is below -60 dBFS,
    and `clipped_share` the share of samples in runs of three or more at full scale with the same sign.
    """

    fingerprint: str
    peak: float
    offset: float
    quiet_share: float
    clipped_share: float


def sound_statistics(clip: Clip) -> SoundStatistics:
    """Compute the statistics of a clip in bounded memory; raises `AuricleError` if it cannot be decoded."""
    frame = max(1, round(_FRAME_S * clip.sample_rate))
    block_s = frame * max(1, round(_BLOCK_S / _FRAME_S)) / clip.sample_rate
    digest = hashlib.blake2b(digest_size=16)
    total = np.zeros(clip.channels)
    run = np.zeros(clip.channels, dtype=np.int64)
    n_samples = n_frames = n_quiet = n_clipped = 0
    peak = 0.0
    for _, block in audio.blocks(clip.path, block_s=block_s, start_s=clip.start_s, end_s=clip.end_s, mono=False):
        digest.update(np.ascontiguousarray(block.T).tobytes())
        magnitude = np.abs(block).max(axis=0)
        frame_peaks = np.maximum.reduceat(magnitude, np.arange(0, len(magnitude), frame))
        n_frames += len(frame_peaks)
        n_quiet += int((frame_peaks < _QUIET).sum())
        peak = max(peak, float(frame_peaks.max()))
        total += block.sum(axis=1, dtype=np.float64)
        n_samples += block.shape[1]
        if peak >= _FULL_SCALE:
            for channel, samples in enumerate(block):
                n, run[channel] = _clipped(samples, int(run[channel]))
                n_clipped += n
    offsets = total / n_samples
    return SoundStatistics(
        fingerprint=f"{clip.channels}:{digest.hexdigest()}",
        peak=peak,
        offset=float(offsets[np.argmax(np.abs(offsets))]),
        quiet_share=n_quiet / n_frames,
        clipped_share=n_clipped / (n_samples * clip.channels),
    )


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
