"""Resampling of tensors on any device, with gradients; `auricle.audio` resamples files and arrays."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

_CROSSINGS = 48
_ROLLOFF = 0.95
_BETA = 8.0


def resample(waveforms: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """Resample `(batch, time)` from one rate in Hz to another: n samples become ⌈n·to_rate / from_rate⌉.

    y[m] = Σ_k x[k]·h(m·from_rate / to_rate − k), with zeros beyond the ends of x. h is a low-pass with its cut-off at
    0.95 of the lower Nyquist frequency: a sinc with 48 zero crossings on each side, times a Kaiser window (β = 8).
    """
    if from_rate == to_rate:
        return waveforms
    common = math.gcd(from_rate, to_rate)
    old, new = from_rate // common, to_rate // common
    kernels, half = _kernels(old, new)
    length = -(-waveforms.shape[-1] * new // old)
    padded = F.pad(waveforms, (half, half + old))
    with torch.autocast(padded.device.type, enabled=False):
        phases = F.conv1d(padded[:, None], kernels.to(padded), stride=old)
    return phases.transpose(1, 2).flatten(1)[:, :length]


def reach(from_rate: int, to_rate: int) -> int:
    """How many input samples before and after its own place an output sample depends on."""
    return 0 if from_rate == to_rate else math.ceil(_CROSSINGS / (_ROLLOFF * min(1.0, to_rate / from_rate))) + 1


@lru_cache(maxsize=8)
def _kernels(old: int, new: int) -> tuple[Tensor, int]:
    """The polyphase kernels `(new, 1, 2·half + old)`, and `half`.

    Kernel p holds h(p·old / new − k) for k = −half … half + old − 1; it computes every new-th output sample.
    """
    cutoff = _ROLLOFF * min(1.0, new / old)
    length = _CROSSINGS / cutoff
    half = math.ceil(length)
    taps = torch.arange(-half, half + old, dtype=torch.float64)
    distance = torch.arange(new, dtype=torch.float64)[:, None] * old / new - taps
    inside = (1 - (distance / length).square()).clamp(min=0).sqrt()
    window = torch.special.i0(_BETA * inside) / torch.special.i0(torch.tensor(_BETA, dtype=torch.float64))
    kernels = cutoff * torch.sinc(cutoff * distance) * window * (distance.abs() <= length)
    return kernels[:, None], half
