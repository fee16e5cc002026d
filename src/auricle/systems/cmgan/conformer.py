"""The conformer block, of which CMGAN's generator is built.

Gulati et al., 2020, "Conformer: convolution-augmented transformer for speech recognition", in the form of Abdulatif et
al., 2024, "CMGAN: conformer-based metric-GAN for monaural speech enhancement" (section III-A.2). Modules are nested
such that the entries of their state dicts have the names of the published checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_ATTENTION_ELEMENTS = 2**25  # upper limit of attention weights that are computed at once in evaluation mode


class Conformer(nn.Module):
    """Half a feed-forward step, self-attention, convolution and half a feed-forward step, with residual connections:

        x ← x + ½ FF(x);  x ← x + ConformerAttention(x);  x ← x + Conv(x);  x ← LayerNorm(x + ½ FF(x))

    The input and the output are `(sequences, positions, channels)`.
    """

    def __init__(
        self, channels: int, heads: int, max_distance: int, span: int | None, kernel_size: int, dropout: float
    ) -> None:
        super().__init__()
        self.ff1 = Half(PreNorm(channels, FeedForward(channels, dropout)))
        self.attn = PreNorm(channels, ConformerAttention(channels, heads, max_distance, span, dropout))
        self.conv = ConformerConvolution(channels, kernel_size)
        self.ff2 = Half(PreNorm(channels, FeedForward(channels, dropout)))
        self.post_norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ff1(x)
        x = x + self.attn(x)
        x = x + self.conv(x)
        return self.post_norm(x + self.ff2(x))


class Half(nn.Module):
    """½ fn(x)."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * self.fn(x)


class PreNorm(nn.Module):
    """fn(LayerNorm(x))."""

    def __init__(self, channels: int, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(self.norm(x))


class FeedForward(nn.Module):
    """Two linear layers with Swish between them; the hidden layer is four times as wide."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(channels, 4 * channels),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(4 * channels, channels),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class ConformerAttention(nn.Module):
    """Self-attention with relative positions (Shaw et al., 2018):

        softmax over j of (q_i · k_j + q_i · e_{d(i, j)}) / √(channels / heads)

    where d(i, j) is i − j, clamped to ± `max_distance`. With a `span`, a position only attends to positions at most
    that far away.
    """

    def __init__(self, channels: int, heads: int, max_distance: int, span: int | None, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.max_distance = max_distance
        self.span = span
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_kv = nn.Linear(channels, 2 * channels, bias=False)
        self.to_out = nn.Linear(channels, channels)
        self.rel_pos_emb = nn.Embedding(2 * max_distance + 1, channels // heads)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        n_sequences, n_positions, _ = x.shape
        chunk_size = n_sequences
        if not self.training:
            chunk_size = max(1, _ATTENTION_ELEMENTS // (self.heads * n_positions**2))
        positions = torch.arange(n_positions, device=x.device)
        distances = positions[:, None] - positions
        embedded = self.rel_pos_emb(distances.clamp(-self.max_distance, self.max_distance) + self.max_distance)
        beyond = None if self.span is None else distances.abs() > self.span
        return torch.cat([self._attend(rows, embedded, beyond) for rows in x.split(chunk_size)])

    def _attend(self, x: Tensor, embedded: Tensor, beyond: Tensor | None) -> Tensor:
        queries, keys, values = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_q(x), *self.to_kv(x).chunk(2, dim=-1))
        )
        queries = queries * queries.shape[-1] ** -0.5
        scores = queries @ keys.transpose(2, 3) + torch.einsum("bhid,ijd->bhij", queries, embedded)
        if beyond is not None:
            scores = scores.masked_fill(beyond, -torch.inf)
        attended = scores.softmax(dim=-1) @ values
        return self.dropout(self.to_out(attended.transpose(1, 2).flatten(2)))


class ConformerConvolution(nn.Module):
    """A gated pointwise convolution, a depthwise convolution with batch normalisation and Swish, a pointwise one."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(channels),
            Transpose(),
            nn.Conv1d(channels, 4 * channels, 1),
            nn.GLU(dim=1),
            Depthwise(2 * channels, kernel_size),
            nn.BatchNorm1d(2 * channels),
            nn.SiLU(),
            nn.Conv1d(2 * channels, channels, 1),
            Transpose(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Depthwise(nn.Module):
    """A depthwise convolution, padded with zeros to the same length."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, kernel_size, groups=channels, padding=kernel_size // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Transpose(nn.Module):
    """Swaps the last two axes."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)
