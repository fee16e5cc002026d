"""A plan applied by a few large matrix products: the quickest way for the chunks of a stream.

A chunk completes a frame or two. What counts then is how many operations there are, not how large they are. So the
filters of several strides are computed together: the signal is cut into overlapping rows, one every `step` samples, a
multiple of these strides, and one matrix takes a row to all outputs of all these filters within `step` samples. In the
end another matrix adds up what belongs to each band.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.frontends.pooling import weighted_sums

if TYPE_CHECKING:
    from auricle.frontends.fast.convolution import BandGroup, Plan

STEPS_PER_KERNEL = 4  # a step is at most this part of the longest kernel, or most of a matrix would be zeros


@dataclass(frozen=True)
class FilteredRows:
    """The filters of groups of one decimation: `matrix` takes a row of the decimated signal to their outputs."""

    bands: list[int]  # of each column
    decimation: int
    step: int  # samples from one row to the next
    start: int  # samples from the beginning of a frame's first row to the frame's centre
    matrix: Tensor  # (length of a row, columns)
    windows: Tensor  # (rows of a frame, columns): pooling windows

    def energies(self, signal: Tensor, hop: int) -> Tensor:
        """Pooled energies `(batch, frames, columns)`; the decimated signal begins with the first frame's first row."""
        rows = signal.unfold(-1, len(self.matrix), self.step // self.decimation)
        return weighted_sums((rows @ self.matrix).square_(), self.windows, hop // self.step)

    def length(self, n_frames: int, hop: int) -> int:
        """How many samples of the decimated signal make `n_frames` frames."""
        n_rows = (n_frames - 1) * (hop // self.step) + len(self.windows)
        return (n_rows - 1) * (self.step // self.decimation) + len(self.matrix)


class Products:
    """`Plan.by_convolutions` with a few recordings at a time; no gradients."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rows = [filtered_rows(groups, plan.hop) for groups in with_common_step(plan.groups)]
        bands = [band for rows in self.rows for band in rows.bands]
        bands += [] if plan.leakage is None else plan.leakage.bands
        self.by_band = F.one_hot(torch.tensor(bands), len(plan.windows)).to(plan.windows)

    def energies(self, samples: Tensor, n_frames: int) -> Tensor:
        """`(batch, n_filters, n_frames)` of `samples` `(batch, time)`; frame k is centred at `context` + k·hop."""
        center, hop, leakage = self.plan.context, self.plan.hop, self.plan.leakage
        parts = []
        for rows in self.rows:
            first, length = center - rows.start, rows.length(n_frames, hop)
            if rows.decimation == 1:
                signal = F.pad(samples, (-first, first + length - samples.shape[-1]))
            else:
                signal = self.plan.low_passes[rows.decimation].decimate(samples, first, length)
            parts.append(rows.energies(signal, hop))
        if leakage is not None:
            parts.append(leakage.by_frame(samples, center, hop, n_frames))
        return (torch.cat(parts, dim=-1) @ self.by_band).transpose(1, 2)


def with_common_step(groups: Sequence[BandGroup]) -> list[list[BandGroup]]:
    """Join groups of one decimation whose strides have a small common multiple."""
    joined: list[list[BandGroup]] = []
    for group in sorted(groups, key=lambda group: -group.reach):
        for others in joined:
            both = [*others, group]
            if others[0].decimation == group.decimation and common_stride(both) <= longest_step(both):
                others.append(group)
                break
        else:
            joined.append([group])
    return joined


def common_stride(groups: Sequence[BandGroup]) -> int:
    return math.lcm(*(group.stride for group in groups))


def longest_step(groups: Sequence[BandGroup]) -> int:
    return 2 * max(group.reach for group in groups) // STEPS_PER_KERNEL


def filtered_rows(groups: Sequence[BandGroup], hop: int) -> FilteredRows:
    """The rows of groups of one decimation."""
    decimation, stride = groups[0].decimation, common_stride(groups)
    steps = range(stride, max(stride, longest_step(groups)) + 1, stride)
    step = max(multiple for multiple in steps if hop % multiple == 0)
    reach = max(group.reach for group in groups)
    half = max(group.windows.shape[-1] // 2 * group.stride for group in groups)
    lead = -(-half // step) * step
    n_rows, length = (lead + half) // step + 1, (2 * reach + step) // decimation
    bands, kernels, windows = [], [], []
    for group in groups:
        taps, n_outputs = group.taps[:, 0], step // group.stride
        for output in range(n_outputs):
            before = (reach - group.reach + output * group.stride) // decimation
            kernels.append(F.pad(taps, (before, length - before - taps.shape[-1])))
        before = lead // group.stride - group.windows.shape[-1] // 2
        after = n_rows * n_outputs - before - group.windows.shape[-1]
        by_row = F.pad(group.windows, (before, after)).unflatten(-1, (n_rows, n_outputs))
        windows.append(by_row.permute(1, 2, 0).repeat(1, 1, 2).flatten(1))
        bands += group.bands * (2 * n_outputs)
    matrix = torch.cat(kernels).T.contiguous()
    return FilteredRows(bands, decimation, step, lead + reach, matrix, torch.cat(windows, dim=1))
