from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors gain nothing from more threads, and parallel test workers lose by them."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden outputs and corpora; tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("AURICLE_SHARED") or Path(__file__).parents[2] / "shared")
    if not folder.is_dir():
        pytest.skip(f"no {folder}: set AURICLE_SHARED to the folder of golden outputs")
    return folder
