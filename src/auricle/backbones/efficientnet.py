"""EfficientNet (Tan & Le, 2019) from MONAI, with paddings that depend on the spectrogram's size."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from auricle.backbones.backbone import Backbone
from auricle.errors import AuricleError

WIDTHS = {"b0": 1280, "b1": 1280, "b2": 1408, "b3": 1536, "b4": 1792, "b5": 2048, "b6": 2304, "b7": 2560}
"""Embedding size of each variant."""


def efficientnet(variant: str, *, n_bands: int, in_channels: int = 1, pooling: str = "mean") -> Backbone:
    """EfficientNet "b0" … "b7" (`variant`) without its classifier; see `EfficientNet`."""
    return EfficientNet(variant, n_bands=n_bands, in_channels=in_channels, pooling=pooling)


class EfficientNet(Backbone):
    """EfficientNet-B0 … B7 without its classifier, randomly initialised.

    The features of the last 1 × 1 convolution are pooled over bands and frames by `pooling`, "mean" or "max". Every
    convolution is zero-padded like TensorFlow's "same", so that n bands or frames become ceil(n / stride), and
    spectrograms of any size work.
    """

    def __init__(self, variant: str = "b0", *, n_bands: int, in_channels: int = 1, pooling: str = "mean") -> None:
        if variant not in WIDTHS:
            raise AuricleError(f"unknown EfficientNet {variant!r}; known: {', '.join(WIDTHS)}")
        if pooling not in ("mean", "max"):
            raise AuricleError(f"pooling is {pooling!r}; it should be 'mean' or 'max'")
        super().__init__(n_bands=n_bands, in_channels=in_channels, embedding_dim=WIDTHS[variant])
        self.pooling = pooling
        self.net = _monai_network(variant, in_channels)

    def features(self, x: Tensor) -> Tensor:
        """The last features, `(batch, embedding_dim, ceil(n_bands / 32), ceil(frames / 32))`."""
        self.check_input(x)
        net: Any = self.net
        x = net._swish(net._bn0(net._conv_stem(net._conv_stem_padding(x))))
        x = net._blocks(x)
        return net._swish(net._bn1(net._conv_head(net._conv_head_padding(x))))

    def embed(self, x: Tensor) -> Tensor:
        x = self.features(x)
        return x.mean(dim=(2, 3)) if self.pooling == "mean" else x.amax(dim=(2, 3))


class SamePadding(nn.Module):
    """Zero-pad `(…, bands, frames)` so that a convolution gives ceil(size / stride), like TensorFlow's "same".

    The total padding of an axis is `kernel_size - stride + (-size mod stride)`; if it is odd, the end gets one more.
    """

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        bands, frames = (
            self.kernel_size - self.stride + (self.stride - size % self.stride) % self.stride for size in x.shape[-2:]
        )
        return F.pad(x, (frames // 2, frames - frames // 2, bands // 2, bands - bands // 2))

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


def _monai_network(variant: str, in_channels: int) -> nn.Module:
    """MONAI's network with three corrections and without the classifier.

    1. MONAI's paddings are fixed for square images of 224 pixels and more: with other sizes the grid shifts, odd sizes
       lose their last row, and spectrograms of a few frames fail.
    2. Its memory-efficient swish is an autograd function that cannot be exported; SiLU is the same function.
    3. Its initial depthwise kernels have the variance 2 / (k² channels), so small that batch normalisation's epsilon of
       1e-3 matters; TensorFlow's have 2 / k².
    """
    from monai.networks.nets import EfficientNetBN

    net = EfficientNetBN(f"efficientnet-{variant}", pretrained=False, spatial_dims=2, in_channels=in_channels)
    for module in list(net.modules()):
        if isinstance(module, nn.Conv2d):
            module.weight.data *= module.groups**0.5
        for name, child in list(module.named_children()):
            if name == "_swish":
                module._swish = nn.SiLU(inplace=True)
            elif isinstance(child, nn.ConstantPad2d):
                convolution = getattr(module, name.removesuffix("_padding"))
                setattr(module, name, SamePadding(convolution.kernel_size[0], convolution.stride[0]))
    del net._fc, net._dropout, net._avg_pooling
    return net
