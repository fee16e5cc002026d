"""Wavegram: a spectrogram of the waveform learnt by nine layers of convolution (Kong et al., 2020).

The large-capacity baseline of the LEAF paper's Table 4, about 300 k parameters.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.frontends.parts import FramedFilterbank
from auricle.frontends.pooling import frame_count, max_pool

MIN_CHANNELS = 160  # of the last 1-D block


def _conv_block(dimension: int, n_in: int, n_out: int) -> nn.Sequential:
    """Two 3-wide convolutions with batch normalisation and ReLU; in 1-D the second is dilated by two."""
    conv = (nn.Conv1d, nn.Conv2d)[dimension - 1]
    norm = (nn.BatchNorm1d, nn.BatchNorm2d)[dimension - 1]
    dilation = 2 if dimension == 1 else 1
    return nn.Sequential(
        conv(n_in, n_out, 3, padding=1, bias=False),
        norm(n_out),
        nn.ReLU(),
        conv(n_out, n_out, 3, padding=dilation, dilation=dilation, bias=False),
        norm(n_out),
        nn.ReLU(),
    )


def split_hop(hop_length: int, parts: int = 4) -> list[int]:
    """`parts` factors of similar size whose product is `hop_length`, in falling order: 160 → [5, 4, 4, 2]."""
    factors = [1] * parts
    remainder, divisor = hop_length, 2
    primes = []
    while remainder > 1:
        while remainder % divisor == 0:
            primes.append(divisor)
            remainder //= divisor
        divisor += 1
    for prime in reversed(primes):
        factors[factors.index(min(factors))] *= prime
    return sorted(factors, reverse=True)


class Wavegram(FramedFilterbank):
    """`(batch, time)` → `(batch, n_filters, ceil(time / hop_length))`; no pooling or compression follows it.

    A strided convolution and three 1-D blocks, each pooled by a factor of the hop, give a multiple of n_filters
    channels, at least 160. These channels, taken as several spectrograms of n_filters bands, pass a 2-D block and are
    summed with learnt weights.
    """

    def __init__(self, n_filters: int, hop_length: int) -> None:
        super().__init__()
        if hop_length < 1:
            raise AuricleError(f"a hop of {hop_length} samples is not positive")
        self.n_filters = n_filters
        self.hop_length = hop_length
        self.n_spectrograms = -(-MIN_CHANNELS // n_filters)
        self.stride, *self.pools = split_hop(hop_length)
        self.width = max(11, 2 * self.stride + 1)
        self.stem = nn.Sequential(
            nn.Conv1d(1, 64, self.width, stride=self.stride, padding=self.width // 2, bias=False),
            nn.BatchNorm1d(64),
            nn.ReLU(),
        )
        channels = [64, 64, 128, self.n_spectrograms * n_filters]
        self.blocks = nn.ModuleList([_conv_block(1, channels[i], channels[i + 1]) for i in range(3)])
        self.spectrogram = _conv_block(2, self.n_spectrograms, 64)
        self.sum = nn.Conv2d(64, 1, 1)

    def n_frames(self, n_samples: int) -> int:
        return frame_count(n_samples, 1, self.hop_length, "centered")

    def reach(self) -> tuple[int, int]:
        stride, context = self.stride, self.width // 2
        for pool in self.pools:
            context += 3 * stride
            stride *= pool
        context += 2 * self.hop_length
        return context, context + self.hop_length - 1

    def forward(self, waveform: Tensor) -> Tensor:
        missing = self.n_frames(waveform.shape[-1]) * self.hop_length - waveform.shape[-1]
        hidden = self.stem(F.pad(waveform, (0, missing))[:, None])
        for block, pool in zip(self.blocks, self.pools, strict=True):
            hidden = max_pool(block(hidden), pool, pool)
        spectrogram = hidden.unflatten(1, (self.n_spectrograms, self.n_filters))
        return self.sum(self.spectrogram(spectrogram)).squeeze(1)
