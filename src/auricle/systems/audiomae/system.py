"""AudioMAE as a system: its input features, encoding, reconstruction of masked patches, and pre-training."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor

from auricle.config import Optimization, complete
from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.systems.audiomae.features import filterbank_spectrograms, pad_frames
from auricle.systems.audiomae.masking import (
    count_visible,
    denormalised,
    patch_mask,
    patchify,
    random_visible,
    unpatchify,
)
from auricle.systems.audiomae.network import AudioMAESize, MaskedAutoencoder
from auricle.systems.one_batch import drawn
from auricle.systems.optimizers import adam
from auricle.systems.system import SYSTEMS, System

#: For each preset the sizes that differ from those of the published network.
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
    """A masked autoencoder of log filterbank energies (Huang et al., 2022).

    `config` holds `sample_rate` (Hz), `size`, `mask_ratio` (the share of patches that are masked in training),
    `optimization` and `seed`.
    """

    name: ClassVar[str] = "audiomae"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = int(config["sample_rate"])
        self.size = AudioMAESize(**config.get("size", {}))
        self.mask_ratio = float(config.get("mask_ratio", 0.8))
        count_visible(self.size.n_patches, self.mask_ratio)
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
        """A new system: a preset, where `size` replaces some of its sizes, with random weights from `seed`."""
        if preset not in PRESETS:
            raise AuricleError(unknown_name("preset", preset, PRESETS))
        config = {
            "sample_rate": sample_rate,
            "size": complete(AudioMAESize, PRESETS[preset] | (size or {}), "size"),
            "mask_ratio": mask_ratio,
            "optimization": asdict(optimization),
            "seed": seed,
        }
        return cls.initialised(config)

    def labels(self) -> dict[str, Any]:
        return {}

    def features(self, waveforms: Tensor) -> Tensor:
        """Spectrograms `(batch, n_frames, n_bands)` of waveforms `(batch, time)` at `sample_rate`, 10 ms per frame.

        Longer waveforms are cut, shorter ones padded by frames of log energy 0.
        """
        spectrograms = filterbank_spectrograms(waveforms, self.sample_rate, self.size.n_bands)
        spectrograms = spectrograms.to(next(self.parameters()).dtype)
        return pad_frames(spectrograms[:, : self.size.n_frames], self.size.n_frames)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Tokens `(batch, 1 + patches, width)` of waveforms `(batch, time)`, the class token first, without masking."""
        return self.network.encode(self.features(waveforms))

    def loss(self, spectrograms: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The reconstruction loss of `spectrograms` from `features`, each with randomly masked patches of its own."""
        return self.network(spectrograms, self._random_visible(spectrograms, generator))[0]

    def reconstruct(self, spectrograms: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Mask random patches of `spectrograms`, and reconstruct them.

        Both results are `(batch, n_frames, n_bands)`: the input with NaN in masked patches, and the input with
        predictions in masked patches. The decoder predicts normalised patches; the mean and the variance of each are
        taken from the input.
        """
        patches = patchify(spectrograms, self.size.patch)
        visible = self._random_visible(spectrograms, generator)
        mask = patch_mask(visible, self.size.n_patches)[..., None]
        predicted = denormalised(self.network(spectrograms, visible)[1], patches)
        visible_patches, filled = patches.masked_fill(mask, torch.nan), torch.where(mask, predicted, patches)
        return unpatchify(visible_patches, self.size.n_bands), unpatchify(filled, self.size.n_bands)

    def _random_visible(self, spectrograms: Tensor, generator: torch.Generator | None) -> Tensor:
        shape = len(spectrograms), self.size.n_patches, self.mask_ratio
        if self.training:
            return drawn(random_visible, *shape, generator=generator).to(spectrograms.device)
        return random_visible(*shape, generator=generator).to(spectrograms.device)

    # Training

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        generator = torch.Generator().manual_seed(hash((self.seed, self.loop.global_step, 1)) % 2**63)
        loss = self.loss(self.features(batch["waveform"]), generator)
        self.check_finite(loss)
        size = len(batch["waveform"])
        self.loop.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Log the loss as `val_loss`, with the same masks in every epoch."""
        loss = self.loss(self.features(batch["waveform"]), torch.Generator().manual_seed(batch_index))
        self.loop.log("val_loss", loss, batch_size=len(batch["waveform"]), sync_dist=True)

    def configure_optimizers(self) -> Any:
        groups = [{"params": list(self.parameters()), "lr": self.optimization.learning_rate}]
        return adam(groups, self.optimization, self.loop.trainer)
