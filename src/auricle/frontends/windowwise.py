"""LEAF-APCEN as its published code computes it: every 25 ms window is filtered and normalised on its own.

One second has 98 overlapping windows of 400 samples. Each window gives three energies, at its samples 0, 160 and 320:
three successive columns of the spectrogram.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.errors import AuricleError
from auricle.frontends.adaptive import AdaptivePCEN
from auricle.frontends.energies import DirectEnergies
from auricle.frontends.parts import Filterbank
from auricle.frontends.pooling import GaussianPool, Pooling, frame_count

WINDOWS_AT_ONCE = 256


class WindowwisePool(GaussianPool):
    """Gaussian pooling within windows of `window_length` samples, one every `hop_length`, each treated as a clip.

    The first window begins `lead` samples before the clip.
    """

    def __init__(self, n_filters: int, kernel_size: int, hop_length: int, window_length: int, lead: int = 0) -> None:
        super().__init__(n_filters, kernel_size, hop_length)
        self.window_length = window_length
        self.lead = lead

    def n_frames(self, n_samples: int) -> int:
        n_windows = frame_count(self.lead + n_samples, self.window_length, self.hop_length, "valid")
        return n_windows * super().n_frames(self.window_length)


class WindowwiseEnergies(DirectEnergies):
    """Filter and pool every window on its own."""

    def energies(self, waveform: Tensor, filterbank: Filterbank, pooling: Pooling) -> Tensor:
        """`(batch, time)` to `(batch, n_filters, windows · frames per window)`."""
        assert isinstance(pooling, WindowwisePool)
        size, waveform = pooling.window_length, F.pad(waveform, (pooling.lead, 0))
        if waveform.shape[-1] < size:
            raise AuricleError(f"{waveform.shape[-1]} samples are fewer than the window's {size}: give a longer clip")
        windows = waveform.unfold(-1, size, pooling.hop_length)
        energies = torch.cat([pooling(filterbank(part)) for part in windows.flatten(0, 1).split(WINDOWS_AT_ONCE)])
        return energies.unflatten(0, windows.shape[:2]).transpose(1, 2).flatten(2)

    def context(self, filterbank: Filterbank, pooling: Pooling) -> int:
        raise AuricleError("the windows of variant='published' do not give one frame per hop: use variant='paper'")


class WindowwisePCEN(AdaptivePCEN):
    """Adaptive PCEN over windows of `block` energies.

    The controller reads the outputs of the window before and the energies of the present one. As published, the average
    is never updated: M = (1 − s)·E₀ + s·max(E, floor), position by position within a window, where E₀ are the energies
    of the first window without the floor.
    """

    def __init__(self, block: int) -> None:
        super().__init__(block=block, context=block, method="loop")

    def average(self, energies: Tensor) -> Tensor:
        n_frames = energies.shape[-1]
        first = energies[..., : self.block].repeat(1, 1, -(-n_frames // self.block))[..., :n_frames]
        return (1.0 - self.smooth) * first + self.smooth * energies.clamp(min=self.floor)


PUBLISHED_NAMES = {
    "filterbank.center_freqs": "filterbank.center_freqs",
    "filterbank.bandwidths": "filterbank.bandwidths",
    "filterbank.pooling_widths": "pooling.widths",
    "compression.alpha": "compression.alpha",
    "compression.delta": "compression.delta",
    "compression.r": "compression.root",
    "compression.s": "compression.smooth",
    "ppn.gru.weight_ih_l0": "compression.controller.gru.weight_ih_l0",
    "ppn.gru.weight_hh_l0": "compression.controller.gru.weight_hh_l0",
    "ppn.gru.bias_ih_l0": "compression.controller.gru.bias_ih_l0",
    "ppn.gru.bias_hh_l0": "compression.controller.gru.bias_hh_l0",
    "ppn.head.0.weight": "compression.controller.head.0.weight",
    "ppn.head.0.bias": "compression.controller.head.0.bias",
    "ppn.head.2.weight": "compression.controller.head.2.weight",
    "ppn.head.2.bias": "compression.controller.head.2.bias",
}
CLASSIFIER_PREFIX = "_frontend."


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a published state dict for `load_state_dict` of `leaf-pcen`, `leaf-simppcen` or `leaf-apcen`.

    `state` may be that of a whole published classifier: the front-end's entries start with "_frontend.".
    """
    prefix = CLASSIFIER_PREFIX
    inside = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    return _renamed(inside or state, PUBLISHED_NAMES)


def to_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `from_published`: rename a front-end's state dict to the published names."""
    return _renamed(state, {ours: published for published, ours in PUBLISHED_NAMES.items()})


def _renamed(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    unknown = sorted(set(state) - set(names))
    if unknown:
        raise AuricleError(f"{unknown[0]!r} is none of the names that published LEAF-APCEN checkpoints have")
    return {names[key]: value for key, value in state.items()}
