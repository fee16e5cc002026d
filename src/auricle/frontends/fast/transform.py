"""Pooled energies of narrow-band filters by Fourier transforms: a `Plan`'s groups applied to whole blocks at once.

The same sums as `Group.energies`, by the convolution theorem. Of a block's spectrum only the bins that a filter passes
are multiplied by its response; a short inverse transform of them is the filter's output on its coarse grid. Bins beyond
as many as the grid has points are folded onto the first ones, which is what leaving samples out does, and that they are
counted from the lowest one turns the output's phase alone.

Bands whose lowest bins are evenly spaced, or nearly so, form a `Comb`: one view of the spectrum, and one product. The
blocks get no gradient; responses and windows get theirs by the adjoint of every step in reverse.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# Of some of a group's bands, at integer bins (bands, bins) of a transform of that length: real, (bands, bins).
Responses = Callable[[slice, Tensor, int], Tensor]

SLACK = 1.2  # times the bins that its bands would need one by one


@dataclass(frozen=True)
class Comb:
    """Bands of one grid whose bins begin at `first`, `first` + `spacing` and so on, in blocks of whole hops."""

    bands: list[int]
    first: int
    spacing: int
    n_points: int  # of the grid
    reach: int  # hops from the beginning of a frame's window to its centre
    responses: Tensor  # (bands, 2·bins): each twice, for its real and its imaginary part
    windows: Tensor  # (bands, hops of a window, 2·points in a hop): pooling windows on the grid, likewise

    def energies(self, spectra: Tensor, first: int, n_frames: int) -> Tensor:
        """`(batch, bands, n_frames)` of the blocks' `spectra` `(batch, bins)`; frame k is centred at hop `first` + k.

        `first` is at least `reach`.
        """
        n_bins = self.responses.shape[-1] // 2
        span = around(spectra, self.first, (len(self.bands) - 1) * self.spacing + n_bins)
        bins = torch.view_as_real(span).flatten(1).unfold(-1, 2 * n_bins, 2 * self.spacing)
        return _Energies.apply(bins, self.responses, self.windows, self.n_points, first - self.reach, n_frames)


class _Energies(torch.autograd.Function):
    """`Comb.energies` of its `bins` `(batch, bands, 2·bins)`, whose first window begins at the hop `first`."""

    @staticmethod
    def forward(
        ctx: Any, bins: Tensor, responses: Tensor, windows: Tensor, n_points: int, first: int, n_frames: int
    ) -> Tensor:
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(bins, responses, windows)
            ctx.n_points, ctx.first = n_points, first
        power = on_grid(bins, responses, windows, n_points).square_()
        by_hop = windows @ power.transpose(-1, -2)
        return of_frames(by_hop, first, n_frames).sum(2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        bins, responses, windows = ctx.saved_tensors
        n_points = ctx.n_points
        outputs = on_grid(bins, responses, windows, n_points)
        by_hop = grad.new_zeros(*outputs.shape[:2], windows.shape[1], outputs.shape[2])
        of_frames(by_hop, ctx.first, grad.shape[-1]).copy_(grad[:, :, None])
        windows_grad = (by_hop @ outputs.square()).sum(0)
        outputs_grad = (by_hop.transpose(-1, -2) @ (2.0 * windows)).mul_(outputs)
        points = torch.view_as_complex(outputs_grad.flatten(2).unflatten(-1, (n_points, 2)))
        spectra = torch.view_as_real(torch.fft.fft(points, norm="forward")).flatten(2)
        responses_grad = torch.empty_like(responses)
        for of_bins, of_points in folds(bins.shape[-1], 2 * n_points):
            torch.sum(bins[..., of_bins] * spectra[..., of_points], 0, out=responses_grad[:, of_bins])
        return None, responses_grad, windows_grad, None, None, None


def on_grid(bins: Tensor, responses: Tensor, windows: Tensor, n_points: int) -> Tensor:
    """The filters' outputs, `(batch, bands, hops, 2·points in a hop)`; arguments as of `_Energies`."""
    (first, _), *others = folds(bins.shape[-1], 2 * n_points)
    filtered = bins[..., first] * responses[:, first]
    for of_bins, of_points in others:
        filtered[..., of_points].addcmul_(bins[..., of_bins], responses[:, of_bins])
    outputs = torch.fft.ifft(torch.view_as_complex(filtered.unflatten(-1, (n_points, 2))))
    return torch.view_as_real(outputs).flatten(-2).unflatten(-1, (-1, windows.shape[-1]))


