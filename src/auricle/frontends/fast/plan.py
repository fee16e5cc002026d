"""From the present parameters of LEAF to a `Plan`, and `FastGabor`, the energy method that applies it.

A Gabor filter with the deviation σ in time has a Gaussian response of deviation 1/(2πσ) cycles per sample, and |y|² of
noise one of √2/(2πσ). Sampling |y|² at every d-th sample is safe as long as the aliases, which lie around multiples of
1/d, stay clear of the low frequencies that pooling passes. So each filter gets the largest divisor d of the hop that is
small enough for its σ (`choose_strides`), and filters of equal d form a group. A pooling window g is interpolated to
the grid: g̃(j·d) = Σ_t g(t)·sinc((t − j·d)/d) with a Kaiser taper.

Two cases need more care: filters that the window truncates (`leakage`), and the clip's ends (`Plan.edge_correction`).
"""

from __future__ import annotations

import math
from functools import lru_cache, partial

import torch
from torch import Tensor

from auricle.frontends.energies import DirectEnergies
from auricle.frontends.fast.convolution import BandGroup, LowPass, Plan
from auricle.frontends.fast.leakage import (
    MAIN_LOBE_BANDWIDTH,
    MAIN_LOBE_REACH,
    MIN_POOLING_SPREAD,
    main_lobe_kernels,
    main_lobe_reach,
    main_lobe_weight,
    make_leakage,
)
from auricle.frontends.filterbanks import GaborFilterbank, gabor_kernels
from auricle.frontends.pooling import GaussianPool
from auricle.layers import UntilChanged, without_tails

TRUNCATED = 4.5  # a filter leaks if the window cuts it off within so many standard deviations
TAPER = (4.75, 5.75)  # standard deviations between which a filter that does not leak is faded out
OUTPUT_SPREAD = 5.0  # standard deviations of the spectrum of |y|² that must stay clear of the pooled frequencies
POOLING_SPREAD = 3.5  # standard deviations of a pooling window's response that count as its passband
NEGLIGIBLE = 1e-6  # parts of a response below this share of its maximum are left out
INTERPOLATION_REACH = 8  # half length of the interpolation kernel, in steps of the grid
KAISER_BETA = 9.0  # shape of its taper

DECIMATED_PASSBAND = 0.42  # highest frequency of filters on a decimated signal, in cycles per decimated sample
ATTENUATION_DB = 120.0  # of aliases by the decimating low-pass


class FastGabor:
    """Energy method of LEAF: `pooling(filterbank(waveform))` for "centered" frames, within about a thousandth.

    The plan is cached until a parameter changes, unless it takes part in a gradient.
    """

    def __init__(self) -> None:
        self._kept: UntilChanged[Plan] = UntilChanged()

    def energies(self, waveform: Tensor, filterbank: GaborFilterbank, pooling: GaussianPool) -> Tensor:
        if torch.compiler.is_exporting():  # a plan depends on values that are not known while a graph is made
            return DirectEnergies().energies(waveform, filterbank, pooling)
        return self.plan(filterbank, pooling).energies(waveform)

    def context(self, filterbank: GaborFilterbank, pooling: GaussianPool) -> int:
        with torch.no_grad():
            return self.plan(filterbank, pooling).context

    def interior(
        self, samples: Tensor, filterbank: GaborFilterbank, pooling: GaussianPool, first: int, count: int
    ) -> Tensor:
        plan = self.plan(filterbank, pooling)
        return plan.interior(samples[:, first * plan.hop - plan.context :], count).clamp(min=0.0)

    def fixed(self, filterbank: GaborFilterbank, pooling: GaussianPool) -> FixedGabor:
        with torch.no_grad():
            plan = make_plan(filterbank, pooling)
            for group in plan.groups:
                _ = group.taps  # computed now, because an exported graph holds them as constants
            return FixedGabor(plan)

    def plan(self, filterbank: GaborFilterbank, pooling: GaussianPool) -> Plan:
        """The plan for the present parameters, in their precision also under autocast."""
        parameters = (filterbank.center_freqs, filterbank.bandwidths, pooling.widths)
        with torch.autocast(filterbank.center_freqs.device.type, enabled=False):
            if torch.is_grad_enabled() and any(p.requires_grad for p in parameters):
                return make_plan(filterbank, pooling)
            return self._kept.get(parameters, partial(make_plan, filterbank, pooling))


