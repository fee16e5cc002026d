"""Reading published PyTorch checkpoints without running any code from them."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor

from auricle.errors import AuricleError, first_line
from auricle.systems.checkpoints import read_checkpoint

P = ParamSpec("P")
R = TypeVar("R")
Conversion = Callable[Concatenate[str | Path, P], R]

_NESTED = ("state_dict", "model", "generator", "model_state_dict")
_WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_SHAPES = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


def conversion_of(what: str) -> Callable[[Conversion[P, R]], Conversion[P, R]]:
    """Decorator of a function that converts a checkpoint, its first argument, of the network `what`.

    Its errors are `AuricleError`s that name the file, also where entries of unexpected shapes have it fail.
    """

    def decorate(convert: Conversion[P, R]) -> Conversion[P, R]:
        @functools.wraps(convert)
        def converted(path: str | Path, /, *arguments: P.args, **options: P.kwargs) -> R:
            try:
                return convert(path, *arguments, **options)
            except AuricleError as error:
                raise error if str(path) in str(error) else AuricleError(f"{path}: {error}") from None
            except _SHAPES as error:
                reason = first_line(error) or type(error).__name__
                raise AuricleError(f"{path}: not {what}: an entry has another shape ({reason})") from error

        return converted

    return decorate


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors by name of a checkpoint that is a state dict or contains one.

    The prefix "module." of parallel training is removed. Next to the state dict a checkpoint may contain NumPy arrays
    and the parsed arguments of its training; anything else is an `AuricleError`, and so is a tensor that is not made of
    plain numbers, each of them stored.
    """
    loaded = read_checkpoint(path, _plain_values())
    for key in _NESTED:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise AuricleError(f"{path}: holds a {type(loaded).__name__} and not a state dict of tensors by name")
    weights: dict[str, Tensor] = {}
    for key, value in loaded.items():
        name = str(key).removeprefix("module.")
        if name in weights:
            raise AuricleError(f"{path}: {name} stands twice in it, once as module.{name}")
        weights[name] = _plain(path, name, value)
    return weights


def _plain(path: str | Path, name: str, value: Tensor) -> Tensor:
    """`value`, if it is a tensor of plain numbers that are all in the file; an `AuricleError` otherwise.

    A view may repeat a few stored numbers so often that its copy fills the memory.
    """
    dense = type(value) in (Tensor, torch.nn.Parameter) and value.layout == torch.strided and value.device.type == "cpu"
    if not (dense and (value.is_floating_point() or value.dtype in _WHOLE)):
        raise AuricleError(f"{path}: {name} is not a tensor of plain numbers ({value.dtype}, {value.layout})")
    stored = value.untyped_storage().nbytes()
    if value.numel() * value.element_size() > stored:
        raise AuricleError(f"{path}: {name} has {value.numel()} numbers, of which the file holds {stored} bytes")
    return value.detach()


def _plain_values() -> list[Any]:
    """The classes and functions that pickles of NumPy arrays and of parsed arguments refer to."""
    arrays = np.zeros(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    dtypes = [type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u4", "u8", "?")]
    old: list[Any] = [(arrays, "numpy.core.multiarray._reconstruct"), (scalar, "numpy.core.multiarray.scalar")]
    return [argparse.Namespace, np.ndarray, np.dtype, arrays, scalar, *dtypes, *old]


def check_weights(path: str | Path, what: str, weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise an `AuricleError` unless `weights` have the names and shapes of `own` and are finite in its types.

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
        if not value.to(own[name].dtype).isfinite().all():
            raise AuricleError(f"{path}: {name} holds NaN or infinite values")
