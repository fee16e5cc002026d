"""The parts of TRNet (Chen and Zhang, 2024), each equation in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.config import complete, require
from auricle.frontends.kaldi import kaldi_fbank

VARIANTS = ("paper", "published")
N_BANDS = 80

_FULL_SCALE = 2.0**15
_LEAST_NORM = 1e-12
_LEAST_VARIANCE = 1e-8


class LogMel(nn.Module):
    """Kaldi's log-mel energies (`kaldi_fbank`) with Povey's window: `(batch, time)` at 16 kHz to `(batch, 80, frames)`.

    Samples are scaled to ±2^15, which fixes the sign of the logarithms and so the cosines of equation 1. Frames of 400
    samples every 160; whole frames only, but a shorter clip is padded to one. `dither` is in steps of 16 bits.
    """

    frame_length, hop_length = 400, 160

    def __init__(self, sample_rate: int = 16000, dither: float = 0.0) -> None:
        super().__init__()
        require(sample_rate == 16000, f"sample_rate={sample_rate}: the log-mel of TRNet is of 16000 Hz")
        self.sample_rate = sample_rate
        self.dither = dither

    def n_frames(self, n_samples: Tensor) -> Tensor:
        """How many frames clips of `n_samples` have; at least one."""
        return (n_samples - self.frame_length).clamp(min=0) // self.hop_length + 1

    def forward(self, waveforms: Tensor, n_samples: Tensor) -> Tensor:
        """The log-mel energies; frames beyond each clip's own `n_samples` `(batch,)` are 0."""
        padded = F.pad(waveforms, (0, max(0, self.frame_length - waveforms.shape[-1])))
        log_mel = kaldi_fbank(
            _FULL_SCALE * padded, self.sample_rate, n_bands=N_BANDS, window="povey", dither=self.dither
        ).transpose(1, 2)
        return log_mel * inside(self.n_frames(n_samples), log_mel.shape[-1])[:, None]


def inside(counts: Tensor, length: int) -> Tensor:
    """1 where a place of `length` is one of the first `counts` `(batch,)`, else 0: `(batch, length)`."""
    return (torch.arange(length, device=counts.device) < counts[:, None]).float()


def band_cosines(noisy: Tensor, enhanced: Tensor) -> Tensor:
    """Equation 1: d_i = x_iᵀ x_i^e / (‖x_i‖ ‖x_i^e‖), of each band over time: `(batch, bands, frames)` to
    `(batch, bands)`."""
    products = (noisy * enhanced).sum(-1)
    norms = noisy.norm(dim=-1) * enhanced.norm(dim=-1)
    return products / norms.clamp(min=_LEAST_NORM)


class _Clip(torch.autograd.Function):
    """Equation 3: c = min(max(0, c̄), 1), with a slope of 1 beyond the limits too where a step leads back to them.

    Cosines of all bands are much alike, so a few steps carry c̄ beyond a limit for every clip. With the slope of 0 that
    the equation has there, the coefficient would stay where it is for good.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.clamp(0.0, 1.0)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        leaves = ((values >= 1) & (slope < 0)) | ((values <= 0) & (slope > 0))
        return slope.masked_fill(leaves, 0.0)


class Coefficient(nn.Module):
    """Equations 2 and 3: c = min(max(0, FC(d)), 1), `(batch, bands)` to `(batch, 1)`.

    Cosines of log-mel spectrograms lie close to 1 and differ in the third decimal, so that steps which suit the rest of
    the network never bring FC to tell them apart. `standardised` has each band's mean taken off and divides by its
    standard deviation, as FC could by itself; c then starts as 1/2. Otherwise it starts as the mean of d: from random
    weights FC(d) may lie outside [0, 1] for every clip.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, n_bands: int = N_BANDS, standardised: bool = True) -> None:
        super().__init__()
        self.standardised = standardised
        if standardised:
            self.register_buffer("mean", torch.zeros(n_bands))
            self.register_buffer("variance", torch.ones(n_bands))
        self.fc = nn.Linear(n_bands, 1)
        nn.init.constant_(self.fc.weight, 0.0 if standardised else 1.0 / n_bands)
        nn.init.constant_(self.fc.bias, 0.5 if standardised else 0.0)

    def forward(self, cosines: Tensor) -> Tensor:
        if self.standardised:
            learning = self.training and len(cosines) > 1
            cosines = F.batch_norm(cosines, self.mean, self.variance, training=learning, eps=_LEAST_VARIANCE)
        return _Clip.apply(self.fc(cosines))


