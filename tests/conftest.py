from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from drawing import undrawn
from published import PublishedFigures

# Torch's cache of what it traced costs more than it saves where sizes are open; its configuration reads this once.
os.environ.setdefault("TORCH_FAKE_TENSOR_DISPATCH_CACHE", "0")

SHARED = Path(os.environ.get("AURICLE_SHARED") or Path(__file__).parents[2] / "shared")

settings.register_profile("auricle", deadline=None)  # a busy machine is no error
settings.load_profile("auricle")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-figures", action="store_true", help="write published_figures.json anew")
    parser.addoption("--write-contract", action="store_true", help="write docs/contract.md anew")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors gain nothing from more threads, and parallel test workers lose by them."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Programs that tests start can be interrupted, although a shell's background jobs ignore the signal."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _undrawn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where the closest mark `figures` says "undrawn", figures are not drawn; fixtures of a wider scope still draw."""
    mark = request.node.get_closest_marker("figures")
    with undrawn() if mark is not None and mark.args == ("undrawn",) else nullcontext():
        yield


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
