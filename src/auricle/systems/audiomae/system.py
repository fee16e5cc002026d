"""The audio masked autoencoder as a system: features, encoding, the loss of hidden patches, and a folder to save to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor

from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.systems.audiomae.features import filterbank_pictures, lengthened
from auricle.systems.audiomae.masking import random_kept
from auricle.systems.audiomae.network import MaskedAutoencoder, Size
from auricle.systems.system import SYSTEMS, System

#: What each preset changes of the published network.
PRESETS: dict[str, dict[str, Any]] = {
    "audiomae": {},
    "audiomae-paper": {"decoder": "transformer", "decoder_depth": 8},
    "audiomae-small": {
        "n_frames": 256,
        "width": 192,
        "depth": 4,
        "heads": 3,
        "decoder": "transformer",
        "decoder_width": 96,
        "decoder_depth": 2,
        "decoder_heads": 3,
        "positions": "grid",
    },
}


@SYSTEMS.register("audiomae")
class AudioMAE(System):
    """A masked autoencoder of filterbank features (Huang et al., 2022).

    `config` holds `sample_rate` (Hz), `size`, `mask_ratio` (the share of patches that is hidden) and `seed`.
    """

    name: ClassVar[str] = "audiomae"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = int(config["sample_rate"])
        self.size = Size(**config.get("size", {}))
        self.mask_ratio = float(config.get("mask_ratio", 0.8))
        self.seed = int(config.get("seed", 0))
        self.network = MaskedAutoencoder(self.size)

    @classmethod
    def build(
        cls,
        preset: str = "audiomae",
        *,
        size: dict[str, Any] | None = None,
        mask_ratio: float = 0.8,
        sample_rate: int = 16000,
        seed: int = 0,
    ) -> AudioMAE:
        """A preset with changes of its own; weights drawn from `seed`."""
        if preset not in PRESETS:
            raise AuricleError(unknown_name("preset", preset, PRESETS))
        try:
            complete = asdict(Size(**PRESETS[preset] | (size or {})))
        except TypeError:
            known = asdict(Size())
            odd = next(key for key in size or {} if key not in known)
            raise AuricleError(unknown_name("option of size", odd, known)) from None
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return cls({"sample_rate": sample_rate, "size": complete, "mask_ratio": mask_ratio, "seed": seed})

    def labels(self) -> dict[str, Any]:
        return {}

    def features(self, waveforms: Tensor) -> Tensor:
        """Pictures `(batch, n_frames, n_bands)` of `(batch, time)` at `sample_rate`, 10 ms a frame.

        What is longer is cut; zeros follow the last frame's energies, before these are scaled.
        """
        pictures = filterbank_pictures(waveforms, self.sample_rate, self.size.n_bands)
        return lengthened(pictures[:, : self.size.n_frames], self.size.n_frames)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Tokens `(batch, 1 + patches, width)` of `(batch, time)`, the class token first, with nothing hidden."""
        return self.network.encode(self.features(waveforms))

    def loss(self, pictures: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The loss of a random share `mask_ratio` of the patches of `features`, drawn anew for each picture."""
        kept = random_kept(len(pictures), self.size.n_patches, self.mask_ratio, generator).to(pictures.device)
        return self.network(pictures, kept)[0]
