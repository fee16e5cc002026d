"""Filters that their window cuts off: a narrow-band part around the centre, and what the cuts leak from all over.

Each of the two cuts leaks from the whole spectrum. Such a filter's response Φ is split in two,
|Φ|² = |A·Φ|² + |B·Φ|², with A² + B² = 1. A is one around the filter's centre: that part is narrow-band and goes the way
of the filters that do not leak. Farther off, Φ is what the two cuts do to the spectrum:
Φ(ω) = Cₗ(ω)·exp(iωc) + Cᵣ(ω)·exp(−iωc), where the cuts lie at ∓c and Cₗ, Cᵣ are smooth. With X⁺ and X⁻ the short-time
spectra of the clip around t + c and t − c, the energy there is

    Σ_ω B²·|Cₗ·X⁺ + Cᵣ·X⁻|²  =  Σ_ω p·|X⁺|² + p·|X⁻|² + Re(q·X⁺·X⁻*),

one spectrogram, and matrices that all such bands share, as a mel filterbank is. X⁺ and X⁻ lie a whole number of its
steps apart; where that is not 2c, pooling and the phase of q make up for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from auricle.frontends.spectral import spectra

# Frequencies in units of 1/W, where W is the window's length.
NEAR = 15.0  # half width of A
SLOPE = 2.5  # standard deviation of its flanks
NEAR_BAND = 36.0  # what the squared modulus of the near part occupies
NEAR_REACH = NEAR + 4.5 * SLOPE  # half width of what A passes
NARROWEST = 0.08  # standard deviation, in W, of the narrowest pooling window that the far part can follow
SPECTRUM = 0.4  # length of its short-time spectra, in W
SPECTRUM_HOPS = 4  # how many of them at least to a hop
LEAST_SINGULAR = 0.03  # relative singular value down to which a window is fitted by smeared points
LEAST_LAG = 0.3  # of their window's autocorrelation, where its effect is undone

R = TypeVar("R")


def near_share(offset: Tensor, kernel_size: int) -> Tensor:
    """A, of distances from the filter's centre in rad/sample."""
    scale = kernel_size / (2.0 * math.pi * math.sqrt(2.0) * SLOPE)
    edge = 2.0 * math.pi * NEAR / kernel_size
    return 1.0 - 0.5 * (torch.erfc((edge + offset) * scale) + torch.erfc((edge - offset) * scale))


def near_reach(kernel_size: int, decimation: int) -> int:
    """Samples on either side of its centre that a kernel has after A: a multiple of `decimation`."""
    reach = kernel_size // 2 + math.ceil(4.5 * kernel_size / (2.0 * math.pi * SLOPE))
    return reach + -reach % decimation


def near_kernels(kernels: Tensor, centers: Tensor, reach: int) -> Tensor:
    """Gabor `kernels` `(2·bands, W)` of centres `(bands,)` passed through A, `(2·bands, 2·reach + 1)`."""
    size = kernels.shape[-1]
    deviation = size / (2.0 * math.pi * SLOPE)
    longer = reach - size // 2
    time = torch.arange(-longer, longer + 1, device=kernels.device, dtype=kernels.dtype)
    low_pass = 2.0 * NEAR / size * torch.sinc(2.0 * NEAR / size * time) * torch.exp(-0.5 * (time / deviation) ** 2)
    band_pass = torch.polar(low_pass.expand(len(centers), -1), centers[:, None] * time)
    length = 2 ** math.ceil(math.log2(2 * reach + 1))
    complex_kernels = torch.complex(*kernels.chunk(2))
    both = torch.fft.ifft(torch.fft.fft(complex_kernels, length) * torch.fft.fft(band_pass, length))
    near = both[:, : 2 * reach + 1]
    return torch.cat([near.real, near.imag])


