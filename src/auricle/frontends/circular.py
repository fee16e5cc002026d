"""Pooled energies of narrow-band filters by Fourier transforms: a `Plan`'s groups applied to a whole block at once.

The same sums as `Group.energies`, by the convolution theorem. Of the block's spectrum only the bins that a filter
passes are multiplied by its response; a short inverse transform of them is the filter's output on its coarse grid.
Bins beyond as many as the grid has points are folded onto the first ones, which is what leaving samples out does, and
that they are counted from the lowest one turns the output's phase alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Run(NamedTuple):
    """Neighbouring bins of the block's spectrum that neighbouring points of one band's spectrum are made of."""

    band: int
    bins: slice
    points: slice
    entries: slice  # of the response
    folded: bool  # whether they are added to what is there


@dataclass(frozen=True)
class Circular:
    """One group's filters and pooling windows for blocks of `n_frames` hops; no gradients go through it.

    Frame k is centred at `context` + k·hop; frames whose surroundings go beyond the block are meaningless.
    """

    n_points: int  # of the grid
    n_apart: int  # of them to a hop
    runs: list[Run]
    response: Tensor  # of all bands' bins, one band after the other
    windows: Tensor  # (bands, 2·reach + 1): pooling windows on the grid

    @classmethod
    def of(
        cls,
        kernels: Tensor,
        windows: Tensor,
        passed: Sequence[tuple[float, float]],
        *,
        stride: int,
        hop: int,
        context: int,
        n_frames: int,
    ) -> Circular:
        """Of kernels `(2·bands, K)` and windows `(bands, 2·reach + 1)` on a grid of `stride` samples.

        `passed` are the lowest and the highest frequency, in cycles per sample, that each band lets through.
        """
        length, n_points = n_frames * hop, n_frames * hop // stride
        before = context - windows.shape[-1] // 2 * stride - kernels.shape[-1] // 2
        placed = F.pad(torch.complex(*kernels.chunk(2)), (before, length - before - kernels.shape[-1]))
        spectra = torch.fft.fft(placed).conj() / stride
        runs = list(_runs(passed, length, n_points))
        response = torch.cat([spectra[run.band, run.bins] for run in runs])
        return cls(n_points, hop // stride, runs, response, windows)

    def energies(self, spectra: Tensor) -> Tensor:
        """`(batch, bands, frames)` of the blocks' `spectra` `(batch, bins)`."""
        outputs = torch.fft.ifft(self._filtered(spectra))
        power = outputs.real.square().addcmul_(outputs.imag, outputs.imag)
        return F.conv1d(power, self.windows[:, None], stride=self.n_apart, groups=len(self.windows))

    def _filtered(self, spectra: Tensor) -> Tensor:
        """`(batch, bands, points)`: each band's output on the grid, as its spectrum."""
        filtered = spectra.new_empty(len(spectra), len(self.windows), self.n_points)
        for run in self.runs:
            points = filtered[:, run.band, run.points]
            if run.folded:
                points.addcmul_(spectra[:, run.bins], self.response[run.entries])
            else:
                torch.mul(spectra[:, run.bins], self.response[run.entries], out=points)
        return filtered


def _runs(passed: Sequence[tuple[float, float]], length: int, n_points: int) -> Iterator[Run]:
    """The bins of each band, at least as many as the grid has points, until spectrum or grid begin anew."""
    entry = 0
    for band, (lowest, highest) in enumerate(passed):
        n_bins = min(max(math.ceil((highest - lowest) * length), n_points), length)
        first = round((lowest + highest) / 2 * length - n_bins / 2)
        done = 0
        while done < n_bins:
            bin_, point = (first + done) % length, done % n_points
            count = min(n_bins - done, length - bin_, n_points - point)
            bins, points, entries = (slice(start, start + count) for start in (bin_, point, entry))
            yield Run(band, bins, points, entries, folded=done >= n_points)
            done, entry = done + count, entry + count


def smooth_length(least: int) -> int:
    """The least product of twos, threes and fives that is not below `least`: a length with a quick transform."""

    def reduced(n: int) -> int:
        for factor in (2, 3, 5):
            while n % factor == 0:
                n //= factor
        return n

    return next(n for n in range(least, 2 * least) if reduced(n) == 1)