class FixedGabor(FastGabor):
    """`FastGabor` with one plan; later changes of the parameters have no effect."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def energies(self, waveform: Tensor, filterbank: GaborFilterbank, pooling: GaussianPool) -> Tensor:
        return self._plan.energies(waveform)

    def plan(self, filterbank: GaborFilterbank, pooling: GaussianPool) -> Plan:
        return self._plan

    def fixed(self, filterbank: GaborFilterbank, pooling: GaussianPool) -> FixedGabor:
        return self


def make_plan(filterbank: GaborFilterbank, pooling: GaussianPool) -> Plan:
    """The plan for the present parameters; differentiable in all of them."""
    centers, sigmas = filterbank.parameters_in_bounds()
    windows = pooling.windows()
    size, hop = filterbank.kernel_size, pooling.hop_length
    strides = choose_strides(sigmas.detach(), pooling.spreads().detach(), size, hop)
    gabor = gabor_kernels(centers, sigmas, size)
    ascending = torch.argsort(centers.detach()).tolist()
    groups, leakage = [], None
    highest_freqs: dict[int, float] = {}
    for stride, truncated in sorted(set(strides)):
        bands = [band for band in ascending if strides[band] == (stride, truncated)]
        center, sigma = centers[bands], sigmas[bands]
        kernels = gabor[bands + [len(centers) + band for band in bands]]
        if truncated:
            leakage = make_leakage(bands, center, kernels, windows[bands], hop)
        highest = float(center.detach().max()) / (2.0 * math.pi)
        highest += MAIN_LOBE_REACH / size if truncated else TAPER[1] / (2.0 * math.pi * float(sigma.detach().min()))
        decimation = next(
            d for d in range(stride, 0, -1) if stride % d == 0 and (d * highest <= DECIMATED_PASSBAND or d == 1)
        )
        highest_freqs[decimation] = max(highest, highest_freqs.get(decimation, 0.0))
        if truncated:
            reach = main_lobe_reach(size, decimation)
            group_kernels = partial(main_lobe_kernels, kernels, center, reach)
        elif stride > 1:
            reach = min(size // 2, math.ceil(TAPER[1] * float(sigma.detach().max()))) // decimation * decimation
            group_kernels = partial(tapered_kernels, kernels, sigma, reach)
        else:
            reach, group_kernels = size // 2, partial(torch.clone, kernels)
        responses = partial(gabor_responses, center, sigma, kernels, truncated)
        on_grid = windows[bands] @ interpolation_matrix(size, stride).to(windows)
        passbands = find_passbands(center.detach(), sigma.detach(), size, truncated)
        groups.append(BandGroup(bands, stride, decimation, reach, group_kernels, responses, on_grid, passbands))
    low_passes = {d: LowPass(d, decimation_filter(d, high).to(gabor)) for d, high in highest_freqs.items() if d > 1}
    return Plan(hop, gabor, windows, groups, leakage, low_passes)


def choose_strides(sigmas: Tensor, spreads: Tensor, kernel_size: int, hop: int) -> list[tuple[int, bool]]:
    """(stride, truncated) of each band: the largest divisor of the hop that samples |y|² densely enough.

    `sigmas` (of the filters) and `spreads` (of the pooling windows) are standard deviations in samples, `(n_filters,)`.
    The grid's rate 1/d must hold `OUTPUT_SPREAD` deviations √2/(2πσ) of the spectrum of |y|² and `POOLING_SPREAD`
    deviations 1/(2π·spread) of the pooling window's. `truncated` filters are split into main lobe and leakage, if their
    pooling window is wide enough; otherwise their stride is 1.
    """
    divisors = [d for d in range(hop, 0, -1) if hop % d == 0]

    def largest(rate: float) -> int:
        return next(d for d in divisors if d == 1 or d * rate <= 1.0)

    pooled_freqs = (POOLING_SPREAD / (2.0 * math.pi * spreads)).tolist()
    leaks = [kernel_size // 2 < TRUNCATED * sigma for sigma in sigmas.tolist()]
    resolved = [spread >= MIN_POOLING_SPREAD * kernel_size for spread in spreads.tolist()]
    splits = [leaking and can for leaking, can in zip(leaks, resolved, strict=True)]
    pooled_of_split = max((freq for freq, split in zip(pooled_freqs, splits, strict=True) if split), default=0.0)
    main_lobe_stride = largest(MAIN_LOBE_BANDWIDTH / kernel_size + pooled_of_split)
    strides = []
    for sigma, pooled, leaking, split in zip(sigmas.tolist(), pooled_freqs, leaks, splits, strict=True):
        if split and main_lobe_stride > 1:
            strides.append((main_lobe_stride, True))
        elif leaking:
            strides.append((1, False))
        else:
            strides.append((largest(OUTPUT_SPREAD * math.sqrt(2.0) / (2.0 * math.pi * sigma) + pooled), False))
    return strides


def find_passbands(centers: Tensor, sigmas: Tensor, kernel_size: int, truncated: bool) -> list[tuple[float, float]]:
    """Lowest and highest frequency of each band's passband, in cycles per sample; the rest is `NEGLIGIBLE`.

    A filter that the window cuts off at k = W/2σ deviations has edges of height exp(−k²/2), whose spectrum falls with
    the inverse of the distance from the centre.
    """
    passbands = []
    for center, sigma in zip(centers.tolist(), sigmas.tolist(), strict=True):
        cut = kernel_size // 2 / sigma
        deviations = TAPER[1]
        if cut < TAPER[1]:
            deviations = max(deviations, math.sqrt(2.0 / math.pi) * math.exp(-0.5 * cut**2) / NEGLIGIBLE)
        width = MAIN_LOBE_REACH / kernel_size if truncated else deviations / (2.0 * math.pi * sigma)
        passbands.append((center / (2.0 * math.pi) - width, center / (2.0 * math.pi) + width))
    return passbands


def gabor_responses(
    centers: Tensor, sigmas: Tensor, kernels: Tensor, truncated: bool, run: slice, bins: Tensor, length: int
) -> Tensor:
    """`FrequencyResponses` of the filters `run` of a group; real, because the filters' envelopes are even.

    exp(−σ²(ω − η)²/2) with `centers` η and `sigmas` σ `(bands,)`. If the window cuts a filter of the group off, the
    transform of `kernels` `(2·bands, W)` instead, and if the group is `truncated`, that of their main lobes. ω − η is
    computed from the bin nearest to η, for the precision of float32.
    """
    half = kernels.shape[-1] // 2
    center = centers[run]
    nearest = torch.round(center.detach() * (length / (2.0 * math.pi)))
    remainder = (center.double() - nearest.double() * (2.0 * math.pi / length)).to(center)[:, None]
    bins_apart = torch.remainder(bins - nearest[:, None] + length // 2, length) - length // 2
    offset = 2.0 * math.pi / length * bins_apart - remainder
    if float(sigmas.detach().max()) * TAPER[1] <= half:
        return without_tails(torch.exp(-0.5 * (sigmas[run, None] * offset).square()))
    from_centre = torch.complex(*kernels[:, half:].chunk(2))[run]
    responses = torch.fft.hfft(from_centre, length).gather(1, bins % length)
    return responses * main_lobe_weight(offset, kernels.shape[-1]) if truncated else responses


def tapered_kernels(kernels: Tensor, sigma: Tensor, reach: int) -> Tensor:
    """Gabor `kernels` `(2·bands, W)` shortened to `(2·bands, 2·reach + 1)`, faded out between `TAPER` deviations."""
    half = kernels.shape[-1] // 2
    time = torch.arange(-reach, reach + 1, device=sigma.device)
    fade = (((time / sigma[:, None]).abs() - TAPER[0]) / (TAPER[1] - TAPER[0])).clamp(0.0, 1.0)
    fits = (TAPER[1] * sigma <= half)[:, None]
    taper = torch.where(fits, torch.cos(0.5 * math.pi * fade).square(), torch.ones_like(fade))
    return without_tails(kernels[:, half - reach : half + reach + 1] * taper.repeat(2, 1))


@lru_cache(maxsize=64)
def decimation_filter(decimation: int, highest: float) -> Tensor:
    """Low-pass of odd length (Kaiser window) that keeps aliases out of the band below `highest` cycles per sample."""
    transition = 1.0 / decimation - 2.0 * highest
    reach = math.ceil((ATTENUATION_DB - 8.0) / (2.0 * 2.285 * 2.0 * math.pi * transition))
    time = torch.arange(-reach, reach + 1, dtype=torch.float64)
    beta = 0.1102 * (ATTENUATION_DB - 8.7)
    taper = torch.kaiser_window(2 * reach + 1, periodic=False, beta=beta, dtype=torch.float64)
    low_pass = torch.sinc(time / decimation) * taper / decimation
    return (low_pass / low_pass.sum()).float()


@lru_cache(maxsize=64)
def interpolation_matrix(kernel_size: int, stride: int) -> Tensor:
    """`(W, 2·reach + 1)`: from a pooling window at every sample to that on a grid of `stride` samples."""
    if stride == 1:
        return torch.eye(kernel_size)
    half = kernel_size // 2
    reach = -(-half // stride) + INTERPOLATION_REACH
    time = torch.arange(-half, half + 1, dtype=torch.float64)[:, None]
    distance = (time - stride * torch.arange(-reach, reach + 1)) / stride
    inside = (1.0 - (distance / INTERPOLATION_REACH) ** 2).clamp(min=0.0)
    beta = torch.tensor(KAISER_BETA, dtype=torch.float64)
    taper = torch.special.i0(KAISER_BETA * torch.sqrt(inside)) / torch.special.i0(beta)
    return (torch.sinc(distance) * taper * (distance.abs() <= INTERPOLATION_REACH)).float()
