"""A `Plan`: LEAF's filters in groups of one stride, and how its pooled energies are computed.

`Plan.energies` filters the zero-padded clip and pools it, as if |y|² continued beyond the clip's ends, and subtracts
what it counted there (`edge_correction`), because LEAF's pooling counts samples of the clip only.

There are three ways to filter, with the same result: strided convolutions (`by_convolutions`, for exported graphs and
waveforms that need a gradient), Fourier transforms (`by_transforms`), which are faster, and matrix products, for the
few frames of a stream's chunk (`products`). A frame depends only on the samples around it, through sums that are the
same wherever it lies in the clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.frontends.fast.leakage import Leakage, checkpointed
from auricle.frontends.fast.products import Products
from auricle.frontends.fast.transform import EvenlySpacedBands, FrequencyResponses, evenly_spaced_bands
from auricle.frontends.filterbanks import squared_modulus
from auricle.frontends.pooling import frame_count
from auricle.powers import fast_length

BLOCK_SAMPLES = 16000  # a clip is cut into blocks of about so many samples
SAMPLES_AT_ONCE = 98304  # of blocks in one call: the memory for more is faulted in anew at every pass
SAMPLES_AT_ONCE_IN_TRAINING = 131072
DECIMATED_AT_ONCE = 32  # filtered samples of one row
FEW_SAMPLES = 32768  # for which `Products` are quicker than convolutions


@dataclass(frozen=True)
class BandGroup:
    """Bands whose filters are computed at one stride."""

    bands: list[int]
    stride: int  # of the grid on which the filters' outputs are computed, in samples
    decimation: int  # a divisor of the stride; convolutions run on the signal decimated by it
    reach: int  # half length of the kernels in samples, a multiple of the decimation
    kernels: Callable[[], Tensor]  # gives (2·bands, 2·reach + 1): real parts, then imaginary parts
    responses: FrequencyResponses
    windows: Tensor  # (bands, 2·reach + 1): pooling windows on the grid
    passbands: list[tuple[float, float]]  # lowest and highest frequency of each band, in cycles per sample

    @cached_property
    def context(self) -> int:
        """How many samples on either side of its centre a frame depends on."""
        return self.windows.shape[-1] // 2 * self.stride + self.reach

    @cached_property
    def taps(self) -> Tensor:
        """The kernels at the decimated rate, `(2·bands, 1, taps)`."""
        with torch.inference_mode(False):
            return self.kernels()[:, None, :: self.decimation] * self.decimation

    def energies(self, signal: Tensor, center: int, hop: int, n_frames: int) -> Tensor:
        """Pooled energies `(batch, bands, n_frames)` of `(batch, time)`, by strided convolutions.

        The signal is decimated by `decimation`; frame k is centred at its sample `center` + k·`hop`.
        """
        return checkpointed(self._convolved, self.taps, signal, center, hop, n_frames)

    def _convolved(self, taps: Tensor, signal: Tensor, center: int, hop: int, n_frames: int) -> Tensor:
        context, stride = self.context // self.decimation, self.stride // self.decimation
        first = center - context
        span = signal[:, None, first : first + (n_frames - 1) * hop + 2 * context + 1]
        power = squared_modulus(F.conv1d(span, taps, stride=stride))
        return F.conv1d(power, self.windows[:, None], stride=hop // stride, groups=len(self.bands))

    def evenly_spaced(self, hop: int, n_hops: int) -> Iterator[EvenlySpacedBands]:
        """The group's bands for transforms of blocks of `n_hops` hops."""
        sizes = {"stride": self.stride, "hop": hop, "n_hops": n_hops}
        return evenly_spaced_bands(self.bands, self.responses, self.windows, self.passbands, **sizes)


