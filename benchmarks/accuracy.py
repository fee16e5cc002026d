"""How far LEAF's fast method is from the direct one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from auricle.frontends import Frontend
from cases import DIRECT, LEAF, Workload, create


@dataclass(frozen=True)
class Errors:
    """Norm of the difference divided by the reference's: the largest over bands, or over parameters."""

    energies: float
    compressed: float
    gradients: float


def leaf_errors(workload: Workload, device: str = "cpu") -> Errors:
    """Of `leaf` against `leaf, method=direct` with the same parameters."""
    fast, direct = create(LEAF).to(device), create(DIRECT).to(device)
    fast.load_state_dict(direct.state_dict())
    waveform = workload.waveform(device)
    energies, spectrograms = zip(*(training_pass(module, waveform) for module in (fast, direct)), strict=True)
    expected = dict(direct.named_parameters())
    return Errors(
        largest_over_bands(*energies),
        largest_over_bands(*spectrograms),
        max(relative_error(p.grad, expected[name].grad) for name, p in fast.named_parameters() if p.requires_grad),
    )


def training_pass(frontend: Frontend, waveform: Tensor) -> tuple[Tensor, Tensor]:
    """Pooled energies and what the compression makes of them, `(batch, bands, frames)`; gradients are left behind."""
    energies = frontend.energies(waveform)
    spectrogram = frontend.compression(energies)
    spectrogram.mean().backward()
    return energies.detach(), spectrogram.detach()


def largest_over_bands(found: Tensor, expected: Tensor) -> float:
    return max(relative_error(*bands) for bands in zip(found.unbind(1), expected.unbind(1), strict=True))


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float(torch.linalg.vector_norm(found - expected) / torch.linalg.vector_norm(expected))
