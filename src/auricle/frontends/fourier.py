"""Windows of a signal and their Fourier transforms by slices and matrix products, which every runtime computes.

The transform of length N = P·Q is one of Cooley and Tukey's (1965). With n = Q·a + b and k = c + P·d,

    X[k] = Σ_b exp(−2πi·b·k/N) Σ_a x[n]·exp(−2πi·a·c/P):

P + 2·Q products per sample, where a product with all sines and cosines has N. For real x, X[N − k] is the conjugate of
X[k], so that c = 0 … P/2 are enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_products = ContextVar("products", default=False)


@contextmanager
def by_products() -> Iterator[None]:
    """Context in which graphs are exported with matrix products in place of Fourier transforms."""
    before = _products.set(True)
    try:
        yield
    finally:
        _products.reset(before)


def as_products() -> bool:
    """Whether a graph is being exported for a runtime that may have no quick and accurate Fourier transforms itself."""
    return torch.compiler.is_exporting() and (_products.get() or torch.onnx.is_in_onnx_export())


def windows_of(signal: Tensor, size: int, hop_length: int) -> Tensor:
    """Whole windows `(batch, frames, size)` of `(batch, time)`, one every `hop_length` samples, as `Tensor.unfold`."""
    n_hops = -(-size // hop_length)
    n_frames = (signal.shape[-1] - size) // hop_length + 1
    padded = F.pad(signal, (0, (n_frames + n_hops) * hop_length - signal.shape[-1]))
    hops = padded.unflatten(-1, (-1, hop_length))
    return torch.cat([hops[:, first : first + n_frames] for first in range(n_hops)], dim=-1)[..., :size]


def real_transform(windows: Tensor, length: int) -> Tensor:
    """Fourier transform of `windows` `(batch, frames, size)`, followed by zeros up to `length`, as `torch.fft.rfft`.

    Real and imaginary parts, `(batch, frames, length // 2 + 1, 2)`.
    """
    first, second, places = (torch.from_numpy(part).to(windows.device) for part in _factors(length, windows.shape[-1]))
    rows, n_sums, columns = first.shape[1], len(second), length // _longer_factor(length)
    by_row = F.pad(windows, (0, rows * columns - windows.shape[-1])).unflatten(-1, (rows, columns)).transpose(1, 2)
    inner = F.conv2d(by_row, first.to(windows)[..., None, None]).transpose(2, 3).flatten(1, 2)
    outer = F.conv1d(inner, second.to(windows).flatten(0, 1)[..., None], groups=n_sums)
    return outer.index_select(1, places).unflatten(1, (-1, 2)).permute(0, 3, 1, 2)


class _Factors(NamedTuple):
    first: np.ndarray  # (2·(P/2 + 1), rows): real and imaginary part of the sum over a for each c
    second: np.ndarray  # (P/2 + 1, 2·Q, 2·Q): the sum over b for each c; for k > N/2 its conjugate, which is X[N − k]
    places: np.ndarray  # (2·bins,): where the real and the imaginary part of each bin are in the result


@lru_cache(maxsize=16)
def _factors(length: int, size: int) -> _Factors:
    """The matrices for windows of `size` samples, in float32."""
    p = _longer_factor(length)
    q, c = length // p, np.arange(p // 2 + 1)
    angle = 2.0 * np.pi / p * (np.outer(c, np.arange(-(-size // q))) % p)
    first = np.stack([np.cos(angle), -np.sin(angle)], axis=1).reshape(2 * len(c), -1)

    k = c[:, None] + p * np.arange(q)
    angle = 2.0 * np.pi / length * (k[..., None] * np.arange(q) % length)
    conjugated = np.where(k > length // 2, -1.0, 1.0)[..., None]
    real = [np.cos(angle), np.sin(angle)]
    imaginary = [-conjugated * np.sin(angle), conjugated * np.cos(angle)]
    second = np.block([real, imaginary])

    bins = np.minimum(k, length - k)
    place = np.empty(length // 2 + 1, np.int64)
    place[bins] = 2 * q * c[:, None] + np.arange(q)
    places = np.stack([place, place + q], axis=-1).reshape(-1)
    return _Factors(first.astype(np.float32), second.astype(np.float32), places)


def _longer_factor(length: int) -> int:
    """The divisor P of `length` with the least P + 2·`length` / P; the larger of two makes smaller matrices."""
    divisors = [d for d in range(1, length + 1) if length % d == 0]
    return min(divisors, key=lambda p: (p + 2 * length / p, -p))
