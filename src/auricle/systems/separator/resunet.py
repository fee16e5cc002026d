"""ResUNet30 with FiLM, which extracts the source that a query describes from a mixture.

Kong et al., 2023, "Universal source separation with weakly labelled data", https://arxiv.org/abs/2305.07447, and Kong
et al., 2021, "Decoupling magnitude and phase estimation with deep ResUNet for music source separation". The entries of
its state dict have the names of the published checkpoints.
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
    """Sizes of ResUNet30; the defaults are the published ones.

    Args:
        n_fft: window of the short-time Fourier transform in samples.
        hop_length: in samples.
        channels: output channels of the encoder's blocks, mirrored by the decoder's.
        query_size: length of a query embedding.
        momentum: weight of a batch in the running statistics of batch normalisation; short trainings need a larger one
            than the published.
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
    """Estimates the source that a query embedding describes, from a mixture.

    Besides its spectrum each frame may have `n_features` further features, a multiple of 2^blocks. They are additional
    columns after the frequency bins.
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
            self.base.get_parameter("after_conv.bias")[1] = 1.0  # training starts with the phases of the mixture
        for module in self.base.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = size.momentum
        self.film = FiLM(self.base, size.query_size)
        self.base.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a quarter faster on a CPU

    def forward(self, mixtures: Tensor, queries: Tensor, features: Tensor | None = None) -> Tensor:
        """The sources `(batch, time)`.

        `mixtures` are `(batch, time)`, `queries` `(batch, query_size)`, and `features` `(batch, frames, n_features)`.
        """
        self.check_input(mixtures, queries)
        spectra = self.transform(mixtures)
        magnitudes = magnitudes_of(spectra)
        columns = magnitudes if features is None else torch.cat([magnitudes, features], dim=-1)
        maps = self.base(columns[:, None], self.film(queries))[..., : self.size.n_bins].to(magnitudes)
        return self.inverse(apply_maps(spectra, magnitudes, maps), mixtures.shape[-1])

    def transform(self, waveforms: Tensor) -> Tensor:
        """Short-time Fourier transform of `(batch, time)`, Hann window, reflected ends: `(batch, frames, bins)`."""
        window = torch.hann_window(self.size.n_fft, device=waveforms.device, dtype=waveforms.dtype)
        transforms = torch.stft(waveforms, self.size.n_fft, self.size.hop_length, window=window, return_complex=True)
        return transforms.transpose(1, 2)

    def inverse(self, spectra: Tensor, n_samples: int) -> Tensor:
        """Inverse of `transform`: `(batch, frames, bins)` to `(batch, n_samples)`."""
        window = torch.hann_window(self.size.n_fft, device=spectra.device, dtype=spectra.real.dtype)
        sizes = self.size.n_fft, self.size.hop_length
        return torch.istft(spectra.transpose(1, 2), *sizes, window=window, length=n_samples)

    def check_input(self, mixtures: Tensor, queries: Tensor) -> None:
        """Raise an `AuricleError` unless the shapes fit and mixtures are long enough to be reflected at their ends."""
        least = self.size.n_fft // 2 + 1
        if mixtures.ndim != 2 or mixtures.shape[1] < least:
            raise AuricleError(f"mixtures of shape {tuple(mixtures.shape)}: (batch, time) with {least} samples or more")
        want = (len(mixtures), self.size.query_size)
        if tuple(queries.shape) != want:
            raise AuricleError(f"queries of shape {tuple(queries.shape)}: {want} is needed")


def magnitudes_of(spectra: Tensor) -> Tensor:
    """max(|X|, 1e-5)."""
    return (spectra.real.square() + spectra.imag.square()).clamp(min=_LEAST_POWER).sqrt()


def apply_maps(spectra: Tensor, magnitudes: Tensor, maps: Tensor) -> Tensor:
    """Y = |X|·σ(m) · X/|X| · (tanh r + i·tanh j) / |tanh r + i·tanh j|: a mask of the magnitude and a phase rotation.

    `spectra` X and `magnitudes` |X| are `(batch, frames, bins)`; `maps` are m, r and j, `(batch, 3, frames, bins)`.
    """
    mask = torch.sigmoid(maps[:, 0])
    rotation = torch.tanh(maps[:, 1:])
    rotation = rotation / rotation.square().sum(1, keepdim=True).clamp(min=_LEAST_MAGNITUDE**2).sqrt()
    phase = spectra / magnitudes
    return magnitudes * mask * phase * torch.complex(rotation[:, 0], rotation[:, 1])


class UNet(nn.Module):
    """A U-Net of residual blocks that maps a spectrogram of `n_columns` (odd) to three maps of the same size.

    The last encoder block halves the columns alone, the others halve frames and columns.
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
            self.add_module(f"decoder_block{index}", UNetDecoder(n_in, n_out, pools[-index]))
        self.after_conv = _initialised(nn.Conv2d(channels[0], 3, 1))

    def forward(self, spectrograms: Tensor, betas: dict[str, Tensor]) -> Tensor:
        """`(batch, 1, frames, n_columns)` to `(batch, 3, frames, n_columns)`, whose last column is zero.

        `betas` are the outputs of `FiLM`.
        """
        n_frames = spectrograms.shape[2]
        x = self.pre_conv(F.pad(self.normalised(spectrograms), (0, 0, 0, -n_frames % self.frame_multiple)))
        skips = []
        for name, encoder in self.encoders():
            x, skip = encoder(x, betas, name)
            skips.append(skip)
        skips.pop()  # the bottleneck has no skip connection
        for name, decoder in self.decoders():
            x = decoder(x, skips.pop(), betas, name)
        return F.pad(self.after_conv(x), (0, 1))[:, :, :n_frames]

    def normalised(self, spectrograms: Tensor) -> Tensor:
        """Batch normalisation of each column, without the last one: `(batch, 1, frames, n_columns − 1)`."""
        return self.bn0(spectrograms.transpose(1, 3)).transpose(1, 3)[..., :-1]

    def encoders(self) -> list[tuple[str, UNetEncoder]]:
        """The encoder blocks with their names, in order; the last is the bottleneck."""
        names = [f"encoder_block{index}" for index in range(1, self.n_blocks + 1)] + [f"conv_block{self.n_blocks + 1}a"]
        return [(name, cast(UNetEncoder, self.get_submodule(name))) for name in names]

    def decoders(self) -> list[tuple[str, UNetDecoder]]:
        """The decoder blocks with their names, in order."""
        names = [f"decoder_block{index}" for index in range(1, self.n_blocks + 1)]
        return [(name, cast(UNetDecoder, self.get_submodule(name))) for name in names]


