"""Training loop of every system: Lightning's Trainer, resumable, keeping the best epoch."""

from __future__ import annotations

import csv
import logging
import math
import os
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar, Timer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from auricle.config import Training
from auricle.data.loading import WindowSampler
from auricle.errors import AuricleError
from auricle.layers import allow_single_values
from auricle.readers import checked, read_rows
from auricle.systems.checkpoints import read_checkpoint
from auricle.systems.system import System, first_line

HISTORY = "history.csv"
_CHECKPOINT = {
    "epoch": int,
    "global_step": int,
    "state_dict": dict,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "pytorch-lightning_version": str,
}


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
        rows = [old for old in read_history(self.path) if float(old["epoch"]) < row["epoch"]]
        with open(self.path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row), restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows([*rows, row])
        if self.say:
            shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
            print(f"epoch {row['epoch']}/{trainer.max_epochs}  {shown}", flush=True)


class _Sampling(Callback):
    """Gives the sampler the epoch before workers use it, which Lightning does too late, and the number of devices.

    The sampler's items are distributed over the devices in turn, so its batch is the batch of all devices together.
    """

    def __init__(self, sampler: WindowSampler, batch_size: int) -> None:
        self.sampler = sampler
        self.batch_size = batch_size

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        self.sampler.batch_size = self.batch_size * trainer.world_size

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
    return read_rows(path, ("epoch", "val_loss"), ("epoch", "val_loss"), what="the history of a training")


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
    best = ModelCheckpoint(checkpoints, filename="best", monitor="val_loss", enable_version_counter=False)
    last = ModelCheckpoint(
        checkpoints, filename="last", save_on_train_epoch_end=True, enable_version_counter=False, save_top_k=1
    )
    bar = progress and sys.stderr.isatty()
    timer = Timer()
    history = _History(folder / HISTORY, say=progress and not bar)
    callbacks: list[Callback] = [best, last, timer, history, _SeededSteps()]
    if isinstance(train.sampler, WindowSampler):
        callbacks.append(_Sampling(train.sampler, train.batch_size or 1))
    if bar:
        callbacks.append(RichProgressBar(leave=True))
    if options.early_stop:
        callbacks.append(_EarlyStop("val_loss", patience=options.early_stop))
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        check_devices(options)
        try:
            trainer = lightning.Trainer(
                max_epochs=options.epochs,
                accelerator=options.accelerator,
                devices=options.devices,
                precision=options.precision,
                callbacks=callbacks,
                logger=False,
                num_sanity_val_steps=0,
                enable_progress_bar=bar,
                enable_model_summary=False,
                default_root_dir=folder,
            )
        except (ImportError, TypeError, ValueError, MisconfigurationException) as error:
            raise AuricleError(f"cannot train with these options: {first_line(error)}") from None
        unfinished = checkpoints / "last.ckpt"
        resumed = unfinished.exists()
        before = check_unfinished(unfinished) if resumed else 0
        allow_single_values(system)
        try:
            trainer.fit(
                system,
                train,
                validation,
                ckpt_path=str(unfinished) if resumed else None,
                weights_only=True,
            )
        except SystemExit:
            raise KeyboardInterrupt from None
        except (RuntimeError, KeyError) as error:
            if resumed and trainer.global_step == before:
                raise AuricleError(f"{unfinished} does not fit: remove {folder} and begin again") from error
            raise
    if best.best_model_path:
        system.load_state_dict(read_checkpoint(best.best_model_path)["state_dict"])
    system.eval()
    losses = [float(row["val_loss"]) for row in read_history(folder / HISTORY)]
    lowest = min(losses, key=lambda loss: (math.isnan(loss), loss))
    return TrainingSummary(len(losses), losses.index(lowest) + 1, lowest, timer.time_elapsed() / 3600)


def check_devices(options: Training) -> None:
    """Raise `AuricleError` for more devices than there are: a process is started for each."""
    available = torch.cuda.device_count() if options.accelerator not in ("cpu", "auto") else 0
    most = available or torch.cuda.device_count() or os.cpu_count() or 1
    if options.devices.strip().isdigit() and not 1 <= int(options.devices) <= most:
        raise AuricleError(f"training.devices={options.devices}: there are {most} here")


def check_unfinished(path: Path) -> int:
    """The number of steps done in a checkpoint; an `AuricleError` if it cannot be resumed, or would run code."""
    try:
        state = checked(read_checkpoint(path), _CHECKPOINT, path)
    except AuricleError as error:
        raise AuricleError(f"{error}: remove {path.parent.parent} and begin again") from None
    return int(state["global_step"])


def discard_checkpoints(folder: Path) -> None:
    """Remove the checkpoints, which are needed only to resume a training."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
