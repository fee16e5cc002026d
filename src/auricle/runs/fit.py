"""Training loop of every system: Lightning's Trainer, resumable, keeping the best epoch."""

from __future__ import annotations

import csv
import io
import logging
import math
import signal
import sys
import threading
import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, RichProgressBar, Timer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from auricle.config import Training
from auricle.data.loading import WindowSampler, part_of
from auricle.errors import AuricleError
from auricle.files import write_text
from auricle.runs import processes
from auricle.runs.checkpoints import AtomicCheckpoints, Kept
from auricle.systems.one_batch import OneBatch
from auricle.systems.system import System, first_line

HISTORY = "history.csv"
_SIGNAL_S = 0.2


@dataclass(frozen=True)
class TrainingSummary:
    """Summary of a training, including the time before any interruption.

    Args:
        epochs: number of epochs trained.
        best_epoch: epoch whose weights were kept, counted from 1; None for several trainings together.
        best_val_loss: validation loss of that epoch.
        training_hours: wall-clock time of these epochs with validation, without work lost by interruptions.
    """

    epochs: int
    best_epoch: int | None
    best_val_loss: float
    training_hours: float


class _History(Callback):
    """Writes one line per epoch to history.csv, and with `say` to standard output."""

    def __init__(self, path: Path, say: bool) -> None:
        self.path = path
        self.say = say

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        values = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        row = {"epoch": trainer.current_epoch + 1, **{name: f"{value:.6g}" for name, value in values.items()}}
        rows = [old for old in read_history(self.path) if int(old["epoch"]) < row["epoch"]]
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(row), restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows([*rows, row])
        write_text(self.path, text.getvalue())
        if self.say:
            shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
            print(f"epoch {row['epoch']}/{trainer.max_epochs}  {shown}", flush=True)


class _Finite(Callback):
    """Ends a training whose gradients or validation loss are no numbers any more.

    With "16-mixed" precision, infinite gradients are part of the method: those steps are left out.
    """

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if trainer.precision == "16-mixed":
            return
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if gradients and not torch.stack(torch._foreach_norm(gradients, math.inf)).isfinite().all():
            broken = [n for n, p in pl_module.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
            pl_module.refuse_value(f"the gradient of {broken[0]} became infinite or NaN")

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        loss = float(trainer.callback_metrics["val_loss"])
        if not math.isfinite(loss):
            pl_module.refuse_value(f"the validation loss became {loss}")


class _Signals(Callback):
    """Keeps the handling of SIGTERM that was set before the training, instead of Lightning's.

    Lightning would finish the batch, and with several processes wait for the others.
    """

    def __init__(self) -> None:
        self.handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self.handler or signal.SIG_DFL)


class _Sampling(Callback):
    """Gives the sampler the epoch before workers use it, which Lightning does too late."""

    def __init__(self, sampler: WindowSampler) -> None:
        self.sampler = sampler

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self.sampler.set_epoch(checkpoint["epoch"] + 1)


class _SeededSteps(Callback):
    """Seeds PyTorch at every step from the seed and the step, so that a resumed training has the same dropout."""

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        torch.manual_seed(hash((pl_module.seed, trainer.global_step)) % 2**63)


class _EarlyStop(EarlyStopping):
    """Early stopping that also stops a resumed training at once if it had stopped before."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        trainer.should_stop = self.wait_count >= self.patience


def read_history(path: Path) -> list[dict[str, str]]:
    """The rows of a history.csv; empty if there is no such file."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def fit(
    system: System,
    train: DataLoader[Any],
    validation: DataLoader[Any],
    folder: Path,
    options: Training,
    *,
    progress: bool = True,
) -> TrainingSummary:
    """Train `system` in place; it ends with the weights of the epoch with the lowest validation loss.

    The state after every epoch is saved in `folder`/checkpoints. If there is one, training resumes from it with the
    random windows, augmentation and dropout that it would have had without the interruption.
    """
    checkpoints = folder / "checkpoints"
    best = Kept(checkpoints, "best", monitor="val_loss")
    last = Kept(checkpoints, "last", save_on_train_epoch_end=True, save_top_k=1)
    bar = progress and sys.stderr.isatty()
    timer = Timer()
    history = _History(folder / HISTORY, say=progress and not bar)
    callbacks: list[Callback] = [best, last, timer, history, _SeededSteps(), _Finite(), _Signals()]
    if isinstance(train.sampler, WindowSampler):
        callbacks.append(_Sampling(train.sampler))
    if bar:
        callbacks.append(RichProgressBar(leave=True))
    if options.early_stop:
        callbacks.append(_EarlyStop("val_loss", patience=options.early_stop))
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = _trainer(options, system, callbacks, bar, folder)
        together = trainer.world_size > 1
        if together and system.alone:
            processes.refuse(system.alone)
        loader = part_of(train, trainer.global_rank, trainer.world_size) if together else train
        unfinished = checkpoints / "last.ckpt"
        resumed = str(unfinished) if unfinished.exists() else None
        try:
            with OneBatch() if together else nullcontext():
                trainer.fit(system, loader, validation, ckpt_path=resumed)
        except SystemExit as end:  # Lightning's answer to an interruption
            raise end.__context__ if isinstance(end.__context__, KeyboardInterrupt) else end from None
        except RuntimeError as error:
            if "PytorchStreamReader" in str(error) or "size mismatch" in str(error):
                raise AuricleError(f"{unfinished} cannot be read: remove {folder} and begin again") from None
            if "DataLoader worker" in str(error):
                time.sleep(_SIGNAL_S)  # a signal to all processes has ended the worker first
                raise AuricleError(f"a process that reads clips was ended from outside: {first_line(error)}") from None
            raise
    if best.best_model_path:
        state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        system.load_state_dict(state["state_dict"])
    trainer.strategy.barrier()
    system.eval()
    losses = [float(row["val_loss"]) for row in read_history(folder / HISTORY)]
    lowest = min(losses, key=lambda loss: (math.isnan(loss), loss))
    return TrainingSummary(len(losses), losses.index(lowest) + 1, lowest, timer.time_elapsed() / 3600)


def _trainer(
    options: Training, system: System, callbacks: list[Callback], bar: bool, folder: Path
) -> lightning.Trainer:
    """Lightning's trainer for these options and for the processes that were started."""
    started = processes.environment()
    n_nodes, on_each = processes.nodes(started)
    devices = options.devices
    if devices == "auto" and (started is not None or system.alone):
        devices = str(on_each)
    plugins: list[Any] = [AtomicCheckpoints(), *([started] if started is not None else [])]
    settings: dict[str, Any] = {
        "max_epochs": options.epochs,
        "accelerator": options.accelerator,
        "devices": devices,
        "num_nodes": n_nodes,
        "precision": options.precision,
        "plugins": plugins,
        "callbacks": callbacks,
        "logger": False,
        "num_sanity_val_steps": 0,
        "enable_progress_bar": bar,
        "enable_model_summary": False,
        "default_root_dir": folder,
        "use_distributed_sampler": False,
    }
    try:
        trainer = lightning.Trainer(**settings)
        if trainer.world_size > 1:
            strategy = DDPStrategy(broadcast_buffers=False)
            trainer = lightning.Trainer(**settings, strategy=strategy)
    except (ValueError, MisconfigurationException) as error:
        raise AuricleError(f"cannot train with these options: {first_line(error)}") from None
    return trainer
