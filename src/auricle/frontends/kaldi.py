"""Log-mel filterbank features as Kaldi computes them (`compute-fbank-feats`, without its energy feature)."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from auricle.errors import AuricleError
from auricle.frontends.scales import mel_matrix
from auricle.powers import next_power_of_two
from auricle.registry import unknown_name

PREEMPHASIS = 0.97
MIN_ENERGY = float(torch.finfo(torch.float32).eps)
WINDOWS = {"hann": 1.0, "povey": 0.85}
"""Each window is a symmetric Hann window to this power."""

_mel_matrix = lru_cache(maxsize=16)(mel_matrix)


def kaldi_fbank(
    waveforms: Tensor,
    sample_rate: int = 16000,
    *,
    n_bands: int = 128,
    window_s: float = 0.025,
    hop_s: float = 0.01,
    min_freq_hz: float = 20.0,
    window: str = "hann",
    dither: float = 0.0,
) -> Tensor:
    """`(batch, time)` to `(batch, frames, n_bands)`: natural logarithms of mel energies up to half the sample rate.

    Only whole windows count. The mean of each is subtracted, it is pre-emphasised by y[t] = x[t] − 0.97·x[t − 1]
    (x[−1] = x[0]) and multiplied by `window` ("hann" or "povey"); the size of the FFT is the next power of two.

    Kaldi adds white noise of the standard deviation `dither`, in the unit of the samples, to every window. Here the
    mean energy of that noise is added instead: nothing is random, and digital silence gets the level of quiet noise.
    """
    size, hop = round(window_s * sample_rate), round(hop_s * sample_rate)
    if waveforms.ndim != 2 or waveforms.shape[-1] < size:
        raise AuricleError(f"waveforms of shape {tuple(waveforms.shape)}: (batch, time) with {size} samples or more")
    if window not in WINDOWS:
        raise AuricleError(unknown_name("window", window, WINDOWS))
    with torch.autocast(waveforms.device.type, enabled=False):  # 16 bits do not resolve the range of energies
        power = _power_spectra(waveforms.unfold(-1, size, hop), window)
        bands = _mel_matrix(n_bands, next_power_of_two(size), sample_rate, min_freq_hz, sample_rate / 2)
        matrix = torch.from_numpy(bands).to(power)
        energies = power @ matrix
        if dither:
            energies = energies + (dither**2 * _unit_noise(size, window).to(power)) @ matrix
        return energies.clamp(min=MIN_ENERGY).log()


def _power_spectra(frames: Tensor, window: str) -> Tensor:
    """|X|² `(…, n_fft // 2 + 1)` of frames `(…, size)`: mean removed, pre-emphasised, windowed."""
    frames = frames - frames.mean(-1, keepdim=True)
    frames = frames - PREEMPHASIS * torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    size = frames.shape[-1]
    weights = torch.hann_window(size, periodic=False, dtype=frames.dtype, device=frames.device) ** WINDOWS[window]
    spectra = torch.fft.rfft(frames * weights, n=next_power_of_two(size))
    if window == "hann":  # the same |X|² in another order of rounding, on which results of trained models depend
        return spectra.abs().square()
    return spectra.real.square() + spectra.imag.square()


@lru_cache(maxsize=16)
def _unit_noise(size: int, window: str) -> Tensor:
    """Mean power spectrum `(n_fft // 2 + 1,)` of white noise of variance 1: the sum over unit impulses."""
    with torch.inference_mode(False), torch.no_grad():
        return _power_spectra(torch.eye(size), window).sum(0)
