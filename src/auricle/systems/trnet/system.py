"""TRNet as a system, with the baselines and ablations of its paper: their inputs and their losses."""

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
from auricle.systems.trnet.kinds import KINDS
from auricle.systems.trnet.network import (
    COSINES,
    VARIANTS,
    Bridge,
    Coefficient,
    EmotionNetwork,
    EmotionNetworkSize,
    LogMel,
    band_cosines,
    compensate,
    frame_mask,
)

_TEACHER = "teacher."  # prefix of the teacher's weights


@dataclass(frozen=True)
class TRNetOutput:
    """The outputs for a batch.

    `logits` `(batch, labels)`, `representation` `(batch, dim)`, the refined `log_mel` `(batch, 80, frames)`, and the
    `coefficient` `(batch, 1)`, which is NaN for baselines without refinement.
    """

    logits: Tensor
    representation: Tensor
    log_mel: Tensor
    coefficient: Tensor


def _usual(variant: str) -> dict[str, Any]:
    """The coefficient's `cosines` and `clamp`, and the log-mel's `dither`, of `variant`."""
    paper = variant == "paper"
    return {"cosines": "standardised" if paper else "raw", "clamp": "two-way", "dither": 1.0 if paper else 0.0}


@SYSTEMS.register("trnet")
class TRNet(System):
    """Emotion recognition from noisy speech and its enhanced version (Chen and Zhang, 2024), or one of its baselines.

    `config` holds `kind` (a key of `KINDS`), `variant` ("paper" or "published"), `size`, `losses`, `sample_rate` (Hz),
    `window_s` (length of the input in seconds), `tasks` (one), `enhancer` (name of the enhancer), `cosines` ("raw" or
    "standardised") and `clamp` ("plain" or "two-way") of the coefficient, `dither` of the log-mel, `optimization` and
    `seed`. Kinds with refinement are trained with a teacher, a network trained on clean speech, which is set by
    `set_teacher` and not saved.
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
        require(self.window >= LogMel.frame_length, f"window_s={config['window_s']:g}: at least one frame, 0.025")
        self.short = "repeat" if config["variant"] == "published" else "pad"
        self.tasks = tuple(Task.from_dict(task) for task in config["tasks"])
        one_label = len(self.tasks) == 1 and not self.tasks[0].multi_label
        require(one_label, "TRNet has exactly one task, with one label per clip")
        self.losses = EmotionLosses(**config.get("losses", {}))
        self.optimization = Optimization(**config.get("optimization", {}))
        self.seed = int(config.get("seed", 0))
        usual = _usual(config["variant"])
        cosines, clamp, dither = (config.get(name, usual[name]) for name in usual)
        if cosines not in COSINES:
            raise AuricleError(unknown_name("cosines", cosines, COSINES))
        require(0 <= dither < float("inf"), f"dither={dither}: a number, 0 or more")
        self.log_mel = LogMel(self.sample_rate, dither=dither)
        self.network = EmotionNetwork(
            config["variant"],
            EmotionNetworkSize.of(config["variant"], config.get("size", {})),
            len(self.tasks[0].labels),
        )
        refined = self.kind.has_refinement
        coefficient = Coefficient(standardised=cosines == "standardised", clamp=clamp)
        self.coefficient = coefficient if refined else None
        self.bridge = Bridge(self.network.dim) if refined else None
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
        cosines: str | None = None,
        clamp: str | None = None,
        dither: float | None = None,
        optimization: Optimization = Optimization(learning_rate=1e-3),
        seed: int = 0,
    ) -> TRNet:
        """A new system of that `kind` at 16 kHz, with all defaults in its config and random weights from `seed`.

        `cosines`, `clamp` and `dither` are by default those of the variant.
        """
        readings = {"cosines": cosines, "clamp": clamp, "dither": dither}
        chosen = {name: value for name, value in readings.items() if value is not None}
        config = {
            "kind": kind,
            "variant": variant,
            "size": asdict(EmotionNetworkSize.of(variant, size or {})),
            "losses": asdict(losses),
            "sample_rate": 16000,
            "window_s": window_s,
            "tasks": [task.to_dict()],
            "enhancer": enhancer,
            **(_usual(variant) | chosen),
            "optimization": asdict(optimization),
            "seed": seed,
        }
        return cls.initialised(config)

    def labels(self) -> dict[str, Any]:
        return {"tasks": [task.to_dict() for task in self.tasks]}

    def inference_weights(self) -> dict[str, Tensor]:
        return {name: value for name, value in self.state_dict().items() if not name.startswith(_TEACHER)}

    def forward(self, noisy: Tensor, enhanced: Tensor, n_samples: Tensor) -> TRNetOutput:
        """The outputs for `noisy` and `enhanced` waveforms `(batch, time)` at `sample_rate`.

        The first `n_samples` `(batch,)` samples of each waveform belong to the clip, the rest is padding. A kind with
        one input ignores the other one.
        """
        n_frames = self.log_mel.n_frames(n_samples)
        log_mel = self.log_mel(enhanced if self.kind.input == "enhanced" else noisy, n_samples)
        coefficient = torch.full((len(noisy), 1), torch.nan, device=noisy.device)
        if self.coefficient is not None:
            enhanced_log_mel = self.log_mel(enhanced, n_samples)
            coefficient = self.coefficient(band_cosines(log_mel, enhanced_log_mel))
            log_mel = compensate(coefficient, log_mel, enhanced_log_mel)
        representation = self.network.represent(log_mel, n_frames)
        if self.bridge is not None:
            representation = self.bridge(representation, coefficient)
        return TRNetOutput(self.network.classifier(representation), representation, log_mel, coefficient)

    # Training

    @property
    def alone(self) -> str:
        return "trnet trains one fold after the other in one process: share the speakers among commands (--speakers)"

    def set_teacher(self, teacher: TRNet) -> None:
        """Attach a frozen copy of the network of `teacher`, a system trained on clean speech.

        Raises an `AuricleError` unless both have the same variant, size, tasks, window and dither.
        """
        own, others = (dict[str, Any](each.config, dither=each.log_mel.dither) for each in (self, teacher))
        for key in ("variant", "size", "tasks", "window_s", "dither"):
            if own[key] != others[key]:
                raise AuricleError(f"the teacher has {key}={others[key]}, but its student has {own[key]}")
        self.teacher = EmotionNetwork(own["variant"], EmotionNetworkSize(**own["size"]), len(self.tasks[0].labels))
        self.teacher.load_state_dict(teacher.network.state_dict())
        self.teacher.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> TRNet:
        """Set training or evaluation mode; the teacher stays in evaluation mode."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def terms(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """The unweighted losses by name, and the logits `(batch, labels)`.

            task: cross-entropy;  low: ‖X_s − X̃‖² (equation 5);  high: ‖h_s − h̃‖² (equation 7)

        X_s is the log-mel spectrogram of the clean speech, h_s the teacher's representation of it. The squares are
        averaged over the window, averaged over each clip's own frames, or summed (see `EmotionLosses`). `batch` holds
        the waveforms `noisy`, `enhanced` and `clean` `(batch, time)`, `n_samples` `(batch,)` and label indices `target`
        `(batch,)`. Kinds without refinement have the task's loss alone.
        """
        output = self(batch["noisy"], batch["enhanced"], batch["n_samples"])
        terms = {"task": F.cross_entropy(output.logits, batch["target"])}
        if self.kind.has_refinement:
            if self.teacher is None:
                raise AuricleError("losses of a system with refinement need a teacher: call set_teacher first")
            n_frames = self.log_mel.n_frames(batch["n_samples"])
            with torch.no_grad():
                clean = self.log_mel(batch["clean"], batch["n_samples"])
                target = self.teacher.represent(clean, n_frames)
            terms["low"] = self._low(output.log_mel, clean, n_frames)
            summed = self.losses.reduction == "sum"
            terms["high"] = F.mse_loss(output.representation, target) * (target.shape[1] if summed else 1)
        return terms, output.logits

    def _low(self, log_mel: Tensor, clean: Tensor, n_frames: Tensor) -> Tensor:
        """Equation 5 for `(batch, bands, frames)`, of which the first `n_frames` `(batch,)` belong to each clip."""
        if self.losses.reduction == "mean":
            return F.mse_loss(log_mel, clean)
        squares = (log_mel - clean).square() * frame_mask(n_frames, clean.shape[-1])[:, None]
        of_clips = squares.sum(dim=(1, 2))
        return (of_clips if self.losses.reduction == "sum" else of_clips / (clean.shape[1] * n_frames)).mean()

    def weighted(self, terms: dict[str, Tensor]) -> Tensor:
        """Equation 8: L = L_task + α L_low + β L_high, where the loss that an ablation omits has the weight 0."""
        weights = {"task": 1.0, "low": self.losses.low, "high": self.losses.high}
        if self.kind.omitted_loss:
            weights[self.kind.omitted_loss] = 0.0
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum()

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        terms, _ = self.terms(batch)
        loss = self.weighted(terms)
        self.check_finite(loss)
        self.loop.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["target"]), sync_dist=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Log the cross-entropy as `val_loss`, by which the best epoch is chosen, and the other losses beside it."""
        terms, logits = self.terms(batch)
        size = len(batch["target"])
        accuracy = (logits.argmax(-1) == batch["target"]).float().mean()
        values = {"loss": terms["task"], "accuracy": accuracy} | {k: v for k, v in terms.items() if k != "task"}
        for name, value in values.items():
            self.loop.log(f"val_{name}", value, batch_size=size, sync_dist=True)

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """All parameters except the teacher's."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)

    def configure_optimizers(self) -> Any:
        groups = [{"params": list(self.trainable_parameters()), "lr": self.optimization.learning_rate}]
        return adam(groups, self.optimization, self.loop.trainer)
