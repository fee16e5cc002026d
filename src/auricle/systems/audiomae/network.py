"""The network of AudioMAE (Huang et al., 2022, "Masked autoencoders that listen").

The entries of its state dict have the names of the published checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.systems.audiomae.masking import (
    insert_mask_tokens,
    patch_mask,
    patchify,
    reconstruction_loss,
    select_tokens,
)
from auricle.systems.audiomae.transformer import SwinBlock, TransformerBlock, sine_positions

Decoder = Literal["swin", "transformer"]
Positions = Literal["published", "grid"]


@dataclass(frozen=True)
class AudioMAESize:
    """Sizes of the spectrogram (`n_frames`, `n_bands`), its square patches, the encoder and the decoder.

    `decoder` is "swin", as in the published code, or "transformer", plain blocks as in the paper (with `decoder_depth`
    8). `positions` are those of the patches ("grid"), or "published": there the embeddings are computed for a grid with
    rows and columns swapped, but assigned to the tokens in the usual order.
    """

    n_frames: int = 1024
    n_bands: int = 128
    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    decoder: Decoder = "swin"
    decoder_width: int = 512
    decoder_depth: int = 16
    decoder_heads: int = 16
    positions: Positions = "published"

    def __post_init__(self) -> None:
        for name, kind in (("decoder", Decoder), ("positions", Positions)):
            if getattr(self, name) not in get_args(kind):
                raise AuricleError(unknown_name(name, getattr(self, name), get_args(kind)))
        for name in ("patch", "depth", "decoder_depth"):
            if getattr(self, name) < 1:
                raise AuricleError(f"{name}={getattr(self, name)}: 1 or more")
        for name in ("n_frames", "n_bands"):
            if getattr(self, name) < 1 or getattr(self, name) % self.patch:
                raise AuricleError(f"{name}={getattr(self, name)}: a positive multiple of patch={self.patch}")
        for prefix in ("", "decoder_"):
            width, heads = getattr(self, f"{prefix}width"), getattr(self, f"{prefix}heads")
            if heads < 1 or width < 4 or width % heads or width % 4:
                raise AuricleError(f"{prefix}width={width}: a multiple of 4 and of {prefix}heads={heads}")
        if self.decoder == "swin" and any(n > 4 and n % 4 for n in self.grid):
            raise AuricleError(
                f"a grid of {self.grid[0]} × {self.grid[1]} patches cannot be divided into windows of 4 × 4"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """The numbers of patches in time and in frequency."""
        return self.n_frames // self.patch, self.n_bands // self.patch

    @property
    def n_patches(self) -> int:
        return self.grid[0] * self.grid[1]


class PatchEncoder(nn.Module):
    """The encoder: embeds the patches of a spectrogram and applies transformer blocks to them."""

    pos_embed: Tensor

    def __init__(self, size: AudioMAESize = AudioMAESize()) -> None:
        super().__init__()
        self.size = size
        self.cls_token = nn.Parameter(torch.empty(1, 1, size.width))
        self.patch_embed = PatchEmbedding(size.patch, size.width)
        self.blocks = nn.ModuleList(TransformerBlock(size.width, size.heads) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.width, eps=1e-6)
        self.register_buffer("pos_embed", _positions(size, size.width))
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.xavier_uniform_(module.weight.flatten(1))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.cls_token, std=0.02)

    def layers(self, spectrograms: Tensor, visible: Tensor | None = None) -> list[Tensor]:
        """The output of each block, `(batch, 1 + patches, width)`, with the class token first.

        `spectrograms` are `(batch, frames, bands)`; they may have fewer than `n_frames` frames, a multiple of the patch
        size, or an `AuricleError` is raised. `visible` `(batch, n_visible)` are the indices of the patches to encode;
        by default all.
        """
        n_frames, n_bands = spectrograms.shape[-2:]
        if spectrograms.ndim != 3 or n_bands != self.size.n_bands or not 0 < n_frames <= self.size.n_frames:
            raise AuricleError(
                f"spectrograms of shape {tuple(spectrograms.shape)}: (batch, frames, {self.size.n_bands}) with 1 to "
                f"{self.size.n_frames} frames"
            )
        if n_frames % self.size.patch:
            raise AuricleError(f"spectrograms of {n_frames} frames: a multiple of the patch size {self.size.patch}")
        x = self.patch_embed(spectrograms)
        x = x + self.pos_embed[:, 1 : 1 + x.shape[1]]
        x = x if visible is None else select_tokens(x, visible)
        x = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1), x], dim=1)
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return outputs

    def encode(self, spectrograms: Tensor, visible: Tensor | None = None) -> Tensor:
        """The output of the last block after layer normalisation; arguments and shape as of `layers`."""
        return self.norm(self.layers(spectrograms, visible)[-1])


def _positions(size: AudioMAESize, width: int) -> Tensor:
    """Position embeddings `(1, 1 + patches, width)`, with zeros for the class token."""
    grid = size.grid if size.positions == "grid" else (size.grid[1], size.grid[0])
    return torch.cat([torch.zeros(1, width), sine_positions(grid, width)])[None]


class MaskedAutoencoder(PatchEncoder):
    """An encoder of the visible patches, and a decoder that reconstructs the masked ones."""

    decoder_pos_embed: Tensor

    def __init__(self, size: AudioMAESize = AudioMAESize()) -> None:
        super().__init__(size)
        self.decoder_embed = nn.Linear(size.width, size.decoder_width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, size.decoder_width))
        self.decoder_blocks = nn.ModuleList(self._decoder_block(index) for index in range(size.decoder_depth))
        self.decoder_norm = nn.LayerNorm(size.decoder_width, eps=1e-6)
        self.decoder_pred = nn.Linear(size.decoder_width, size.patch**2)
        self.register_buffer("decoder_pos_embed", _positions(size, size.decoder_width))
        self._initialise()
        nn.init.normal_(self.mask_token, std=0.02)

    def _decoder_block(self, index: int) -> nn.Module:
        size = self.size
        if size.decoder == "transformer":
            return TransformerBlock(size.decoder_width, size.decoder_heads)
        return SwinBlock(size.decoder_width, size.decoder_heads, size.grid, shift=2 * (index % 2))

    def decode(self, tokens: Tensor, visible: Tensor) -> Tensor:
        """Predict all patches, `(batch, n_patches, patch²)`, normalised, from the output of `encode`.

        `visible` `(batch, n_visible)` are the indices of the encoded patches.
        """
        x = self.decoder_embed(tokens)
        patches = insert_mask_tokens(x[:, 1:], visible, self.mask_token[0, 0], self.size.n_patches)
        x = torch.cat([x[:, :1], patches], dim=1) + self.decoder_pos_embed
        x = x[:, 1:] if self.size.decoder == "swin" else x
        for block in self.decoder_blocks:
            x = block(x)
        return self.decoder_pred(self.decoder_norm(x))[:, -self.size.n_patches :]

    def forward(self, spectrograms: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of the patches that are not `visible`, and the prediction of all patches by `decode`."""
        predicted = self.decode(self.encode(spectrograms, visible), visible)
        mask = patch_mask(visible, self.size.n_patches)
        return reconstruction_loss(predicted, patchify(spectrograms, self.size.patch), mask), predicted


class PatchEmbedding(nn.Module):
    """A linear layer applied to each patch, implemented as a convolution whose stride is its kernel size."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, width, patch, patch)

    def forward(self, spectrograms: Tensor) -> Tensor:
        """`(batch, frames, bands)` to `(batch, patches, width)`."""
        return self.proj(spectrograms[:, None]).flatten(2).transpose(1, 2)
