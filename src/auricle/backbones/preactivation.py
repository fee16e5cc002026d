"""Residual blocks that normalise and rectify before each convolution (He et al., 2016, "Identity mappings").

They are those of DEGramNet's published network. Where a block changes sizes, its shortcut is a convolution of the
normalised and rectified input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from auricle.backbones.convolutions import convolution


class PreactivatedBlock(nn.Module):
    """Base class: `(batch, in_channels, …)` to `(batch, expansion · width, …)`, sizes over `stride`.

    `attention` makes the layer, for a number of channels, that the branch passes before the sum.
    """

    expansion: ClassVar[int]

    def __init__(self, in_channels: int, width: int, stride: int, attention: Callable[[int], nn.Module]) -> None:
        super().__init__()
        out_channels = self.expansion * width
        convolutions = self.convolutions(in_channels, width, stride)
        self.norms = nn.ModuleList(nn.BatchNorm2d(layer.in_channels) for layer in convolutions)
        self.convs = nn.ModuleList(convolutions)
        self.eca = attention(out_channels)
        changes = in_channels != out_channels or stride != 1
        self.shortcut = convolution(in_channels, out_channels, 1, stride) if changes else None

    def convolutions(self, in_channels: int, width: int, stride: int) -> list[nn.Conv2d]:
        """The convolutions of the branch, in order."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        first, *others = zip(self.norms, self.convs, strict=True)
        branch = F.relu(first[0](x))
        kept = x if self.shortcut is None else self.shortcut(branch)
        branch = first[1](branch)
        for norm, layer in others:
            branch = layer(F.relu(norm(branch)))
        return self.eca(branch) + kept


class PreactivatedBasicBlock(PreactivatedBlock):
    """Two 3 × 3 convolutions."""

    expansion: ClassVar[int] = 1

    def convolutions(self, in_channels: int, width: int, stride: int) -> list[nn.Conv2d]:
        return [convolution(in_channels, width, 3, stride), convolution(width, width, 3)]


class PreactivatedBottleneck(PreactivatedBlock):
    """1 × 1, 3 × 3 and 1 × 1 convolutions; `width` channels inside, four times as many at the end."""

    expansion: ClassVar[int] = 4

    def convolutions(self, in_channels: int, width: int, stride: int) -> list[nn.Conv2d]:
        inside = convolution(in_channels, width, 1), convolution(width, width, 3, stride)
        return [*inside, convolution(width, self.expansion * width, 1)]
