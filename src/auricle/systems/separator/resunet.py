"""ResUNet30 with FiLM, which takes one source out of a mixture on demand, under the published state-dict keys.

Kong et al., 2023, "Universal source separation with weakly labelled data", https://arxiv.org/abs/2305.07447, and Kong
et al., 2021, "Decoupling magnitude and phase estimation with deep ResUNet for music source separation".
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.errors import AuricleError

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)

_LEAST_POWER = 1e-10
_LEAST_MAGNITUDE = 1e-10


@dataclass(frozen=True)
class ResUNetSize:
    """`n_fft` and `hop_length` in samples, `channels` of the encoder's blocks, entries of a query embedding.

    `momentum` is the share of a batch in the running statistics of batch normalisation; a short training needs more
    than the published one.
    """

    n_fft: int = 2048
    hop_length: int = 320
    channels: tuple[int, ...] = (32, 64, 128, 256, 384, 384)
    query_size: int = 2048
    momentum: float = 0.01

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        if len(self.channels) < 2 or min(self.channels) < 1:
            raise AuricleError(f"channels={self.channels}: two blocks or more, of at least 1 channel each")
        if self.n_fft < 2 ** (len(self.channels) + 1) or self.n_fft % 2 ** (len(self.channels) + 1):
            raise AuricleError(
                f"n_fft={self.n_fft}: {len(self.channels)} blocks need a multiple of {2 ** (len(self.channels) + 1)}"
            )
        if not 0 < self.hop_length <= self.n_fft // 2:
            raise AuricleError(f"hop_length={self.hop_length}: from 1 to n_fft / 2 = {self.n_fft // 2} samples")
        if self.query_size < 1:
            raise AuricleError(f"query_size={self.query_size}: 1 or more")
        if not 0 < self.momentum <= 1:
            raise AuricleError(f"momentum={self.momentum:g}: above 0 and at most 1")

    @property
    def n_bins(self) -> int:
        return self.n_fft // 2 + 1


class ResUNet30(nn.Module):
    """A mixture and a query embedding to the source that the query embedding tells of.

    `n_features` of a frame may be known beside its spectrum: they are columns after the bins, a multiple of 2^blocks.
    """

    def __init__(self, size: ResUNetSize = ResUNetSize(), n_features: int = 0) -> None:
        super().__init__()
        if n_features % 2 ** len(size.channels):
            raise AuricleError(
                f"{n_features} features beside the spectrum: {len(size.channels)} blocks need a multiple of "
                f"{2 ** len(size.channels)}"
            )
        self.size = size
        self.base = UNet(size.channels, size.n_bins + n_features)
        with torch.no_grad():
            self.base.get_parameter("after_conv.bias")[1] = 1.0  # training starts with phases that do not turn
        for module in self.base.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = size.momentum
        self.film = FiLM(self.base, size.query_size)
        self.base.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a quarter faster on a CPU

    def forward(self, mixtures: Tensor, queries: Tensor, features: Tensor | None = None) -> Tensor:
        """`(batch, time)`, `(batch, query_size)` and `(batch, frames, n_features)` to `(batch, time)`."""
        self.check_input(mixtures, queries)
        spectra = self.transform(mixtures)
        magnitudes = magnitudes_of(spectra)
        columns = magnitudes if features is None else torch.cat([magnitudes, features], dim=-1)
        maps = self.base(columns[:, None], self.film(queries))[..., : self.size.n_bins].to(magnitudes)
        return self.inverse(masked(spectra, magnitudes, maps), mixtures.shape[-1])

    def transform(self, waveforms: Tensor) -> Tensor:
        """Short-time Fourier transform of `(batch, time)`, Hann window, mirrored ends: `(batch, frames, bins)`."""
        window = torch.hann_window(self.size.n_fft, device=waveforms.device, dtype=waveforms.dtype)
        transforms = torch.stft(waveforms, self.size.n_fft, self.size.hop_length, window=window, return_complex=True)
        return transforms.transpose(1, 2)

    def inverse(self, spectra: Tensor, n_samples: int) -> Tensor:
        """`(batch, frames, bins)` to `(batch, n_samples)`."""
        window = torch.hann_window(self.size.n_fft, device=spectra.device, dtype=spectra.real.dtype)
        sizes = self.size.n_fft, self.size.hop_length
        return torch.istft(spectra.transpose(1, 2), *sizes, window=window, length=n_samples)

    def check_input(self, mixtures: Tensor, queries: Tensor) -> None:
        """An `AuricleError` unless shapes fit and a mixture is long enough to be mirrored at its ends."""
        least = self.size.n_fft // 2 + 1
        if mixtures.ndim != 2 or mixtures.shape[1] < least:
            raise AuricleError(f"mixtures of shape {tuple(mixtures.shape)}: (batch, time) with {least} samples or more")
        want = (len(mixtures), self.size.query_size)
        if tuple(queries.shape) != want:
            raise AuricleError(f"queries of shape {tuple(queries.shape)}: {want} is needed")


def magnitudes_of(spectra: Tensor) -> Tensor:
    """|X|, but no less than 1e-5."""
    return (spectra.real.square() + spectra.imag.square()).clamp(min=_LEAST_POWER).sqrt()


def masked(spectra: Tensor, magnitudes: Tensor, maps: Tensor) -> Tensor:
    """Y = |X|·σ(m) · X/|X| · (tanh r + i·tanh j) / |tanh r + i·tanh j|: a magnitude ≤ |X| and a turn of the phase.

    Spectra X `(batch, frames, bins)` and their `magnitudes`; `maps` are m, r, j: `(batch, 3, frames, bins)`.
    """
    magnitude = torch.sigmoid(maps[:, 0])
    turn = torch.tanh(maps[:, 1:])
    turn = turn / turn.square().sum(1, keepdim=True).clamp(min=_LEAST_MAGNITUDE**2).sqrt()
    phase = spectra / magnitudes
    return magnitudes * magnitude * phase * torch.complex(turn[:, 0], turn[:, 1])


class UNet(nn.Module):
    """A spectrogram of `n_columns` (odd) to three maps of its size, by residual blocks with skip connections.

    The last encoder halves columns alone, the others frames and columns. Widths of the decoder mirror the encoder's.
    """

    def __init__(self, channels: tuple[int, ...], n_columns: int) -> None:
        super().__init__()
        self.n_blocks = len(channels)
        self.frame_multiple = 2 ** (self.n_blocks - 1)
        self.bn0 = nn.BatchNorm2d(n_columns)
        self.pre_conv = _initialised(nn.Conv2d(1, channels[0], 1))
        pools = [(2, 2)] * (self.n_blocks - 1) + [(1, 2)]
        for index, (n_in, n_out) in enumerate(pairwise((channels[0], *channels)), start=1):
            self.add_module(f"encoder_block{index}", UNetEncoder(n_in, n_out, pools[index - 1]))
        self.add_module(f"conv_block{self.n_blocks + 1}a", UNetEncoder(channels[-1], channels[-1], (1, 1)))
        widths = (channels[-1], *reversed(channels))
        for index, (n_in, n_out) in enumerate(pairwise(widths), start=1):
            self.add_module(f"decoder_block{index}", Decoder(n_in, n_out, pools[-index]))
        self.after_conv = _initialised(nn.Conv2d(channels[0], 3, 1))

    def forward(self, spectrograms: Tensor, betas: dict[str, Tensor]) -> Tensor:
        """`(batch, 1, frames, n_columns)` to `(batch, 3, frames, n_columns)`, whose last column is zero."""
        n_frames = spectrograms.shape[2]
        x = self.pre_conv(F.pad(self.normalised(spectrograms), (0, 0, 0, -n_frames % self.frame_multiple)))
        skips = []
        for name, encoder in self.encoders():
            x, whole = encoder(x, betas, name)
            skips.append(whole)
        skips.pop()
        for name, decoder in self.decoders():
            x = decoder(x, skips.pop(), betas, name)
        return F.pad(self.after_conv(x), (0, 1))[:, :, :n_frames]

    def normalised(self, spectrograms: Tensor) -> Tensor:
        """`(batch, 1, frames, n_columns)`, each column by itself, without the last one."""
        return self.bn0(spectrograms.transpose(1, 3)).transpose(1, 3)[..., :-1]

    def encoders(self) -> list[tuple[str, UNetEncoder]]:
        """By name, in order; the last is the bottleneck, whose output is no skip."""
        names = [f"encoder_block{index}" for index in range(1, self.n_blocks + 1)] + [f"conv_block{self.n_blocks + 1}a"]
        return [(name, cast(UNetEncoder, self.get_submodule(name))) for name in names]

    def decoders(self) -> list[tuple[str, Decoder]]:
        """By name, in order."""
        names = [f"decoder_block{index}" for index in range(1, self.n_blocks + 1)]
        return [(name, cast(Decoder, self.get_submodule(name))) for name in names]


class FiLM(nn.Module):
    """Feature-wise linear modulation by a shift alone: β = W·query + b for every channel before an activation."""

    def __init__(self, base: nn.Module, query_size: int) -> None:
        super().__init__()
        for place, module in base.named_modules():
            if isinstance(module, ResidualConvBlock | Decoder):
                for index, norm in enumerate((module.bn1, module.bn2), start=1):
                    layer = _initialised(nn.Linear(query_size, norm.num_features))
                    self.add_module(f"{place.replace('.', '->')}->beta{index}", layer)

    def forward(self, queries: Tensor) -> dict[str, Tensor]:
        """`(batch, query_size)` to `(batch, channels, 1, 1)` by the name of the place."""
        return {name: layer(queries)[..., None, None] for name, layer in self.named_children()}


class ResidualConvBlock(nn.Module):
    """x + conv(φ(BN(conv(φ(BN(x) + β₁))) + β₂)), φ a leaky ReLU; the first x convolved (1 × 1) if widths differ."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(n_in)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.conv1 = _initialised(nn.Conv2d(n_in, n_out, 3, padding=1, bias=False))
        self.conv2 = _initialised(nn.Conv2d(n_out, n_out, 3, padding=1, bias=False))
        self.shortcut = _initialised(nn.Conv2d(n_in, n_out, 1)) if n_in != n_out else None

    def forward(self, x: Tensor, betas: dict[str, Tensor], place: str) -> Tensor:
        """`(batch, n_in, frames, columns)` to `(batch, n_out, frames, columns)`."""
        y = self.conv1(F.leaky_relu(self.bn1(x) + betas[f"{place}->beta1"], 0.01))
        y = self.conv2(F.leaky_relu(self.bn2(y) + betas[f"{place}->beta2"], 0.01))
        return y + (x if self.shortcut is None else self.shortcut(x))


