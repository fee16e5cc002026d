"""Augmentation of training batches: mixup, noise and SpecAugment, each with a random generator as argument."""

from __future__ import annotations

import torch
from torch import Tensor

from auricle.systems.one_batch import drawn, gathered, part


def mixup(waveforms: Tensor, targets: Tensor, tasks: Tensor, alpha: float, generator: torch.Generator) -> list[Tensor]:
    """Mix pairs of clips and their targets: λ·x_i + (1 − λ)·x_j with λ ~ Beta(alpha, alpha) (Zhang et al., 2017).

    `waveforms` are `(batch, time)`, `targets` `(batch, labels)` and `tasks` `(batch,)`; only clips of the same task are
    mixed. λ is replaced by max(λ, 1 − λ). Returns the mixed waveforms and targets.
    """
    whole = [gathered(values) for values in (waveforms, targets, tasks)]
    size, own = len(whole[0]), part(len(waveforms))
    order = torch.randperm(size, generator=generator)[own]
    gamma = torch._standard_gamma(torch.full((2, size), alpha), generator=generator)[:, own]
    weight = (gamma[0] / gamma.sum(0).clamp(min=1e-12)).to(waveforms.device)
    order = order.to(waveforms.device)
    weight = torch.maximum(weight, 1.0 - weight)
    weight = torch.where(tasks == whole[2][order], weight, torch.ones_like(weight))[:, None]
    return [
        weight * values + (1.0 - weight) * others[order]
        for values, others in zip((waveforms, targets), whole, strict=False)
    ]


def noise_in_range(waveforms: Tensor, snr_db: tuple[float, float], share: float, generator: torch.Generator) -> Tensor:
    """Add white Gaussian noise to a `share` of the clips `(batch, time)`, at an SNR drawn uniformly for each clip.

    `snr_db` is the lowest and the highest SNR in dB. The power of a clip is measured over its non-zero samples, so
    padding does not count.
    """
    size = len(waveforms)
    low, high = snr_db
    level_db = low + (high - low) * drawn(torch.rand, size, 1, generator=generator)
    chosen = drawn(torch.rand, size, 1, generator=generator) < share
    noise = drawn(torch.randn, *waveforms.shape, generator=generator).to(waveforms)
    n_active = (waveforms != 0).sum(-1, keepdim=True).clamp(min=1)
    rms = torch.sqrt((waveforms**2).sum(-1, keepdim=True) / n_active)
    gain = rms * (chosen * 10.0 ** (-level_db / 20.0)).to(waveforms)
    return waveforms + gain * noise


def spec_augment(
    spectrograms: Tensor, n_masks: int, band_width: float, frame_width: float, generator: torch.Generator
) -> Tensor:
    """Replace `n_masks` runs of bands and `n_masks` runs of frames by the spectrogram's mean (Park et al., 2019).

    `spectrograms` are `(batch, channels, bands, frames)`. The length of a run is uniform between 0 and the fraction
    `band_width` (`frame_width`) of the axis, and so is its position.
    """
    size = len(spectrograms)
    masked = torch.zeros(size, *spectrograms.shape[-2:], dtype=torch.bool)
    for axis, width in ((1, band_width), (2, frame_width)):
        length = masked.shape[axis]
        positions = torch.arange(length)
        for _ in range(n_masks):
            run = drawn(torch.rand, size, 1, generator=generator) * width * length
            start = drawn(torch.rand, size, 1, generator=generator) * (length - run)
            inside = (positions >= start.floor()) & (positions < (start + run).floor())
            masked |= inside.unsqueeze(3 - axis)
    mean = spectrograms.mean(dim=(-2, -1), keepdim=True)
    return torch.where(masked.to(spectrograms.device)[:, None], mean, spectrograms)