def folds(n_bins: int, n_points: int) -> Iterator[tuple[slice, slice]]:
    """Bins as many as there are points or, at the end, fewer, and the points that they are folded onto."""
    for start in range(0, n_bins, n_points):
        stop = min(start + n_points, n_bins)
        yield slice(start, stop), slice(0, stop - start)


def of_frames(by_hop: Tensor, first: int, n_frames: int) -> Tensor:
    """A view `(batch, bands, hops of a window, n_frames)` of `(batch, bands, hops of a window, hops)`.

    Window h of frame k is that of the hop `first` + k + h.
    """
    batch, band, window, hop = by_hop.stride()
    size = (*by_hop.shape[:3], n_frames)
    return by_hop.as_strided(size, (batch, band, window + hop, hop), by_hop.storage_offset() + first * hop)


def combs(
    bands: Sequence[int],
    responses: Responses,
    windows: Tensor,
    passed: Sequence[tuple[float, float]],
    *,
    stride: int,
    hop: int,
    n_hops: int,
) -> Iterator[Comb]:
    """Combs of `bands` under pooling windows `(bands, 2·reach + 1)` on a grid of `stride` samples.

    `passed` are the lowest and the highest frequency, in cycles per sample, that each band lets through.
    """
    length, n_points, n_apart = n_hops * hop, n_hops * hop // stride, hop // stride
    before, after = -(-(windows.shape[-1] // 2) // n_apart), windows.shape[-1] // 2 // n_apart + 1
    left = before * n_apart - windows.shape[-1] // 2
    padded = F.pad(windows, (left, (before + after) * n_apart - left - windows.shape[-1]))
    by_hop = padded.unflatten(-1, (before + after, n_apart)).repeat_interleave(2, dim=-1)

    ends = [(math.floor(low * length), math.ceil(high * length)) for low, high in passed]
    for few, first, spacing, n_bins in evenly_spaced(ends, n_points, length):
        firsts = first + spacing * torch.arange(len(bands[few]), device=windows.device)
        bins = firsts[:, None] + torch.arange(n_bins, device=windows.device)
        own = (responses(few, bins, length) / stride).repeat_interleave(2, dim=-1)
        yield Comb(list(bands[few]), first, spacing, n_points, before, own, by_hop[few])


def evenly_spaced(ends: Sequence[tuple[int, int]], least: int, most: int) -> Iterator[tuple[slice, int, int, int]]:
    """Neighbours among ranges of bins, covered by equally long ones that begin at equal distances.

    Each with its first bin, the distance and the length, which is between `least` and `most`.
    """
    start = 0
    while start < len(ends):
        found = (slice(start, start + 1), *_covering(ends[start : start + 1], least, most))
        for stop in range(start + 2, len(ends) + 1):
            covered = _covering(ends[start:stop], least, most)
            alone = max(min(max(high - low, least), most) for low, high in ends[start:stop])
            if covered[-1] > SLACK * alone:
                break
            found = (slice(start, stop), *covered)
        yield found
        start = found[0].stop


def _covering(ends: Sequence[tuple[int, int]], least: int, most: int) -> tuple[int, int, int]:
    spacing = max(1, round((ends[-1][0] - ends[0][0]) / max(1, len(ends) - 1)))
    first = min(low - place * spacing for place, (low, _) in enumerate(ends))
    n_bins = max(high - place * spacing for place, (_, high) in enumerate(ends)) - first
    return first, spacing, min(max(n_bins, least), most)


def around(spectra: Tensor, first: int, count: int) -> Tensor:
    """`count` bins of `(batch, bins)` from the bin `first` on, counted as on a circle."""
    length = spectra.shape[-1]
    first %= length
    if first + count <= length:
        return spectra[:, first : first + count]
    rounds = [spectra] * ((first + count) // length - 1)
    return torch.cat([spectra[:, first:], *rounds, spectra[:, : (first + count) % length]], dim=1)


def smooth_length(least: int) -> int:
    """The least product of twos, threes and fives that is not below `least`: a length with a quick transform."""

    def reduced(n: int) -> int:
        for factor in (2, 3, 5):
            while n % factor == 0:
                n //= factor
        return n

    return next(n for n in range(least, 2 * least) if reduced(n) == 1)
