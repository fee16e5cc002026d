"""Spectrograms as patches, which of them are hidden, and how well the hidden ones are told (He et al., 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from auricle.errors import AuricleError

_LEAST_VARIANCE = 1e-6


def patchify(spectrograms: Tensor, patch: int) -> Tensor:
    """`(batch, frames, bands)` to `(batch, patches, patch²)`: all patches of a time, then those of the next."""
    n_frames, n_bands = spectrograms.shape[1:]
    if n_frames % patch or n_bands % patch:
        raise AuricleError(f"a spectrogram of {n_frames} frames and {n_bands} bands is not whole patches of {patch}")
    grid = spectrograms.unflatten(1, (-1, patch)).unflatten(3, (-1, patch))
    return grid.transpose(2, 3).flatten(3).flatten(1, 2)


def unpatchify(patches: Tensor, n_bands: int) -> Tensor:
    """What `patchify` was given: `(batch, frames, n_bands)` of `(batch, patches, patch²)`."""
    patch = round(patches.shape[-1] ** 0.5)
    grid = patches.unflatten(1, (-1, n_bands // patch)).unflatten(3, (patch, patch))
    return grid.transpose(2, 3).flatten(3).flatten(1, 2)


def count_kept(n_patches: int, mask_ratio: float) -> int:
    """⌊n_patches·(1 − mask_ratio)⌋: how many patches stay visible."""
    n_kept = int(n_patches * (1 - mask_ratio))
    if not 0 <= mask_ratio < 1 or n_kept < 1:
        raise AuricleError(f"mask_ratio={mask_ratio:g} leaves none of {n_patches} patches, or is negative")
    return n_kept


def random_kept(batch: int, n_patches: int, mask_ratio: float, generator: torch.Generator | None = None) -> Tensor:
    """Places of the patches that stay visible, `(batch, n_kept)` in rising order."""
    order = torch.rand(batch, n_patches, generator=generator).argsort(dim=1)
    return order[:, : count_kept(n_patches, mask_ratio)].sort(dim=1).values


def take(tokens: Tensor, kept: Tensor) -> Tensor:
    """`tokens` `(batch, patches, width)` at the places `kept` `(batch, n_kept)`."""
    return tokens.gather(1, kept[..., None].expand(-1, -1, tokens.shape[-1]))


def fill(visible: Tensor, kept: Tensor, hidden: Tensor, n_patches: int) -> Tensor:
    """`visible` `(batch, n_kept, width)` at the places `kept`, `hidden` `(width,)` at all others of `n_patches`."""
    everywhere = hidden.to(visible.dtype).expand(len(visible), n_patches, -1)
    return everywhere.scatter(1, kept[..., None].expand_as(visible), visible)


def hidden_mask(kept: Tensor, n_patches: int) -> Tensor:
    """Which of `n_patches` are hidden: `(batch, n_patches)` of bool."""
    mask = torch.ones(len(kept), n_patches, dtype=torch.bool, device=kept.device)
    return mask.scatter(1, kept, torch.zeros_like(kept, dtype=torch.bool))


def normalised(patches: Tensor) -> Tensor:
    """Each patch minus its mean, over the root of its variance (of patch² − 1 degrees of freedom) plus 1e-6."""
    mean, deviation = _moments(patches)
    return (patches - mean) / deviation


def restored(predicted: Tensor, patches: Tensor) -> Tensor:
    """What `normalised` would make into `predicted`, had it the mean and the deviation of `patches`."""
    mean, deviation = _moments(patches)
    return predicted * deviation + mean


def _moments(patches: Tensor) -> tuple[Tensor, Tensor]:
    return patches.mean(-1, keepdim=True), (patches.var(-1, keepdim=True) + _LEAST_VARIANCE).sqrt()


def reconstruction_loss(predicted: Tensor, patches: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of `predicted` from the normalised `patches`, over those that `mask` says are hidden."""
    errors = (predicted - normalised(patches)).square().mean(-1)
    return errors[mask].mean()
