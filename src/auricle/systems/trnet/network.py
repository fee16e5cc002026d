"""The modules of TRNet (Chen and Zhang, 2024), with the numbers of the paper's equations."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.config import complete, require
from auricle.errors import AuricleError
from auricle.frontends.kaldi import kaldi_fbank
from auricle.layers import bounded
from auricle.registry import unknown_name

VARIANTS = ("paper", "published")
COSINES = ("standardised", "raw")
CLAMPS = ("two-way", "plain")
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
        return log_mel * frame_mask(self.n_frames(n_samples), log_mel.shape[-1])[:, None]


def frame_mask(counts: Tensor, length: int) -> Tensor:
    """A mask `(batch, length)` that is 1 at the first `counts` `(batch,)` positions of each row and 0 after them."""
    return (torch.arange(length, device=counts.device) < counts[:, None]).float()


def band_cosines(noisy: Tensor, enhanced: Tensor) -> Tensor:
    """Equation 1: the cosine d_i = x_iᵀ x_i^e / (‖x_i‖ ‖x_i^e‖) of each band i over time.

    `(batch, bands, frames)` twice to `(batch, bands)`; 0 where a band is all zeros.
    """
    products = (noisy * enhanced).sum(-1)
    norms = noisy.norm(dim=-1) * enhanced.norm(dim=-1)
    return products / norms.clamp(min=_LEAST_NORM)


class Coefficient(nn.Module):
    """Equations 2 and 3: the coefficient c = min(max(0, FC(d)), 1) of cosines d, `(batch, bands)` to `(batch, 1)`.

    Cosines of log-mel spectrograms are close to 1 and differ only in the third decimal, so FC does not learn to
    distinguish them at the learning rate of the rest of the network. With `standardised` the cosines of each band are
    first standardised by their running mean and standard deviation, an affine map that FC could learn in principle.

    The derivative of equation 3 is 0 outside [0, 1]. Because the cosines of all clips are similar, a few training steps
    can move FC(d) beyond a limit for every clip, and the coefficient could never change again. With `clamp` "two-way"
    the derivative is 1 wherever a step of gradient descent would move FC(d) towards [0, 1]; "plain" is the true one.

    FC is initialised so that c starts at 1/2, or without `standardised` at the mean of d: with random weights FC(d)
    could lie outside [0, 1] for every clip.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, n_bands: int = N_BANDS, standardised: bool = True, clamp: str = "two-way") -> None:
        super().__init__()
        if clamp not in CLAMPS:
            raise AuricleError(unknown_name("clamp", clamp, CLAMPS))
        self.clamp = clamp
        self.standardised = standardised
        if standardised:
            self.register_buffer("mean", torch.zeros(n_bands))
            self.register_buffer("variance", torch.ones(n_bands))
        self.fc = nn.Linear(n_bands, 1)
        nn.init.constant_(self.fc.weight, 0.0 if standardised else 1.0 / n_bands)
        nn.init.constant_(self.fc.bias, 0.5 if standardised else 0.0)

    def forward(self, cosines: Tensor) -> Tensor:
        if self.standardised:
            update = self.training and len(cosines) > 1
            cosines = F.batch_norm(cosines, self.mean, self.variance, training=update, eps=_LEAST_VARIANCE)
        values = self.fc(cosines)
        return values.clamp(0.0, 1.0) if self.clamp == "plain" else bounded(values, 0.0, 1.0)


def compensate(coefficient: Tensor, noisy: Tensor, enhanced: Tensor) -> Tensor:
    """Equation 4: the refined spectrogram X̃ = c·X + (1 − c)·X_e.

    c is `coefficient` `(batch, 1)`; X and X_e are the `noisy` and the `enhanced` spectrogram `(batch, bands, frames)`.
    """
    weight = coefficient[:, :, None]
    return weight * noisy + (1.0 - weight) * enhanced


class Bridge(nn.Module):
    """Equation 6: the refined representation h̃ = FC₁(c)·h + FC₂(c), initialised to h̃ = h.

    h is `representation` `(batch, dim)`, c is `coefficient` `(batch, 1)`.
    """

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
    """Delta features d_t = Σ_n n·(x_{t+n} − x_{t−n}) / (2 Σ_n n²), n = 1 … `reach`, of `(…, frames)`; the same shape.

    The first and the last frame are repeated beyond the ends.
    """
    n_frames = spectrograms.shape[-1]
    padded = F.pad(spectrograms, (reach, reach), mode="replicate")
    slopes = torch.zeros_like(spectrograms)
    for n in range(1, reach + 1):
        ahead, behind = padded[..., reach + n :], padded[..., reach - n :]
        slopes = slopes + n * (ahead[..., :n_frames] - behind[..., :n_frames])
    return slopes / (2 * sum(n * n for n in range(1, reach + 1)))


