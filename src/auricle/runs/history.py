"""The course of a training: its losses and metrics by epoch, and a summary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auricle.readers import read_rows

HISTORY = "history.csv"


@dataclass(frozen=True)
class TrainingSummary:
    """Summary of a training, including the time before any interruption.

    Args:
        epochs: number of epochs trained; 0 for a head fitted to embeddings.
        best_epoch: epoch whose weights were kept, counted from 1; None for several trainings or a fitted head.
        best_val_loss: validation loss of that epoch.
        training_hours: wall-clock time of these epochs with validation, without work lost by interruptions.
    """

    epochs: int
    best_epoch: int | None
    best_val_loss: float
    training_hours: float


def read_history(path: Path) -> list[dict[str, str]]:
    """The rows of a history.csv; empty if there is no such file."""
    if not path.exists():
        return []
    return read_rows(path, ("epoch", "val_loss"), ("epoch", "val_loss"), what="the history of a training")
