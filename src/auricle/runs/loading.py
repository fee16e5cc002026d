"""Load trained models from run folders."""

from __future__ import annotations

from pathlib import Path

import torch

from auricle.errors import AuricleError
from auricle.systems.classifier.system import Classifier
from auricle.systems.system import load


def load_classifier(run: str | Path, device: str = "auto") -> Classifier:
    """Load the classifier of a run folder on `device`, which may be "auto"."""
    model = load(run, usable_device(device))
    if not isinstance(model, Classifier):
        raise AuricleError(f"{run} is not a classifier")
    return model


def usable_device(device: str) -> str:
    """`device`, with "auto" replaced by the first GPU if there is one, else the CPU.

    Raises `AuricleError` for a device that this computer does not have.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        wanted = torch.device(device)
    except RuntimeError:
        raise AuricleError(f"unknown device {device!r}: cpu, cuda, or auto for a GPU if there is one") from None
    counts = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (wanted.index or 0) >= counts.get(wanted.type, 0):
        raise AuricleError(f"there is no device {device!r} here: give cpu, or auto for a GPU if there is one")
    return device
