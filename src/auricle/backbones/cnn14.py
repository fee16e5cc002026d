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
"""Input frames per frame of `Cnn14.features`."""


class Cnn14(Backbone):
    """CNN14 of PANNs (Kong et al., 2020), embedding of 2048; its input is a log-mel spectrogram.

    Six blocks of two 3 × 3 convolutions, each followed by batch normalisation and ReLU; the first five blocks halve
    bands and frames by average pooling, which drops a last odd band or frame, as published. A spectrogram with fewer
    than 32 bands or frames is first extended to 32 by repeating the last one. Dropout acts in training only:
    `block_dropout` after each block, `dropout` before and after `fc1`. `channels` are the widths of the blocks; the
    last one is the size of the embedding.

    Published weights load with `load_state_dict(state, strict=False)`; the checkpoint's own front-end and last layer
    are left over.
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
        """Output of the blocks, averaged over bands: `(batch, embedding_dim, max(1, frames // 32))`."""
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
        """`features`, smoothed by maximum plus mean over three neighbouring segments, then `fc1`."""
        x = self.features(x)
        x = F.max_pool1d(x, 3, stride=1, padding=1) + F.avg_pool1d(x, 3, stride=1, padding=1)
        x = F.dropout(x, self.dropout, self.training)
        return F.dropout(F.relu(self.fc1(x.transpose(1, 2))), self.dropout, self.training).transpose(1, 2)


class ConvBlock(nn.Module):
    """Two times 3 × 3 convolution, batch normalisation and ReLU; the size does not change."""

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
    """Repeat the last band and the last frame until there are at least `STRIDE` of each."""
    for dim in (2, 3):
        size = x.shape[dim]
        if torch.compiler.is_exporting() or size < STRIDE:
            places = torch.arange(torch.sym_max(size, STRIDE), device=x.device).clamp(max=size - 1)
            x = x.index_select(dim, places)
    return x
