"""Filters that their window truncates: a narrow-band main lobe, and leakage from the whole spectrum.

LEAF's filters have W samples. Where a filter's Gaussian is still large at the two ends t = −c and t = c, it is cut off,
and through these edges frequencies far from its centre leak into the output, which is no longer narrow-band. Such a
filter's frequency response Φ is split in two by weights with A² + B² = 1:

    |Φ|² = |A·Φ|² + |B·Φ|².

A is one around the filter's centre. The main lobe A·Φ is narrow-band and is computed as any other filter. The leakage
B·Φ is due to the two edges alone: Φ(ω) = Cₗ(ω)·exp(iωc) + Cᵣ(ω)·exp(−iωc), with smooth Cₗ and Cᵣ. With X⁺ and X⁻ the
short-time spectra of the clip around t + c and t − c, its energy is

    Σ_ω B²·|Cₗ·X⁺ + Cᵣ·X⁻|²  =  Σ_ω p·|X⁺|² + p·|X⁻|² + Re(q·X⁺·X⁻*):

one spectrogram, and weights p and q that apply to it as the matrix of a mel filterbank does. The spectrogram's hop does
not divide 2c in general: X⁺ and X⁻ are taken a whole number of hops apart (the `lag`), and the pooling windows and the
phase of q correct for the difference.
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

from auricle.frontends.pooling import weighted_sums
from auricle.frontends.spectral import spectra
from auricle.powers import next_power_of_two

# Frequencies are in units of 1/W, where W is the length of the filters.
MAIN_LOBE = 15.0  # half width of A
EDGE = 2.5  # standard deviation of the Gaussian edges of A
MAIN_LOBE_REACH = MAIN_LOBE + 4.5 * EDGE  # half width of the band in which A is not negligible
MAIN_LOBE_BANDWIDTH = 36.0  # of the main lobe's squared modulus
MIN_POOLING_SPREAD = 0.08  # standard deviation, in W, of the narrowest pooling window that the spectrogram can resolve
SPECTRUM_LENGTH = 0.4  # length of the short-time spectra, in W
SPECTRA_PER_HOP = 4  # at least
MIN_SINGULAR = 0.03  # relative singular value below which the fit of a pooling window ignores a direction
MIN_CORRELATION = 0.3  # the least value by which the autocorrelation of the spectra's window is divided

R = TypeVar("R")


def main_lobe_weight(offset: Tensor, kernel_size: int) -> Tensor:
    """A at the distance `offset` from the filter's centre, in rad/sample."""
    scale = kernel_size / (2.0 * math.pi * math.sqrt(2.0) * EDGE)
    edge = 2.0 * math.pi * MAIN_LOBE / kernel_size
    return 1.0 - 0.5 * (torch.erfc((edge + offset) * scale) + torch.erfc((edge - offset) * scale))


def main_lobe_reach(kernel_size: int, decimation: int) -> int:
    """Half length in samples of a filter's main lobe in time: a multiple of `decimation`."""
    reach = kernel_size // 2 + math.ceil(4.5 * kernel_size / (2.0 * math.pi * EDGE))
    return reach + -reach % decimation


def main_lobe_kernels(kernels: Tensor, centers: Tensor, reach: int) -> Tensor:
    """Impulse responses `(2·bands, 2·reach + 1)` of the main lobes A·Φ.

    `kernels` `(2·bands, W)` are the Gabor filters, real parts first; `centers` `(bands,)` their centres in rad/sample.
    """
    size = kernels.shape[-1]
    deviation = size / (2.0 * math.pi * EDGE)
    longer = reach - size // 2
    time = torch.arange(-longer, longer + 1, device=kernels.device, dtype=kernels.dtype)
    low_pass = 2.0 * MAIN_LOBE / size * torch.sinc(2.0 * MAIN_LOBE / size * time)
    low_pass = low_pass * torch.exp(-0.5 * (time / deviation) ** 2)
    band_pass = torch.polar(low_pass.expand(len(centers), -1), centers[:, None] * time)
    length = next_power_of_two(2 * reach + 1)
    complex_kernels = torch.complex(*kernels.chunk(2))
    product = torch.fft.ifft(torch.fft.fft(complex_kernels, length) * torch.fft.fft(band_pass, length))
    main_lobe = product[:, : 2 * reach + 1]
    return torch.cat([main_lobe.real, main_lobe.imag])


