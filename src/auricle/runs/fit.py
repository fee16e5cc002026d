"""Training loop of every system: Lightning's Trainer, resumable, keeping the best epoch."""

from __future__ import annotations

import logging
import os
import platform
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, RichProgressBar, Timer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from auricle.config import Training
from auricle.data.loading import WindowSampler, part_of
from auricle.errors import AuricleError, first_line, note
from auricle.layers import allow_single_values
from auricle.runs import processes
from auricle.runs.callbacks import EarlyStop, Finite, History, Sampling, SeededSteps
from auricle.runs.checkpoints import AtomicCheckpoints, Kept, check_unfinished
from auricle.runs.history import HISTORY, TrainingSummary
from auricle.runs.loggers import logger
from auricle.runs.signals import SignalsBetweenBatches
from auricle.runs.training_module import training
from auricle.systems.checkpoints import read_checkpoint
from auricle.systems.one_batch import OneBatch
from auricle.systems.system import System

_SIGNAL_S = 0.2  # between a signal to one process and to another, which fails as the first ends


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
    history = History(folder / HISTORY, say=progress and not bar)
    signals = SignalsBetweenBatches()
    callbacks: list[Callback] = [best, last, timer, history, SeededSteps(), Finite(), signals]
    if isinstance(train.sampler, WindowSampler):
        callbacks.append(Sampling(train.sampler))
    if bar:
        callbacks.append(RichProgressBar(leave=True))
    if options.early_stop:
        callbacks.append(EarlyStop("val_loss", patience=options.early_stop))
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        check_devices(options)
        trainer = _trainer(options, system, callbacks, bar, folder)
        slow = options.precision.startswith("bf16") and trainer.accelerator.name() == "cpu" and not bfloat16_is_fast()
        if slow and progress and trainer.is_global_zero:
            note(
                f"precision {options.precision} takes several times as long as 32-true on this processor, which has no "
                "instructions for it"
            )
        together = trainer.world_size > 1
        if together and system.alone:
            processes.refuse(system.alone)
        loader = part_of(train, trainer.global_rank, trainer.world_size) if together else train
        unfinished = checkpoints / "last.ckpt"
        resumed = unfinished.exists()
        before = check_unfinished(unfinished) if resumed else 0
        allow_single_values(system)
        try:
            system.train()
            if trainer.precision == "64-true":
                system.double()  # before a checkpoint is loaded, whose weights would lose half of their digits
            with signals, OneBatch() if together else nullcontext(), training(system) as module:
                trainer.fit(
                    module, loader, validation, ckpt_path=str(unfinished) if resumed else None, weights_only=True
                )
        except SystemExit as end:  # Lightning's answer to an interruption
            raise end.__context__ if isinstance(end.__context__, KeyboardInterrupt) else end from None
        except (RuntimeError, OSError, KeyError, EOFError) as error:
            signals.obey_within(_SIGNAL_S)
            if resumed and trainer.global_step == before and not isinstance(error, OSError):
                raise AuricleError(f"{unfinished} does not fit: remove {folder} and begin again") from error
            if "DataLoader worker" in str(error):
                raise AuricleError(f"a process that reads clips was ended from outside: {first_line(error)}") from None
            raise
    kept = read_checkpoint(best.best_model_path)
    system.load_state_dict(kept["state_dict"])
    trainer.strategy.barrier()
    system.eval()
    assert best.best_model_score is not None
    lowest = float(f"{float(best.best_model_score):.9g}")
    return TrainingSummary(trainer.current_epoch, kept["epoch"] + 1, lowest, timer.time_elapsed() / 3600)


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
        "logger": logger(options.logger, folder),
        "num_sanity_val_steps": 0,
        "enable_progress_bar": bar,
        "enable_model_summary": False,
        "default_root_dir": folder,
        "use_distributed_sampler": False,
    }
    try:
        trainer = lightning.Trainer(**settings)
        if trainer.world_size > 1:
            strategy = DDPStrategy(broadcast_buffers=False, find_unused_parameters=system.has_unused_parameters)
            trainer = lightning.Trainer(**settings, strategy=strategy)
    except (ImportError, TypeError, ValueError, MisconfigurationException) as error:
        raise AuricleError(f"cannot train with these options: {first_line(error)}") from None
    return trainer


def bfloat16_is_fast() -> bool:
    """Whether oneDNN multiplies matrices of bfloat16 on this processor: among Intel's and AMD's those with AVX-512."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return True
    return torch.backends.cpu.get_cpu_capability() not in ("DEFAULT", "AVX2")


def check_devices(options: Training) -> None:
    """Raise `AuricleError` for more devices than there are: a process is started for each."""
    n_gpus = 0 if options.accelerator == "cpu" else torch.cuda.device_count()
    most = n_gpus or os.cpu_count() or 1
    if options.devices.strip().isdecimal() and not 1 <= int(options.devices) <= most:
        raise AuricleError(f"training.devices={options.devices}: there are {most} here")
