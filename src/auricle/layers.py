"""Attention weights that a convolution makes of a squeezed signal: over frames in a front-end, over channels in ECA."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.errors import AuricleError


class ConvGate(nn.Module):
    """σ(Conv1D(x)): the weight of every place, in (0, 1), from its neighbourhood of `kernel_size` places.

    `(batch, length)` to the same shape, with zeros beyond the ends. Equation 4 of the DEGramNet paper over frames, and
    efficient channel attention (Wang et al., 2020) over channels, which has no bias.
    """

    def __init__(self, kernel_size: int, bias: bool = True) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise AuricleError(f"kernel_size={kernel_size}: a place needs as many neighbours on both sides, use odd")
        self.kernel_size = kernel_size
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=bias)

    def forward(self, squeezed: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(squeezed[:, None])[:, 0])

    def causal(self, squeezed: Tensor) -> Tensor:
        """The weights of all but the first kernel_size − 1 places, each from its own and those before it."""
        return torch.sigmoid(F.conv1d(squeezed[:, None], self.conv.weight, self.conv.bias)[:, 0])
