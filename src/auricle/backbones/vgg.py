"""VGG-M of the VoxCeleb1 paper (Nagrani et al., 2017), https://arxiv.org/abs/1706.08612"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from auricle.backbones.backbone import Backbone
from auricle.errors import AuricleError


class VggM(Backbone):
    """VGG-M of VoxCeleb1 (Nagrani et al., 2017), embedding of 1024.

    Five convolutions with three max pools, `fc6` over all remaining bands, the average over frames, and `fc7`, the
    embedding; batch normalisation and ReLU after each. `channels` are the outputs of the seven layers. With a padding
    of 1, the paper's 512 bands leave 9 for `fc6`. Where a kernel is larger than its input, zeros are added at the end
    (after a ReLU they do not change a maximum), so that spectrograms of any size work.
    """

    def __init__(
        self,
        *,
        n_bands: int,
        in_channels: int = 1,
        channels: Sequence[int] = (96, 256, 384, 256, 256, 4096, 1024),
    ) -> None:
        if len(channels) != 7 or min(channels) < 1:
            raise AuricleError(f"channels={channels}: seven layers need seven numbers, at least 1")
        super().__init__(n_bands=n_bands, in_channels=in_channels, embedding_dim=channels[-1])
        c1, c2, c3, c4, c5, c6, c7 = channels
        self.conv1 = nn.Conv2d(in_channels, c1, 7, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c1)
        self.conv2 = nn.Conv2d(c1, c2, 5, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c2)
        self.conv3 = nn.Conv2d(c2, c3, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(c3)
        self.conv4 = nn.Conv2d(c3, c4, 3, padding=1, bias=False)
        self.bn4 = nn.BatchNorm2d(c4)
        self.conv5 = nn.Conv2d(c4, c5, 3, padding=1, bias=False)
        self.bn5 = nn.BatchNorm2d(c5)
        self.fc6 = nn.Conv2d(c5, c6, (bands_left(n_bands), 1), bias=False)
        self.bn6 = nn.BatchNorm2d(c6)
        self.fc7 = nn.Linear(c6, c7, bias=False)
        self.bn7 = nn.BatchNorm1d(c7)
        self.keep_channels_last()

    def features(self, x: Tensor) -> Tensor:
        """Output of the last pool, `(batch, channels[4], bands_left(n_bands), steps)`; 300 frames leave 8 steps."""
        self.check_input(x)
        x = F.relu(self.bn1(self.conv1(_at_least(x, 5, 5))))
        x = F.max_pool2d(_at_least(x, 3, 3), 3, stride=2)
        x = F.relu(self.bn2(self.conv2(_at_least(x, 3, 3))))
        x = F.max_pool2d(_at_least(x, 3, 3), 3, stride=2)
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.relu(self.bn4(self.conv4(x)))
        x = F.relu(self.bn5(self.conv5(x)))
        return F.max_pool2d(_at_least(x, 5, 3), (5, 3), stride=(3, 2))

    def embed(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn6(self.fc6(self.features(x))))
        return F.relu(self.bn7(self.fc7(x.mean(dim=(2, 3)))))


def bands_left(n_bands: int) -> int:
    """How many of `n_bands` the last pool leaves: 9 of 512. A kernel of size k padded by 1 needs k − 2 bands."""
    for needed, stride in ((5, 2), (3, 2), (3, 2), (3, 2), (5, 3)):
        n_bands = (max(n_bands, needed) - needed) // stride + 1
    return n_bands


def _at_least(x: Tensor, bands: int, frames: int) -> Tensor:
    """Append zeros until there are at least so many bands and frames."""
    if torch.compiler.is_exporting() or x.shape[2] < bands or x.shape[3] < frames:
        return F.pad(x, (0, torch.sym_max(0, frames - x.shape[3]), 0, max(0, bands - x.shape[2])))  # pyright: ignore[reportArgumentType]
    return x
