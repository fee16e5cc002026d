"""Refusing models that would take too much memory, before it is taken."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode

from auricle.errors import AuricleError

MAX_PARAMETERS = 2**28  # 1 GiB
MAX_TENSOR = 2**27  # elements of any tensor that is computed
MAX_MODULES = 5000
MAX_REPEATS = 256  # the largest depth of a network, or order of a front-end
MAX_NUMBER = 2**24  # the largest whole number in a configuration, except for seeds

_REPEATS = ("depth", "order", "blocks", "layers")
_RANGES = ("aten::arange", "aten::linspace", "aten::logspace", "aten::range")


@contextmanager
def bounded_size(config: Mapping[str, Any], max_parameters: int = MAX_PARAMETERS) -> Iterator[None]:
    """Context manager in which a module is made from `config`; an `AuricleError` if it would be too large.

    Limited are the numbers in `config`, the number of modules and of parameters together, and the size of every tensor
    that is computed.
    """
    _check_numbers(config)
    thread, parameters, modules = threading.get_ident(), 0, 0

    def count_parameters(module: torch.nn.Module, name: str, parameter: torch.nn.Parameter | None) -> None:
        nonlocal parameters
        if parameter is not None and threading.get_ident() == thread:
            parameters += parameter.numel()
            _require(parameters <= max_parameters, f"it has more than {max_parameters / 1e6:.0f} million parameters")

    def count_modules(module: torch.nn.Module, name: str, submodule: torch.nn.Module | None) -> None:
        nonlocal modules
        modules += threading.get_ident() == thread
        _require(modules <= MAX_MODULES, f"it has more than {MAX_MODULES} parts")

    hooks = [
        register_module_parameter_registration_hook(count_parameters),
        register_module_module_registration_hook(count_modules),
    ]
    try:
        with _BoundedTensors():
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _require(fits: bool, reason: str) -> None:
    if not fits:
        raise AuricleError(f"the model is too large: {reason}")


def _check_numbers(value: Any, name: str = "config") -> None:
    if isinstance(value, Mapping):
        for key, member in value.items():
            if key != "seed":
                _check_numbers(member, str(key))
    elif isinstance(value, (list, tuple)):
        for member in value:
            _check_numbers(member, name)
    elif isinstance(value, int):
        most = MAX_REPEATS if any(word in name for word in _REPEATS) else MAX_NUMBER
        _require(abs(value) <= most, f"{name}={value if abs(value) < 10**30 else '10^30 or more'}")


class _BoundedTensors(TorchDispatchMode):
    """Refuses operations whose result would have more than `MAX_TENSOR` elements."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: to keep the compiler out of these frames PyTorch would import it, which takes most of a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not func.is_view:
            size = _result_size(func.name().partition(".")[0], (*args, *kwargs.values()))
            _require(size <= MAX_TENSOR, f"a tensor of {size:.3g} numbers")
        return func(*args, **kwargs)


def _result_size(name: str, values: tuple[Any, ...]) -> float:
    """A rough upper estimate of the number of elements of an operation's result."""
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    lists = [value for value in values if isinstance(value, (list, tuple)) and value]
    size = max([1, *(math.prod(abs(n) for n in value) for value in lists if all(type(n) is int for n in value))])
    if name in _RANGES:
        numbers = [float(value) for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
        step = numbers[2] if name == "aten::arange" and len(numbers) > 2 and numbers[2] else 1.0
        span = max((abs(number) for number in numbers), default=0.0) / min(1.0, abs(step))
        return max(size, span)
    if name == "aten::eye":
        return float(max(1, *(value for value in values if type(value) is int))) ** 2
    if not tensors:
        return size
    if name in ("aten::mm", "aten::bmm", "aten::addmm"):
        return math.prod(tensors[-2].shape[:-1]) * tensors[-1].shape[-1]
    try:
        shape = np.broadcast_shapes(*(tuple(tensor.shape) for tensor in tensors))  # PyTorch's would import sympy
    except ValueError:
        return max(size, *(tensor.numel() for tensor in tensors))
    return max(1, math.prod(shape)) * (size if name == "aten::repeat" else 1)
