"""CMGAN as a system: enhancement by the generator, and its training with a metric discriminator."""

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
from auricle.systems.enhancer import LevelMeter, Meter, PiecewiseEnhancer
from auricle.systems.overlap import OverlapAdd
from auricle.systems.system import SYSTEMS, System, evaluating

#: For each preset the options of the network and its losses that differ from the published ones.
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

_HOP_S, _OVERLAP_S, _CONTEXT_S = 6.0, 0.25, 1.0
_LEAST_LEVEL = 1e-8


@SYSTEMS.register("cmgan")
class CMGAN(System, PiecewiseEnhancer):
    """Speech enhancement by a conformer-based metric GAN (Abdulatif et al., 2024).

    `config` holds `sample_rate` (Hz), `spectrum`, `size`, `losses`, `optimization` and `seed`. The input of the
    generator is scaled to a root mean square of 1, and its output is scaled back. The discriminator is used in training
    only and not saved.

    In the published network each output sample depends on the whole input, through instance normalisation and
    attention, so enhancing a long recording piece by piece only approximates enhancing it at once. Where `size.context`
    is bounded, both give the same.
    """

    name: ClassVar[str] = "cmgan"
    automatic_optimization: ClassVar[bool] = False

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = int(config["sample_rate"])
        self.spectrum = Spectrum(**config.get("spectrum", {}))
        self.size = TSCNetSize(**config.get("size", {}))
        self.losses = EnhancerLosses(**config.get("losses", {}))
        self.optimization = EnhancerOptimization(**config.get("optimization", {}))
        self.seed = int(config.get("seed", 0))
        self.generator = TSCNet(self.spectrum.n_bins, self.size)
        self.discriminator: Discriminator | None = None
        self.overlap_add = self._overlap_add()
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
        """A new system at 16 kHz: a preset with changed `size` and `losses`, and random weights from `seed`."""
        if preset not in PRESETS:
            raise AuricleError(unknown_name("preset", preset, PRESETS))
        changes = {"size": size or {}, "losses": losses or {}}
        config: dict[str, Any] = {"sample_rate": 16000}
        for name, kind in (("spectrum", Spectrum), ("size", TSCNetSize), ("losses", EnhancerLosses)):
            config[name] = complete(kind, PRESETS[preset].get(name, {}) | changes.get(name, {}), name)
        config |= {"optimization": asdict(optimization), "seed": seed}
        return cls.initialised(config)

    def labels(self) -> dict[str, Any]:
        return {}

    def inference_weights(self) -> dict[str, Tensor]:
        return {name: value for name, value in self.state_dict().items() if name.startswith("generator.")}

    # Enhancement

    def _overlap_add(self) -> OverlapAdd:
        hop, context = self.spectrum.hop_length, self.size.context
        n_context = (
            round(_CONTEXT_S * self.sample_rate) if context is None else max(context) * hop + self.spectrum.n_fft
        )
        n_hop, n_overlap = round(_HOP_S * self.sample_rate), round(_OVERLAP_S * self.sample_rate)
        return OverlapAdd.with_hop(n_hop, n_context, n_overlap, grid=hop)

    @property
    def latency(self) -> str:
        level = "it needs the whole recording once for its level"
        if self.size.context is None:
            piece_s = self.overlap_add.length / self.sample_rate
            return f"{level}, and then pieces of {piece_s:g} s, of which each output sample depends on all"
        ahead = self.size.context[1] * self.spectrum.hop_length + self.spectrum.n_fft // 2
        return f"{level}, and then {ahead / self.sample_rate:g} s ahead"

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
            enhanced = self(scaled[None])[0, : len(piece)]
        return enhanced.cpu().numpy() * np.float32(meter.rms)

    def forward(self, noisy: Tensor) -> Tensor:
        """Enhance waveforms `(batch, time)` with a root mean square of 1; the same shape."""
        return self.spectrum.inverse(self.generator(self.spectrum.forward(noisy)), noisy.shape[-1])

    # Training

    @property
    def alone(self) -> str:
        if self.losses.adversarial:
            return "a discriminator is trained in one process only: --losses.adversarial 0 trains without it"
        return ""

    def configure_model(self) -> None:
        """Create the discriminator, if the adversarial loss counts."""
        if self.losses.adversarial and self.discriminator is None:
            with torch.random.fork_rng():
                torch.manual_seed(self.seed)
                self.discriminator = Discriminator().to(self.device)

    def compare(self, noisy: Tensor, clean: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The losses of equation 9 by name, without the adversarial one, and the signals that they compare.

            complex: mean (Ŝ_r − S_r)² + mean (Ŝ_i − S_i)²;  magnitude: mean (|Ŝ| − |S|)²;  time: mean |ŝ − s|

        S are compressed spectra, s waveforms. `noisy` and `clean` `(batch, time)` are both scaled such that the noisy
        waveform has a root mean square of 1. The signals are the magnitudes `estimate` and `clean`
        `(batch, 1, bins, frames)`, and the waveforms `waveform` (estimated) and `speech` (clean).
        """
        level = noisy.square().mean(-1, keepdim=True).sqrt().clamp(min=_LEAST_LEVEL)
        noisy, clean = noisy / level, clean / level
        target = self.spectrum.forward(clean)
        estimate = self.generator(self.spectrum.forward(noisy))
        waveform = self.spectrum.inverse(estimate, clean.shape[-1])
        magnitudes = {"estimate": _magnitude(estimate), "clean": _magnitude(target)}
        terms = {
            "complex": 2 * F.mse_loss(estimate, target),
            "magnitude": F.mse_loss(magnitudes["estimate"], magnitudes["clean"]),
            "time": F.l1_loss(waveform, clean),
        }
        return terms, magnitudes | {"waveform": waveform, "speech": clean}

    def weighted(self, terms: dict[str, Tensor]) -> Tensor:
        """Equation 9: Σ weight · loss, with the weights of `losses`."""
        return torch.stack([getattr(self.losses, name) * term for name, term in terms.items()]).sum()

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        optimizers = self.loop.optimizers()
        generator_optimizer, *others = optimizers if isinstance(optimizers, list) else [optimizers]
        terms, signals = self.compare(batch["noisy"], batch["clean"])
        if self.discriminator is not None:
            score = self.discriminator(signals["clean"], signals["estimate"])
            terms["adversarial"] = F.mse_loss(score, torch.ones_like(score))
        loss = self.weighted(terms)
        self.check_finite(loss)
        generator_optimizer.zero_grad()
        self.loop.manual_backward(loss)
        generator_optimizer.step()
        size = len(batch["noisy"])
        self.loop.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
        if self.discriminator is not None:
            for optimizer in others:
                self._train_discriminator(self.discriminator, optimizer, signals, size)

    def _train_discriminator(self, discriminator: Discriminator, optimizer: Any, signals: Any, size: int) -> None:
        """One step of equation 8: the target is 1 for clean speech, and the normalised PESQ for estimates.

        Clips for which PESQ is not defined are left out.
        """
        pesq = self._measured_pesq(signals["speech"], signals["waveform"].detach())
        defined = torch.isfinite(pesq)
        if not defined.any():
            return
        clean, estimate = signals["clean"][defined], signals["estimate"].detach()[defined]
        perfect = discriminator(clean, clean)
        loss = F.mse_loss(perfect, torch.ones_like(perfect))
        loss = loss + F.mse_loss(discriminator(clean, estimate), normalised_pesq(pesq[defined]))
        optimizer.zero_grad()
        self.loop.manual_backward(loss)
        optimizer.step()
        self.loop.log("train_discriminator_loss", loss, on_step=False, on_epoch=True, batch_size=size)

    def _measured_pesq(self, clean: Tensor, estimate: Tensor) -> Tensor:
        """Wide-band PESQ `(batch,)` of `(batch, time)`, computed in worker processes; NaN where there is no speech."""
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
        """Log the weighted losses without the adversarial one as `val_loss`, and each of them."""
        terms, _ = self.compare(batch["noisy"], batch["clean"])
        size = len(batch["noisy"])
        self.loop.log("val_loss", self.weighted(terms), batch_size=size, sync_dist=True)
        for name, term in terms.items():
            self.loop.log(f"val_{name}", term, batch_size=size, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        schedulers = self.loop.lr_schedulers()
        for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
            scheduler.step()

    def configure_optimizers(self) -> Any:
        options = self.optimization
        parts: list[tuple[torch.nn.Module, float]] = [(self.generator, 1.0)]
        if self.discriminator is not None:
            parts.append((self.discriminator, options.discriminator_factor))
        n_epochs = self.loop.trainer.max_epochs or 1
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
    """|S| `(batch, 1, bins, frames)` of S `(batch, 2, frames, bins)`, with a finite derivative at 0."""
    return (compressed.square().sum(1, keepdim=True) + 1e-12).sqrt().transpose(2, 3)
