"""One batch shared by several processes, each of which has an equal, consecutive part of its items.

Batch statistics, dropout and the random draws of augmentation are those that one process would have with the whole
batch, so that training in several processes gives the same weights. In a single process nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


def share() -> tuple[int, int]:
    """The number of this process, counted from 0, and the number of processes."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def part(n_items: int) -> slice:
    """The places of this process's `n_items` items in the whole batch."""
    first = share()[0] * n_items
    return slice(first, first + n_items)


def drawn(draw: Callable[..., Tensor], n_items: int, *shape: Any, **options: Any) -> Tensor:
    """This process's part `(n_items, *shape)` of what `draw(items of the whole batch, *shape, **options)` gives."""
    return draw(share()[1] * n_items, *shape, **options)[part(n_items)]


def gathered(values: Tensor) -> Tensor:
    """The whole batch of which `values` `(items, ...)` is this process's part; no gradient passes."""
    n_processes = share()[1]
    if n_processes == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(n_processes)]
    dist.all_gather(parts, values.contiguous())
    return torch.cat(parts)


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes, which passes on the sum of all their gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


class OneBatch(TorchFunctionMode):
    """Context manager in which batch normalisation and dropout act on the whole batch of all processes."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _SHARED.get(func, func)(*args, **(kwargs or {}))  # pyright: ignore[reportOptionalCall]


def _batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`F.batch_norm` with the statistics of the whole batch."""
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    values = x if x.dtype == torch.float64 else x.float()
    axes = [axis for axis in range(x.ndim) if axis != 1]
    shape = [1, -1, *[1] * (x.ndim - 2)]
    n_processes = share()[1]
    count = n_processes * x.numel() // x.shape[1]
    mean = _Sum.apply(values.sum(axes)) / count
    centred = values - mean.view(shape)
    variance = _Sum.apply(centred.square().sum(axes)) / count
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean), momentum)
            running_var.lerp_((variance * (count / max(1, count - 1))).to(running_var), momentum)
    y = centred * torch.rsqrt(variance + eps).view(shape)
    if weight is not None and bias is not None:
        y = y * weight.view(shape) + bias.view(shape)
    return y.to(x.dtype)


def _dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`F.dropout` with this process's part of the whole batch's mask."""
    return x * _mask(F.dropout, x, p, x.shape) if training and p > 0 else x


def _dropout_of_channels(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`F.dropout1d`, `F.dropout2d` and `F.dropout3d` with this process's part of the whole batch's mask."""
    if not training or p == 0:
        return x
    mask = _mask(F.dropout2d, x, p, (*x.shape[:2], 1, 1))
    return x * mask.view(*x.shape[:2], *[1] * (x.ndim - 2))


def _mask(dropout: Callable[..., Tensor], x: Tensor, p: float, shape: Sequence[int]) -> Tensor:
    """The factors `shape`, 0 or 1 / (1 - p), that `dropout` multiplies these items with."""
    return drawn(lambda *whole: dropout(torch.ones(whole, dtype=x.dtype, device=x.device), p), *shape)


_SHARED: dict[Any, Callable[..., Tensor]] = {
    F.batch_norm: _batch_norm,
    F.dropout: _dropout,
    F.dropout1d: _dropout_of_channels,
    F.dropout2d: _dropout_of_channels,
    F.dropout3d: _dropout_of_channels,
}
