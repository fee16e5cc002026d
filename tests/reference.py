"""Deterministic weights, and slow restatements of a network's parts in plain NumPy.

`reference_state_dict` fills a model from nothing but the names and shapes of its parameters, so that its output can be
held against figures computed elsewhere with the same names and shapes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray


def reference_state_dict(shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """A float32 tensor for each name and shape, int64 zeros for batch counters.

    Matrices and kernels are normal with standard deviation 1 / sqrt(fan_in); scales are near 1, running variances at
    least 1, everything else near 0. The seed of a tensor is the SHA-256 of its name.
    """
    return {name: torch.from_numpy(_tensor(name, tuple(shape))) for name, shape in shapes.items()}


def _tensor(name: str, shape: tuple[int, ...]) -> NDArray:
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, dtype=np.int64)
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    noise = np.random.default_rng(seed).standard_normal(shape)
    if name.endswith("running_var"):
        value = 1.0 + 0.1 * np.abs(noise)
    elif len(shape) >= 2:
        value = noise / math.sqrt(math.prod(shape[1:]))
    elif name.endswith(".weight"):
        value = 1.0 + 0.1 * noise
    else:
        value = 0.1 * noise
    return np.asarray(value, dtype=np.float32)


def shapes_of(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Name and shape of every entry of a module's state dict."""
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def naive_convolution(x: NDArray, kernel: NDArray) -> NDArray:
    """`x` `(in, height, width)` with an odd `kernel` `(out, in, k, k)`, zeros around: `(out, height, width)`."""
    _, height, width = x.shape
    out = np.zeros((len(kernel), height, width))
    half = kernel.shape[2] // 2
    for o, i, row, column, dy, dx in np.ndindex(len(kernel), len(x), height, width, *kernel.shape[2:]):
        y, z = row + dy - half, column + dx - half
        if 0 <= y < height and 0 <= z < width:
            out[o, row, column] += kernel[o, i, dy, dx] * x[i, y, z]
    return out


def naive_batch_norm(x: NDArray, norm: torch.nn.Module) -> NDArray:
    """A batch normalisation in eval mode, over the first axis of `x`."""
    state = {name: value.double().numpy() for name, value in norm.state_dict().items()}
    out = np.empty_like(x)
    for index in range(len(x)):
        deviation = math.sqrt(state["running_var"][index] + norm.eps)  # type: ignore[operator]
        standard = (x[index] - state["running_mean"][index]) / deviation
        out[index] = standard * state["weight"][index] + state["bias"][index]
    return out
