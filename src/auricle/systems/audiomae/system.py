"""The audio masked autoencoder as a system: features, encoding, the loss of hidden patches, and a folder to save to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor

from auricle.config import Optimization, complete
from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.systems.audiomae.features import filterbank_spectrograms, lengthened
from auricle.systems.audiomae.masking import count_kept, hidden_mask, patchify, random_kept, restored, unpatchify
from auricle.systems.audiomae.network import AudioMAESize, MaskedAutoencoder
from auricle.systems.optimizers import adam
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

    `config` holds `sample_rate` (Hz), `size`, `mask_ratio` (the share of patches that is hidden), `optimization` and
    `seed`.
    """

    name: ClassVar[str] = "audiomae"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = int(config["sample_rate"])
        self.size = AudioMAESize(**config.get("size", {}))
        self.mask_ratio = float(config.get("mask_ratio", 0.8))
        count_kept(self.size.n_patches, self.mask_ratio)
        self.optimization = Optimization(**config.get("optimization", {}))
        self.seed = int(config.get("seed", 0))
        self.network = MaskedAutoencoder(self.size)

    @classmethod
    def build(
        cls,
        preset: str = "audiomae",
        *,
        size: dict[str, Any] | None = None,
        mask_ratio: float = 0.8,
        optimization: Optimization = Optimization(learning_rate=1e-3),
        sample_rate: int = 16000,
        seed: int = 0,
    ) -> AudioMAE:
        """A preset with changes of its own; weights drawn from `seed`."""
        if preset not in PRESETS:
            raise AuricleError(unknown_name("preset", preset, PRESETS))
        config = {
            "sample_rate": sample_rate,
            "size": complete(AudioMAESize, PRESETS[preset] | (size or {}), "size"),
            "mask_ratio": mask_ratio,
            "optimization": asdict(optimization),
            "seed": seed,
        }
        return cls.drawn(config)

    def labels(self) -> dict[str, Any]:
        return {}

    def features(self, waveforms: Tensor) -> Tensor:
        """Spectrograms `(batch, n_frames, n_bands)` of `(batch, time)` at `sample_rate`, 10 ms a frame.

        What is longer is cut; zeros follow the last frame's energies, before these are scaled.
        """
        spectrograms = filterbank_spectrograms(waveforms, self.sample_rate, self.size.n_bands)
        return lengthened(spectrograms[:, : self.size.n_frames], self.size.n_frames)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Tokens `(batch, 1 + patches, width)` of `(batch, time)`, the class token first, with nothing hidden."""
        return self.network.encode(self.features(waveforms))

    def loss(self, spectrograms: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The loss of a random share `mask_ratio` of the patches of `features`, drawn anew for each spectrogram."""
        kept = random_kept(len(spectrograms), self.size.n_patches, self.mask_ratio, generator).to(spectrograms.device)
        return self.network(spectrograms, kept)[0]

    def reconstruct(self, spectrograms: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """`spectrograms` as the encoder sees them, hidden patches NaN, and with these as the decoder tells them.

        The decoder tells normalised patches: the mean and the deviation of each are those of the original.
        """
        patches = patchify(spectrograms, self.size.patch)
        kept = random_kept(len(spectrograms), self.size.n_patches, self.mask_ratio, generator).to(spectrograms.device)
        hidden = hidden_mask(kept, self.size.n_patches)[..., None]
        told = restored(self.network(spectrograms, kept)[1], patches)
        seen = patches.masked_fill(hidden, torch.nan)
        whole = torch.where(hidden, told, patches)
        return unpatchify(seen, self.size.n_bands), unpatchify(whole, self.size.n_bands)

    # Training

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        generator = torch.Generator().manual_seed(hash((self.seed, self.global_step)) % 2**63)
        loss = self.loss(self.features(batch["waveform"]), generator)
        self.check_finite(loss)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["waveform"]))
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Of the same patches of a batch in every epoch."""
        loss = self.loss(self.features(batch["waveform"]), torch.Generator().manual_seed(batch_index))
        self.log("val_loss", loss, batch_size=len(batch["waveform"]), sync_dist=True)

    def configure_optimizers(self) -> Any:
        groups = [{"params": list(self.parameters()), "lr": self.optimization.learning_rate}]
        return adam(groups, self.optimization, self.trainer)
