"""Published CMGAN checkpoints as systems of this package."""

from __future__ import annotations

from pathlib import Path

from auricle.systems.cmgan.system import CMGAN
from auricle.systems.published import check_weights, read_state_dict


def from_published(path: str | Path) -> CMGAN:
    """The system of a PyTorch checkpoint of TSCNet, which may be a state dict or hold one; no code of it is run."""
    weights = read_state_dict(path)
    model = CMGAN.build("cmgan")
    check_weights(path, "a CMGAN generator", weights, model.generator.state_dict())
    model.generator.load_state_dict(weights)
    return model.eval()
