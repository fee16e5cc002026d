"""Layers and helpers shared by front-ends, backbones and systems: bounded parameters, freezing, attention gates."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Generic, TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor, nn

from auricle.errors import AuricleError, first_line
from auricle.registry import unknown_name

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Any])

_NEGLIGIBLE = 1e-20


def first_tensor(*modules: nn.Module) -> Tensor:
    """The first parameter or buffer, which has the device and type of the modules; an empty tensor if there is none."""
    own = next((tensor for module in modules for tensor in chain(module.parameters(), module.buffers())), None)
    return torch.empty(0, dtype=torch.float32) if own is None else own


def as_array(values: ArrayLike | Tensor) -> np.ndarray:
    """A tensor's values, or what NumPy makes of anything else; raises `AuricleError` if that is nothing."""
    try:
        if isinstance(values, Tensor):
            values = values.detach().cpu()
            values = values.float() if values.is_floating_point() else values  # NumPy has no bfloat16
        return np.asarray(values)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise AuricleError(f"an array cannot be made of a {type(values).__name__}: {first_line(error)}") from None


def allow_single_values(module: nn.Module) -> None:
    """Let batch normalisation within `module` take batches with a single value per channel while it trains.

    Such a value has no variance: it is normalised by the running statistics, which it does not change.
    """

    def before(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if norm.training and inputs[0].numel() == inputs[0].shape[1]:
            norm.eval()
            alone.add(norm)

    def after(norm: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if norm in alone:
            norm.train()
            alone.discard(norm)

    alone: set[nn.Module] = set()
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats:
            part.register_forward_pre_hook(before)
            part.register_forward_hook(after, always_call=True)


class _Bounded(torch.autograd.Function):
    @staticmethod
    def forward(value: Tensor, low: float, high: float) -> Tensor:
        return value.clamp(low, high)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float, float], output: Tensor) -> None:
        value, *ctx.bounds = inputs
        ctx.save_for_backward(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (value,) = ctx.saved_tensors
        low, high = ctx.bounds
        points_outwards = ((value <= low) & (gradient > 0)) | ((value >= high) & (gradient < 0))
        return gradient.masked_fill(points_outwards, 0.0), None, None


def uncompiled(function: Function) -> Function:
    """Decorator: within `torch.compile` the function runs as it is, and the graph is broken around it.

    For what depends on tensors' values. `torch.compiler.disable` does the same, but imports the compiler at once.
    """

    @functools.cache
    def disabled() -> Callable[..., Any]:
        return torch.compiler.disable(function)

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        if "torch._dynamo" not in sys.modules or torch.compiler.is_exporting():
            return function(*arguments, **options)
        return disabled()(*arguments, **options)

    called._torchdynamo_disable = True  # type: ignore[attr-defined]
    return cast(Function, called)


class UntilChanged(Generic[T]):
    """What was made of some parameters, kept until one of them has another value, device or type."""

    def __init__(self) -> None:
        self._kept: tuple[list[Tensor], T] | None = None

    def get(self, parameters: Sequence[Tensor], make: Callable[[], T]) -> T:
        """`make()`, without a gradient, for the present values of `parameters`."""
        if self._kept is None or not all(map(_same, parameters, self._kept[0])):
            with torch.inference_mode(False), torch.no_grad():
                self._kept = [p.detach().clone() for p in parameters], make()
        return self._kept[1]


def _same(one: Tensor, other: Tensor) -> bool:
    return one.device == other.device and one.dtype == other.dtype and torch.equal(one, other)


def without_tails(values: Tensor) -> Tensor:
    """`values`, where those below 1e-20 in modulus, which change no sum, are 0.

    The tails of a Gaussian reach down to subnormal numbers, with which many processors compute much slower.
    """
    return torch.where(values.abs() < _NEGLIGIBLE, torch.zeros_like(values), values)


def bounded(value: Tensor, low: float = float("-inf"), high: float = float("inf")) -> Tensor:
    """Clamp `value` to [low, high] with a gradient that can move a parameter back into its bounds.

    A plain clamp has no gradient outside its bounds, so a parameter that left them could never return. Here the
    gradient passes if gradient descent would move the value towards the bounds, and is zero if it would move the value
    further away. This is equivalent to projected gradient descent without writing to the parameter.
    """
    if torch.compiler.is_exporting() or not torch.is_grad_enabled():
        return value.clamp(low, high)
    return _Bounded.apply(value, low, high)


class Constants(nn.Module):
    """A module with tensors that its options determine: buffers that no state dict holds.

    After a stay on the device "meta", where tensors have no values, they are computed anew.
    """

    def constants(self) -> dict[str, Tensor]:
        """The buffers by name, from the options alone."""
        raise NotImplementedError

    def register_constants(self) -> None:
        """Make the buffers; called once, after the options are set."""
        for name, value in self.constants().items():
            self.register_buffer(name, value, persistent=False)

    def _apply(self, function: Callable[[Tensor], Tensor], recurse: bool = True) -> Constants:
        valueless = any(buffer.is_meta for buffer in self.buffers(recurse=False))
        super()._apply(function, recurse)
        if valueless and not any(buffer.is_meta for buffer in self.buffers(recurse=False)):
            for name, value in self.constants().items():
                self.get_buffer(name).copy_(value)
        return self


def shown_options(self: nn.Module) -> str:
    """The numbers and words that a module was made with, for its `repr`: "kernel_size=401, hop_length=160"."""
    own = {name: value for name, value in vars(self).items() if name[0] != "_" and name != "training"}
    return ", ".join(f"{name}={value!r}" for name, value in own.items() if isinstance(value, int | float | str))


def freeze(module: nn.Module, parts: str | Iterable[str]) -> None:
    """Turn off the gradients of the parameters named in `parts`, and of all parameters of modules named in it.

    `freeze(frontend, ["filterbank", "compression.alpha"])`. Raises `AuricleError` for a name that matches nothing.
    """
    parts = [parts] if isinstance(parts, str) else parts
    parameters = dict(module.named_parameters())
    for part in parts:
        matching = [name for name in parameters if name == part or name.startswith(part + ".")]
        if not matching and part not in dict(module.named_modules()):
            known = {name.rsplit(".", depth)[0] for name in parameters for depth in range(name.count(".") + 1)}
            raise AuricleError("cannot freeze: " + unknown_name("part", part, known))
        for name in matching:
            parameters[name].requires_grad_(False)


class ConvGate(nn.Module):
    """Attention weights σ(Conv1D(x)) in (0, 1), each of which depends on the `kernel_size` positions around it.

    `(batch, length)` to the same shape, zero-padded at both ends. Over frames this is equation 4 of the DEGramNet
    paper; over channels and without bias it is efficient channel attention (Wang et al., 2020).
    """

    def __init__(self, kernel_size: int, bias: bool = True) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise AuricleError(f"kernel_size={kernel_size}: a kernel needs a centre, use an odd size")
        self.kernel_size = kernel_size
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(x[:, None])[:, 0])

    def causal(self, x: Tensor) -> Tensor:
        """Weights from each position and the kernel_size − 1 before it: `(batch, length − kernel_size + 1)`."""
        return torch.sigmoid(F.conv1d(x[:, None], self.conv.weight, self.conv.bias)[:, 0])
