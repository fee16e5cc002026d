"""LEAF's pooled energies at a fraction of the direct convolution's cost, to about a thousandth of their value.

A Gabor filter's output y is narrow-band and |y|² is soon averaged, so y is needed at every d-th sample only: one
strided convolution, or a short inverse transform of the bins that the filter passes, and a pooling window interpolated
to that grid. Two things need more care.

**Filters that leak.** The lowest filters are wider than their window. It cuts them off, and each of the two cuts leaks
from the whole spectrum: `leaks` takes such a filter apart.

**The clip's ends.** Pooling counts nothing beyond them, while filters ring on. What they ring there is taken off.

Here the parameters become a `Plan`; `strided` says how one is applied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor

from auricle.frontends.fast.convolution import Group, Plan
from auricle.frontends.fast.leakage import (
    NARROWEST,
    NEAR_BAND,
    NEAR_REACH,
    far_part,
    near_kernels,
    near_reach,
    near_share,
)
from auricle.frontends.filterbanks import GaborFilterbank, gabor_kernels
from auricle.frontends.pooling import GaussianPool

LEAKY_CUT = 4.5  # standard deviations at which a window cuts a filter off without its leaking
TAPER = (4.75, 5.75)  # standard deviations between which a filter that does not leak is faded out
SPREAD = 5.0  # standard deviations of the spectrum of |y|² that stay clear of what is pooled
PASSED = 3.5  # standard deviations of a pooling window's response that pass it
NEGLIGIBLE = 1e-6  # of a response's largest value: what is left out of a filter's spectrum
GUARD = 8  # grid steps that interpolation reaches to either side
KAISER = 9.0  # shape of its taper

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
            fixed = plan(filterbank, pooling)
            for group in fixed.groups:
                _ = group.taps
            return FixedGabor(fixed)

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
    ascending = torch.argsort(centers.detach()).tolist()
    groups, far = [], None
    passbands: dict[int, float] = {}
    for stride, leaky in sorted(set(chosen)):
        bands = [band for band in ascending if chosen[band] == (stride, leaky)]
        center, sigma = centers[bands], sigmas[bands]
        kernels = exact[bands + [len(centers) + band for band in bands]]
        if leaky:
            far = far_part(bands, center, kernels, windows[bands], hop)
        passed = passed_bands(center.detach(), sigma.detach(), size, leaky)
        highest = float(center.detach().max()) / (2.0 * math.pi)
        highest += NEAR_REACH / size if leaky else TAPER[1] / (2.0 * math.pi * float(sigma.detach().min()))
        decimation = next(d for d in range(stride, 0, -1) if stride % d == 0 and (d * highest <= PASSBAND or d == 1))
        if leaky:
            reach = near_reach(size, decimation)
            own = partial(near_kernels, kernels, center, reach)
        elif stride > 1:
            reach = min(size // 2, math.ceil(TAPER[1] * float(sigma.detach().max()))) // decimation * decimation
            own = partial(faded_kernels, kernels, sigma, reach)
        else:
            reach, own = size // 2, partial(torch.clone, kernels)
        responses = partial(gabor_responses, center, sigma, kernels, leaky)
        passbands[decimation] = max(highest, passbands.get(decimation, 0.0))
        on_grid = windows[bands] @ interpolation_matrix(size, stride).to(windows)
        groups.append(Group(bands, stride, decimation, reach, own, responses, on_grid, passed))
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
        width = NEAR_REACH / kernel_size if leaky else deviations / (2.0 * math.pi * sigma)
        passed.append((center / (2.0 * math.pi) - width, center / (2.0 * math.pi) + width))
    return passed


def gabor_responses(
    centers: Tensor, sigmas: Tensor, kernels: Tensor, split: bool, few: slice, bins: Tensor, length: int
) -> Tensor:
    """`Responses` of filters with `centers`, `sigmas` `(bands,)` and `kernels` `(2·bands, W)`: real, as they are even.

    exp(−σ²(ω − η)²/2), unless the window cuts one of them off; where they are `split`, their near part's. Distances
    ω − η are counted in bins from the one nearest to η, so that float32 holds them.
    """
    half = kernels.shape[-1] // 2
    center = centers[few]
    nearest = torch.round(center.detach() * (length / (2.0 * math.pi)))
    beside = (center.double() - nearest.double() * (2.0 * math.pi / length)).to(center)[:, None]
    apart = torch.remainder(bins - nearest[:, None] + length // 2, length) - length // 2
    offset = 2.0 * math.pi / length * apart - beside
    if float(sigmas.detach().max()) * TAPER[1] <= half:
        return torch.exp(-0.5 * (sigmas[few, None] * offset).square())
    from_centre = torch.complex(*kernels[:, half:].chunk(2))[few]
    responses = torch.fft.hfft(from_centre, length).gather(1, bins % length)
    return responses * near_share(offset, kernels.shape[-1]) if split else responses


def faded_kernels(kernels: Tensor, sigma: Tensor, reach: int) -> Tensor:
    """Gabor `kernels` `(2·bands, W)` up to `reach` samples from their centre, faded out within `TAPER` deviations."""
    half = kernels.shape[-1] // 2
    time = torch.arange(-reach, reach + 1, device=sigma.device)
    fade = (((time / sigma[:, None]).abs() - TAPER[0]) / (TAPER[1] - TAPER[0])).clamp(0.0, 1.0)
    fits = (TAPER[1] * sigma <= half)[:, None]
    taper = torch.where(fits, torch.cos(0.5 * math.pi * fade).square(), torch.ones_like(fade))
    return kernels[:, half - reach : half + reach + 1] * taper.repeat(2, 1)


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
