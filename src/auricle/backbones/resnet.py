"""ResNet (He et al., 2016), ECA-ResNet (Wang et al., 2020) and DEGramNet, under torchvision's state-dict keys.

Deep Residual Learning for Image Recognition, https://arxiv.org/abs/1512.03385
ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks, https://arxiv.org/abs/1910.03151
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from auricle.backbones.backbone import Backbone
from auricle.backbones.convolutions import ChannelAttention, convolution
from auricle.backbones.preactivation import PreactivatedBasicBlock, PreactivatedBlock, PreactivatedBottleneck
from auricle.errors import AuricleError


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions and a shortcut: `(batch, in_channels, …)` to `(batch, width, …)`, sizes over `stride`.

    `attention` makes the layer, for a number of channels, that the branch passes before the sum.
    """

    expansion: ClassVar[int] = 1

    def __init__(self, in_channels: int, width: int, stride: int, attention: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv1 = convolution(in_channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.eca = attention(width)
        self.downsample = _shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        branch = F.relu(self.bn1(self.conv1(x)))
        branch = self.bn2(self.conv2(branch))
        return F.relu(self.eca(branch) + self.downsample(x))


class Bottleneck(nn.Module):
    """1 × 1, 3 × 3 and 1 × 1 convolutions and a shortcut; `width` channels inside, four times as many at the end.

    Otherwise as `BasicBlock`; the 3 × 3 convolution has the stride, as in torchvision.
    """

    expansion: ClassVar[int] = 4

    def __init__(self, in_channels: int, width: int, stride: int, attention: Callable[[int], nn.Module]) -> None:
        super().__init__()
        out_channels = self.expansion * width
        self.conv1 = convolution(in_channels, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = convolution(width, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.eca = attention(out_channels)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        branch = F.relu(self.bn1(self.conv1(x)))
        branch = F.relu(self.bn2(self.conv2(branch)))
        branch = self.bn3(self.conv3(branch))
        return F.relu(self.eca(branch) + self.downsample(x))


Block = BasicBlock | Bottleneck | PreactivatedBlock
BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {"basic": BasicBlock, "bottleneck": Bottleneck}
PREACTIVATED = {"basic": PreactivatedBasicBlock, "bottleneck": PreactivatedBottleneck}

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet-18": ("ResNet-18 (He et al., 2016), embedding of 512.", {"block": "basic", "depths": (2, 2, 2, 2)}),
    "resnet-34": ("ResNet-34 (He et al., 2016), embedding of 512.", {"block": "basic", "depths": (3, 4, 6, 3)}),
    "resnet-50": ("ResNet-50 (He et al., 2016), embedding of 2048.", {"depths": (3, 4, 6, 3)}),
    "eca-resnet-50": ("ECA-ResNet-50 (Wang et al., 2020), embedding of 2048.", {"depths": (3, 4, 6, 3), "eca": True}),
    "eca-resnet-152": (
        "ECA-ResNet-152 (Wang et al., 2020), embedding of 2048.",
        {"depths": (3, 8, 36, 3), "eca": True},
    ),
    "degramnet": (
        "The convolutional part of DEGramNet (its paper's Table 1), embedding of 1024.",
        {"depths": (3, 8, 36, 3), "widths": (64, 128, 256, 256), "eca": True},
    ),
}
"""By name for `create_backbone`: a description, and the options of `ResNet`."""


class ResNet(Backbone):
    """Residual network, randomly initialised; the embedding has the last width times the block's expansion.

    A 7 × 7 convolution of stride 2, a 3 × 3 max pool of stride 2, then four stages of `depths` blocks ("basic" or
    "bottleneck") of `widths`, all but the first of stride 2, then the average over bands and frames. With `eca` every
    block has `ChannelAttention`, with the kernel sizes of the rule `eca_kernel` (see `eca_kernel_size`).
    Every kernel is odd and zero-padded on both sides, so that n bands or frames become ceil(n / stride), and
    spectrograms of any size work.

    With `preactivation` the blocks normalise and rectify before their convolutions, the input and the last output are
    normalised too (the input without a scale), and the last is rectified: DEGramNet's published network. `dropout`: its
    probability for the embedding, in training.

    torchvision's weights load with `load_state_dict(state, strict=False)`, with `in_channels=3` or with `conv1.weight`
    summed over its channels; its last layer is left over.
    """

    def __init__(
        self,
        *,
        n_bands: int,
        in_channels: int = 1,
        block: str = "bottleneck",
        depths: Sequence[int] = (3, 4, 6, 3),
        widths: Sequence[int] = (64, 128, 256, 512),
        eca: bool = False,
        eca_kernel: str = "paper",
        preactivation: bool = False,
        dropout: float = 0.0,
    ) -> None:
        if block not in BLOCKS:
            raise AuricleError(f"block is {block!r}; it should be 'basic' or 'bottleneck'")
        if (len(depths), len(widths)) != (4, 4) or min(*depths, *widths) < 1:
            raise AuricleError(f"depths={depths} and widths={widths}: four stages need four of both, at least 1")
        if not 0 <= dropout < 1:
            raise AuricleError(f"dropout={dropout}: 0 or more and below 1")
        make_block: type[Block] = PREACTIVATED[block] if preactivation else BLOCKS[block]
        super().__init__(n_bands=n_bands, in_channels=in_channels, embedding_dim=make_block.expansion * widths[-1])

        def attention(channels: int) -> nn.Module:
            return ChannelAttention(channels, eca_kernel) if eca else nn.Identity()

        self.conv1 = convolution(in_channels, widths[0], 7, stride=2)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        entering = (widths[0], *(make_block.expansion * width for width in widths[:3]))
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(make_block, depth, n_in, width, stride, attention)
            for depth, n_in, width, stride in zip(depths, entering, widths, (1, 2, 2, 2), strict=True)
        )
        self.first_norm: nn.Module = nn.Identity()
        self.last_norm: nn.Module = nn.Identity()
        if preactivation:
            self.first_norm = nn.BatchNorm2d(in_channels)
            self.first_norm.weight.requires_grad_(False)
            self.last_norm = nn.Sequential(nn.BatchNorm2d(self.embedding_dim), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.keep_channels_last()

    def embed(self, x: Tensor) -> Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(self.first_norm(x)))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.dropout(self.last_norm(x).mean(dim=(2, 3)))


def _stage(
    make_block: type[Block],
    depth: int,
    in_channels: int,
    width: int,
    stride: int,
    attention: Callable[[int], nn.Module],
) -> nn.Sequential:
    """`depth` blocks; the first has `in_channels` and `stride`."""
    first = make_block(in_channels, width, stride, attention)
    further = (make_block(make_block.expansion * width, width, 1, attention) for _ in range(depth - 1))
    return nn.Sequential(first, *further)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return nn.Sequential(convolution(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))
