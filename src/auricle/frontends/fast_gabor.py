"""LEAF's pooled energies at a fraction of the direct convolution's cost, to about a thousandth of their value.

A Gabor filter's output y is narrow-band and |y|² is soon averaged, so y is needed at every d-th sample only: one
strided convolution, or a short inverse transform of the bins that the filter passes, and a pooling window interpolated
to that grid. Two things need more care.

**Filters that leak.** The lowest filters are wider than their window. It cuts them off, and each of the two cuts leaks
from the whole spectrum. Such a filter's response Φ is split in two, |Φ|² = |A·Φ|² + |B·Φ|², with A² + B² = 1. A is one
around the filter's centre: that part is narrow-band and goes the way of the others. Farther off, Φ is what the two cuts
do to the spectrum: Φ(ω) = Cₗ(ω)·exp(iωc) + Cᵣ(ω)·exp(−iωc), where the cuts lie at ∓c and Cₗ, Cᵣ are smooth. With X⁺ and
X⁻ the short-time spectra of the clip around t + c and t − c, the energy there is

    Σ_ω B²·|Cₗ·X⁺ + Cᵣ·X⁻|²  =  Σ_ω p·|X⁺|² + p·|X⁻|² + Re(q·X⁺·X⁻*),

one spectrogram, and matrices that all such bands share, as a mel filterbank is. X⁺ and X⁻ lie a whole number of its
steps apart; where that is not 2c, pooling and the phase of q make up for it.

**The clip's ends.** Pooling counts nothing beyond them, while filters ring on. What they ring there is taken off.

Here the parameters become a `Plan`; `strided` says how one is applied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.frontends.filterbanks import GaborFilterbank, gabor_kernels
from auricle.frontends.pooling import GaussianPool
from auricle.frontends.strided import Far, Group, Plan

LEAKY_CUT = 4.5  # standard deviations at which a window cuts a filter off without its leaking
TAPER = (4.5, 5.5)  # standard deviations between which a filter that does not leak is faded out
SPREAD = 5.0  # standard deviations of the spectrum of |y|² that stay clear of what is pooled
PASSED = 3.5  # standard deviations of a pooling window's response that pass it
NEGLIGIBLE = 1e-6  # of a response's largest value: what is left out of a filter's spectrum
GUARD = 8  # grid steps that interpolation reaches to either side
KAISER = 9.0  # shape of its taper

# The split of a leaking filter; frequencies in units of 1/W, where W is the window's length.
NEAR = 15.0  # half width of A
SLOPE = 2.5  # standard deviation of its flanks
NEAR_BAND = 36.0  # what the squared modulus of the near part occupies
NARROWEST = 0.08  # standard deviation, in W, of the narrowest pooling window that the far part can follow
SPECTRUM = 0.4  # length of its short-time spectra, in W
SPECTRUM_HOPS = 4  # how many of them at least to a hop
LEAST_SINGULAR = 0.03  # relative singular value down to which a window is fitted by smeared points
LEAST_LAG = 0.3  # of their window's autocorrelation, where its effect is undone

PASSBAND = 0.42  # of a decimated rate, up to which bands are filtered there
ATTENUATION_DB = 120.0


class FastGabor:
    """`pooling(filterbank(waveform))` for `(batch, time)`: `(batch, n_filters, frames)`. Frames have to be "centered".

    Where no parameter's gradient is asked for, the plan is kept until a parameter changes.
    """

    def __init__(self) -> None:
        self._kept: tuple[list[Tensor], Plan] | None = None

    def __call__(self, waveform: Tensor, filterbank: GaborFilterbank, pooling: GaussianPool) -> Tensor:
        return self.plan(filterbank, pooling).energies(waveform)

    def context(self, filterbank: GaborFilterbank, pooling: GaussianPool) -> int:
        """Samples on either side of its centre that a frame depends on."""
        with torch.no_grad():
            return self.plan(filterbank, pooling).context

    def interior(
        self, samples: Tensor, filterbank: GaborFilterbank, pooling: GaussianPool, first: int, count: int
    ) -> Tensor:
        """`count` frames of `samples` (batch, time) from the frame `first` on, far enough from both ends."""
        present = self.plan(filterbank, pooling)
        return present.frames(samples[:, first * present.hop - present.context :], count).clamp(min=0.0)

    def fixed(self, filterbank: GaborFilterbank, pooling: GaussianPool) -> FixedGabor:
        """The present parameters' plan for good: what an exported graph computes."""
        with torch.no_grad():
            return FixedGabor(plan(filterbank, pooling))

    def plan(self, filterbank: GaborFilterbank, pooling: GaussianPool) -> Plan:
        """The present parameters' plan."""
        parameters = (filterbank.center_freqs, filterbank.bandwidths, pooling.widths)
        if torch.is_grad_enabled() and any(p.requires_grad for p in parameters):
            return plan(filterbank, pooling)
        if self._kept is None or not all(_same(p, was) for p, was in zip(parameters, self._kept[0], strict=True)):
            with torch.inference_mode(False), torch.no_grad():
                self._kept = [p.detach().clone() for p in parameters], plan(filterbank, pooling)
        return self._kept[1]


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal in everything."""
    return one.device == other.device and one.dtype == other.dtype and torch.equal(one, other)


@dataclass(frozen=True)
class FixedGabor:
    """`FastGabor` with one plan, whatever becomes of the parameters."""

    present: Plan

    def __call__(self, waveform: Tensor, filterbank: GaborFilterbank, pooling: GaussianPool) -> Tensor:
        return self.present.energies(waveform)

    def context(self, filterbank: GaborFilterbank, pooling: GaussianPool) -> int:
        return self.present.context


def plan(filterbank: GaborFilterbank, pooling: GaussianPool) -> Plan:
    """How the present parameters are computed; differentiable in all of them."""
    centers, sigmas = filterbank.parameters_in_bounds()
    windows = pooling.windows()
    size, hop = filterbank.kernel_size, pooling.hop_length
    spreads = pooling.spreads().detach()
    chosen = strides(sigmas.detach(), spreads, size, hop)
    exact = gabor_kernels(centers, sigmas, size)
    groups, far = [], None
    passbands: dict[int, float] = {}
    for stride, leaky in sorted(set(chosen)):
        bands = [band for band, choice in enumerate(chosen) if choice == (stride, leaky)]
        center, sigma = centers[bands], sigmas[bands]
        kernels = exact[bands + [len(centers) + band for band in bands]]
        if leaky:
            far = far_part(bands, center, kernels, windows[bands], hop)
        passed = passed_bands(center.detach(), sigma.detach(), size, leaky)
        highest = float(center.detach().max()) / (2.0 * math.pi)
        highest += (NEAR + 4.5 * SLOPE) / size if leaky else TAPER[1] / (2.0 * math.pi * float(sigma.detach().min()))
        decimation = next(d for d in range(stride, 0, -1) if stride % d == 0 and (d * highest <= PASSBAND or d == 1))
        if leaky:
            kernels = near_kernels(kernels, center, decimation)
        elif stride > 1:
            kernels = faded_kernels(kernels, sigma, decimation)
        passbands[decimation] = max(highest, passbands.get(decimation, 0.0))
        on_grid = windows[bands] @ interpolation_matrix(size, stride).to(windows)
        groups.append(Group(bands, stride, decimation, kernels, on_grid, passed))
    low_passes = {d: decimator(d, highest).to(exact) for d, highest in passbands.items() if d > 1}
    return Plan(hop, exact, windows, groups, far, low_passes)


def strides(sigmas: Tensor, spreads: Tensor, kernel_size: int, hop: int) -> list[tuple[int, bool]]:
    """For each band the largest divisor of the hop that samples |y|² densely enough, and whether it is split in two.

    |y|² of noise has a Gaussian spectrum of standard deviation √2/(2πσ) cycles per sample, σ = `sigmas`; pooling passes
    1/(2π·`spreads`); the grid's rate 1/d holds `SPREAD` of the one and `PASSED` of the other. `(n_filters,)` each.
    """
    divisors = [d for d in range(hop, 0, -1) if hop % d == 0]

    def densest(rate: float) -> int:
        return next(d for d in divisors if d == 1 or d * rate <= 1.0)

    passed = (PASSED / (2.0 * math.pi * spreads)).tolist()
    leaky = [kernel_size // 2 < LEAKY_CUT * sigma for sigma in sigmas.tolist()]
    followed = [spread >= NARROWEST * kernel_size for spread in spreads.tolist()]
    split = [is_leaky and can for is_leaky, can in zip(leaky, followed, strict=True)]
    near = densest(NEAR_BAND / kernel_size + max((p for p, s in zip(passed, split, strict=True) if s), default=0.0))
    chosen = []
    for sigma, own, is_leaky, is_split in zip(sigmas.tolist(), passed, leaky, split, strict=True):
        if is_split and near > 1:
            chosen.append((near, True))
        elif is_leaky:
            chosen.append((1, False))
        else:
            chosen.append((densest(SPREAD * math.sqrt(2.0) / (2.0 * math.pi * sigma) + own), False))
    return chosen


def passed_bands(centers: Tensor, sigmas: Tensor, kernel_size: int, leaky: bool) -> list[tuple[float, float]]:
    """The lowest and the highest frequency, in cycles per sample, that each band lets through: all but `NEGLIGIBLE`.

    A window that cuts a filter off at k = W/2σ leaves edges of exp(−k²/2), whose spectrum falls with the distance.
    """
    passed = []
    for center, sigma in zip(centers.tolist(), sigmas.tolist(), strict=True):
        cut = kernel_size // 2 / sigma
        deviations = TAPER[1]
        if cut < TAPER[1]:
            deviations = max(deviations, math.sqrt(2.0 / math.pi) * math.exp(-0.5 * cut**2) / NEGLIGIBLE)
        width = (NEAR + 4.5 * SLOPE) / kernel_size if leaky else deviations / (2.0 * math.pi * sigma)
        passed.append((center / (2.0 * math.pi) - width, center / (2.0 * math.pi) + width))
    return passed


def faded_kernels(kernels: Tensor, sigma: Tensor, decimation: int) -> Tensor:
    """Gabor `kernels` `(2·bands, W)`, faded out within `TAPER` deviations `sigma`.

    Their centre is a multiple of `decimation` from the first sample.
    """
    half = kernels.shape[-1] // 2
    reach = min(half, math.ceil(TAPER[1] * float(sigma.detach().max()))) // decimation * decimation
    time = torch.arange(-reach, reach + 1, device=sigma.device)
    fade = (((time / sigma[:, None]).abs() - TAPER[0]) / (TAPER[1] - TAPER[0])).clamp(0.0, 1.0)
    fits = (TAPER[1] * sigma <= half)[:, None]
    taper = torch.where(fits, torch.cos(0.5 * math.pi * fade).square(), torch.ones_like(fade))
    return kernels[:, half - reach : half + reach + 1] * taper.repeat(2, 1)


def near_kernels(kernels: Tensor, centers: Tensor, decimation: int) -> Tensor:
    """Gabor `kernels` `(2·bands, W)` of centres `(bands,)` passed through A, longer by what A rings.

    Their centre is a multiple of `decimation` from the first sample.
    """
    size = kernels.shape[-1]
    deviation = size / (2.0 * math.pi * SLOPE)
    reach = math.ceil(4.5 * deviation)
    reach += -(size // 2 + reach) % decimation
    time = torch.arange(-reach, reach + 1, device=kernels.device, dtype=kernels.dtype)
    low_pass = 2.0 * NEAR / size * torch.sinc(2.0 * NEAR / size * time) * torch.exp(-0.5 * (time / deviation) ** 2)
    band_pass = torch.polar(low_pass.expand(len(centers), -1), centers[:, None] * time)
    length = 2 ** math.ceil(math.log2(size + 2 * reach))
    complex_kernels = torch.complex(*kernels.chunk(2))
    both = torch.fft.ifft(torch.fft.fft(complex_kernels, length) * torch.fft.fft(band_pass, length))
    near = both[:, : size + 2 * reach]
    return torch.cat([near.real, near.imag])


def far_part(bands: list[int], centers: Tensor, kernels: Tensor, windows: Tensor, hop: int) -> Far:
    """The part beyond A of filters with `centers` `(bands,)`, `kernels` `(2·bands, W)` and pooling `windows`."""
    size = kernels.shape[-1]
    half = size // 2
    step = next(d for d in range(hop, 0, -1) if (hop % d == 0 and SPECTRUM_HOPS * d <= hop) or d == 1)
    length = 2 * max(2, round(SPECTRUM * size / (2 * step))) * step
    lag = round(size / step) * step
    taper = torch.hann_window(length, dtype=torch.float64, device=kernels.device)
    taper = taper * torch.sqrt(step / taper.square().sum())

    time = torch.arange(-half, half + 1).to(taper)
    omega = 2.0 * math.pi / length * torch.arange(length).to(taper)
    left_share = torch.cos(math.pi * (time + half) / (4.0 * half)).square()
    complex_kernels = torch.complex(*kernels.double().chunk(2))
    at_left = torch.polar(torch.ones_like(omega)[:, None], -omega[:, None] * (time + (lag + 1) // 2))
    at_right = torch.polar(torch.ones_like(omega)[:, None], -omega[:, None] * (time - lag // 2))
    left = (complex_kernels * left_share) @ at_left.T
    right = (complex_kernels * (1.0 - left_share)) @ at_right.T

    offset = torch.remainder(omega - centers.double()[:, None] + math.pi, 2.0 * math.pi) - math.pi
    scale = size / (2.0 * math.pi * math.sqrt(2.0) * SLOPE)
    edge = 2.0 * math.pi * NEAR / size
    outside = 0.5 * (torch.erfc((edge + offset) * scale) + torch.erfc((edge - offset) * scale))
    far_share = outside * (2.0 - outside)

    two_sided = torch.stack([(far_share * left.abs().square()).to(left.dtype), 2.0 * far_share * left * right.conj()])
    lags = F.pad(taper, (0, length))
    correlation = torch.fft.irfft(torch.fft.rfft(lags).abs().square())[:length] / taper.square().sum()
    offsets = torch.minimum(torch.arange(length), length - torch.arange(length)).to(kernels.device)
    weights = torch.fft.ifft(torch.fft.fft(two_sided) / correlation[offsets].clamp(min=LEAST_LAG))
    n_bins = length // 2 + 1
    mirrored = weights.roll(-1, dims=-1).flip(-1)[..., :n_bins].conj()
    once = torch.ones_like(taper[:n_bins])
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
    return Far(
        bands, taper.to(kernels), step, lag, power.to(kernels), product.to(kernels), power_windows, product_windows
    )


@lru_cache(maxsize=64)
def decimator(decimation: int, highest: float) -> Tensor:
    """A low-pass filter of odd length that keeps aliases away from what lies below `highest` cycles per sample."""
    transition = 1.0 / decimation - 2.0 * highest
    reach = math.ceil((ATTENUATION_DB - 8.0) / (2.0 * 2.285 * 2.0 * math.pi * transition))
    time = torch.arange(-reach, reach + 1, dtype=torch.float64)
    shape = 0.1102 * (ATTENUATION_DB - 8.7)
    taper = torch.kaiser_window(2 * reach + 1, periodic=False, beta=shape, dtype=torch.float64)
    low_pass = torch.sinc(time / decimation) * taper / decimation
    return (low_pass / low_pass.sum()).float()


@lru_cache(maxsize=64)
def interpolation_matrix(kernel_size: int, stride: int) -> Tensor:
    """`(W, 2·reach + 1)`: what each sample of a pooling window adds to the window on a grid of `stride`."""
    if stride == 1:
        return torch.eye(kernel_size)
    half = kernel_size // 2
    reach = -(-half // stride) + GUARD
    time = torch.arange(-half, half + 1, dtype=torch.float64)[:, None]
    distance = (time - stride * torch.arange(-reach, reach + 1)) / stride
    inside = (1.0 - (distance / GUARD) ** 2).clamp(min=0.0)
    taper = torch.special.i0(KAISER * torch.sqrt(inside)) / torch.special.i0(torch.tensor(KAISER, dtype=torch.float64))
    return (torch.sinc(distance) * taper * (distance.abs() <= GUARD)).float()


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
