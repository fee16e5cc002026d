"""Log-mel filterbank features as Kaldi computes them (its `compute-fbank-feats`, without dither and energy)."""

from __future__ import annotations

import torch
from torch import Tensor

from auricle.errors import AuricleError
from auricle.frontends.scales import mel_matrix

PREEMPHASIS = 0.97
LEAST_ENERGY = float(torch.finfo(torch.float32).eps)


def kaldi_fbank(
    waveforms: Tensor,
    sample_rate: int = 16000,
    *,
    n_bands: int = 128,
    window_s: float = 0.025,
    hop_s: float = 0.01,
    min_freq_hz: float = 20.0,
) -> Tensor:
    """`(batch, time)` to `(batch, frames, n_bands)`: natural logarithms of mel energies up to half the rate.

    Whole windows only, each of which loses its mean, is pre-emphasised by y[t] = x[t] − 0.97·x[t − 1] (x[−1] = x[0]),
    and weighed by a symmetric Hann window; the Fourier transform has the next power of two points.
    """
    size, hop = round(window_s * sample_rate), round(hop_s * sample_rate)
    if waveforms.ndim != 2 or waveforms.shape[-1] < size:
        raise AuricleError(f"waveforms of shape {tuple(waveforms.shape)}: (batch, time) with {size} samples or more")
    frames = waveforms.unfold(-1, size, hop)
    frames = frames - frames.mean(-1, keepdim=True)
    frames = frames - PREEMPHASIS * torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    window = torch.hann_window(size, periodic=False, dtype=frames.dtype, device=frames.device)
    n_fft = 1 << (size - 1).bit_length()
    power = torch.fft.rfft(frames * window, n=n_fft).abs().square()
    matrix = torch.from_numpy(mel_matrix(n_bands, n_fft, sample_rate, min_freq_hz, sample_rate / 2)).to(power)
    return (power @ matrix).clamp(min=LEAST_ENERGY).log()
