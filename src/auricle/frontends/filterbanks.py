"""Convolutional filterbanks: from a waveform `(batch, time)` to sub-band signals `(batch, n_filters, time)`.

They keep the waveform's rate; a pooling makes frames of their output.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.frontends.convolution import convolve, convolve_by_blocks
from auricle.frontends.initialisations import (
    DRAWN,
    FWHM,
    drawn_weights,
    gabor_initialisation,
    initial_filters,
)
from auricle.frontends.parts import Filterbank
from auricle.frontends.scales import spaced_freqs
from auricle.layers import bounded, without_tails
from auricle.registry import unknown_name

WIDTH_BOUNDS = {
    "published": (4.0, 1.0),
    "stated": (2.0, 1.0),
    "printed": (4.0 * math.pi, 2.0 * math.pi),
}
"""Bounds of the Gabor widths σ: (a, b) of a·z and b·W·z, with z = `FWHM`.

"published": those of the code, widths of a response from 1/W to 1/4 cycles per sample. "stated": 1/W to 1/2, the widths
that section 3.1.2 of the LEAF paper states. "printed": 4√(2 ln 2) and 2W√(2 ln 2), the bounds of σ printed beside them,
which contradict both.
"""


def gabor_kernels(center_freqs: Tensor, bandwidths: Tensor, kernel_size: int) -> Tensor:
    """Gabor filters, equation 4 of the LEAF paper: real parts, then imaginary parts, `(2·n_filters, kernel_size)`.

    φ(t) = exp(i·η·t) · exp(−t²/(2σ²)) / (√(2π)·σ), t = −W//2 … W//2, with `center_freqs` η in rad/sample and
    `bandwidths` σ in samples: the Gaussian's standard deviation in time, which is the inverse of a bandwidth.
    """
    time = torch.arange(kernel_size, device=bandwidths.device, dtype=bandwidths.dtype) - kernel_size // 2
    sigma = bandwidths[:, None]
    envelope = without_tails(torch.exp(-(time**2) / (2.0 * sigma**2)) / (math.sqrt(2.0 * math.pi) * sigma))
    phase = center_freqs[:, None] * time
    return torch.cat([envelope * torch.cos(phase), envelope * torch.sin(phase)])


def sinc_kernels(low_hz: Tensor, high_hz: Tensor, kernel_size: int, sample_rate: int) -> Tensor:
    """SincNet's filters: ideal band-passes under a periodic Hamming window, `(n_filters, kernel_size)`.

    (2·f₂·sinc(2·f₂·t) − 2·f₁·sinc(2·f₁·t)) / (2·(f₂ − f₁)) with f₁ = `low_hz` > 0, f₂ = `high_hz`, t in seconds.
    """
    index = torch.arange(kernel_size, device=low_hz.device, dtype=low_hz.dtype)
    window = 0.54 - 0.46 * torch.cos(2.0 * math.pi / kernel_size * index)
    time = index[1 : kernel_size // 2 + 1] / sample_rate

    def low_pass(cutoff_hz: Tensor) -> Tensor:
        phase = 2.0 * math.pi * cutoff_hz * time
        return 2.0 * cutoff_hz * (torch.sin(phase) / phase)

    low, high = low_hz[:, None], high_hz[:, None]
    side = (low_pass(high) - low_pass(low)) / (2.0 * (high - low))
    return window * torch.cat([side.flip(-1), torch.ones_like(low), side], dim=-1)


def squared_modulus(signal: Tensor) -> Tensor:
    """|y|² `(batch, n_filters, time)` of real parts followed by imaginary parts `(batch, 2·n_filters, time)`.

    Equations 2 and 3 of the LEAF paper.
    """
    real, imaginary = signal.chunk(2, dim=1)
    return real**2 + imaginary**2


class GaborFilterbank(Filterbank):
    """Learnable Gabor filters and their squared modulus (LEAF paper, section 3.1.2).

    `center_freqs` (rad/sample) is bounded to [0, π] and `bandwidths` (samples) to [4z, W·z] with z = √(2 ln 2)/π,
    so that the full width at half maximum of a response lies between 1/W and 1/4 cycles per sample; `bounds` names
    others (see `WIDTH_BOUNDS`). With `sort=True` the output is in the order of the centre frequencies (section 3.1.3).
    """

    def __init__(
        self,
        n_filters: int,
        kernel_size: int,
        sample_rate: int,
        min_freq_hz: float,
        max_freq_hz: float,
        init: str = "mel",
        sort: bool = False,
        bounds: str = "published",
    ) -> None:
        super().__init__()
        if bounds not in WIDTH_BOUNDS:
            raise AuricleError(unknown_name("bounds", bounds, WIDTH_BOUNDS))
        centers, widths = gabor_initialisation(n_filters, sample_rate, min_freq_hz, max_freq_hz, init)
        self.center_freqs = nn.Parameter(torch.from_numpy(centers).float())
        self.bandwidths = nn.Parameter(torch.from_numpy(widths).float())
        self.kernel_size = kernel_size
        self.sort = sort
        self.bounds = bounds

    def parameters_in_bounds(self) -> tuple[Tensor, Tensor]:
        """Centre frequencies and bandwidths as the filters use them: bounded, and sorted by centre if `sort`."""
        centers = bounded(self.center_freqs, 0.0, math.pi)
        lowest, highest = WIDTH_BOUNDS[self.bounds]
        widths = bounded(self.bandwidths, lowest * FWHM, highest * self.kernel_size * FWHM)
        if self.sort:
            order = torch.argsort(centers, stable=True)
            centers, widths = centers[order], widths[order]
        return centers, widths

    def kernels(self) -> Tensor:
        return gabor_kernels(*self.parameters_in_bounds(), self.kernel_size)

    def forward(self, waveform: Tensor) -> Tensor:
        return squared_modulus(convolve(waveform, self.kernels()))


class ConvFilterbank(Filterbank):
    """Unconstrained complex filters, initialised as Gabor filters, and their squared modulus.

    Time-domain filterbanks (Zeghidour et al., 2018); with `normalize=True` the ℓ2-normalised convolution of section
    3.1.1 of the LEAF paper. The initial Gabor filters are scaled so that each band has the energy of its mel band
    (see `initial_filters`). By `init` "xavier" or "kaiming" the weights
    themselves are drawn.
    """

    def __init__(
        self,
        n_filters: int,
        kernel_size: int,
        sample_rate: int,
        min_freq_hz: float,
        max_freq_hz: float,
        init: str = "mel",
        normalize: bool = False,
    ) -> None:
        super().__init__()
        if init in DRAWN:
            weight = drawn_weights(init, 2 * n_filters, 1, kernel_size)[:, 0]
        else:
            geometry = (n_filters, sample_rate, min_freq_hz, max_freq_hz)
            centers, widths, scale = initial_filters(*geometry, init)
            gabor = gabor_kernels(torch.from_numpy(centers), torch.from_numpy(widths), kernel_size)
            weight = (torch.from_numpy(scale).repeat(2)[:, None] * gabor).float()
        self.weight = nn.Parameter(weight)
        self.kernel_size = kernel_size
        self.normalize = normalize

    def kernels(self) -> Tensor:
        if not self.normalize:
            return self.weight
        real, imaginary = self.weight.chunk(2)
        norm = torch.sqrt((real**2 + imaginary**2).sum(dim=-1, keepdim=True) + 1e-12)
        return self.weight / norm.repeat(2, 1)

    def forward(self, waveform: Tensor) -> Tensor:
        return squared_modulus(convolve_by_blocks(waveform, self.kernels()))


class SincFilterbank(Filterbank):
    """Learnable ideal band-pass filters with a leaky ReLU (SincNet; Ravanelli & Bengio, 2018).

    Band edges in Hz: low = 50 + |k₀| and high = low + 50 + |k₁|, at most sr/2. The parameters `low_hz` k₀ and
    `band_hz` k₁ are initialised evenly on a mel scale: the lowest band starts at `min_freq_hz`, the highest ends at
    `max_freq_hz`.
    """

    min_low_hz = 50.0
    min_band_hz = 50.0

    def __init__(
        self, n_filters: int, kernel_size: int, sample_rate: int, min_freq_hz: float, max_freq_hz: float
    ) -> None:
        super().__init__()
        first, last = min_freq_hz - self.min_low_hz, max_freq_hz - self.min_low_hz - self.min_band_hz
        if not 0 <= first < last:
            raise AuricleError(
                f"SincNet's bands cannot start at {min_freq_hz:g} Hz and end at {max_freq_hz:g} Hz: "
                "they start at 50 Hz or above and are at least 50 Hz wide"
            )
        edges = torch.from_numpy(spaced_freqs(n_filters + 1, first, last))
        self.low_hz = nn.Parameter(edges[:-1].float())
        self.band_hz = nn.Parameter(edges.diff().float())
        self.kernel_size = kernel_size
        self.sample_rate = sample_rate

    def edges_hz(self) -> tuple[Tensor, Tensor]:
        """Lower and upper band edges in Hz `(n_filters,)`, bounded."""
        nyquist = self.sample_rate / 2
        low = bounded(self.min_low_hz + self.low_hz.abs(), self.min_low_hz, nyquist - self.min_band_hz)
        high = bounded(low + self.min_band_hz + self.band_hz.abs(), self.min_low_hz, nyquist)
        return low, high

    def kernels(self) -> Tensor:
        return sinc_kernels(*self.edges_hz(), self.kernel_size, self.sample_rate)

    def forward(self, waveform: Tensor) -> Tensor:
        return F.leaky_relu(convolve(waveform, self.kernels()), 0.2)