class FiLM(nn.Module):
    """Feature-wise linear modulation with shifts only: β = W·query + b, added to each channel before an activation.

    There is one linear layer for every batch normalisation of a residual block or decoder block in `base`.
    """

    def __init__(self, base: nn.Module, query_size: int) -> None:
        super().__init__()
        for place, module in base.named_modules():
            if isinstance(module, ResidualConvBlock | UNetDecoder):
                for index, norm in enumerate((module.bn1, module.bn2), start=1):
                    layer = _initialised(nn.Linear(query_size, norm.num_features))
                    self.add_module(f"{place.replace('.', '->')}->beta{index}", layer)

    def forward(self, queries: Tensor) -> dict[str, Tensor]:
        """`(batch, query_size)` to a shift `(batch, channels, 1, 1)` for each layer, by name."""
        return {name: layer(queries)[..., None, None] for name, layer in self.named_children()}


class ResidualConvBlock(nn.Module):
    """x + conv(φ(BN(conv(φ(BN(x) + β₁))) + β₂)) with a leaky ReLU φ.

    If the numbers of channels differ, the first x is mapped by a 1 × 1 convolution.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(n_in)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.conv1 = _initialised(nn.Conv2d(n_in, n_out, 3, padding=1, bias=False))
        self.conv2 = _initialised(nn.Conv2d(n_out, n_out, 3, padding=1, bias=False))
        self.shortcut = _initialised(nn.Conv2d(n_in, n_out, 1)) if n_in != n_out else None

    def forward(self, x: Tensor, betas: dict[str, Tensor], place: str) -> Tensor:
        """`(batch, n_in, frames, columns)` to `(batch, n_out, frames, columns)`, with the `betas` named by `place`."""
        y = self.conv1(F.leaky_relu(self.bn1(x) + betas[f"{place}->beta1"], 0.01))
        y = self.conv2(F.leaky_relu(self.bn2(y) + betas[f"{place}->beta2"], 0.01))
        return y + (x if self.shortcut is None else self.shortcut(x))


class UNetEncoder(nn.Module):
    """A residual block, followed by average pooling over `pool` frames and columns."""

    def __init__(self, n_in: int, n_out: int, pool: tuple[int, int]) -> None:
        super().__init__()
        self.pool = pool
        self.conv_block1 = ResidualConvBlock(n_in, n_out)

    def forward(self, x: Tensor, betas: dict[str, Tensor], place: str) -> tuple[Tensor, Tensor]:
        """The pooled output, and the output before pooling for the skip connection."""
        x = self.conv_block1(x, betas, f"{place}->conv_block1")
        return F.avg_pool2d(x, self.pool), x


class UNetDecoder(nn.Module):
    """A transposed convolution whose kernel size is its stride, and a residual block that also takes the skip input.

    `bn2` and its shift are unused; they exist because the published checkpoints contain them.
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
