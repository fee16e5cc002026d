from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import matplotlib.image
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from published import PublishedFigures

SHARED = Path(os.environ.get("AURICLE_SHARED") or Path(__file__).parents[2] / "shared")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-figures", action="store_true", help="write published_figures.json anew")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors gain nothing from more threads, and parallel test workers lose by them."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the closest mark `figures` says "undrawn", tests save one white pixel instead of each figure.

    Drawing takes most of the time of a small training. Fixtures of a wider scope draw all the same.
    """
    mark = request.node.get_closest_marker("figures")
    if mark is not None and mark.args == ("undrawn",):
        monkeypatch.setattr(Figure, "savefig", _save_pixel)


def _save_pixel(figure: Figure, file: str | Path | IO[bytes], **_: object) -> None:
    matplotlib.image.imsave(file, np.ones((1, 1, 3)), format="png")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden outputs and corpora; tests that need it are skipped where it is missing."""
    if not SHARED.is_dir():
        pytest.skip(f"no {SHARED}: set AURICLE_SHARED to the folder of golden outputs")
    return SHARED


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Iterator[PublishedFigures]:
    """Numbers of the published implementations' outputs that need no folder."""
    writing = request.config.getoption("--write-figures")
    collected = PublishedFigures(SHARED / "golden" if writing else None)
    yield collected
    if writing and not request.session.testsfailed:
        collected.write()
