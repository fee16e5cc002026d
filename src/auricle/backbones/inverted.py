"""Networks of inverted residuals with squeeze and excitation: what EfficientNet and MobileNetV3 are both made of.

An inverted residual widens its input by a 1 × 1 convolution, filters every channel on its own (depthwise), weighs the
channels by what they hold on average (squeeze and excitation, Hu et al., 2018), and narrows them again; where the sizes
allow it, its input is added (Sandler et al., 2018, MobileNetV2).

The embedding may hold, beside the last features, the means by which the blocks at the last resolution weigh their
channels. Those know more of sounds that the network was not trained for (Low-Complexity Audio Embedding Extractors,
Schmid et al., EUSIPCO 2023, https://arxiv.org/abs/2303.01879).

The running statistics of batch norm average over about ten batches. Those of the published trainings average over
a hundred, which a training on a few hundred recordings hardly has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.backbones.backbone import Backbone
from auricle.errors import AuricleError

NORM_EPS = 1e-3
POOLINGS = ("mean", "max", "stage")


class Row(NamedTuple):
    """One inverted residual: sizes in channels; `squeezed` is 0 without squeeze and excitation."""

    kernel_size: int
    expanded: int
    out: int
    squeezed: int
    activation: Callable[[], nn.Module]
    stride: int


def rounded(channels: float, divisor: int = 8) -> int:
    """`channels` rounded to a multiple of `divisor`, but never down by more than a tenth."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * channels else nearest + divisor


def swish() -> nn.Module:
    return nn.SiLU(inplace=True)


def hard_swish() -> nn.Module:
    return nn.Hardswish(inplace=True)


def relu() -> nn.Module:
    return nn.ReLU(inplace=True)


