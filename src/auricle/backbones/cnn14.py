"""CNN14 of PANNs (Kong et al., 2020), under the published state-dict keys.

PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition, https://arxiv.org/abs/1912.10211
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from auricle.backbones.backbone import Backbone
from auricle.errors import AuricleError

CHANNELS = (64, 128, 256, 512, 1024, 2048)
STRIDE = 32
"""Frames of the input for one segment of `Cnn14.features`."""


class Cnn14(Backbone):
    """CNN14 of PANNs (Kong et al., 2020), embedding of 2048; its input is a log-mel spectrogram.

    Six blocks of two 3 × 3 convolutions, each followed by batch normalisation and ReLU; the first five halve bands and
    frames by average pooling, which drops a last odd one, as published. A spectrogram with fewer than 32 bands or
    frames is first extended to 32 by repeating its last band or frame. Dropout acts in training only: `block_dropout`
    after each block, `dropout` before and after `fc1`. `channels` are the blocks' widths, of which the last is the
    embedding's.

    Published weights load by name with `load_state_dict(state, strict=False)`: what is left over is the checkpoint's
    own front-end and its last layer.
    """

    segment_frames = STRIDE

    def __init__(
        self,
        *,
        n_bands: int = 64,
        in_channels: int = 1,
        channels: Sequence[int] = CHANNELS,
        dropout: float = 0.5,
        block_dropout: float = 0.2,
    ) -> None:
        if len(channels) != len(CHANNELS) or min(channels) < 1:
            raise AuricleError(f"channels={tuple(channels)}: Cnn14 has six blocks, of at least 1 channel each")
        super().__init__(n_bands=n_bands, in_channels=in_channels, embedding_dim=channels[-1])
        self.dropout = dropout
        self.block_dropout = block_dropout
        self.bn0 = nn.BatchNorm2d(n_bands)
        for index, (n_in, n_out) in enumerate(zip((in_channels, *channels), channels, strict=False), start=1):
            self.add_module(f"conv_block{index}", ConvBlock(n_in, n_out))
        self.fc1 = nn.Linear(channels[-1], channels[-1])
        nn.init.xavier_uniform_(self.fc1.weight)
        nn.init.zeros_(self.fc1.bias)

    def features(self, x: Tensor) -> Tensor:
        """The trunk's sequence, averaged over bands: `(batch, embedding_dim, max(1, frames // 32))`."""
        self.check_input(x)
        x = self.bn0(x.transpose(1, 2)).transpose(1, 2)
        x = _extend(x).transpose(2, 3)
        for index in range(1, len(CHANNELS) + 1):
            x = self.get_submodule(f"conv_block{index}")(x)
            if index < len(CHANNELS):
                x = F.avg_pool2d(x, 2)
            x = F.dropout(x, self.block_dropout, self.training)
        return x.mean(dim=3)

    def embed(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = F.dropout(x.amax(dim=2) + x.mean(dim=2), self.dropout, self.training)
        return F.dropout(F.relu(self.fc1(x)), self.dropout, self.training)

    def segments(self, x: Tensor) -> Tensor:
        """`features`, of each segment with its neighbours the maximum plus the mean, through `fc1`."""
        x = self.features(x)
        x = F.max_pool1d(x, 3, stride=1, padding=1) + F.avg_pool1d(x, 3, stride=1, padding=1)
        x = F.dropout(x, self.dropout, self.training)
        return F.dropout(F.relu(self.fc1(x.transpose(1, 2))), self.dropout, self.training).transpose(1, 2)


class ConvBlock(nn.Module):
    """Twice: 3 × 3 convolution, batch normalisation, ReLU; the spectrogram keeps its size."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        nn.init.xavier_uniform_(self.conv1.weight)
        nn.init.xavier_uniform_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, in_channels, frames, bands)` to `(batch, out_channels, frames, bands)`."""
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))


def _extend(x: Tensor) -> Tensor:
    """Repeat the last band and the last frame until there are `STRIDE` of each."""
    for dim in (2, 3):
        size = x.shape[dim]
        if torch.compiler.is_exporting() or size < STRIDE:
            places = torch.arange(torch.sym_max(size, STRIDE), device=x.device).clamp(max=size - 1)
            x = x.index_select(dim, places)
    return x
