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
    """Within it, every saved figure is one white pixel, or an empty SVG."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", _save_pixel)
        yield


def _save_pixel(figure: Figure, file: str | Path | IO[bytes], format: str = "png", **_: object) -> None:
    if format == "svg" and not isinstance(file, (str, Path)):
        file.write(b'<svg width="1pt" height="1pt"></svg>')
        return
    matplotlib.image.imsave(file, np.ones((1, 1, 3)), format="png")
