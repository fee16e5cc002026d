"""CMGAN's metric discriminator: a network that predicts PESQ, so that the generator can be trained to increase it.

Fu et al., 2019, "MetricGAN", in the form of Abdulatif et al., 2024, "CMGAN", section III-B.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

PESQ_LOWEST, PESQ_RANGE = 1.0, 3.5


def normalised_pesq(pesq: Tensor) -> Tensor:
    """(PESQ − 1) / 3.5, which is 1 for clean speech; the same shape."""
    return (pesq - PESQ_LOWEST) / PESQ_RANGE


class Discriminator(nn.Module):
    """Predicts the normalised PESQ of estimates against clean speech."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        widths = [2, *(channels * 2**k for k in range(4))]
        for before, after in pairwise(widths):
            convolution = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False)
            layers += [spectral_norm(convolution), nn.InstanceNorm2d(after, affine=True), nn.PReLU(after)]
        wide, narrow = widths[-1], widths[-2]
        layers += [nn.AdaptiveMaxPool2d(1), nn.Flatten(), spectral_norm(nn.Linear(wide, narrow)), nn.Dropout(0.3)]
        layers += [nn.PReLU(narrow), spectral_norm(nn.Linear(narrow, 1)), LearnableSigmoid()]
        self.layers = nn.Sequential(*layers)

    def forward(self, clean: Tensor, estimate: Tensor) -> Tensor:
        """The predictions `(batch,)` for compressed magnitudes, each `(batch, 1, bins, frames)`."""
        return self.layers(torch.cat([clean, estimate], dim=1))[:, 0]


class LearnableSigmoid(nn.Module):
    """1 / (1 + exp(−a·x)) with a learned slope a."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.slope * x)