@dataclass(frozen=True)
class EmotionNetworkSize:
    """Size of the emotion network; the defaults depend on the variant.

    Args:
        channels: output channels of each convolution; 32, 64, 128, 256 in the paper, 64, 128, 256, 512 in the
            published code.
        kernel_size: of the convolutions, odd.
        dropout: probability of dropout after each convolution; 0 in the paper, 0.2 in the published code.
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
        """The size that `variant` has, with `changes`."""
        own: dict[str, Any] = {"channels": [64, 128, 256, 512], "dropout": 0.2} if variant == "published" else {}
        return cls(**complete(cls, own | changes, "size"))


class _DownsamplingBlock(nn.Module):
    """A convolutional block that halves both axes, with a residual connection in the paper, by pooling as published.

    paper:      dropout(ReLU(BN(conv(x; stride 2)) + conv₁ₓ₁(x; stride 2)))
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
        """`(batch, channels, bands, frames)` and each clip's number of frames `(batch,)` to the same, both halved.

        Frames beyond a clip's own number are 0 in the input and in the output.
        """
        halved = (n_frames + 1) // 2
        x = self.norm(self.conv(spectrograms))
        if self.shortcut is not None:
            x = F.relu(x + self.shortcut(spectrograms))
        else:
            x = F.relu(x) * frame_mask(n_frames, x.shape[-1])[:, None, None]
            x = F.max_pool2d(x, 2, ceil_mode=True)
        x = x * frame_mask(halved, x.shape[-1])[:, None, None]
        return self.dropout(x), halved


class AttentionPooling(nn.Module):
    """Attention pooling over time: h = Σ_t α_t y_t, α = softmax_t(W y_t) (Mirsamadi et al., 2017).

    `(batch, dim, frames)` to `(batch, dim)`. A frame has one weight α_t, or with `per_channel` one for each channel.
    Frames beyond `n_frames` `(batch,)` have the weight 0.
    """

    def __init__(self, dim: int, per_channel: bool = False) -> None:
        super().__init__()
        self.score = nn.Linear(dim, dim if per_channel else 1, bias=False)

    def forward(self, sequence: Tensor, n_frames: Tensor) -> Tensor:
        scores = self.score(sequence.transpose(1, 2)).transpose(1, 2)
        beyond = frame_mask(n_frames, sequence.shape[-1])[:, None] == 0
        return (scores.masked_fill(beyond, float("-inf")).softmax(-1) * sequence).sum(-1)


class EmotionNetwork(nn.Module):
    """The paper's SER module: log-mel `(batch, 80, frames)` to a representation `(batch, dim)` and logits.

    Downsampling blocks, the mean over frequency and attention pooling over time; `classifier` maps the representation
    to logits. Batch normalisation of each band comes first, as in the published code; the paper does not mention it.

    In evaluation mode the output of the paper's network does not depend on padding. The published network computes
    delta features across the end of a clip, so its clips are repeated to fill the window.
    """

    def __init__(self, variant: str, size: EmotionNetworkSize, n_labels: int) -> None:
        super().__init__()
        self.published = variant == "published"
        self.norm = nn.BatchNorm2d(N_BANDS)
        widths = [3 if self.published else 1, *size.channels]
        self.blocks = nn.ModuleList(
            _DownsamplingBlock(before, after, size, residual=not self.published) for before, after in pairwise(widths)
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
        """The representation h `(batch, dim)` of log-mel spectrograms `(batch, 80, frames)`.

        The first `n_frames` `(batch,)` frames of each belong to the clip, the rest is padding.
        """
        channels = spectrograms[:, None]
        if self.published:
            first = deltas(spectrograms)
            channels = torch.stack([spectrograms, first, deltas(first)], dim=1)
        normalised = self.norm(channels.transpose(1, 2)).transpose(1, 2)
        values = normalised * frame_mask(n_frames, normalised.shape[-1])[:, None, None]
        for block in self.blocks:
            values, n_frames = block(values, n_frames)
        return self.projection(self.pooling(values.mean(2), n_frames))
