"""Reading published PyTorch checkpoints without running any code from them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from auricle.errors import AuricleError
from auricle.systems.checkpoints import read_checkpoint

_NESTED = ("state_dict", "model", "generator", "model_state_dict")


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors by name of a checkpoint that is a state dict or contains one.

    The prefix "module." of parallel training is removed. Next to the state dict a checkpoint may contain NumPy arrays
    and the parsed arguments of its training; anything else is an `AuricleError`.
    """
    loaded = read_checkpoint(path, _plain_values())
    for key in _NESTED:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise AuricleError(f"{path}: holds a {type(loaded).__name__} and not a state dict of tensors by name")
    return {str(name).removeprefix("module."): value for name, value in loaded.items()}


def _plain_values() -> list[Any]:
    """The classes and functions that pickles of NumPy arrays and of parsed arguments refer to."""
    arrays = np.zeros(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    dtypes = [type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u4", "u8", "?")]
    old: list[Any] = [(arrays, "numpy.core.multiarray._reconstruct"), (scalar, "numpy.core.multiarray.scalar")]
    return [argparse.Namespace, np.ndarray, np.dtype, arrays, scalar, *dtypes, *old]


def check_weights(path: str | Path, what: str, weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise an `AuricleError` unless `weights` have the names and shapes of `own` and are finite.

    `what` names the expected network in the message.
    """
    missing, strange = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    if missing or strange:
        which = f"lacks {missing[0]!r}" if missing else f"has {strange[0]!r}"
        raise AuricleError(
            f"{path}: not {what}: it {which} ({len(missing)} of {len(own)} entries missing, {len(strange)} others)"
        )
    for name, value in weights.items():
        if value.shape != own[name].shape:
            raise AuricleError(
                f"{path}: {name} has the shape {tuple(value.shape)} and not the published {tuple(own[name].shape)}"
            )
        if value.is_floating_point() and not value.isfinite().all():
            raise AuricleError(f"{path}: {name} holds NaN or infinite values")
