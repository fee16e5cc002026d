"""The convolutions of residual networks, and efficient channel attention over their outputs (Wang et al., 2020)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.layers import ConvGate


def convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias, zero-padded on both sides, initialised for a rectifier (He et al., 2015)."""
    layer = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


def eca_kernel_size(channels: int, rule: str = "paper") -> int:
    """Kernel size of efficient channel attention over so many channels.

    "paper" is equation 6 of the DEGramNet paper as Wang et al. (2020) explain it: the odd number nearest to
    (log2(channels) + 1) / 2, the larger one if two are equally near. "ceiling" takes the brackets of the equation as
    printed: the smallest odd number that is at least as large. "published" is the smallest odd number that is at least
    log2(channels) + 1 / 2: DEGramNet's published code has a parenthesis misplaced.
    """
    if channels < 1:
        raise AuricleError(f"channels={channels}: attention needs at least 1")
    exact = (math.log2(channels) + 1) / 2
    if rule == "paper":
        return 2 * math.floor(exact / 2) + 1
    if rule == "ceiling":
        return 2 * math.ceil((exact - 1) / 2) + 1
    if rule == "published":
        return 2 * math.ceil((math.log2(channels) - 1 / 2) / 2) + 1
    raise AuricleError(f"eca_kernel is {rule!r}; it should be 'paper', 'ceiling' or 'published'")


class ChannelAttention(ConvGate):
    """Efficient channel attention: x·σ(Conv1D(m)) of x `(batch, channels, bands, frames)`, m its channels' means."""

    def __init__(self, channels: int, rule: str = "paper") -> None:
        super().__init__(eca_kernel_size(channels, rule), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * super().forward(x.mean(dim=(2, 3)))[:, :, None, None]
