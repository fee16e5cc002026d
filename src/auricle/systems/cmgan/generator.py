"""CMGAN's generator, the two-stage conformer network TSCNet.

Abdulatif et al., 2024, "CMGAN: conformer-based metric-GAN for monaural speech enhancement", section III-A. The
entries of its state dict have the names of the published checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.systems.cmgan.conformer import Conformer

NORMS = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d}


@dataclass(frozen=True)
class TSCNetSize:
    """Size and context of the generator; the defaults are the published ones.

    Args:
        channels: number of channels of every layer.
        blocks: number of two-stage blocks, each with a conformer over time and one over frequency.
        heads: number of attention heads.
        dense_depth: number of dilated convolutions in the encoder and in each decoder.
        kernel_size: of the conformers' depthwise convolution, odd, in frames or bins.
        max_distance: relative positions beyond it share one embedding, in frames or bins.
        span: how far attention over time reaches to either side, in frames; none for no limit.
        norm: "instance" normalises by the mean and variance of each input over time and frequency, so every frame
            depends on all others; "batch" in evaluation by running statistics, so a frame depends on its context only.
        dropout: probability of dropout in training.
    """

    channels: int = 64
    blocks: int = 4
    heads: int = 4
    dense_depth: int = 4
    kernel_size: int = 31
    max_distance: int = 512
    span: int | None = None
    norm: str = "instance"
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise AuricleError(unknown_name("normalisation", self.norm, NORMS))
        for name in ("channels", "blocks", "heads", "dense_depth", "kernel_size", "max_distance"):
            if getattr(self, name) < 1:
                raise AuricleError(f"{name}={getattr(self, name)}: 1 or more")
        if self.channels % self.heads:
            raise AuricleError(f"channels={self.channels}: a multiple of heads={self.heads}")
        if self.kernel_size % 2 == 0:
            raise AuricleError(f"kernel_size={self.kernel_size}: an odd number")
        if self.span is not None and self.span < 0:
            raise AuricleError(f"span={self.span}: 0 frames or more, or none")

    @property
    def context(self) -> tuple[int, int] | None:
        """How many frames before and after its own an output frame depends on; none if on all."""
        if self.span is None or self.norm == "instance":
            return None
        around = self.blocks * (self.span + self.kernel_size // 2)
        return around + 2 * (2**self.dense_depth - 1), around


class TSCNet(nn.Module):
    """Estimates the compressed spectrum Ŝ of clean speech from that of noisy speech, Y.

    Ŝ = m·Y + z, with a real mask m and a complex correction z from two decoders, which share an encoder and the
    two-stage blocks. The input and the output are `(batch, 2, frames, bins)`, real and imaginary part.
    """

    def __init__(self, n_bins: int = 201, size: TSCNetSize = TSCNetSize()) -> None:
        super().__init__()
        if n_bins % 2 == 0:
            raise AuricleError(f"n_bins={n_bins}: an odd number, as of an n_fft that is a multiple of 4")
        self.size = size
        self.dense_encoder = DenseEncoder(size)
        for index in range(1, size.blocks + 1):
            self.add_module(f"TSCB_{index}", TwoStageBlock(size))
        self.mask_decoder = MaskDecoder(n_bins, size)
        self.complex_decoder = ComplexDecoder(size)

    def forward(self, noisy: Tensor) -> Tensor:
        magnitude = noisy.square().sum(1, keepdim=True).sqrt()
        x = self.dense_encoder(torch.cat([magnitude, noisy], dim=1))
        for index in range(1, self.size.blocks + 1):
            x = self.get_submodule(f"TSCB_{index}")(x)
        return self.mask_decoder(x) * noisy + self.complex_decoder(x)


class TwoStageBlock(nn.Module):
    """A conformer over time for each bin, then one over frequency for each frame, with residual connections.

    The input and the output are `(batch, channels, frames, bins)`.
    """

    def __init__(self, size: TSCNetSize) -> None:
        super().__init__()
        common = size.channels, size.heads, size.max_distance
        self.time_conformer = Conformer(*common, size.span, size.kernel_size, size.dropout)
        self.freq_conformer = Conformer(*common, None, size.kernel_size, size.dropout)

    def forward(self, x: Tensor) -> Tensor:
        n_batch, _, n_frames, n_bins = x.shape
        along_time = x.permute(0, 3, 2, 1).flatten(0, 1)
        along_time = along_time + self.time_conformer(along_time)
        along_frequency = along_time.unflatten(0, (n_batch, n_bins)).transpose(1, 2).flatten(0, 1)
        along_frequency = along_frequency + self.freq_conformer(along_frequency)
        return along_frequency.unflatten(0, (n_batch, n_frames)).permute(0, 3, 1, 2)


class DenseBlock(nn.ModuleDict):
    """Convolutions over 2 frames, dilated by 1, 2, 4, …, and 3 bins; the input of each is the output of all before it.

    Causal in time, except for instance normalisation. The input and the output are `(batch, channels, frames, bins)`.
    """

    def __init__(self, size: TSCNetSize) -> None:
        layers: dict[str, nn.Module] = {}
        for k in range(size.dense_depth):
            layers[f"conv{k + 1}"] = nn.Conv2d(size.channels * (k + 1), size.channels, (2, 3), dilation=(2**k, 1))
            layers[f"norm{k + 1}"] = NORMS[size.norm](size.channels, affine=True)
            layers[f"prelu{k + 1}"] = nn.PReLU(size.channels)
        super().__init__(layers)
        self.depth = size.dense_depth

    def forward(self, x: Tensor) -> Tensor:
        outputs = x
        for k in range(self.depth):
            x = self[f"conv{k + 1}"](F.pad(outputs, (1, 1, 2**k, 0)))
            x = self[f"prelu{k + 1}"](self[f"norm{k + 1}"](x))
            outputs = torch.cat([x, outputs], dim=1)
        return x


class DenseEncoder(nn.Module):
    """The encoder: `(batch, 3, frames, bins)` to `(batch, channels, frames, (bins + 1) / 2)`."""

    def __init__(self, size: TSCNetSize) -> None:
        super().__init__()
        channels, norm = size.channels, NORMS[size.norm]
        self.conv_1 = nn.Sequential(nn.Conv2d(3, channels, 1), norm(channels, affine=True), nn.PReLU(channels))
        self.dilated_dense = DenseBlock(size)
        self.conv_2 = nn.Sequential(
            nn.Conv2d(channels, channels, (1, 3), stride=(1, 2), padding=(0, 1)),
            norm(channels, affine=True),
            nn.PReLU(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_2(self.dilated_dense(self.conv_1(x)))


class SubPixel(nn.Module):
    """Sub-pixel convolution that doubles the number of bins: `(batch, channels, frames, 2 · bins)`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2 * channels, (1, 3), padding=(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).unflatten(1, (2, -1)).movedim(1, -1).flatten(-2)


