"""CMGAN as a system: the generator that enhances, and how it is trained against a metric discriminator."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.config import EnhancerLosses, EnhancerOptimization, complete
from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.systems.cmgan.discriminator import Discriminator, normalised_pesq
from auricle.systems.cmgan.generator import TSCNet, TSCNetSize
from auricle.systems.cmgan.spectrum import Spectrum
from auricle.systems.enhancer import Enhancer, LevelMeter, Meter
from auricle.systems.overlap import Pieces
from auricle.systems.system import SYSTEMS, System, evaluating

#: What each preset changes of the published network and its losses.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "cmgan": {},
    "cmgan-small": {
        "spectrum": {"hop_length": 200},
        "size": {
            "channels": 24,
            "blocks": 2,
            "heads": 2,
            "dense_depth": 2,
            "kernel_size": 15,
            "max_distance": 32,
            "span": 32,
            "norm": "batch",
            "dropout": 0.0,
        },
        "losses": {"adversarial": 0.0},
    },
}

_NEW_S, _OVERLAP_S, _CONTEXT_S = 6.0, 0.25, 1.0
_LEAST_LEVEL = 1e-8


@SYSTEMS.register("cmgan")
class CMGAN(System, Enhancer):
    """Speech enhancement by a conformer-based metric-GAN (Abdulatif et al., 2024).

    `config` holds `sample_rate` (Hz), `spectrum`, `size`, `losses`, `optimization` and `seed`. The generator hears
    everything at a root mean square of 1, and its output is scaled back; the discriminator exists in training alone.

    The published network normalises each piece as a whole and attends to all of it, so pieces of a long recording
    cannot be quite what the whole would give; a network whose `size.context` is bounded gives the same either way.
    """

    name: ClassVar[str] = "cmgan"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.automatic_optimization = False
        self.sample_rate = int(config["sample_rate"])
        self.spectrum = Spectrum(**config.get("spectrum", {}))
        self.size = TSCNetSize(**config.get("size", {}))
        self.losses = EnhancerLosses(**config.get("losses", {}))
        self.optimization = EnhancerOptimization(**config.get("optimization", {}))
        self.seed = int(config.get("seed", 0))
        self.generator = TSCNet(self.spectrum.n_bins, self.size)
        self.discriminator: Discriminator | None = None
        self.pieces = self._pieces()
        self._workers: Any = None

    @classmethod
    def build(
        cls,
        preset: str = "cmgan",
        *,
        size: dict[str, Any] | None = None,
        losses: dict[str, Any] | None = None,
        optimization: EnhancerOptimization = EnhancerOptimization(),
        seed: int = 0,
    ) -> CMGAN:
        """A preset at 16 kHz, with changes of its own; weights drawn from `seed`."""
        if preset not in PRESETS:
            raise AuricleError(unknown_name("preset", preset, PRESETS))
        given = {"size": size or {}, "losses": losses or {}}
        config: dict[str, Any] = {"sample_rate": 16000}
        for name, kind in (("spectrum", Spectrum), ("size", TSCNetSize), ("losses", EnhancerLosses)):
            config[name] = complete(kind, PRESETS[preset].get(name, {}) | given.get(name, {}), name)
        config |= {"optimization": asdict(optimization), "seed": seed}
        return cls.drawn(config)

    def labels(self) -> dict[str, Any]:
        return {}

    def deployed(self) -> dict[str, Tensor]:
        return {name: value for name, value in self.state_dict().items() if name.startswith("generator.")}

    # Enhancing

    def _pieces(self) -> Pieces:
        hop, context = self.spectrum.hop_length, self.size.context
        n_context = (
            round(_CONTEXT_S * self.sample_rate) if context is None else max(context) * hop + self.spectrum.n_fft
        )
        n_new, n_overlap = round(_NEW_S * self.sample_rate), round(_OVERLAP_S * self.sample_rate)
        return Pieces.around(n_new, n_context, n_overlap, grid=hop)

    @property
    def latency(self) -> str:
        scale = "it hears the whole recording once for its level"
        if self.size.context is None:
            piece_s = self.pieces.length / self.sample_rate
            return f"{scale}, and then pieces of {piece_s:g} s, of which each sample depends on all"
        ahead = self.size.context[1] * self.spectrum.hop_length + self.spectrum.n_fft // 2
        return f"{scale}, and then {ahead / self.sample_rate:g} s ahead"

    def meter(self) -> LevelMeter:
        return LevelMeter()

    @torch.no_grad()
    def process(self, piece: np.ndarray, meter: Meter) -> np.ndarray:
        assert isinstance(meter, LevelMeter)
        if meter.rms == 0:
            return np.zeros_like(piece)
        scaled = torch.from_numpy((piece / meter.rms).astype(np.float32)).to(self.device)
        scaled = F.pad(scaled, (0, max(0, self.spectrum.n_fft - len(piece))))
        with evaluating(self):
            done = self(scaled[None])[0, : len(piece)]
        return done.cpu().numpy() * np.float32(meter.rms)

    def forward(self, noisy: Tensor) -> Tensor:
        """Speech out of `(batch, time)` of unit level; the same shape."""
        return self.spectrum.inverse(self.generator(self.spectrum.forward(noisy)), noisy.shape[-1])

    # Training

    def configure_model(self) -> None:
        if self.losses.adversarial and self.discriminator is None:
            with torch.random.fork_rng():
                torch.manual_seed(self.seed)
                self.discriminator = Discriminator().to(self.device)

    def compare(self, noisy: Tensor, clean: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The losses of equation 9 without the adversarial one, and the signals they compare.

            complex: mean (Ŝ_r − S_r)² + mean (Ŝ_i − S_i)²;  magnitude: mean (|Ŝ| − |S|)²;  time: mean |ŝ − s|

        of the compressed spectra and the waveforms `(batch, time)`, both scaled by what makes the noisy one's level 1.
        """
        level = noisy.square().mean(-1, keepdim=True).sqrt().clamp(min=_LEAST_LEVEL)
        noisy, clean = noisy / level, clean / level
        wanted = self.spectrum.forward(clean)
        estimate = self.generator(self.spectrum.forward(noisy))
        waveform = self.spectrum.inverse(estimate, clean.shape[-1])
        magnitudes = {"estimate": _magnitude(estimate), "clean": _magnitude(wanted)}
        terms = {
            "complex": 2 * F.mse_loss(estimate, wanted),
            "magnitude": F.mse_loss(magnitudes["estimate"], magnitudes["clean"]),
            "time": F.l1_loss(waveform, clean),
        }
        return terms, magnitudes | {"waveform": waveform, "speech": clean}

    def weighted(self, terms: dict[str, Tensor]) -> Tensor:
        """Σ weight · loss."""
        return torch.stack([getattr(self.losses, name) * term for name, term in terms.items()]).sum()

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        optimizers = self.optimizers()
        generator_steps, *others = optimizers if isinstance(optimizers, list) else [optimizers]
        terms, signals = self.compare(batch["noisy"], batch["clean"])
        if self.discriminator is not None:
            guess = self.discriminator(signals["clean"], signals["estimate"])
            terms["adversarial"] = F.mse_loss(guess, torch.ones_like(guess))
        loss = self.weighted(terms)
        self.check_finite(loss)
        generator_steps.zero_grad()
        self.manual_backward(loss)
        generator_steps.step()
        size = len(batch["noisy"])
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=size)
        if self.discriminator is not None:
            for steps in others:
                self._teach_discriminator(self.discriminator, steps, signals, size)

    def _teach_discriminator(self, discriminator: Discriminator, steps: Any, signals: Any, size: int) -> None:
        """One step towards 1 for clean speech and towards PESQ for estimates, where PESQ can be told (equation 8)."""
        pesq = self._measured_pesq(signals["speech"], signals["waveform"].detach())
        known = torch.isfinite(pesq)
        if not known.any():
            return
        clean, estimate = signals["clean"][known], signals["estimate"].detach()[known]
        perfect = discriminator(clean, clean)
        loss = F.mse_loss(perfect, torch.ones_like(perfect))
        loss = loss + F.mse_loss(discriminator(clean, estimate), normalised_pesq(pesq[known]))
        steps.zero_grad()
        self.manual_backward(loss)
        steps.step()
        self.log("train_discriminator_loss", loss, on_step=False, on_epoch=True, batch_size=size)

    def _measured_pesq(self, clean: Tensor, estimate: Tensor) -> Tensor:
        """Wide-band PESQ `(batch,)`, computed in worker processes; NaN where there is no speech."""
        from auricle.metrics.signals import pesq
        from auricle.metrics.workers import Workers

        if self._workers is None:
            self._workers = Workers()
        signals = [signal.float().cpu().numpy() for signal in (estimate, clean)]
        scores = list(self._workers.map(pesq, *signals, self.sample_rate))
        return torch.tensor(scores, dtype=torch.float32, device=clean.device)

    def on_fit_end(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        terms, _ = self.compare(batch["noisy"], batch["clean"])
        size = len(batch["noisy"])
        self.log("val_loss", self.weighted(terms), batch_size=size, sync_dist=True)
        for name, term in terms.items():
            self.log(f"val_{name}", term, batch_size=size, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        schedulers = self.lr_schedulers()
        for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
            scheduler.step()

    def configure_optimizers(self) -> Any:
        options = self.optimization
        parts: list[tuple[torch.nn.Module, float]] = [(self.generator, 1.0)]
        if self.discriminator is not None:
            parts.append((self.discriminator, options.discriminator_factor))
        n_epochs = self.trainer.max_epochs or 1
        configured = []
        for module, factor in parts:
            rate = factor * options.learning_rate
            optimizer = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=options.weight_decay)
            scheduler: Any = torch.optim.lr_scheduler.StepLR(optimizer, options.halve_every, gamma=0.5)
            if options.schedule == "cosine":
                scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs)
            configured.append({"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}})
        return configured


def _magnitude(compressed: Tensor) -> Tensor:
    """|S| `(batch, 1, bins, frames)` of `(batch, 2, frames, bins)`, with a finite slope at 0."""
    return (compressed.square().sum(1, keepdim=True) + 1e-12).sqrt().transpose(2, 3)
