"""The filterbank spectrograms that an audio masked autoencoder takes as input."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from auricle.frontends.kaldi import kaldi_fbank

MEAN, DEVIATION = -4.2677393, 4.5689974
"""Mean and standard deviation of the log filterbank energies of AudioSet, in natural logarithms."""
HOP_S, WINDOW_S = 0.01, 0.025


def filterbank_spectrograms(waveforms: Tensor, sample_rate: int, n_bands: int) -> Tensor:
    """Normalised log filterbank energies `(batch, frames, n_bands)` of waveforms `(batch, time)` at `sample_rate` Hz.

    (x + 4.2677393) / (2·4.5689974), where x are Kaldi's log energies of the waveform without its mean, in windows of
    25 ms every 10 ms that lie entirely within the waveform.
    """
    centred = waveforms - waveforms.mean(-1, keepdim=True)
    energies = kaldi_fbank(centred, sample_rate, n_bands=n_bands, window_s=WINDOW_S, hop_s=HOP_S)
    return (energies - MEAN) / (2 * DEVIATION)


def pad_frames(spectrograms: Tensor, n_frames: int) -> Tensor:
    """Pad `(batch, frames, bands)` at the end to at least `n_frames`, with the normalised value of log energy 0."""
    return F.pad(spectrograms, (0, 0, 0, max(0, n_frames - spectrograms.shape[1])), value=-MEAN / (2 * DEVIATION))
