"""TRNet as a system, with its baselines and ablations: what each hears, and what it is trained towards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.config import EmotionLosses, Optimization, require
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.systems.optimizers import adam
from auricle.systems.system import SYSTEMS, System
from auricle.systems.trnet.network import (
    VARIANTS,
    Bridge,
    Coefficient,
    EmotionNetwork,
    EmotionNetworkSize,
    LogMel,
    band_cosines,
    compensate,
)

TEACHER = "teacher."


@dataclass(frozen=True)
class Kind:
    """What a configuration hears ("noisy", "enhanced" or "both") and learns from.

    `in_noise` says whether it is trained in noise too; `without` names the loss that an ablation leaves out.
    """

    hears: str
    in_noise: bool = True
    without: str = ""

    @property
    def refines(self) -> bool:
        """Whether it has the coefficient, the bridge and the teacher."""
        return self.hears == "both"

    @property
    def enhances(self) -> bool:
        return self.hears != "noisy"


#: The rows of the paper's Table 1.
KINDS = {
    "baseline-c": Kind("noisy", in_noise=False),
    "baseline-n": Kind("noisy"),
    "baseline-e": Kind("enhanced"),
    "trnet": Kind("both"),
    "no-low": Kind("both", without="low"),
    "no-high": Kind("both", without="high"),
}


@dataclass(frozen=True)
class Heard:
    """What the network makes of a batch: `coefficient` `(batch, 1)` is NaN where there is none."""

    logits: Tensor
    representation: Tensor
    spectrogram: Tensor
    coefficient: Tensor


@SYSTEMS.register("trnet")
class TRNet(System):
    """Emotion recognition from noisy speech and the same enhanced (Chen and Zhang, 2024), or one of its baselines.

    `config` holds `kind`, `variant`, `size`, `losses`, `sample_rate` (Hz), `window_s` (what is heard at once, in
    seconds), `tasks` (one), `enhancer` (what made the enhanced speech), `optimization` and `seed`. The teacher, a
    network trained on clean speech, exists in training alone: `teach` gives it.
    """

    name: ClassVar[str] = "trnet"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        for what, value, known in (("kind", config["kind"], KINDS), ("variant", config["variant"], VARIANTS)):
            if value not in known:
                raise AuricleError(unknown_name(what, value, known))
        self.kind = KINDS[config["kind"]]
        self.sample_rate = int(config["sample_rate"])
        self.window = round(config["window_s"] * self.sample_rate)
        require(self.window >= LogMel.frame_length, f"window_s={config['window_s']:g}: a frame of 25 ms or more")
        self.short = "repeat" if config["variant"] == "published" else "pad"
        self.tasks = tuple(Task.from_dict(task) for task in config["tasks"])
        require(len(self.tasks) == 1 and not self.tasks[0].multi_label, "TRNet tells the labels of one task apart")
        self.losses = EmotionLosses(**config.get("losses", {}))
        self.optimization = Optimization(**config.get("optimization", {}))
        self.seed = int(config.get("seed", 0))
        self.log_mel = LogMel(self.sample_rate, dither=0.0 if config["variant"] == "published" else 1.0)
        self.network = EmotionNetwork(
            config["variant"],
            EmotionNetworkSize.of(config["variant"], config.get("size", {})),
            len(self.tasks[0].labels),
        )
        self.coefficient = Coefficient(standardised=config["variant"] == "paper") if self.kind.refines else None
        self.bridge = Bridge(self.network.dim) if self.kind.refines else None
        self.teacher: EmotionNetwork | None = None

    @classmethod
    def build(
        cls,
        task: Task,
        *,
        kind: str = "trnet",
        variant: str = "paper",
        size: dict[str, Any] | None = None,
        losses: EmotionLosses = EmotionLosses(),
        window_s: float = 5.0,
        enhancer: str = "",
        optimization: Optimization = Optimization(learning_rate=1e-3),
        seed: int = 0,
    ) -> TRNet:
        """The configuration `kind` at 16 kHz with its defaults written out; weights drawn from `seed`."""
        config = {
            "kind": kind,
            "variant": variant,
            "size": asdict(EmotionNetworkSize.of(variant, size or {})),
            "losses": asdict(losses),
            "sample_rate": 16000,
            "window_s": window_s,
            "tasks": [task.to_dict()],
            "enhancer": enhancer,
            "optimization": asdict(optimization),
            "seed": seed,
        }
        return cls.drawn(config)

    def labels(self) -> dict[str, Any]:
        return {"tasks": [task.to_dict() for task in self.tasks]}

    def deployed(self) -> dict[str, Tensor]:
        return {name: value for name, value in self.state_dict().items() if not name.startswith(TEACHER)}

    def forward(self, noisy: Tensor, enhanced: Tensor, n_samples: Tensor) -> Heard:
        """Of waveforms `(batch, time)` at `sample_rate` of which the first `n_samples` `(batch,)` are the clips' own.

        A baseline does not look at the one that it does not hear.
        """
        n_frames = self.log_mel.n_frames(n_samples)
        spectrogram = self.log_mel(enhanced if self.kind.hears == "enhanced" else noisy, n_samples)
        coefficient = torch.full((len(noisy), 1), torch.nan, device=noisy.device)
        if self.coefficient is not None:
            other = self.log_mel(enhanced, n_samples)
            coefficient = self.coefficient(band_cosines(spectrogram, other))
            spectrogram = compensate(coefficient, spectrogram, other)
        representation = self.network.represent(spectrogram, n_frames)
        if self.bridge is not None:
            representation = self.bridge(representation, coefficient)
        return Heard(self.network.classifier(representation), representation, spectrogram, coefficient)

    # Training

    def teach(self, clean: TRNet) -> None:
        """Take the network of `clean`, trained on clean speech, as the frozen teacher."""
        own, its = self.config, clean.config
        for key in ("variant", "size", "tasks", "window_s"):
            if own[key] != its[key]:
                raise AuricleError(f"the teacher has {key} {its[key]}, and the system that it teaches {own[key]}")
        self.teacher = EmotionNetwork(own["variant"], EmotionNetworkSize(**own["size"]), len(self.tasks[0].labels))
        self.teacher.load_state_dict(clean.network.state_dict())
        self.teacher.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> TRNet:
        """Training mode, except for the teacher."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def terms(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """The losses, unweighted, and the logits.

            task: cross-entropy;  low: mean (X_s − X̃)² (equation 5);  high: mean (h_s − h̃)² (equation 7)

        with X_s and h_s of the clean speech, h_s by the teacher.
        """
        heard = self(batch["noisy"], batch["enhanced"], batch["n_samples"])
        terms = {"task": F.cross_entropy(heard.logits, batch["target"])}
        if self.kind.refines:
            if self.teacher is None:
                raise AuricleError("a system that refines is trained with a teacher: call teach first")
            with torch.no_grad():
                clean = self.log_mel(batch["clean"], batch["n_samples"])
                wanted = self.teacher.represent(clean, self.log_mel.n_frames(batch["n_samples"]))
            terms["low"] = F.mse_loss(heard.spectrogram, clean)
            terms["high"] = F.mse_loss(heard.representation, wanted)
        return terms, heard.logits

    def weighted(self, terms: dict[str, Tensor]) -> Tensor:
        """Equation 8: L = L_task + α L_low + β L_high; the loss that an ablation is without counts nothing."""
        weights = {"task": 1.0} | asdict(self.losses) | ({self.kind.without: 0.0} if self.kind.without else {})
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum()

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        terms, _ = self.terms(batch)
        loss = self.weighted(terms)
        self.check_finite(loss)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["target"]))
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """The cross-entropy chooses the epoch, in every configuration."""
        terms, logits = self.terms(batch)
        size = len(batch["target"])
        accuracy = (logits.argmax(-1) == batch["target"]).float().mean()
        values = {"loss": terms["task"], "accuracy": accuracy} | {k: v for k, v in terms.items() if k != "task"}
        for name, value in values.items():
            self.log(f"val_{name}", value, batch_size=size, sync_dist=True)

    def learnt(self) -> Iterator[nn.Parameter]:
        """The parameters that learn."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)

    def configure_optimizers(self) -> Any:
        return adam(
            [{"params": list(self.learnt()), "lr": self.optimization.learning_rate}], self.optimization, self.trainer
        )