@dataclass(frozen=True)
class Leakage:
    """The leakage of several bands, computed from short-time spectra X of length L, one every `step` samples."""

    bands: list[int]
    window: Tensor  # (L,): of the short-time spectra
    step: int  # samples
    lag: int  # samples from X⁻ to X⁺, a multiple of `step`
    power_weights: Tensor  # (bands, L + 2): p for each bin, once for the real part of X and once for the imaginary part
    cross_weights: Tensor  # (bands, L + 2): q likewise, for the cross spectrum X⁺·X⁻*
    power_windows: Tensor  # (bands, 2·reach + 1 + lag / step): pooling windows on the grid of the spectra
    cross_windows: Tensor  # (bands, 2·reach + 1): pooling windows on the grid of the midpoints of X⁺ and X⁻

    @property
    def context(self) -> int:
        """How many samples on either side of its centre a frame depends on."""
        return self.cross_windows.shape[-1] // 2 * self.step + (self.lag + 1) // 2 + len(self.window) // 2

    def energies(self, signal: Tensor, center: int, hop: int, n_frames: int) -> Tensor:
        """Pooled energies `(batch, bands, n_frames)` of `(batch, time)`; frame k is centred at `center` + k·`hop`."""
        return self.by_frame(signal, center, hop, n_frames).transpose(1, 2)

    def by_frame(self, signal: Tensor, center: int, hop: int, n_frames: int) -> Tensor:
        """`energies` as `(batch, n_frames, bands)`."""
        length, n_apart = len(self.window), self.lag // self.step
        n_spectra = (n_frames - 1) * hop // self.step + self.power_windows.shape[-1]
        first = center - self.cross_windows.shape[-1] // 2 * self.step - self.lag // 2 - length // 2
        span = (n_spectra - 1) * self.step + length
        spectrum = spectra(signal[:, first : first + span], self.window, self.step, length)
        power = spectrum.square().flatten(2) @ self.power_weights.T
        cross = conjugate_product(spectrum[:, n_apart:], spectrum[:, :-n_apart]).flatten(2) @ self.cross_weights.T
        per_hop = hop // self.step
        return weighted_sums(power, self.power_windows.T, per_hop) + weighted_sums(cross, self.cross_windows.T, per_hop)


class SpectraLayout(NamedTuple):
    """The short-time spectra for one filter length W and hop, and the matrices that give Cₗ and Cᵣ at their bins."""

    step: int
    lag: int
    window: Tensor  # (L,)
    left: Tensor  # (W, L): times a filter's impulse response gives Cₗ
    right: Tensor  # (W, L): likewise Cᵣ
    correlation: Tensor  # (L,): the window's normalised autocorrelation, by lag


