"""The compressed spectrum on which CMGAN operates, and its inverse."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from auricle.errors import AuricleError

_LEAST_POWER = 1e-12  # below this power, compression is linear, so that its derivative stays finite


@dataclass(frozen=True)
class Spectrum:
    """|X|^c · X/|X| of a short-time Fourier transform X with a Hamming window (Abdulatif et al., 2024, equation 1).

    `n_fft` and `hop_length` are in samples; `compression` is the exponent c.
    """

    n_fft: int = 400
    hop_length: int = 100
    compression: float = 0.3

    def __post_init__(self) -> None:
        if self.n_fft < 4 or self.n_fft % 4:
            raise AuricleError(f"n_fft={self.n_fft}: a multiple of 4")
        if not 0 < self.hop_length <= self.n_fft // 2:
            raise AuricleError(f"hop_length={self.hop_length}: from 1 to n_fft / 2 = {self.n_fft // 2} samples")
        if not 0 < self.compression <= 1:
            raise AuricleError(f"compression={self.compression:g}: above 0 and at most 1")

    @property
    def n_bins(self) -> int:
        return self.n_fft // 2 + 1

    def forward(self, waveforms: Tensor) -> Tensor:
        """`(batch, time)`, longer than n_fft / 2 samples, to `(batch, 2, frames, bins)`: real and imaginary part."""
        window = torch.hamming_window(self.n_fft, device=waveforms.device)
        spectrum = torch.stft(waveforms, self.n_fft, self.hop_length, window=window, return_complex=True)
        power = (spectrum.real.square() + spectrum.imag.square()).clamp(min=_LEAST_POWER)
        compressed = spectrum * power ** ((self.compression - 1) / 2)
        return torch.view_as_real(compressed).permute(0, 3, 2, 1)

    def inverse(self, compressed: Tensor, n_samples: int) -> Tensor:
        """Inverse of `forward`: `(batch, 2, frames, bins)` to `(batch, n_samples)`."""
        power = compressed.square().sum(1, keepdim=True)
        parts = compressed * power ** ((1 / self.compression - 1) / 2)
        spectrum = torch.view_as_complex(parts.permute(0, 3, 2, 1).contiguous())
        window = torch.hamming_window(self.n_fft, device=compressed.device)
        return torch.istft(spectrum, self.n_fft, self.hop_length, window=window, length=n_samples)