class MaskDecoder(nn.Module):
    """The mask `(batch, 1, frames, bins)`, with a PReLU for each bin as its last activation."""

    def __init__(self, n_bins: int, size: TSCNetSize) -> None:
        super().__init__()
        self.dense_block = DenseBlock(size)
        self.sub_pixel = SubPixel(size.channels)
        self.conv_1 = nn.Conv2d(size.channels, 1, (1, 2))
        self.norm = NORMS[size.norm](1, affine=True)
        self.prelu = nn.PReLU(1)
        self.final_conv = nn.Conv2d(1, 1, 1)
        self.prelu_out = nn.PReLU(n_bins, init=-0.25)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_1(self.sub_pixel(self.dense_block(x)))
        x = self.final_conv(self.prelu(self.norm(x)))
        return self.prelu_out(x.transpose(1, 3)).transpose(1, 3)


class ComplexDecoder(nn.Module):
    """The complex correction `(batch, 2, frames, bins)`."""

    def __init__(self, size: TSCNetSize) -> None:
        super().__init__()
        self.dense_block = DenseBlock(size)
        self.sub_pixel = SubPixel(size.channels)
        self.prelu = nn.PReLU(size.channels)
        self.norm = NORMS[size.norm](size.channels, affine=True)
        self.conv = nn.Conv2d(size.channels, 2, (1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.prelu(self.norm(self.sub_pixel(self.dense_block(x)))))