@lru_cache(maxsize=16)
def spectra_layout(kernel_size: int, hop: int) -> SpectraLayout:
    """The layout for filters of `kernel_size` samples, in double precision."""
    half = kernel_size // 2
    step = next(d for d in range(hop, 0, -1) if (hop % d == 0 and SPECTRA_PER_HOP * d <= hop) or d == 1)
    length = 2 * max(2, round(SPECTRUM_LENGTH * kernel_size / (2 * step))) * step
    lag = round(kernel_size / step) * step
    window = torch.hann_window(length, dtype=torch.float64)
    window = window * torch.sqrt(step / window.square().sum())

    time = torch.arange(-half, half + 1, dtype=torch.float64)[:, None]
    omega = 2.0 * math.pi / length * torch.arange(length, dtype=torch.float64)
    left_fade = torch.cos(math.pi * (time + half) / (4.0 * half)).square()
    left = torch.polar(left_fade.expand(-1, length), -omega * (time + (lag + 1) // 2))
    right = torch.polar((1.0 - left_fade).expand(-1, length), -omega * (time - lag // 2))

    power = torch.fft.rfft(F.pad(window, (0, length))).abs().square()
    by_lag = torch.fft.irfft(power)[:length] / window.square().sum()
    circular_lags = torch.minimum(torch.arange(length), length - torch.arange(length))
    return SpectraLayout(step, lag, window, left, right, by_lag[circular_lags].clamp(min=MIN_CORRELATION))


def make_leakage(bands: list[int], centers: Tensor, kernels: Tensor, windows: Tensor, hop: int) -> Leakage:
    """The leakage of Gabor filters with `centers` `(bands,)`, `kernels` `(2·bands, W)` and pooling `windows`."""
    size = kernels.shape[-1]
    half = size // 2
    layout = spectra_layout(size, hop)
    step, lag, length = layout.step, layout.lag, len(layout.window)
    complex_kernels = torch.complex(*kernels.double().chunk(2))
    left = complex_kernels @ layout.left.to(kernels.device)
    right = complex_kernels @ layout.right.to(kernels.device)

    omega = 2.0 * math.pi / length * torch.arange(length, dtype=torch.float64, device=kernels.device)
    offset = torch.remainder(omega - centers.double()[:, None] + math.pi, 2.0 * math.pi) - math.pi
    leakage_weight = 1.0 - main_lobe_weight(offset, size).square()

    # p and q at the bins of the full circle. The spectra's window smooths them over frequency; dividing by its
    # autocorrelation, lag by lag, undoes that. A real signal's spectrum needs half the bins: the others are folded.
    power = (leakage_weight * left.abs().square()).to(left.dtype)
    full_circle = torch.stack([power, 2.0 * leakage_weight * left * right.conj()])
    weights = torch.fft.ifft(torch.fft.fft(full_circle) / layout.correlation.to(kernels.device))
    n_bins = length // 2 + 1
    mirrored = weights.roll(-1, dims=-1).flip(-1)[..., :n_bins].conj()
    once = torch.ones_like(omega[:n_bins])
    once[0] = once[-1] = 0.5
    folded = (weights[..., :n_bins] + mirrored) * once / length
    power_weights = folded[0].real.repeat_interleave(2, dim=-1)
    cross_weights = torch.view_as_real(folded[1].conj().resolve_conj()).flatten(-2)

    def fitted(shift: float) -> Tensor:
        return windows @ pooling_fit_matrix(size, length, step, shift).to(windows)

    n_apart = lag // step
    earlier, later = fitted(half + 0.5 - lag // 2), fitted((lag + 1) // 2 - half - 0.5)
    return Leakage(
        bands,
        layout.window.to(kernels),
        step,
        lag,
        power_weights.to(kernels),
        cross_weights.to(kernels),
        power_windows=F.pad(earlier, (0, n_apart)) + F.pad(later, (n_apart, 0)),
        cross_windows=fitted(0.5 * (lag % 2)),
    )


@lru_cache(maxsize=64)
def pooling_fit_matrix(kernel_size: int, length: int, step: int, shift: float) -> Tensor:
    """`(W, 2·reach + 1)`: from a pooling window at every sample to its weights on the grid of the spectra.

    A spectrum at j·`step` + `shift` averages over its squared window, a Hann window to the fourth power of `length`
    samples. The weights are the least-squares fit of the pooling window by such averages.
    """
    half = kernel_size // 2
    reach = -(-(half + length // 2) // step)
    points = step * torch.arange(-reach, reach + 1, dtype=torch.float64) + shift
    time = torch.arange(-half - length, half + length + 1, dtype=torch.float64)[:, None]
    distance = time - points
    average = torch.where(distance.abs() <= length / 2, torch.cos(math.pi * distance / length) ** 4, 0.0)
    average = average * (8.0 / 3.0) * step / length
    inverse = torch.linalg.pinv(average, rtol=MIN_SINGULAR)
    return inverse[:, length : length + kernel_size].T.float().contiguous()


def conjugate_product(left: Tensor, right: Tensor) -> Tensor:
    """`left`·conj(`right`) of complex numbers whose real and imaginary parts lie along the last axis."""
    if not torch.compiler.is_exporting():
        return torch.view_as_real(torch.view_as_complex(left) * torch.view_as_complex(right).conj())
    (a, b), (c, d) = left.unbind(-1), right.unbind(-1)
    return torch.stack([a * c + b * d, b * c - a * d], dim=-1)


def checkpointed(function: Callable[..., R], *arguments: Any) -> R:
    """`function(*arguments)`; intermediate results are not stored but computed again in the backward pass."""
    if not torch.is_grad_enabled():
        return function(*arguments)
    return checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False, determinism_check="none")
