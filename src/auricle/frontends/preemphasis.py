"""A learnable pre-emphasis before a convolutional filterbank, an option of the published LEAF code."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.frontends.energies import EnergyMethod
from auricle.frontends.parts import Filterbank
from auricle.frontends.pooling import Pooling

COEFFICIENT = 0.97


class Preemphasis(Filterbank):
    """`bank` after y[t] = a·x[t] + b·x[t − 1], where `taps` (b, a) are learnt, initially (−0.97, 1), and x[−1] = 0.

    `early`: y comes one sample early, as TensorFlow's SAME padding of an even kernel makes it in the published code.
    """

    def __init__(self, bank: Filterbank, early: bool = False) -> None:
        super().__init__()
        self.bank = bank
        self.taps = nn.Parameter(torch.tensor([-COEFFICIENT, 1.0]))
        self.early = early
        self.kernel_size = bank.kernel_size

    def emphasized(self, waveform: Tensor) -> Tensor:
        """`(batch, time)` to the same shape."""
        padded = F.pad(waveform, (0, 1) if self.early else (1, 0))
        return self.taps[0] * padded[:, :-1] + self.taps[1] * padded[:, 1:]

    def kernels(self) -> Tensor:
        """Those of the bank; the pre-emphasis is not in them."""
        return self.bank.kernels()

    def forward(self, waveform: Tensor) -> Tensor:
        return self.bank(self.emphasized(waveform))


class PreemphasizedEnergies:
    """The energy method `inner` of the bank within a `Preemphasis`."""

    def __init__(self, inner: EnergyMethod[Any, Any]) -> None:
        self.inner = inner

    def energies(self, waveform: Tensor, filterbank: Preemphasis, pooling: Pooling) -> Tensor:
        return self.inner.energies(filterbank.emphasized(waveform), filterbank.bank, pooling)

    def context(self, filterbank: Preemphasis, pooling: Pooling) -> int:
        return self.inner.context(filterbank.bank, pooling) + 1

    def interior(self, samples: Tensor, filterbank: Preemphasis, pooling: Pooling, first: int, count: int) -> Tensor:
        return self.inner.interior(filterbank.emphasized(samples), filterbank.bank, pooling, first, count)

    def fixed(self, filterbank: Preemphasis, pooling: Pooling) -> PreemphasizedEnergies:
        return PreemphasizedEnergies(self.inner.fixed(filterbank.bank, pooling))
