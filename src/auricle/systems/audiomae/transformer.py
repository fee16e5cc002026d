"""Transformer blocks under the published state-dict keys: the plain one of ViT, and that of Swin Transformer V2."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.layers import Constants

_NORM_EPS = 1e-6
_META_WIDTH, _META_DROPOUT = 384, 0.1
_LEAST_TAU, _LEAST_LENGTH = 0.01, 1e-6


class TransformerBlock(nn.Module):
    """x ← x + TransformerAttention(LN(x)); x ← x + MLP(LN(x)): the block of ViT (Dosovitskiy et al., 2021)."""

    def __init__(self, width: int, heads: int, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_NORM_EPS)
        self.attn = TransformerAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=_NORM_EPS)
        self.mlp = MLP(width, round(mlp_ratio * width), width, nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, tokens, width)` to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class TransformerAttention(nn.Module):
    """Multi-head self-attention over all tokens: softmax(q·k / √(width / heads)) applied to the values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(_merged(F.scaled_dot_product_attention(*_split(self.qkv(x), self.heads))))


class MLP(nn.Module):
    """Two layers with an activation between them, and dropout after each."""

    def __init__(self, n_in: int, hidden: int, n_out: int, activation: nn.Module, dropout: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(n_in, hidden)
        self.fc2 = nn.Linear(hidden, n_out)
        self.activation = activation
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.fc2(self.dropout(self.activation(self.fc1(x)))))


class SwinBlock(nn.Module):
    """x ← x + LN(attention(x)); x ← x + LN(MLP(x)), with attention within windows of a grid (Liu et al., 2022).

    The tokens lie row by row on a `grid` of (rows, columns), which is divided into windows of at most `window` rows and
    columns. With a `shift` the windows are moved down by that many rows, cyclically; tokens that share a window only
    because of the wrap-around do not attend to each other. A grid with no more rows than one window is not shifted.
    """

    def __init__(
        self, width: int, heads: int, grid: tuple[int, int], window: int = 4, shift: int = 0, mlp_ratio: float = 4.0
    ) -> None:
        super().__init__()
        self.grid = grid
        self.window = min(window, grid[0]), min(window, grid[1])
        self.shift = shift if grid[0] > window else 0
        self.attn = WindowAttention(width, heads, self.window)
        self.norm1 = nn.LayerNorm(width, eps=_NORM_EPS)
        self.mlp = MLP(width, round(mlp_ratio * width), width, nn.GELU())
        self.norm2 = nn.LayerNorm(width, eps=_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, rows · columns, width)` to the same shape."""
        x = x + self.norm1(self._attended(x))
        return x + self.norm2(self.mlp(x))

    def _attended(self, x: Tensor) -> Tensor:
        rows = self.grid[0]
        shifted = x.unflatten(1, self.grid).roll(-self.shift, dims=1)
        wrapped = torch.arange(rows, device=x.device)[:, None].expand(self.grid) >= rows - self.shift
        wrapped_tokens = self._windows(wrapped[None, ..., None])[0, :, :, 0]
        mask = wrapped_tokens[:, :, None] != wrapped_tokens[:, None, :]
        attended = self.attn(self._windows(shifted), mask[:, None])
        return self._merge_windows(attended).roll(self.shift, dims=1).flatten(1, 2)

    def _windows(self, x: Tensor) -> Tensor:
        """`(batch, rows, columns, width)` to `(batch, windows, tokens of a window, width)`."""
        height, breadth = self.window
        return x.unflatten(1, (-1, height)).unflatten(3, (-1, breadth)).transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def _merge_windows(self, windows: Tensor) -> Tensor:
        """The inverse of `_windows`."""
        across = self.grid[1] // self.window[1]
        x = windows.unflatten(1, (-1, across)).unflatten(3, self.window)
        return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class WindowAttention(Constants):
    """Attention within windows with the weights softmax(cos(q, k) / τ + b(Δ)).

    τ is learned for each head, and b is an MLP of the distance Δ between two tokens, whose rows and columns enter as
    sign(d)·log(1 + |d|) (Liu et al., 2022, "Swin Transformer V2").
    """

    distances: Tensor

    def __init__(self, width: int, heads: int, window: tuple[int, int]) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.tau = nn.Parameter(torch.ones(heads))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.meta_mlp = MLP(2, _META_WIDTH, heads, nn.ReLU(), _META_DROPOUT)
        self.register_constants()

    def constants(self) -> dict[str, Tensor]:
        rows, columns = self.window
        places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).float()
        steps = places[:, None] - places[None]
        return {"distances": steps.sign() * steps.abs().log1p()}

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`(batch, windows, tokens, width)` to the same shape; no attention where `mask` is true.

        `mask` is `(windows, 1, tokens, tokens)`.
        """
        queries, keys, values = _split(self.qkv(x), self.heads)
        lengths = queries.norm(dim=-1)[..., :, None] * keys.norm(dim=-1)[..., None, :]
        cosines = queries @ keys.transpose(-2, -1) / lengths.clamp(min=_LEAST_LENGTH)
        bias = self.meta_mlp(self.distances).permute(2, 0, 1)
        scores = cosines / self.tau.clamp(min=_LEAST_TAU)[:, None, None] + bias
        return self.proj(_merged(scores.masked_fill(mask, -torch.inf).softmax(dim=-1) @ values))


def _split(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """`(…, tokens, 3 · width)` to queries, keys and values, each `(…, heads, tokens, width / heads)`."""
    queries, keys, values = qkv.unflatten(-1, (3, heads, -1)).movedim(-3, 0).transpose(-3, -2)
    return queries, keys, values


def _merged(x: Tensor) -> Tensor:
    """`(…, heads, tokens, width / heads)` to `(…, tokens, width)`."""
    return x.transpose(-3, -2).flatten(-2)


def sine_positions(grid: tuple[int, int], width: int) -> Tensor:
    """Sinusoidal position embeddings `(rows · columns, width)` of a grid, row by row.

    The first half of the width encodes the column, the second half the row. A coordinate x is encoded, with
    n = width / 4, as sin(x·ω_i) for i = 0 … n − 1 followed by cos(x·ω_i), where ω_i = 10000^(−i / n).
    """
    rates = torch.exp(-math.log(10000.0) * torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    rows, columns = torch.cartesian_prod(*(torch.arange(n, dtype=torch.float64) for n in grid)).unbind(1)
    angles = [coordinate[:, None] * rates for coordinate in (columns, rows)]
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1).float()
