"""Conversion of published CMGAN checkpoints."""

from __future__ import annotations

from pathlib import Path

from auricle.systems.cmgan.system import CMGAN
from auricle.systems.published import check_weights, conversion_of, read_state_dict


@conversion_of("a CMGAN generator")
def from_published(path: str | Path) -> CMGAN:
    """Convert a PyTorch checkpoint of TSCNet, which is a state dict or contains one; no code from it is run.

    Raises an `AuricleError` if the file is no such checkpoint.
    """
    weights = read_state_dict(path)
    model = CMGAN.build("cmgan")
    check_weights(path, "a CMGAN generator", weights, model.generator.state_dict())
    model.generator.load_state_dict(weights)
    return model.eval()
