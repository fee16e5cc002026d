"""What a training does between the steps of Lightning's loop."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping

from auricle.data.loading import WindowSampler
from auricle.files import write_rows
from auricle.runs.history import read_history
from auricle.runs.training_module import TrainingModule


class History(Callback):
    """Writes one line per epoch to history.csv, and with `say` to standard output."""

    def __init__(self, path: Path, say: bool) -> None:
        self.path = path
        self.say = say

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: TrainingModule) -> None:
        if not trainer.is_global_zero:
            return
        values = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        row = {"epoch": trainer.current_epoch + 1, **{name: f"{value:.9g}" for name, value in values.items()}}
        rows = [old for old in read_history(self.path) if float(old["epoch"]) < row["epoch"]]
        write_rows(self.path, row, ([line.get(name) for name in row] for line in [*rows, row]))
        if self.say:
            shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
            print(f"epoch {row['epoch']}/{trainer.max_epochs}  {shown}", flush=True)


class Finite(Callback):
    """Ends a training whose gradients or validation loss are no numbers any more.

    With "16-mixed" precision, infinite gradients are part of the method: those steps are left out.
    """

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, pl_module: TrainingModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if trainer.precision == "16-mixed":
            return
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if gradients and not torch.stack(torch._foreach_norm(gradients, math.inf)).isfinite().all():
            system = pl_module.system
            broken = [n for n, p in system.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
            system.refuse_value(f"the gradient of {broken[0]} became infinite or NaN")

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: TrainingModule) -> None:
        loss = float(trainer.callback_metrics["val_loss"])
        if not math.isfinite(loss):
            pl_module.system.refuse_value(f"the validation loss became {loss}")


class Sampling(Callback):
    """Gives the sampler the epoch before workers use it, which Lightning does too late."""

    def __init__(self, sampler: WindowSampler) -> None:
        self.sampler = sampler

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: TrainingModule, checkpoint: dict[str, Any]
    ) -> None:
        self.sampler.set_epoch(checkpoint["epoch"] + 1)


class SeededSteps(Callback):
    """Seeds PyTorch at every step from the seed and the step, so that a resumed training has the same dropout."""

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: TrainingModule, batch: Any, batch_idx: int
    ) -> None:
        torch.manual_seed(hash((pl_module.system.seed, trainer.global_step)) % 2**63)


class EarlyStop(EarlyStopping):
    """Early stopping that also stops a resumed training at once if it had stopped before."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: TrainingModule) -> None:
        trainer.should_stop = self.wait_count >= self.patience
