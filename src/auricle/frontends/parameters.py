"""Learnable parameters that have bounds, and parts that can be frozen by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.registry import unknown_name


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
        stays_out = ((value <= low) & (gradient > 0)) | ((value >= high) & (gradient < 0))
        return gradient.masked_fill(stays_out, 0.0), None, None


def bounded(value: Tensor, low: float = float("-inf"), high: float = float("inf")) -> Tensor:
    """`value` clamped to [low, high], with a gradient that can bring a stray parameter back.

    Inside the bounds this is the identity. Outside, a plain clamp has no gradient, so a parameter that
    drifted out would stay out for ever; here the part of the gradient whose descent points inwards passes,
    and the part that points further out does not. This is projected gradient descent without writing to the
    parameter.
    """
    if torch.compiler.is_exporting() or not torch.is_grad_enabled():
        return value.clamp(low, high)
    return _Bounded.apply(value, low, high)


def freeze(module: nn.Module, parts: str | Iterable[str]) -> None:
    """Stop the gradients of every parameter whose dotted name is or starts with one of `parts`.

    `freeze(frontend, ["filterbank", "compression.alpha"])`. A name that fits nothing is an `AuricleError`.
    """
    parts = [parts] if isinstance(parts, str) else parts
    names = dict(module.named_parameters())
    for part in parts:
        hits = [name for name in names if name == part or name.startswith(part + ".")]
        if not hits and part not in dict(module.named_modules()):
            prefixes = {name.rsplit(".", depth)[0] for name in names for depth in range(name.count(".") + 1)}
            raise AuricleError("cannot freeze: " + unknown_name("part", part, prefixes))
        for name in hits:
            names[name].requires_grad_(False)
