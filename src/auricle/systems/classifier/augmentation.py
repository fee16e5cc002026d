"""What is done to a training batch: mixup, noise and SpecAugment, each drawn from a generator it is given."""

from __future__ import annotations

import torch
from torch import Tensor


def mixup(waveforms: Tensor, targets: Tensor, tasks: Tensor, alpha: float, generator: torch.Generator) -> list[Tensor]:
    """Convex combinations of clips and of their targets (Zhang et al., 2017), λ ~ Beta(alpha, alpha) per clip.

    `waveforms` (batch, time), `targets` (batch, labels), `tasks` (batch,); a clip is mixed with one of its own task.
    """
    size = len(waveforms)
    order = torch.randperm(size, generator=generator)
    gamma = torch._standard_gamma(torch.full((2, size), alpha), generator=generator)
    weight = (gamma[0] / gamma.sum(0).clamp(min=1e-12)).to(waveforms.device)
    order = order.to(waveforms.device)
    weight = torch.where(tasks == tasks[order], torch.maximum(weight, 1.0 - weight), torch.ones_like(weight))[:, None]
    return [weight * values + (1.0 - weight) * values[order] for values in (waveforms, targets)]


def noise_in_range(waveforms: Tensor, snr_db: tuple[float, float], share: float, generator: torch.Generator) -> Tensor:
    """White Gaussian noise in a `share` of the clips, at an SNR drawn uniformly from `snr_db` per clip.

    `waveforms` (batch, time); the signal's power is taken over its non-zero samples, so that padding does not count.
    """
    size = len(waveforms)
    low, high = snr_db
    level_db = low + (high - low) * torch.rand(size, 1, generator=generator)
    chosen = torch.rand(size, 1, generator=generator) < share
    noise = torch.randn(waveforms.shape, generator=generator).to(waveforms)
    n_active = (waveforms != 0).sum(-1, keepdim=True).clamp(min=1)
    rms = torch.sqrt((waveforms**2).sum(-1, keepdim=True) / n_active)
    gain = rms * (chosen * 10.0 ** (-level_db / 20.0)).to(waveforms)
    return waveforms + gain * noise


def spec_augment(
    spectrograms: Tensor, n_masks: int, band_width: float, frame_width: float, generator: torch.Generator
) -> Tensor:
    """Replace `n_masks` runs of bands and as many of frames by the spectrogram's mean (Park et al., 2019).

    `spectrograms` (batch, channels, bands, frames). A run's length is uniform from 0 to `band_width` (`frame_width`) of
    the axis, its place uniform.
    """
    size = len(spectrograms)
    masked = torch.zeros(size, *spectrograms.shape[-2:], dtype=torch.bool)
    for axis, width in ((1, band_width), (2, frame_width)):
        length = masked.shape[axis]
        places = torch.arange(length)
        for _ in range(n_masks):
            run = torch.rand(size, 1, generator=generator) * width * length
            start = torch.rand(size, 1, generator=generator) * (length - run)
            inside = (places >= start.floor()) & (places < (start + run).floor())
            masked |= inside.unsqueeze(3 - axis)
    mean = spectrograms.mean(dim=(-2, -1), keepdim=True)
    return torch.where(masked.to(spectrograms.device)[:, None], mean, spectrograms)
