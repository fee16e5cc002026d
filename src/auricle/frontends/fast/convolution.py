"""Pooled energies of narrow-band filters, on coarse grids: how a `Plan` is applied.

A frame depends on the samples around it alone, through the same sums wherever it lies in the clip. Streams, exported
graphs and waveforms that get a gradient take strided convolutions; otherwise `circular` does these sums in less time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.frontends.fast.leakage import Far, recomputed
from auricle.frontends.fast.transform import Comb, Responses, combs, smooth_length
from auricle.frontends.filterbanks import squared_modulus
from auricle.frontends.pooling import frame_count

BLOCK_SAMPLES = 16000
AT_ONCE = 131072  # samples that are convolved at once
TRANSFORMED_AT_ONCE = 393216  # samples that are transformed at once


@dataclass(frozen=True)
class Group:
    """Bands that are computed at one stride."""

    bands: list[int]
    stride: int  # of the grid, in samples
    decimation: int  # a divisor of the stride; convolutions run at the sample rate divided by it
    reach: int  # of the kernels, in samples on either side of their centre; a multiple of the decimation
    kernels: Callable[[], Tensor]  # (2·bands, 2·reach + 1): real parts, then imaginary ones
    responses: Responses
    windows: Tensor  # (bands, 2·reach + 1): pooling windows on the grid
    passed: list[tuple[float, float]]  # cycles per sample, the lowest and the highest that each band lets through

    @property
    def context(self) -> int:
        """Samples on either side of its centre that a frame depends on."""
        return self.windows.shape[-1] // 2 * self.stride + self.reach

    @cached_property
    def taps(self) -> Tensor:
        """The kernels at the decimated rate, `(2·bands, 1, taps)`."""
        with torch.inference_mode(False):
            return self.kernels()[:, None, :: self.decimation] * self.decimation

    def energies(self, signal: Tensor, center: int, hop: int, n_frames: int) -> Tensor:
        """`(batch, bands, n_frames)` of `(batch, time)` at the decimated rate, by strided convolutions.

        Frame k is centred at `center` + k·`hop`, in samples of that rate.
        """
        return recomputed(self._convolved, self.taps, signal, center, hop, n_frames)

    def _convolved(self, taps: Tensor, signal: Tensor, center: int, hop: int, n_frames: int) -> Tensor:
        context, stride = self.context // self.decimation, self.stride // self.decimation
        first = center - context
        span = signal[:, None, first : first + (n_frames - 1) * hop + 2 * context + 1]
        power = squared_modulus(F.conv1d(span, taps, stride=stride))
        return F.conv1d(power, self.windows[:, None], stride=hop // stride, groups=len(self.bands))

    def combs(self, hop: int, n_hops: int) -> Iterator[Comb]:
        """The group for blocks of `n_hops` hops."""
        sizes = {"stride": self.stride, "hop": hop, "n_hops": n_hops}
        return combs(self.bands, self.responses, self.windows, self.passed, **sizes)


@dataclass(frozen=True)
class Plan:
    """LEAF's filters and pooling windows in the form in which they are applied."""

    hop: int
    kernels: Tensor  # (2·n_filters, W): the filters themselves
    windows: Tensor  # (n_filters, W): the pooling windows themselves
    groups: list[Group]
    far: Far | None
    low_passes: dict[int, Tensor]  # by decimation, each of odd length
    combs: dict[int, list[Comb]] = field(default_factory=dict)  # the groups by transforms, by hops in a block

    @property
    def context(self) -> int:
        """Samples on either side of its centre that a frame depends on."""
        reaches = [0 if self.far is None else self.far.context]
        for group in self.groups:
            low_pass = self.low_passes.get(group.decimation)
            own = 0 if low_pass is None else len(low_pass) // 2
            reaches.append(group.context + own)
        return max(reaches)

    @property
    def hops_around(self) -> int:
        """Hops on either side of its centre that a frame depends on where nothing is decimated."""
        reaches = [group.context for group in self.groups] + ([] if self.far is None else [self.far.context])
        return -(-max(reaches) // self.hop)

    def energies(self, waveform: Tensor) -> Tensor:
        """`(batch, time)` → `(batch, n_filters, ceil(time / hop))`."""
        n_samples = waveform.shape[-1]
        n_frames = frame_count(n_samples, 1, self.hop, "centered")
        return (self.inner(waveform, n_frames) - self.ringing(waveform, n_frames)).clamp(min=0.0)

    def inner(self, waveform: Tensor, n_frames: int) -> Tensor:
        """Energies as if |y|² went on beyond the clip's ends; long clips go block by block."""
        context, hop = self.context, self.hop
        if torch.compiler.is_exporting():
            length = (n_frames - 1) * hop + 2 * context + 1
            return self.frames(F.pad(waveform, (context, context + hop))[:, :length], n_frames)
        if torch.is_grad_enabled() and waveform.requires_grad:
            frames, at_once = self.frames, AT_ONCE
        else:
            frames, at_once = self.transformed, TRANSFORMED_AT_ONCE
            context = self.hops_around * hop
        least = 2 if len(waveform) == 1 and n_frames * hop > 8 * context else 1
        n_blocks = max(least, round(n_frames * hop / BLOCK_SAMPLES))
        n_block = -(-n_frames // n_blocks)
        length = (n_block - 1) * hop + 2 * context + 1
        missing = (n_blocks - 1) * n_block * hop + length - context - waveform.shape[-1]
        padded = F.pad(waveform, (context, missing))
        blocks = padded if n_blocks == 1 else padded.unfold(-1, length, n_block * hop).flatten(0, 1)
        n_parts = round(blocks.numel() / at_once) or 1
        every = torch.cat([frames(part, n_block) for part in blocks.tensor_split(min(n_parts, -(-len(blocks) // 2)))])
        return every.unflatten(0, (len(waveform), n_blocks)).transpose(1, 2).flatten(2)[..., :n_frames]

    def transformed(self, samples: Tensor, n_frames: int) -> Tensor:
        """As `frames`, centred at `hops_around`·hop + k·hop, by transforms: quicker, but `samples` get no gradient."""
        first, n_hops = self.hops_around, smooth_length(-(-samples.shape[-1] // self.hop))
        if n_hops not in self.combs:
            self.combs[n_hops] = [comb for group in self.groups for comb in group.combs(self.hop, n_hops)]
        spectra = torch.fft.fft(samples, n_hops * self.hop)
        parts = [(comb.bands, comb.energies(spectra, first, n_frames)) for comb in self.combs[n_hops]]
        energies = together(parts)
        if self.far is None:
            return energies
        far = self.far.energies(samples, first * self.hop, self.hop, n_frames)
        return energies.index_add(1, torch.tensor(self.far.bands, device=far.device), far)

    def frames(self, samples: Tensor, n_frames: int) -> Tensor:
        """`(batch, n_filters, n_frames)` of `samples`, in which frame k is centred at `context` + k·hop."""
        context, hop = self.context, self.hop
        signals = {1: (samples, context)}
        for decimation, low_pass in self.low_passes.items():
            center = (context - len(low_pass) // 2) // decimation
            first = context - center * decimation - len(low_pass) // 2
            signals[decimation] = decimated(samples[:, first:], low_pass, decimation), center
        parts = []
        for group in self.groups:
            energies = group.energies(*signals[group.decimation], hop // group.decimation, n_frames)
            if self.far is not None and group.bands == self.far.bands:
                energies = energies + self.far.energies(samples, context, hop, n_frames)
            parts.append((group.bands, energies))
        return together(parts)

    def ringing(self, waveform: Tensor, n_frames: int) -> Tensor:
        """What the filters ring before the first sample and after the last, under each frame's window.

        A filter and its mirror image have the same modulus: the clip's start, mirrored, rings as its end does.
        """
        margin, half, hop = self.kernels.shape[-1] // 2, self.windows.shape[-1] // 2, self.hop
        start = F.pad(waveform, (0, margin))[:, :margin].flip(-1)
        end = F.pad(waveform, (margin, 0))[:, -margin:]
        ends = F.pad(torch.cat([start, end]), (0, margin - 1))
        rung = squared_modulus(F.conv1d(ends[:, None], self.kernels[:, None, :margin]))
        after_start, after_end = rung[: waveform.shape[0]], rung[waveform.shape[0] :]

        n_ends = -(-half // hop)
        side = F.pad(self.windows[:, half:], (0, margin + n_ends * hop))
        last = waveform.shape[-1] - (n_frames - 1) * hop
        first = torch.stack([side[:, 1 + k * hop :][:, :margin] for k in range(n_ends)])
        final = torch.stack([side[:, last + k * hop :][:, :margin] for k in reversed(range(n_ends))])
        before = torch.einsum("bct,kct->bck", after_start, first)
        after = torch.einsum("bct,kct->bck", after_end, final)
        return F.pad(before, (0, n_frames - n_ends)) + F.pad(after, (n_frames - n_ends, 0))


def together(parts: Sequence[tuple[list[int], Tensor]]) -> Tensor:
    """`(batch, n_filters, frames)` of parts of it, each with its bands."""
    bands = [band for part, _ in parts for band in part]
    order = sorted(range(len(bands)), key=bands.__getitem__)
    return torch.cat([energies for _, energies in parts], dim=1)[:, order]


def decimated(signal: Tensor, low_pass: Tensor, decimation: int) -> Tensor:
    """Every `decimation`-th sample of `(batch, time)` filtered by `low_pass` `(P,)`, where it covers the filter.

    A product of overlapping rows and a band matrix: several times quicker than a convolution with one output.
    """
    if torch.compiler.is_exporting():
        return F.conv1d(signal[:, None], low_pass[None, None], stride=decimation)[:, 0]
    n_taps, n_outputs = len(low_pass), (signal.shape[-1] - len(low_pass)) // decimation + 1
    at_once = min(n_outputs, 32)
    step, length = at_once * decimation, n_taps + (at_once - 1) * decimation
    n_rows = -(-n_outputs // at_once)
    rows = F.pad(signal, (0, (n_rows - 1) * step + length - signal.shape[-1])).unfold(-1, length, step)
    band = F.pad(low_pass, (0, step)).repeat(at_once)[: at_once * length].reshape(at_once, length)
    return (rows @ band.T).flatten(1)[:, :n_outputs]
