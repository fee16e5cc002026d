"""What an audio masked autoencoder sees of a waveform."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from auricle.frontends.kaldi import kaldi_fbank

MEAN, DEVIATION = -4.2677393, 4.5689974
"""Of the filterbank features of AudioSet, in natural logarithms."""
HOP_S, WINDOW_S = 0.01, 0.025


def filterbank_spectrograms(waveforms: Tensor, sample_rate: int, n_bands: int) -> Tensor:
    """`(batch, frames, n_bands)` of `(batch, time)`: the waveform without its mean, scaled to about ± 1/2.

    (x + 4.2677393) / (2·4.5689974) of Kaldi's log energies x, of whole windows of 25 ms every 10 ms.
    """
    centred = waveforms - waveforms.mean(-1, keepdim=True)
    energies = kaldi_fbank(centred, sample_rate, n_bands=n_bands, window_s=WINDOW_S, hop_s=HOP_S)
    return (energies - MEAN) / (2 * DEVIATION)


def lengthened(spectrograms: Tensor, n_frames: int) -> Tensor:
    """`(batch, frames, bands)` with log energies of 0, scaled, after the last frame until there are `n_frames`."""
    return F.pad(spectrograms, (0, 0, 0, max(0, n_frames - spectrograms.shape[1])), value=-MEAN / (2 * DEVIATION))
