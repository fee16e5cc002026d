"""Published CMGAN checkpoints as systems of this package."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor

from auricle.errors import AuricleError
from auricle.systems.cmgan.system import CMGAN


def from_published(path: str | Path) -> CMGAN:
    """The system of a PyTorch checkpoint of TSCNet, which may be a state dict or hold one; no code of it is run."""
    path = Path(path)
    if not path.is_file():
        raise AuricleError(f"{path}: there is no such checkpoint")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise AuricleError(
            f"{path}: holds more than tensors, or is no PyTorch checkpoint; save its state_dict() alone, as the "
            "published training does"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        first = str(error).strip().partition("\n")[0]
        raise AuricleError(f"{path}: not a PyTorch checkpoint ({first or type(error).__name__})") from None
    weights = _state_dict(path, loaded)
    model = CMGAN.build("cmgan")
    own = model.generator.state_dict()
    missing, strange = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    if missing or strange:
        which = f"lacks {missing[0]!r}" if missing else f"has {strange[0]!r}"
        raise AuricleError(
            f"{path}: not a CMGAN generator: it {which} ({len(missing)} of {len(own)} entries missing, "
            f"{len(strange)} others)"
        )
    for name, value in weights.items():
        if value.shape != own[name].shape:
            raise AuricleError(
                f"{path}: {name} has the shape {tuple(value.shape)} and not the published {tuple(own[name].shape)}"
            )
        if value.is_floating_point() and not value.isfinite().all():
            raise AuricleError(f"{path}: {name} holds NaN or infinite values")
    model.generator.load_state_dict(weights)
    return model.eval()


def _state_dict(path: Path, loaded: object) -> dict[str, Tensor]:
    """The tensors by name, of a state dict or of one level below, without the prefix of parallel training."""
    for key in ("state_dict", "model", "generator", "model_state_dict"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise AuricleError(f"{path}: holds a {type(loaded).__name__} and not a state dict of tensors by name")
    return {str(name).removeprefix("module."): value for name, value in loaded.items()}