@dataclass(frozen=True)
class LowPass:
    """Decimation of a signal."""

    decimation: int
    taps: Tensor  # of odd number

    @property
    def reach(self) -> int:
        """Half length of the filter in samples."""
        return len(self.taps) // 2

    @cached_property
    def matrix(self) -> Tensor:
        """From a row of the signal to its `DECIMATED_AT_ONCE` filtered samples."""
        step = DECIMATED_AT_ONCE * self.decimation
        length = len(self.taps) + step - self.decimation
        with torch.inference_mode(False):
            repeated = F.pad(self.taps, (0, step)).repeat(DECIMATED_AT_ONCE)
            return repeated[: DECIMATED_AT_ONCE * length].reshape(-1, length).T

    def decimate(self, signal: Tensor, first: int, length: int) -> Tensor:
        """`(batch, length)` of `(batch, time)`: the samples `first` + i·decimation after filtering.

        The signal is zero beyond its ends. A product of overlapping rows and a band matrix, which is several times
        faster than a one-channel convolution; an exported graph convolves, and `first` is at least `reach` there.
        """
        start = first - self.reach
        if torch.compiler.is_exporting():
            return F.conv1d(signal[:, None, start:], self.taps[None, None], stride=self.decimation)[:, 0]
        step, n_rows = DECIMATED_AT_ONCE * self.decimation, -(-length // DECIMATED_AT_ONCE)
        stop = start + (n_rows - 1) * step + len(self.matrix)
        rows = F.pad(signal, (-start, stop - signal.shape[-1])).unfold(-1, len(self.matrix), step)
        return (rows @ self.matrix).flatten(1)[:, :length]


@dataclass(frozen=True)
class Plan:
    """The computation of LEAF's pooled energies for one setting of the parameters."""

    hop: int
    kernels: Tensor  # (2·n_filters, W): the Gabor filters, real parts, then imaginary parts
    windows: Tensor  # (n_filters, W): the pooling windows
    groups: list[BandGroup]
    leakage: Leakage | None  # of the filters that the window truncates
    low_passes: dict[int, LowPass]  # by decimation
    for_transforms: dict[int, list[EvenlySpacedBands]] = field(default_factory=dict)  # by number of hops in a block

    @cached_property
    def context(self) -> int:
        """How many samples on either side of its centre a frame depends on."""
        contexts = [0 if self.leakage is None else self.leakage.context]
        for group in self.groups:
            low_pass = self.low_passes.get(group.decimation)
            contexts.append(group.context + (0 if low_pass is None else low_pass.reach))
        return max(contexts)

    @cached_property
    def context_hops(self) -> int:
        """How many hops on either side of its centre a frame depends on in `by_transforms`, which does not decimate."""
        contexts = [group.context for group in self.groups]
        contexts += [] if self.leakage is None else [self.leakage.context]
        return -(-max(contexts) // self.hop)

    def energies(self, waveform: Tensor) -> Tensor:
        """`(batch, time)` → `(batch, n_filters, ceil(time / hop))`."""
        n_samples = waveform.shape[-1]
        n_frames = frame_count(n_samples, 1, self.hop, "centered")
        return (self.padded_energies(waveform, n_frames) - self.edge_correction(waveform, n_frames)).clamp(min=0.0)

    def padded_energies(self, waveform: Tensor, n_frames: int) -> Tensor:
        """Energies with |y|² counted beyond the clip's ends too, as zero-padded; long clips are cut into blocks."""
        context, hop = self.context, self.hop
        if torch.compiler.is_exporting():
            length = (n_frames - 1) * hop + 2 * context + 1
            return self.by_convolutions(F.pad(waveform, (context, context + hop))[:, :length], n_frames)
        if torch.is_grad_enabled() and waveform.requires_grad:
            block_energies = self.by_convolutions
        else:
            block_energies, context = self.by_transforms, self.context_hops * hop
        min_blocks = 2 if len(waveform) == 1 and n_frames * hop > 8 * context else 1
        n_blocks = max(min_blocks, round(n_frames * hop / BLOCK_SAMPLES))
        block_frames = -(-n_frames // n_blocks)
        length = (block_frames - 1) * hop + 2 * context + 1
        missing = (n_blocks - 1) * block_frames * hop + length - context - waveform.shape[-1]
        padded = F.pad(waveform, (context, missing))
        blocks = padded if n_blocks == 1 else padded.unfold(-1, length, block_frames * hop).flatten(0, 1)
        at_once = SAMPLES_AT_ONCE_IN_TRAINING if torch.is_grad_enabled() else SAMPLES_AT_ONCE
        n_calls = min(round(blocks.numel() / at_once) or 1, -(-len(blocks) // 2))
        energies = torch.cat([block_energies(some, block_frames) for some in blocks.tensor_split(n_calls)])
        return energies.unflatten(0, (len(waveform), n_blocks)).transpose(1, 2).flatten(2)[..., :n_frames]

    def by_transforms(self, samples: Tensor, n_frames: int) -> Tensor:
        """`(batch, n_filters, n_frames)` by Fourier transforms; frame k is centred at (`context_hops` + k)·hop.

        Faster than `by_convolutions`, but `samples` `(batch, time)` get no gradient.
        """
        first, n_hops = self.context_hops, fast_length(-(-samples.shape[-1] // self.hop))
        if n_hops not in self.for_transforms:
            groups = (group.evenly_spaced(self.hop, n_hops) for group in self.groups)
            self.for_transforms[n_hops] = list(chain.from_iterable(groups))
        spectra = torch.fft.fft(samples, n_hops * self.hop)
        parts = self.for_transforms[n_hops]
        energies = in_band_order([(part.bands, part.energies(spectra, first, n_frames)) for part in parts])
        if self.leakage is None:
            return energies
        leaked = self.leakage.energies(samples, first * self.hop, self.hop, n_frames)
        return energies.index_add(1, torch.tensor(self.leakage.bands, device=leaked.device), leaked)

    def by_convolutions(self, samples: Tensor, n_frames: int) -> Tensor:
        """`(batch, n_filters, n_frames)` of `samples` `(batch, time)`; frame k is centred at `context` + k·hop."""
        context, hop = self.context, self.hop
        signals = {1: (samples, context)}
        for decimation, low_pass in self.low_passes.items():
            center = (context - low_pass.reach) // decimation
            first = context - center * decimation
            length = (samples.shape[-1] - 1 - low_pass.reach - first) // decimation + 1
            signals[decimation] = low_pass.decimate(samples, first, length), center
        parts = []
        for group in self.groups:
            energies = group.energies(*signals[group.decimation], hop // group.decimation, n_frames)
            if self.leakage is not None and group.bands == self.leakage.bands:
                energies = energies + self.leakage.energies(samples, context, hop, n_frames)
            parts.append((group.bands, energies))
        return in_band_order(parts)

    @cached_property
    def products(self) -> Products:
        """The plan's matrices for `interior`, without gradients."""
        with torch.inference_mode(False), torch.no_grad():
            return Products(self)

    def interior(self, samples: Tensor, n_frames: int) -> Tensor:
        """`by_convolutions`, or, where this is quicker, `Products`."""
        if torch.is_grad_enabled() or samples.numel() > FEW_SAMPLES:
            return self.by_convolutions(samples, n_frames)
        return self.products.energies(samples, n_frames)

    def edge_correction(self, waveform: Tensor, n_frames: int) -> Tensor:
        """Filter transients beyond the clip's ends, weighted by each frame's window: `(batch, n_filters, n_frames)`.

        Σ_t g(t − k·hop)·|y(t)|² over t < 0 and t ≥ time. A Gabor filter reversed in time is its complex conjugate, so
        that the transient before a clip has the same modulus as the one after the end of the reversed clip.
        """
        margin, half, hop = self.kernels.shape[-1] // 2, self.windows.shape[-1] // 2, self.hop
        start = F.pad(waveform, (0, margin))[:, :margin].flip(-1)
        end = F.pad(waveform, (margin, 0))[:, -margin:]
        edges = F.pad(torch.cat([start, end]), (0, margin - 1))
        transients = squared_modulus(F.conv1d(edges[:, None], self.kernels[:, None, :margin]))
        before_start, after_end = transients[: waveform.shape[0]], transients[waveform.shape[0] :]

        n_edge_frames = -(-half // hop)
        window_tail = F.pad(self.windows[:, half:], (0, margin + n_edge_frames * hop))
        last = waveform.shape[-1] - (n_frames - 1) * hop
        first_tails = torch.stack([window_tail[:, 1 + k * hop :][:, :margin] for k in range(n_edge_frames)])
        last_tails = torch.stack([window_tail[:, last + k * hop :][:, :margin] for k in reversed(range(n_edge_frames))])
        before = torch.einsum("bct,kct->bck", before_start, first_tails)
        after = torch.einsum("bct,kct->bck", after_end, last_tails)
        n_others = n_frames - n_edge_frames
        return F.pad(before, (0, n_others)) + F.pad(after, (n_others, 0))


def in_band_order(parts: Sequence[tuple[list[int], Tensor]]) -> Tensor:
    """Join energies `(batch, bands, frames)`, each with the list of its bands, to `(batch, n_filters, frames)`."""
    bands = [band for part, _ in parts for band in part]
    order = sorted(range(len(bands)), key=bands.__getitem__)
    return torch.cat([energies for _, energies in parts], dim=1)[:, order]
