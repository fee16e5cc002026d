"""Quiet windows made as loud as a model has heard them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.frontends import Frontend
from auricle.frontends.compression import Decibels, Log
from auricle.frontends.filterbanks import SincFilterbank
from auricle.frontends.wavegram import Wavegram
from auricle.layers import shown_options

MAX_GAIN_DB = 40.0
"""Silence is not made loud: no window is amplified by more."""

LARGEST_LEVEL_DB = 300.0
"""Single precision holds the energies of such levels."""


class Amplifier(nn.Module):
    """Amplifies windows whose mean energy lies below `min_level_db`, up to that level or by `MAX_GAIN_DB`.

    It takes the spectrograms `(batch, bands, frames)` of a front-end whose compression is a logarithm, C(E) of energies
    E, and gives C(g·E) with g = max(1, L / mean E), L = 10^(min_level_db / 10) and the mean over bands and frames: what
    the front-end would give of the window times √g. Louder windows stay as they are. As it takes spectrograms, it
    works on the windows of a stream as it does on those of a file. Raises `AuricleError` for another front-end.
    """

    extra_repr = shown_options

    def __init__(self, frontend: Frontend, min_level_db: float) -> None:
        super().__init__()
        if not abs(min_level_db) <= LARGEST_LEVEL_DB:
            limits = f"from {-LARGEST_LEVEL_DB:g} to {LARGEST_LEVEL_DB:g}"
            raise AuricleError(f"min_level_db={min_level_db:g}: a number {limits} is needed")
        compression, bank = frontend.compression, frontend.filterbank
        magnitudes = isinstance(bank, SincFilterbank | Wavegram) or getattr(bank, "power", 2) != 2
        unfit = bank if magnitudes else frontend.attention
        if unfit is not None or not isinstance(compression, Log | Decibels):
            raise AuricleError(
                f"min_level_db={min_level_db:g}: a level can be set for a front-end with a logarithm of energies, such "
                f"as mel or mel-efficientat, not for one with {type(unfit or compression).__name__}"
            )
        self.min_level_db = min_level_db
        self.compression = compression

    def forward(self, spectrograms: Tensor) -> Tensor:
        energies = self.compression.energies(spectrograms)
        least = 10.0 ** (self.min_level_db / 10.0)
        mean = energies.mean((-2, -1), keepdim=True).clamp(min=least / 10.0 ** (MAX_GAIN_DB / 10.0))
        gain = (least / mean).clamp(min=1.0)
        return torch.where(gain > 1.0, self.compression(gain * energies), spectrograms)
