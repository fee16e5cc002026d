"""LEAF's pooled energies by Fourier transform: several times cheaper than the direct convolution, the same values.

A Gabor filter's output y is narrow-band, and |y|² is soon averaged, so y is needed at every d-th sample only. A band's
part of one Fourier transform of the clip is multiplied by the filter's response, folded to the length that d leaves,
and transformed back; |y|² is then pooled by the Gaussian window interpolated to that grid. Two things need more care:

- The lowest filters are wider than their window, which cuts them off and makes them leak from the whole spectrum: they
  get their exact response, over all frequencies, and d = 1.
- Pooling stops at the clip's ends, and no coarse grid can tell where: the few frames there are computed directly.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.frontends.filterbanks import GaborFilterbank, gabor_kernels
from auricle.frontends.pooling import GaussianPool

LEAKY_CUT = 4.5  # standard deviations at which a window cuts a filter off without its leaking
TAIL = 5.5  # standard deviations of a response beyond which nothing is left of it
SPREAD = 5.0  # standard deviations of the spectrum of |y|² within half the grid's rate
GUARD = 8  # grid steps that interpolation reaches to either side
KAISER = 9.0  # shape of its taper: errors of 1e-5 at this spread
BLOCK_SAMPLES = 32000
BLOCKS_AT_ONCE = 64


def strides(bandwidths: Tensor, kernel_size: int, hop_length: int) -> list[int]:
    """For each band the largest divisor of the hop that samples |y|² densely enough; 1 for a filter that leaks.

    |y|² of noise has a Gaussian spectrum of standard deviation √2/(2πσ) cycles per sample, σ = `bandwidths`
    `(n_filters,)`: half the grid's rate 1/d is to hold `SPREAD` of them.
    """
    divisors = [d for d in range(hop_length, 0, -1) if hop_length % d == 0]
    chosen = []
    for sigma in bandwidths.tolist():
        leaks = kernel_size // 2 < LEAKY_CUT * sigma
        rate = 2.0 * SPREAD * math.sqrt(2.0) / (2.0 * math.pi * sigma)
        chosen.append(1 if leaks else next(d for d in divisors if d == 1 or d * rate <= 1.0))
    return chosen


def pooled_energies(waveform: Tensor, filterbank: GaborFilterbank, pooling: GaussianPool) -> Tensor:
    """`pooling(filterbank(waveform))` for `(batch, time)`: `(batch, n_filters, frames)`.

    Each band's relative error over a clip, ‖Ê − E‖ / ‖E‖, is about 1e-4, but for bands so far below the clip's loudest
    (100 dB) that they hold its float32 rounding. Frames have to be "centered".
    """
    centers, bandwidths = filterbank.parameters_in_bounds()
    windows = pooling.windows()
    size, hop, half = filterbank.kernel_size, pooling.hop_length, pooling.kernel_size // 2
    n_samples, n_frames = waveform.shape[-1], pooling.n_frames(waveform.shape[-1])
    n_first, last = -(-half // hop), (n_samples - 1 - half) // hop + 1
    begin_of_end = last * hop - half - size // 2
    if n_frames < 12 or begin_of_end < 0:
        return pooling(filterbank(waveform))
    grid = strides(bandwidths.detach(), size, hop)
    inner = _inner_energies(waveform, centers, bandwidths, windows, size, hop, grid, n_frames)
    first = waveform[:, : (n_first - 1) * hop + half + size // 2 + 1]
    kernels = gabor_kernels(centers, bandwidths, size)
    parts = [_end_energies(first, kernels, windows, hop, True)[..., :n_first], inner[..., n_first:last]]
    if last < n_frames:
        rest = waveform[:, begin_of_end:]
        parts.append(_end_energies(rest, kernels, windows, hop, False)[..., : n_frames - last])
    return torch.cat(parts, dim=-1)


def _end_energies(piece: Tensor, kernels: Tensor, windows: Tensor, hop: int, at_start: bool) -> Tensor:
    """Energies at stride 1 of a clip's first or last samples, beyond which |y|² counts as zero.

    At the start the first frame is centred on the first sample; at the end on that which the first window allows.
    """
    margin, half = kernels.shape[-1] // 2, windows.shape[-1] // 2
    padded = F.pad(piece, (margin, 0) if at_start else (0, margin))
    real, imaginary = F.conv1d(padded[:, None], kernels[:, None]).chunk(2, dim=1)
    power = F.pad(real**2 + imaginary**2, (half, 0) if at_start else (0, 2 * half))
    return F.conv1d(power, windows[:, None], stride=hop, groups=len(windows))


def _inner_energies(
    waveform: Tensor,
    centers: Tensor,
    bandwidths: Tensor,
    windows: Tensor,
    kernel_size: int,
    hop: int,
    grid: list[int],
    n_frames: int,
) -> Tensor:
    """Energies of all frames as if |y|² went on beyond the clip's ends, block by block."""
    n_block = min(n_frames, -(-BLOCK_SAMPLES // hop))
    n_blocks = -(-n_frames // n_block)
    lead = hop * -(-(kernel_size // 2 + windows.shape[-1] // 2 + GUARD * max(grid)) // hop)
    length = _smooth_multiple(2 * lead + (n_block - 1) * hop + 1, hop)
    missing = (n_blocks - 1) * n_block * hop + length - lead - waveform.shape[-1]
    blocks = F.pad(waveform, (lead, max(0, missing))).unfold(-1, length, n_block * hop).flatten(0, 1)
    groups = [
        _Group(
            torch.tensor([band for band, d in enumerate(grid) if d == stride], device=waveform.device),
            stride,
            centers,
            bandwidths,
            windows,
            kernel_size,
            length,
        )
        for stride in sorted(set(grid))
    ]
    order = torch.argsort(torch.cat([group.bands for group in groups]))
    energies = []
    for some in blocks.split(BLOCKS_AT_ONCE):
        spectrum = torch.fft.fft(some)
        energies.append(torch.cat([g.energies(spectrum, lead, hop, n_block) for g in groups], dim=1)[:, order])
    every = torch.cat(energies).unflatten(0, (len(waveform), n_blocks))
    return every.transpose(1, 2).flatten(2)[..., :n_frames]


class _Group:
    """Bands of one stride: their responses at the spectrum's bins, and pooling windows on their grid."""

    def __init__(
        self,
        bands: Tensor,
        stride: int,
        centers: Tensor,
        bandwidths: Tensor,
        windows: Tensor,
        kernel_size: int,
        length: int,
    ) -> None:
        self.bands = bands
        self.stride = stride
        self.n_bins = length // stride
        center, sigma = centers[bands, None], bandwidths[bands, None]
        self.leaky = stride == 1
        if self.leaky:
            real, imaginary = gabor_kernels(center[:, 0], sigma[:, 0], kernel_size).chunk(2)
            kernels = F.pad(torch.complex(real, imaginary), (0, length - kernel_size))
            self.response = torch.fft.fft(kernels.roll(-(kernel_size // 2), dims=-1))
        else:
            nearest = torch.round(center.detach() * length / (2.0 * math.pi))
            reach = float(TAIL * length / (2.0 * math.pi * sigma.detach().min()))
            self.n_folds = max(1, math.ceil(2.0 * reach / self.n_bins))
            n_bins = self.n_folds * self.n_bins
            bins = nearest + torch.arange(n_bins, device=centers.device) - n_bins // 2
            self.bins = bins.long() % length
            self.response = torch.exp(-0.5 * (sigma * (2.0 * math.pi / length * bins - center)) ** 2)
        half = windows.shape[-1] // 2
        self.reach = -(-half // stride) + GUARD
        time = torch.arange(-half, half + 1, device=windows.device)[:, None]
        points = stride * torch.arange(-self.reach, self.reach + 1, device=windows.device)
        self.windows = windows[bands] @ interpolation((time - points) / stride) / stride**2

    def energies(self, spectrum: Tensor, lead: int, hop: int, n_frames: int) -> Tensor:
        """`(batch, length)` → `(batch, bands, n_frames)`, frame k centred at `lead` + k·`hop`."""
        if self.leaky:
            product = spectrum[:, None] * self.response
        else:
            product = (spectrum[:, self.bins] * self.response).unflatten(-1, (self.n_folds, self.n_bins)).sum(2)
        signal = torch.fft.ifft(product)
        power = signal.real**2 + signal.imag**2
        start = lead // self.stride - self.reach
        width = 2 * self.reach + 1
        frames = power[..., start : start + (n_frames - 1) * hop // self.stride + width]
        return torch.einsum("bcfk,ck->bcf", frames.unfold(-1, width, hop // self.stride), self.windows)


def interpolation(distance: Tensor) -> Tensor:
    """Weight of a grid point at `distance` grid steps: a sinc under a Kaiser window of `GUARD` steps to either side."""
    inside = (1.0 - (distance / GUARD) ** 2).clamp(min=0.0)
    taper = torch.special.i0(KAISER * torch.sqrt(inside)) / torch.special.i0(torch.tensor(KAISER))
    return torch.sinc(distance) * taper * (distance.abs() <= GUARD)


def _smooth_multiple(least: int, factor: int) -> int:
    """The smallest multiple of `factor`, at least `least`, whose cofactor has no prime above 5."""
    cofactor = -(-least // factor)
    while True:
        rest = cofactor
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return factor * cofactor
        cofactor += 1
