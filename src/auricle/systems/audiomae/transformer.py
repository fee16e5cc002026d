"""Blocks of transformers, under the published state-dict keys: plain ones, and Swin's in its second version."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_NORM_EPS = 1e-6
_META_WIDTH, _META_DROPOUT = 384, 0.1
_LEAST_TAU, _LEAST_LENGTH = 0.01, 1e-6


class Block(nn.Module):
    """x ← x + TransformerAttention(LN(x)); x ← x + MLP(LN(x)): the block of ViT (Dosovitskiy et al., 2021)."""

    def __init__(self, width: int, heads: int, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_NORM_EPS)
        self.attn = TransformerAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=_NORM_EPS)
        self.mlp = MLP(width, round(mlp_ratio * width), width, nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, tokens, width)` to the same."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class TransformerAttention(nn.Module):
    """Softmax of q·k / √(width / heads) over all tokens, applied to the values."""

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

    `grid` are the rows and columns that the tokens fill row by row, `window` those of a window, at most; it divides
    the grid. With a `shift` the windows are moved down by so many rows, around the edge: what meets in a window from
    both ends of the grid does not attend to each other. A grid of one window's rows is not shifted.
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
        """`(batch, rows · columns, width)` to the same."""
        x = x + self.norm1(self._attended(x))
        return x + self.norm2(self.mlp(x))

    def _attended(self, x: Tensor) -> Tensor:
        rows = self.grid[0]
        moved = x.unflatten(1, self.grid).roll(-self.shift, dims=1)
        wrapped = torch.arange(rows, device=x.device)[:, None].expand(self.grid) >= rows - self.shift
        sides = self._windows(wrapped[None, ..., None])[0, :, :, 0]
        apart = sides[:, :, None] != sides[:, None, :]
        attended = self.attn(self._windows(moved), apart[:, None])
        return self._whole(attended).roll(self.shift, dims=1).flatten(1, 2)

    def _windows(self, x: Tensor) -> Tensor:
        """`(batch, rows, columns, width)` to `(batch, windows, tokens of a window, width)`."""
        height, breadth = self.window
        return x.unflatten(1, (-1, height)).unflatten(3, (-1, breadth)).transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def _whole(self, windows: Tensor) -> Tensor:
        """What `_windows` was given."""
        across = self.grid[1] // self.window[1]
        x = windows.unflatten(1, (-1, across)).unflatten(3, self.window)
        return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class WindowAttention(nn.Module):
    """Softmax of cos(q, k) / τ + b(Δ): τ is learnt per head, b is an MLP of the distance of two tokens in the window.

    Distances enter as sign(d)·log(1 + |d|), rows and columns (Liu et al., 2022, "Swin Transformer V2").
    """

    distances: Tensor

    def __init__(self, width: int, heads: int, window: tuple[int, int]) -> None:
        super().__init__()
        self.heads = heads
        self.tau = nn.Parameter(torch.ones(heads))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.meta_mlp = MLP(2, _META_WIDTH, heads, nn.ReLU(), _META_DROPOUT)
        places = torch.cartesian_prod(torch.arange(window[0]), torch.arange(window[1])).float()
        steps = places[:, None] - places[None]
        self.register_buffer("distances", steps.sign() * steps.abs().log1p(), persistent=False)

    def forward(self, x: Tensor, apart: Tensor) -> Tensor:
        """`(batch, windows, tokens, width)` to the same; `apart` `(windows, 1, tokens, tokens)` forbids."""
        queries, keys, values = _split(self.qkv(x), self.heads)
        lengths = queries.norm(dim=-1)[..., :, None] * keys.norm(dim=-1)[..., None, :]
        cosines = queries @ keys.transpose(-2, -1) / lengths.clamp(min=_LEAST_LENGTH)
        bias = self.meta_mlp(self.distances).permute(2, 0, 1)
        scores = cosines / self.tau.clamp(min=_LEAST_TAU)[:, None, None] + bias
        return self.proj(_merged(scores.masked_fill(apart, -torch.inf).softmax(dim=-1) @ values))


def _split(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values `(…, heads, tokens, width / heads)` of `(…, tokens, 3 · width)`."""
    queries, keys, values = qkv.unflatten(-1, (3, heads, -1)).movedim(-3, 0).transpose(-3, -2)
    return queries, keys, values


def _merged(x: Tensor) -> Tensor:
    """`(…, heads, tokens, width / heads)` to `(…, tokens, width)`."""
    return x.transpose(-3, -2).flatten(-2)


def sine_positions(grid: tuple[int, int], width: int) -> Tensor:
    """`(rows · columns, width)`, row by row: half of the width for the column, half for the row.

    Of a coordinate x and n = width / 4: sin(x·ω_i), i < n, then cos(x·ω_i), with ω_i = 10000^(−i / n).
    """
    rates = torch.exp(-math.log(10000.0) * torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    rows, columns = torch.cartesian_prod(*(torch.arange(n, dtype=torch.float64) for n in grid)).unbind(1)
    angles = [coordinate[:, None] * rates for coordinate in (columns, rows)]
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1).float()
