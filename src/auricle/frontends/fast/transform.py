"""Pooled energies of narrow-band filters by Fourier transforms of whole blocks.

The convolution theorem gives the same sums as strided convolutions. Of a block's spectrum only the bins in a filter's
passband are multiplied by its frequency response; a short inverse transform of these bins is the filter's output on its
coarse grid. If there are more bins than grid points, the excess bins are added onto the first ones (aliasing), which
equals leaving out samples in time. Starting at the passband's lowest bin instead of bin 0 changes only the phase of the
output, which the squared modulus discards.

Bands whose passbands begin at evenly spaced bins, at least nearly, are computed together as `EvenlySpacedBands`: one
strided view of the spectrum, and one product. Gradients flow to responses and windows, not to the blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.errors import AuricleError

FrequencyResponses = Callable[[slice, Tensor, int], Tensor]
"""(which bands of a group, integer bins (bands, bins), transform length) to their real responses (bands, bins)."""

MAX_EXCESS = 1.2  # evenly spaced passbands are at most so many times as wide as each band needs


@dataclass(frozen=True)
class EvenlySpacedBands:
    """Bands of one grid whose passbands begin at the bins `first_bin`, `first_bin` + `spacing` and so on.

    Blocks have a whole number of hops.
    """

    bands: list[int]
    first_bin: int
    spacing: int  # bins
    n_points: int  # of the grid in a block
    lead: int  # hops from the beginning of a frame's window to its centre
    responses: Tensor  # (bands, 2·bins): each value twice, for the real and the imaginary part of a bin
    windows: Tensor  # (bands, hops of a window, 2·points in a hop): pooling windows on the grid, each value twice

    def energies(self, spectra: Tensor, first: int, n_frames: int) -> Tensor:
        """`(batch, bands, n_frames)` of the blocks' `spectra` `(batch, bins)`; frame k is centred at hop `first` + k.

        `first` is at least `lead`.
        """
        n_bins = self.responses.shape[-1] // 2
        span = circular_slice(spectra, self.first_bin, (len(self.bands) - 1) * self.spacing + n_bins)
        bins = torch.view_as_real(span).flatten(1).unfold(-1, 2 * n_bins, 2 * self.spacing)
        return _Energies.apply(bins, self.responses, self.windows, self.n_points, first - self.lead, n_frames)


class _Energies(torch.autograd.Function):
    """`EvenlySpacedBands.energies` of `bins` `(batch, bands, 2·bins)`; the first frame's window begins at hop `first`.

    The backward pass computes the filters' outputs again instead of storing them.
    """

    @staticmethod
    def forward(
        ctx: Any, bins: Tensor, responses: Tensor, windows: Tensor, n_points: int, first: int, n_frames: int
    ) -> Tensor:
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(bins, responses, windows)
            ctx.n_points, ctx.first = n_points, first
        power = filter_outputs(bins, responses, windows, n_points).square_()
        by_hop = windows @ power.transpose(-1, -2)
        return view_by_frame(by_hop, first, n_frames).sum(2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise AuricleError("LEAF's parameters have no second derivatives by method='fast': use method='direct'")
        bins, responses, windows = ctx.saved_tensors
        n_points = ctx.n_points
        outputs = filter_outputs(bins, responses, windows, n_points)
        by_hop = grad.new_zeros(*outputs.shape[:2], windows.shape[1], outputs.shape[2])
        view_by_frame(by_hop, ctx.first, grad.shape[-1]).copy_(grad[:, :, None])
        windows_grad = (by_hop @ outputs.square()).sum(0)
        outputs_grad = (by_hop.transpose(-1, -2) @ (2.0 * windows)).mul_(outputs)
        points = torch.view_as_complex(outputs_grad.flatten(2).unflatten(-1, (n_points, 2)))
        spectra = torch.view_as_real(torch.fft.fft(points, norm="forward")).flatten(2)
        responses_grad = torch.empty_like(responses)
        for of_bins, of_points in alias_slices(bins.shape[-1], 2 * n_points):
            torch.sum(bins[..., of_bins] * spectra[..., of_points], 0, out=responses_grad[:, of_bins])
        return None, responses_grad, windows_grad, None, None, None


def filter_outputs(bins: Tensor, responses: Tensor, windows: Tensor, n_points: int) -> Tensor:
    """The filters' outputs on the grid, `(batch, bands, hops, 2·points in a hop)`; arguments as for `_Energies`."""
    (first, _), *others = alias_slices(bins.shape[-1], 2 * n_points)
    filtered = bins[..., first] * responses[:, first]
    for of_bins, of_points in others:
        filtered[..., of_points].addcmul_(bins[..., of_bins], responses[:, of_bins])
    outputs = torch.fft.ifft(torch.view_as_complex(filtered.unflatten(-1, (n_points, 2))))
    return torch.view_as_real(outputs).flatten(-2).unflatten(-1, (-1, windows.shape[-1]))