def compensate(coefficient: Tensor, noisy: Tensor, enhanced: Tensor) -> Tensor:
    """Equation 4: X̃ = c·X + (1 − c)·X_e, with c `(batch, 1)` and spectrograms `(batch, bands, frames)`."""
    weight = coefficient[:, :, None]
    return weight * noisy + (1.0 - weight) * enhanced


class Bridge(nn.Module):
    """Equation 6: h̃ = FC₁(c)·h + FC₂(c), of h `(batch, dim)` and c `(batch, 1)`; it starts as h̃ = h."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = nn.Linear(1, dim)
        self.shift = nn.Linear(1, dim)
        nn.init.zeros_(self.scale.weight)
        nn.init.ones_(self.scale.bias)
        nn.init.zeros_(self.shift.weight)
        nn.init.zeros_(self.shift.bias)

    def forward(self, representation: Tensor, coefficient: Tensor) -> Tensor:
        return self.scale(coefficient) * representation + self.shift(coefficient)


def deltas(spectrograms: Tensor, reach: int = 2) -> Tensor:
    """Slopes over time: d_t = Σ_n n·(x_{t+n} − x_{t−n}) / (2 Σ_n n²), n = 1 … `reach`, the ends repeated."""
    n_frames = spectrograms.shape[-1]
    padded = F.pad(spectrograms, (reach, reach), mode="replicate")
    slopes = torch.zeros_like(spectrograms)
    for n in range(1, reach + 1):
        ahead, behind = padded[..., reach + n :], padded[..., reach - n :]
        slopes = slopes + n * (ahead[..., :n_frames] - behind[..., :n_frames])
    return slopes / (2 * sum(n * n for n in range(1, reach + 1)))


@dataclass(frozen=True)
class EmotionNetworkSize:
    """How large the emotion network is; by default as the variant has it.

    Args:
        channels: of the convolutions; 32, 64, 128, 256 in the paper, 64, 128, 256, 512 in the published code.
        kernel_size: of the convolutions, odd.
        dropout: after each convolution; 0 in the paper, 0.2 in the published code.
    """

    channels: list[int] = field(default_factory=lambda: [32, 64, 128, 256])
    kernel_size: int = 5
    dropout: float = 0.0

    def __post_init__(self) -> None:
        positive = len(self.channels) > 0 and all(count >= 2 for count in self.channels)
        require(positive, f"channels={self.channels}: a number of 2 or more for each convolution")
        odd = self.kernel_size >= 1 and self.kernel_size % 2 == 1
        require(odd, f"kernel_size={self.kernel_size}: an odd number")
        require(0 <= self.dropout < 1, f"dropout={self.dropout:g}: 0 or more and below 1")

    @classmethod
    def of(cls, variant: str, changes: dict[str, Any]) -> EmotionNetworkSize:
        """That of `variant` with `changes`."""
        own: dict[str, Any] = {"channels": [64, 128, 256, 512], "dropout": 0.2} if variant == "published" else {}
        return cls(**complete(cls, own | changes, "size"))


class _Halving(nn.Module):
    """A convolution that halves both axes; the paper's with a residual, the published one by pooling.

    paper:      ReLU(BN(conv(x; stride 2)) + conv₁ₓ₁(x; stride 2))
    published:  dropout(max-pool(ReLU(BN(conv(x)))))
    """

    def __init__(self, n_in: int, n_out: int, size: EmotionNetworkSize, residual: bool) -> None:
        super().__init__()
        stride, width = (2 if residual else 1), size.kernel_size
        self.conv = nn.Conv2d(n_in, n_out, width, stride, padding=width // 2, bias=False)
        self.norm = nn.BatchNorm2d(n_out)
        self.shortcut = nn.Conv2d(n_in, n_out, 1, 2, bias=False) if residual else None
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, spectrograms: Tensor, n_frames: Tensor) -> tuple[Tensor, Tensor]:
        """`(batch, channels, bands, frames)` and the frames of each clip; what is beyond these stays 0."""
        halved = (n_frames + 1) // 2
        done = self.norm(self.conv(spectrograms))
        if self.shortcut is not None:
            done = F.relu(done + self.shortcut(spectrograms))
        else:
            done = F.relu(done) * inside(n_frames, done.shape[-1])[:, None, None]
            done = F.max_pool2d(done, 2, ceil_mode=True)
        done = done * inside(halved, done.shape[-1])[:, None, None]
        return self.dropout(done), halved


class AttentionPooling(nn.Module):
    """Mean over time with learnt weights: h = Σ_t α_t y_t, α = softmax_t(W y_t).

    `(batch, dim, frames)` to `(batch, dim)`, one weight for a frame (Mirsamadi et al., 2017) or for each channel of it.
    """

    def __init__(self, dim: int, per_channel: bool = False) -> None:
        super().__init__()
        self.score = nn.Linear(dim, dim if per_channel else 1, bias=False)

    def forward(self, sequence: Tensor, n_frames: Tensor) -> Tensor:
        scores = self.score(sequence.transpose(1, 2)).transpose(1, 2)
        beyond = inside(n_frames, sequence.shape[-1])[:, None] == 0
        return (scores.masked_fill(beyond, float("-inf")).softmax(-1) * sequence).sum(-1)


class EmotionNetwork(nn.Module):
    """The SER module: log-mel `(batch, 80, frames)` to a representation `(batch, dim)`, and from there to logits.

    Convolutions, mean over frequency, attention over time. Bands are first normalised by batch statistics, which the
    paper does not mention; the published code does it too. In evaluation the paper's network is the same however far a
    clip is padded; the published one takes slopes across the clip's end, so its clips are repeated to fill the window.
    """

    def __init__(self, variant: str, size: EmotionNetworkSize, n_labels: int) -> None:
        super().__init__()
        self.published = variant == "published"
        self.norm = nn.BatchNorm2d(N_BANDS)
        widths = [3 if self.published else 1, *size.channels]
        self.blocks = nn.ModuleList(
            _Halving(before, after, size, residual=not self.published) for before, after in pairwise(widths)
        )
        self.pooling = AttentionPooling(widths[-1], per_channel=self.published)
        self.dim = widths[-1]
        self.projection: nn.Module = nn.Identity()
        self.classifier: nn.Module = nn.Linear(self.dim, n_labels)
        if self.published:
            self.dim = widths[-1] // 2
            self.projection = nn.Linear(widths[-1], self.dim)
            hidden = max(1, self.dim // 2)
            self.classifier = nn.Sequential(nn.Linear(self.dim, hidden), nn.ReLU(), nn.Linear(hidden, n_labels))

    def represent(self, spectrograms: Tensor, n_frames: Tensor) -> Tensor:
        """h `(batch, dim)`; `n_frames` `(batch,)` of the spectrograms' frames are each clip's own."""
        channels = spectrograms[:, None]
        if self.published:
            first = deltas(spectrograms)
            channels = torch.stack([spectrograms, first, deltas(first)], dim=1)
        normalised = self.norm(channels.transpose(1, 2)).transpose(1, 2)
        values = normalised * inside(n_frames, normalised.shape[-1])[:, None, None]
        for block in self.blocks:
            values, n_frames = block(values, n_frames)
        return self.projection(self.pooling(values.mean(2), n_frames))
