"""Saves a pixel instead of each figure: drawing takes most of the time of a small training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure


@contextmanager
def undrawn() -> Iterator[None]:
    """Within it, every saved figure is one white pixel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", _save_pixel)
        yield


def _save_pixel(figure: Figure, file: str | Path | IO[bytes], **_: object) -> None:
    matplotlib.image.imsave(file, np.ones((1, 1, 3)), format="png")