def alias_slices(n_bins: int, n_points: int) -> Iterator[tuple[slice, slice]]:
    """Runs of at most `n_points` bins that cover `n_bins`, and for each run the points to which it is added."""
    for start in range(0, n_bins, n_points):
        stop = min(start + n_points, n_bins)
        yield slice(start, stop), slice(0, stop - start)


def view_by_frame(by_hop: Tensor, first: int, n_frames: int) -> Tensor:
    """View `(batch, bands, hops of a window, hops)` as `(batch, bands, hops of a window, n_frames)`.

    Entry (h, k) of the view is entry (h, `first` + k + h): the h-th hop of frame k's window.
    """
    batch, band, window, hop = by_hop.stride()
    size = (*by_hop.shape[:3], n_frames)
    return by_hop.as_strided(size, (batch, band, window + hop, hop), by_hop.storage_offset() + first * hop)


def evenly_spaced_bands(
    bands: Sequence[int],
    responses: FrequencyResponses,
    windows: Tensor,
    passbands: Sequence[tuple[float, float]],
    *,
    stride: int,
    hop: int,
    n_hops: int,
) -> Iterator[EvenlySpacedBands]:
    """Divide `bands` into runs of evenly spaced passbands, for blocks of `n_hops` hops.

    `windows` `(bands, 2·reach + 1)` are pooling windows on a grid of `stride` samples, `passbands` each band's lowest
    and highest frequency in cycles per sample.
    """
    length, n_points, n_apart = n_hops * hop, n_hops * hop // stride, hop // stride
    before, after = -(-(windows.shape[-1] // 2) // n_apart), windows.shape[-1] // 2 // n_apart + 1
    left = before * n_apart - windows.shape[-1] // 2
    padded = F.pad(windows, (left, (before + after) * n_apart - left - windows.shape[-1]))
    by_hop = padded.unflatten(-1, (before + after, n_apart)).repeat_interleave(2, dim=-1)

    ends = [(math.floor(low * length), math.ceil(high * length)) for low, high in passbands]
    for run, first, spacing, n_bins in cover_evenly(ends, n_points, length):
        firsts = first + spacing * torch.arange(len(bands[run]), device=windows.device)
        bins = firsts[:, None] + torch.arange(n_bins, device=windows.device)
        at_bins = (responses(run, bins, length) / stride).repeat_interleave(2, dim=-1)
        yield EvenlySpacedBands(list(bands[run]), first, spacing, n_points, before, at_bins, by_hop[run])


def cover_evenly(ends: Sequence[tuple[int, int]], least: int, most: int) -> Iterator[tuple[slice, int, int, int]]:
    """Cover ranges of bins by ranges of equal length and spacing, as many neighbours at a time as possible.

    Yields (which of `ends`, first bin, spacing, length) with `least` ≤ length ≤ `most`.
    """
    start = 0
    while start < len(ends):
        best = (slice(start, start + 1), *_cover(ends[start : start + 1], least, most))
        for stop in range(start + 2, len(ends) + 1):
            together = _cover(ends[start:stop], least, most)
            alone = max(min(max(high - low, least), most) for low, high in ends[start:stop])
            if together[-1] > MAX_EXCESS * alone:
                break
            best = (slice(start, stop), *together)
        yield best
        start = best[0].stop


def _cover(ends: Sequence[tuple[int, int]], least: int, most: int) -> tuple[int, int, int]:
    """First bin, spacing and length of evenly spaced ranges that contain the ranges `ends`."""
    spacing = max(1, round((ends[-1][0] - ends[0][0]) / max(1, len(ends) - 1)))
    first = min(low - place * spacing for place, (low, _) in enumerate(ends))
    n_bins = max(high - place * spacing for place, (_, high) in enumerate(ends)) - first
    return first, spacing, min(max(n_bins, least), most)


def circular_slice(spectra: Tensor, first: int, count: int) -> Tensor:
    """`count` bins of `(batch, bins)` from the bin `first` on; the spectrum is periodic."""
    length = spectra.shape[-1]
    first %= length
    if first + count <= length:
        return spectra[:, first : first + count]
    rounds = [spectra] * ((first + count) // length - 1)
    return torch.cat([spectra[:, first:], *rounds, spectra[:, : (first + count) % length]], dim=1)