class UNetEncoder(nn.Module):
    """A block, and its average over `pool` frames and columns."""

    def __init__(self, n_in: int, n_out: int, pool: tuple[int, int]) -> None:
        super().__init__()
        self.pool = pool
        self.conv_block1 = ResidualConvBlock(n_in, n_out)

    def forward(self, x: Tensor, betas: dict[str, Tensor], place: str) -> tuple[Tensor, Tensor]:
        """The pooled output, and the output."""
        x = self.conv_block1(x, betas, f"{place}->conv_block1")
        return F.avg_pool2d(x, self.pool), x


class Decoder(nn.Module):
    """A transposed convolution whose kernel is its stride, and a block on it and the encoder's output.

    `bn2` takes no part: it stands in the published checkpoints, and so does its β.
    """

    def __init__(self, n_in: int, n_out: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(n_in)
        self.bn2 = nn.BatchNorm2d(n_in)
        self.conv1 = _initialised(nn.ConvTranspose2d(n_in, n_out, stride, stride, bias=False))
        self.conv_block2 = ResidualConvBlock(2 * n_out, n_out)

    def forward(self, x: Tensor, skip: Tensor, betas: dict[str, Tensor], place: str) -> Tensor:
        x = self.conv1(F.leaky_relu(self.bn1(x) + betas[f"{place}->beta1"], 0.01))
        return self.conv_block2(torch.cat([x, skip], dim=1), betas, f"{place}->conv_block2")


def _initialised(layer: Layer) -> Layer:
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