@dataclass(frozen=True)
class Far:
    """What leaking filters let through far from their centres, by short-time spectra of length L every s samples."""

    bands: list[int]
    taper: Tensor  # (L,)
    step: int
    lag: int  # from X⁻ to X⁺, a multiple of s
    power: Tensor  # (bands, L + 2): weights of |X|², those of real and imaginary parts in turn
    product: Tensor  # (bands, L + 2): weights of X⁺X⁻*, likewise
    power_windows: Tensor  # (bands, 2·reach + 1 + lag / s): pooling windows on the grid of the spectra
    product_windows: Tensor  # (bands, 2·reach + 1): on the grid of the pairs' middles

    @property
    def context(self) -> int:
        """Samples on either side of its centre that a frame depends on."""
        return self.product_windows.shape[-1] // 2 * self.step + (self.lag + 1) // 2 + len(self.taper) // 2

    def energies(self, signal: Tensor, center: int, hop: int, n_frames: int) -> Tensor:
        """As `Group.energies`."""
        length, n_apart = len(self.taper), self.lag // self.step
        n_spectra = (n_frames - 1) * hop // self.step + self.power_windows.shape[-1]
        first = center - self.product_windows.shape[-1] // 2 * self.step - self.lag // 2 - length // 2
        span = (n_spectra - 1) * self.step + length
        spectrum = spectra(signal[:, first : first + span], self.taper, self.step, length)
        power, product = recomputed(self._weighted, spectrum, n_apart)
        return self._pooled(power, self.power_windows, hop) + self._pooled(product, self.product_windows, hop)

    def _weighted(self, spectrum: Tensor, n_apart: int) -> tuple[Tensor, Tensor]:
        """Sums over bins of p·|X|² and of q·X⁺X⁻*, `(batch, bands, spectra)`, of X `(batch, spectra, bins, 2)`."""
        batch = spectrum.shape[0]
        power = spectrum.square().flatten(2).transpose(1, 2)
        product = complex_product(spectrum[:, n_apart:], spectrum[:, :-n_apart]).flatten(2).transpose(1, 2)
        return self.power.expand(batch, -1, -1) @ power, self.product.expand(batch, -1, -1) @ product

    def _pooled(self, values: Tensor, windows: Tensor, hop: int) -> Tensor:
        """`(batch, bands, frames)` of `(batch, bands, spectra)`."""
        return F.conv1d(values, windows[:, None], stride=hop // self.step, groups=len(self.bands))


class FarGeometry(NamedTuple):
    """What the far parts of all filters with one window and hop share."""

    step: int
    lag: int
    taper: Tensor  # (L,)
    left: Tensor  # (W, L): from a filter's taps to Cₗ
    right: Tensor  # (W, L): to Cᵣ
    correlation: Tensor  # (L,): the taper's, by lag


@lru_cache(maxsize=16)
def far_geometry(size: int, hop: int) -> FarGeometry:
    """Of windows of `size` samples, in double precision."""
    half = size // 2
    step = next(d for d in range(hop, 0, -1) if (hop % d == 0 and SPECTRUM_HOPS * d <= hop) or d == 1)
    length = 2 * max(2, round(SPECTRUM * size / (2 * step))) * step
    lag = round(size / step) * step
    taper = torch.hann_window(length, dtype=torch.float64)
    taper = taper * torch.sqrt(step / taper.square().sum())

    time = torch.arange(-half, half + 1, dtype=torch.float64)[:, None]
    omega = 2.0 * math.pi / length * torch.arange(length, dtype=torch.float64)
    left_share = torch.cos(math.pi * (time + half) / (4.0 * half)).square()
    left = torch.polar(left_share.expand(-1, length), -omega * (time + (lag + 1) // 2))
    right = torch.polar((1.0 - left_share).expand(-1, length), -omega * (time - lag // 2))

    by_lag = torch.fft.irfft(torch.fft.rfft(F.pad(taper, (0, length))).abs().square())[:length] / taper.square().sum()
    offsets = torch.minimum(torch.arange(length), length - torch.arange(length))
    return FarGeometry(step, lag, taper, left, right, by_lag[offsets].clamp(min=LEAST_LAG))


def far_part(bands: list[int], centers: Tensor, kernels: Tensor, windows: Tensor, hop: int) -> Far:
    """The part beyond A of filters with `centers` `(bands,)`, `kernels` `(2·bands, W)` and pooling `windows`."""
    size = kernels.shape[-1]
    half = size // 2
    geometry = far_geometry(size, hop)
    step, lag, length = geometry.step, geometry.lag, len(geometry.taper)
    complex_kernels = torch.complex(*kernels.double().chunk(2))
    left = complex_kernels @ geometry.left.to(kernels.device)
    right = complex_kernels @ geometry.right.to(kernels.device)

    omega = 2.0 * math.pi / length * torch.arange(length, dtype=torch.float64, device=kernels.device)
    offset = torch.remainder(omega - centers.double()[:, None] + math.pi, 2.0 * math.pi) - math.pi
    far_share = 1.0 - near_share(offset, size).square()

    two_sided = torch.stack([(far_share * left.abs().square()).to(left.dtype), 2.0 * far_share * left * right.conj()])
    weights = torch.fft.ifft(torch.fft.fft(two_sided) / geometry.correlation.to(kernels.device))
    n_bins = length // 2 + 1
    mirrored = weights.roll(-1, dims=-1).flip(-1)[..., :n_bins].conj()
    once = torch.ones_like(omega[:n_bins])
    once[0] = once[-1] = 0.5
    folded = (weights[..., :n_bins] + mirrored) * once / length
    power = folded[0].real.repeat_interleave(2, dim=-1)
    product = torch.view_as_real(folded[1].conj().resolve_conj()).flatten(-2)

    def fitted(shift: float) -> Tensor:
        return windows @ far_windows_matrix(size, length, step, shift).to(windows)

    n_apart = lag // step
    earlier, later = fitted(half + 0.5 - lag // 2), fitted((lag + 1) // 2 - half - 0.5)
    power_windows = F.pad(earlier, (0, n_apart)) + F.pad(later, (n_apart, 0))
    product_windows = fitted(0.5 * (lag % 2))
    taper = geometry.taper.to(kernels)
    return Far(bands, taper, step, lag, power.to(kernels), product.to(kernels), power_windows, product_windows)


@lru_cache(maxsize=64)
def far_windows_matrix(kernel_size: int, length: int, step: int, shift: float) -> Tensor:
    """`(W, 2·reach + 1)`: points at j·`step` + `shift` that, each smeared by a taper, make up a pooling window."""
    half = kernel_size // 2
    reach = -(-(half + length // 2) // step)
    points = step * torch.arange(-reach, reach + 1, dtype=torch.float64) + shift
    time = torch.arange(-half - length, half + length + 1, dtype=torch.float64)[:, None]
    distance = time - points
    smear = torch.where(distance.abs() <= length / 2, torch.cos(math.pi * distance / length) ** 4, 0.0)
    smear = smear * (8.0 / 3.0) * step / length
    inverse = torch.linalg.pinv(smear, rtol=LEAST_SINGULAR)
    return inverse[:, length : length + kernel_size].T.float().contiguous()


def complex_product(left: Tensor, right: Tensor) -> Tensor:
    """`left` times the conjugate of `right`, real and imaginary parts in the last axis."""
    if not torch.compiler.is_exporting():
        return torch.view_as_real(torch.view_as_complex(left) * torch.view_as_complex(right).conj())
    (a, b), (c, d) = left.unbind(-1), right.unbind(-1)
    return torch.stack([a * c + b * d, b * c - a * d], dim=-1)


def recomputed(energies: Callable[..., R], *arguments: Any) -> R:
    """`energies(*arguments)`, whose steps are not kept for the backward pass but gone through again there."""
    if not torch.is_grad_enabled():
        return energies(*arguments)
    return checkpoint(energies, *arguments, use_reentrant=False, preserve_rng_state=False, determinism_check="none")