class SameConv2d(nn.Conv2d):
    """A convolution zero-padded like TensorFlow's "same": n bands or frames become ceil(n / stride).

    The total padding of an axis is `kernel_size - stride + (-size mod stride)`; if it is odd, the end gets one more.
    """

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        bands, frames = (kernel - stride + self.missing(size, stride) for size in x.shape[-2:])
        padded = F.pad(x, (frames // 2, frames - frames // 2, bands // 2, bands - bands // 2))
        return super().forward(padded)

    def missing(self, size: int, stride: int) -> int:
        """How many bands or frames lack to a multiple of `stride`."""
        return (stride - size % stride) % stride


class EvenConv2d(SameConv2d):
    """As `SameConv2d` for even numbers of bands and frames, and zero-padded as much for odd ones.

    n bands or frames become n // stride, but one at least.
    """

    def missing(self, size: int, stride: int) -> int:
        return max(0, stride - size)


class CentredConv2d(nn.Conv2d):
    """A convolution with half its kernel of zeros at both ends."""

    def __init__(self, n_in: int, n_out: int, kernel_size: int, stride: int = 1, groups: int = 1, bias: bool = False):
        super().__init__(n_in, n_out, kernel_size, stride, kernel_size // 2, groups=groups, bias=bias)


Convolution = type[SameConv2d] | type[CentredConv2d]


def conv_norm(convolution: nn.Conv2d, activation: Callable[[], nn.Module] | None) -> nn.Sequential:
    """The convolution, batch normalisation, and the activation if there is one."""
    layers = [convolution, nn.BatchNorm2d(convolution.out_channels, NORM_EPS)]
    return nn.Sequential(*layers, *([activation()] if activation else []))


class SqueezeExcitation(nn.Module):
    """Each channel times σ(W₂·a(W₁·m)), where m are the channels' means over bands and frames."""

    def __init__(self, channels: int, squeezed: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, squeezed)
        self.activation = activation()
        self.fc2 = nn.Linear(squeezed, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.weighed(x, x.mean(dim=(2, 3)))

    def weighed(self, x: Tensor, means: Tensor) -> Tensor:
        """`x` by its `means`, `(batch, channels)`."""
        weights = torch.sigmoid(self.fc2(self.activation(self.fc1(means))))
        return x * weights[..., None, None]


class InvertedResidual(nn.Module):
    """One `Row`. While it trains, the clip's new features are left out with the probability `skipped`."""

    def __init__(
        self,
        n_in: int,
        row: Row,
        convolution: Convolution,
        squeeze_activation: Callable[[], nn.Module],
        skipped: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if row.expanded != n_in:
            layers.append(conv_norm(nn.Conv2d(n_in, row.expanded, 1, bias=False), row.activation))
        depthwise = convolution(
            row.expanded, row.expanded, row.kernel_size, row.stride, groups=row.expanded, bias=False
        )
        layers.append(conv_norm(depthwise, row.activation))
        if row.squeezed:
            layers.append(SqueezeExcitation(row.expanded, row.squeezed, squeeze_activation))
        layers.append(conv_norm(nn.Conv2d(row.expanded, row.out, 1, bias=False), None))
        self.block = nn.Sequential(*layers)
        self.adds = row.stride == 1 and n_in == row.out
        self.skipped = skipped

    def forward(self, x: Tensor) -> Tensor:
        return self._added(x, self.block(x))

    def with_means(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The output, and the means of the channels, `(batch, expanded)`, if squeeze and excitation weighs them."""
        features, means = x, []
        for layer in self.block:
            if isinstance(layer, SqueezeExcitation):
                means.append(features.mean(dim=(2, 3)))
                features = layer.weighed(features, means[-1])
            else:
                features = layer(features)
        return self._added(x, features), means

    def _added(self, x: Tensor, features: Tensor) -> Tensor:
        if not self.adds:
            return features
        if self.training and self.skipped:
            features = features * F.dropout(torch.ones(len(x), 1, 1, 1, device=x.device, dtype=x.dtype), self.skipped)
        return features + x


class InvertedResidualNet(Backbone):
    """A strided convolution, inverted residuals, and a 1 × 1 convolution whose features are pooled.

    `rows` are the residuals, `stem` and `head` the channels of the first and the last convolution, and `activation`
    theirs. `pooling` over bands and frames is "mean", "max" or "stage": the mean, followed by the means that squeeze
    and excitation has in each residual of the last stage, from the last stride on. `skipped` is the probability with
    which the last residual is left out in training; it grows evenly from 0 at the first (Huang et al., 2016). Randomly
    initialised as the published EfficientNet: normal, with the variance 2 / (kernel area · outputs per group).
    """

    def __init__(
        self,
        rows: Sequence[Row],
        *,
        stem: int,
        head: int,
        activation: Callable[[], nn.Module],
        squeeze_activation: Callable[[], nn.Module],
        convolution: Convolution,
        n_bands: int,
        in_channels: int = 1,
        pooling: str = "mean",
        skipped: float = 0.0,
    ) -> None:
        if pooling not in POOLINGS:
            raise AuricleError(f"pooling is {pooling!r}; it should be 'stage', 'mean' or 'max'")
        last_stage = max(index for index, row in enumerate(rows) if row.stride > 1)
        squeezed = sum(row.expanded for row in rows[last_stage:] if row.squeezed) if pooling == "stage" else 0
        super().__init__(n_bands=n_bands, in_channels=in_channels, embedding_dim=head + squeezed)
        self.pooling = pooling
        self.squeezed = squeezed
        self.last_stage = 1 + last_stage
        layers: list[nn.Module] = [conv_norm(convolution(in_channels, stem, 3, 2, bias=False), activation)]
        channels = stem
        for index, row in enumerate(rows):
            probability = skipped * index / len(rows)
            layers.append(InvertedResidual(channels, row, convolution, squeeze_activation, probability))
            channels = row.out
        layers.append(conv_norm(nn.Conv2d(channels, head, 1, bias=False), activation))
        self.layers = nn.Sequential(*layers)
        self.layers.apply(_initialise)
        self.keep_channels_last()

    @property
    def embedding_parts(self) -> tuple[int, ...]:
        """Of the last features, and of the last stage if it is pooled too."""
        last = self.embedding_dim - self.squeezed
        return (last, self.squeezed) if self.squeezed else (last,)

    def features(self, x: Tensor) -> Tensor:
        """The last features, `(batch, channels, bands, frames)`; both axes are 32 times shorter."""
        self.check_input(x)
        return self.layers(x)

    def embed(self, x: Tensor) -> Tensor:
        if self.pooling == "max":
            return self.layers(x).amax(dim=(2, 3))
        if self.pooling == "mean":
            return self.layers(x).mean(dim=(2, 3))
        squeezed: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            if isinstance(layer, InvertedResidual) and index >= self.last_stage:
                x, means = layer.with_means(x)
                squeezed += means
            else:
                x = layer(x)
        return torch.cat([x.mean(dim=(2, 3)), *squeezed], dim=1)


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        area, groups = (math.prod(layer.kernel_size), layer.groups) if isinstance(layer, nn.Conv2d) else (1, 1)
        nn.init.normal_(layer.weight, std=math.sqrt(2.0 * groups / (area * layer.weight.shape[0])))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
