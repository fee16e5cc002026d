"""Patches of a spectrogram, random masking, and the reconstruction loss of masked patches (He et al., 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from auricle.errors import AuricleError

_LEAST_VARIANCE = 1e-6


def patchify(spectrograms: Tensor, patch: int) -> Tensor:
    """`(batch, frames, bands)` to `(batch, patches, patch²)`.

    Patches are ordered by time, and by frequency within the same time. Raises an `AuricleError` unless frames and bands
    are multiples of `patch`.
    """
    n_frames, n_bands = spectrograms.shape[1:]
    if n_frames % patch or n_bands % patch:
        raise AuricleError(f"a spectrogram of {n_frames} frames and {n_bands} bands is not whole patches of {patch}")
    grid = spectrograms.unflatten(1, (-1, patch)).unflatten(3, (-1, patch))
    return grid.transpose(2, 3).flatten(3).flatten(1, 2)


def unpatchify(patches: Tensor, n_bands: int) -> Tensor:
    """The inverse of `patchify`: `(batch, patches, patch²)` to `(batch, frames, n_bands)`."""
    patch = round(patches.shape[-1] ** 0.5)
    grid = patches.unflatten(1, (-1, n_bands // patch)).unflatten(3, (patch, patch))
    return grid.transpose(2, 3).flatten(3).flatten(1, 2)


def count_visible(n_patches: int, mask_ratio: float) -> int:
    """The number of visible patches, ⌊n_patches·(1 − mask_ratio)⌋; an `AuricleError` if there are none."""
    n_visible = int(n_patches * (1 - mask_ratio))
    if not 0 <= mask_ratio < 1 or n_visible < 1:
        raise AuricleError(
            f"mask_ratio={mask_ratio:g}: 0 or more, and so small that at least 1 of {n_patches} patches is visible"
        )
    return n_visible


def random_visible(batch: int, n_patches: int, mask_ratio: float, generator: torch.Generator | None = None) -> Tensor:
    """Random indices of the visible patches, `(batch, n_visible)`, in ascending order within each row."""
    order = torch.rand(batch, n_patches, generator=generator).argsort(dim=1)
    return order[:, : count_visible(n_patches, mask_ratio)].sort(dim=1).values


def select_tokens(tokens: Tensor, visible: Tensor) -> Tensor:
    """`tokens` `(batch, patches, width)` at the indices `visible` `(batch, n_visible)`."""
    return tokens.gather(1, visible[..., None].expand(-1, -1, tokens.shape[-1]))


def insert_mask_tokens(tokens: Tensor, visible: Tensor, mask_token: Tensor, n_patches: int) -> Tensor:
    """`(batch, n_patches, width)`: `tokens` `(batch, n_visible, width)` at the indices `visible`, else `mask_token`."""
    mask_tokens = mask_token.to(tokens.dtype).expand(len(tokens), n_patches, -1)
    return mask_tokens.scatter(1, visible[..., None].expand_as(tokens), tokens)


def patch_mask(visible: Tensor, n_patches: int) -> Tensor:
    """`(batch, n_patches)` of bool, true at masked patches, for the indices `visible` `(batch, n_visible)`."""
    mask = torch.ones(len(visible), n_patches, dtype=torch.bool, device=visible.device)
    return mask.scatter(1, visible, torch.zeros_like(visible, dtype=torch.bool))


def normalised(patches: Tensor) -> Tensor:
    """(x − mean) / √(variance + 1e-6) of each patch `(…, patch²)`; the variance has patch² − 1 degrees of freedom."""
    mean, deviation = _moments(patches)
    return (patches - mean) / deviation


def denormalised(predicted: Tensor, patches: Tensor) -> Tensor:
    """The inverse of `normalised` for `predicted`, with the mean and the variance of each of `patches`."""
    mean, deviation = _moments(patches)
    return predicted * deviation + mean


def _moments(patches: Tensor) -> tuple[Tensor, Tensor]:
    return patches.mean(-1, keepdim=True), (patches.var(-1, keepdim=True) + _LEAST_VARIANCE).sqrt()


def reconstruction_loss(predicted: Tensor, patches: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error between `predicted` and the normalised `patches`, over masked patches alone.

    Both are `(batch, patches, patch²)`; `mask` `(batch, patches)` is true at masked patches.
    """
    errors = (predicted - normalised(patches)).square().mean(-1)
    return errors[mask].mean()
