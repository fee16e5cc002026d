"""Where the losses of a training go besides its history.csv: Lightning's loggers, each by an optional package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger


def logger(name: str, folder: Path) -> Any:
    """The logger `name` of `config.groups.Logger`, which writes in the run folder; False for "none"."""
    if name == "none":
        return False
    if name == "tensorboard":
        return TensorBoardLogger(folder, name="", version="tensorboard")
    if name == "wandb":
        return WandbLogger(name=folder.name, project="auricle", save_dir=folder)
    return MLFlowLogger(experiment_name="auricle", run_name=folder.name, tracking_uri=f"file:{folder / 'mlruns'}")
