"""Compression: from pooled energies `(batch, n_filters, frames)` to a smaller dynamic range, of the same shape.

Each has a `step` for streams. A `Framewise` compression has no state; that of PCEN is its moving average.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.frontends.parts import Framewise, State
from auricle.layers import bounded, shown_options
from auricle.registry import unknown_name

BLOCK = 32
FEW = 4
LEVELS = 4
_ROUNDING = 4e-6  # of the offset of a logarithm


def linear_recurrence(decay: Tensor, drive: Tensor, initial: Tensor) -> Tensor:
    """y[t] = decay·y[t−1] + drive[t] with y[−1] = `initial`, along the last axis, in few operations.

    `decay` (n_filters,) in [0, 1], `drive` (batch, n_filters, time), `initial` (batch, n_filters); y as `drive`.
    Within a block of `BLOCK` steps the recurrence is one triangular matrix product. The last values of the blocks
    follow the same recurrence with decay^BLOCK, over a sequence that is BLOCK times shorter. Up to `FEW` steps are
    quicker one by one.
    """
    n_steps = drive.shape[-1]
    if torch.compiler.is_exporting():
        return _recurrence_of_any_length(decay, drive, initial, LEVELS)
    if not torch.compiler.is_compiling() and 1 <= n_steps <= FEW:
        steps = drive.unbind(-1)
        return torch.stack(list(accumulate(steps, lambda y, x: torch.addcmul(x, decay, y), initial=initial))[1:], -1)
    size = BLOCK if torch.compiler.is_compiling() else min(n_steps, BLOCK)
    response, onset = _within_a_block(decay, size)
    if n_steps <= BLOCK:
        within = torch.einsum("bfj,fij->bfi", drive, response[:, :n_steps, :n_steps])
        return within + onset[:, :n_steps] * initial[..., None]

    n_blocks = -(-n_steps // size)
    blocks = F.pad(drive, (0, n_blocks * size - n_steps)).unflatten(-1, (n_blocks, size))
    within = torch.einsum("bfnj,fij->bfni", blocks, response)
    ends = linear_recurrence(decay.pow(size), within[..., -1], initial)
    carried = torch.cat([initial[..., None], ends[..., :-1]], dim=-1)
    return (within + onset[:, None] * carried[..., None]).flatten(-2)[..., :n_steps]


def _within_a_block(decay: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """What steps add to later ones, (n_filters, size, size), and what the value before the block adds to each."""
    powers = decay[:, None].pow(torch.arange(size + 1, device=decay.device))
    return F.pad(powers[:, :-1], (size - 1, 0)).unfold(-1, size, 1).flip(-1), powers[:, 1:]


def _recurrence_of_any_length(decay: Tensor, drive: Tensor, initial: Tensor, levels: int) -> Tensor:
    """`linear_recurrence` for an exported graph, whose number of steps is open, up to BLOCK^`levels`.

    The graph has `levels` levels of blocks. Sizes that are 1 in the example that is traced would be fixed, so all but
    the last, which is one block, have several. Steps are split by `unfold` and cut by `pad`, since torch cannot prove
    for every length that a shape or the end of a slice fits.
    """
    n_steps, last = drive.shape[-1], levels == 1
    size = 2 * BLOCK if last else BLOCK
    response, onset = _within_a_block(decay, size)
    n_blocks = 1 if last else n_steps // size + 3
    blocks = F.pad(drive, (0, n_blocks * size - n_steps)).unfold(-1, size, size)
    within = blocks @ response.transpose(1, 2)
    carried = initial[..., None]
    if not last:
        ends = _recurrence_of_any_length(decay.pow(size), within[..., -1], initial, levels - 1)
        carried = torch.cat([carried, ends[..., :-1]], dim=-1)
    steps = (within + onset[:, None] * carried[..., None]).flatten(-2)
    return F.pad(steps, (0, n_steps - n_blocks * size))


def moving_average(energies: Tensor, smooth: Tensor | float, before: Tensor | None = None) -> Tensor:
    """M[t] = (1 − s)·M[t−1] + s·E[t]: the exponential moving average by which PCEN divides.

    `energies` (batch, n_filters, frames), `smooth` s in [0, 1], (n_filters,) or one for all bands; `before` (batch,
    n_filters) is M[−1], by default the first frame.
    """
    if isinstance(smooth, Tensor):
        decay, drive = 1.0 - smooth, smooth[:, None] * energies
    else:
        decay, drive = energies.new_full(energies.shape[1:2], 1.0 - smooth), smooth * energies
    return linear_recurrence(decay, drive, energies[..., 0] if before is None else before)


def running_mean(values: Tensor, context: float, before: Tensor | None = None) -> Tensor:
    """`moving_average` of `values` (batch, rows, frames) with a time constant of `context` frames."""
    return moving_average(values, values.new_full((values.shape[1],), share(context)), before)


def share(context: float) -> float:
    """The share of a new frame in a moving average with a time constant of `context` frames: 1/c."""
    return 1.0 / max(1.0, context)


def pcen(
    energies: Tensor,
    average: Tensor,
    alpha: Tensor,
    delta: Tensor,
    root: Tensor,
    eps: float = 1e-12,
) -> Tensor:
    """(E / (eps + M)^alpha + delta)^(1/root) − delta^(1/root): equation 6 of the LEAF paper, r = 1/root.

    `energies` (batch, n_filters, frames), positive, and `average` M, their `moving_average`; the parameters
    (n_filters,). The gain is computed in the log domain, so that it does not overflow and its gradient stays finite at
    small energies.
    """
    gain = torch.exp(-alpha[:, None] * torch.log(eps + average))
    exponent = (1.0 / root)[:, None]
    return (energies * gain + delta[:, None]) ** exponent - delta[:, None] ** exponent


class Log(Framewise):
    """(log(max(E, floor) + offset) − mean) / deviation, with a fixed mean and deviation."""

    def __init__(self, offset: float = 1e-5, floor: float = 0.0, mean: float = 0.0, deviation: float = 1.0) -> None:
        super().__init__()
        self.offset = offset
        self.floor = floor
        self.mean = mean
        self.deviation = deviation

    def forward(self, energies: Tensor) -> Tensor:
        levels = torch.log(energies.clamp(min=self.floor) + self.offset)
        return levels if (self.mean, self.deviation) == (0.0, 1.0) else (levels - self.mean) / self.deviation

    def energies(self, compressed: Tensor) -> Tensor:
        """The energies that `forward` makes `compressed` of, where they are at least the floor.

        They are less by `_ROUNDING` of the offset, as much as rounding may leave of silence.
        """
        above = torch.expm1(compressed * self.deviation + (self.mean - math.log(self.offset)))
        return (self.offset * (above - _ROUNDING)).clamp(min=self.floor)


class Decibels(Framewise):
    """10·log10 max(E, floor)."""

    def __init__(self, floor: float = 1e-10) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, energies: Tensor) -> Tensor:
        return 10.0 * torch.log10(energies.clamp(min=self.floor))

    def energies(self, compressed: Tensor) -> Tensor:
        """The energies that `forward` makes `compressed` of, less the floor, which counts as none."""
        above = torch.expm1((compressed / 10.0 - math.log10(self.floor)) * math.log(10.0))
        return self.floor * above.clamp(min=0.0)


class LogZScore(nn.Module):
    """log(E + offset), standardised: minus the clip's mean over bands and frames, divided by its standard deviation.

    With a `context` in frames, mean and deviation are moving averages with that time constant, so that it can take a
    stream. Deviations below `least` count as `least`: silence gives zeros.
    """

    extra_repr = shown_options

    def __init__(self, offset: float = 1e-7, least: float = 1e-2, context: float | None = None) -> None:
        super().__init__()
        self.offset = offset
        self.least = least
        self.context = context

    def forward(self, energies: Tensor) -> Tensor:
        if self.context is not None:
            return self.step(energies, None)[0]
        return standardised(levels_above(energies, self.offset), (1, 2), self.least)

    def step(self, energies: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The output for a stream's next frames, and the state after them: "moments" (batch, 2), mean and variance.

        With a new frame, of weight a, the variance becomes (1 − a)·V + a·(S + (1 − a)·(m − M)²), where S and m are its
        own variance and mean over the bands, and M the mean before it (Finch, 2009): nothing cancels in it.
        """
        if self.context is None:
            raise AuricleError("a z-score over the whole clip cannot take a stream: give the front-end a context_s")
        levels = levels_above(energies, self.offset)
        means = levels.mean(dim=1, keepdim=True)
        mean = running_mean(means, self.context, state["moments"][:, :1] if state else None)
        before = torch.cat([state["moments"][:, :1, None] if state else means[..., :1], mean[..., :-1]], dim=-1)
        within = (levels - means).square().mean(dim=1, keepdim=True)
        spread = within + (1 - share(self.context)) * (means - before).square()
        variance = running_mean(spread, self.context, state["moments"][:, 1:] if state else None)
        moments = torch.cat([mean, variance], dim=1)
        return (levels - mean) / variance.clamp(min=self.least**2).sqrt(), {"moments": moments[..., -1]}


class LogFrameZScore(Framewise):
    """log(E + offset), standardised over the bands of each frame; otherwise as `LogZScore`."""

    def __init__(self, offset: float = 1e-7, least: float = 1e-2) -> None:
        super().__init__()
        self.offset = offset
        self.least = least

    def forward(self, energies: Tensor) -> Tensor:
        return standardised(levels_above(energies, self.offset), (1,), self.least)


def levels_above(energies: Tensor, offset: float) -> Tensor:
    """log(E + offset) − log(offset): what is standardised does not depend on the constant, and silence is exactly 0."""
    return torch.log1p(energies / offset)


def standardised(values: Tensor, over: tuple[int, ...], least: float) -> Tensor:
    """`values` minus their mean along the axes `over`, divided by their standard deviation there, at least `least`."""
    centred = values - values.mean(dim=over, keepdim=True)
    return centred / centred.square().mean(dim=over, keepdim=True).clamp(min=least**2).sqrt()


BOUNDS = {"alpha": (0.0, 1.0), "delta": (1e-3, math.inf), "root": (1.0, math.inf), "smooth": (0.0, 1.0)}
"""Of the parameters of PCEN."""
LEAF_AUDIO_BOUNDS = {"alpha": (-math.inf, 1.0), "delta": (-math.inf, math.inf)}
"""Those that differ in the published code of LEAF."""


def positive_floor(floor: float) -> float:
    """`floor`, of whose logarithm PCEN makes use; raises `AuricleError` unless it is positive and finite."""
    if not 0.0 < floor < math.inf:
        raise AuricleError(f"floor={floor:g}: an energy above 0")
    return floor


class PCEN(nn.Module):
    """Per-channel energy normalisation (`learn_smooth=False`) and LEAF's sPCEN (`learn_smooth=True`).

    Four parameters per band, `alpha`, `delta`, `root` = 1/r and `smooth` = s, within `BOUNDS`, of which `bounds`
    replaces some. Energies are floored at `floor`. Silence gives 0.207809 at the initial values.
    """

    extra_repr = shown_options

    def __init__(
        self,
        n_filters: int,
        *,
        learn_smooth: bool = True,
        alpha: float = 0.96,
        delta: float = 2.0,
        root: float = 2.0,
        smooth: float = 0.04,
        floor: float = 1e-5,
        eps: float = 1e-12,
        bounds: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((n_filters,), alpha))
        self.delta = nn.Parameter(torch.full((n_filters,), delta))
        self.root = nn.Parameter(torch.full((n_filters,), root))
        self.smooth = nn.Parameter(torch.full((n_filters,), smooth), requires_grad=learn_smooth)
        self.floor = positive_floor(floor)
        self.eps = eps
        self.bounds = BOUNDS | dict(bounds or {})

    def parameters_in_bounds(self) -> dict[str, Tensor]:
        """alpha, delta, root and smooth `(n_filters,)` as the compression uses them."""
        return {name: bounded(self.get_parameter(name), *bounds) for name, bounds in self.bounds.items()}

    def forward(self, energies: Tensor) -> Tensor:
        return self.step(energies, None)[0]

    def step(self, energies: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The output for the next frames of a stream, and the state after them: the "average" M (batch, n_filters)."""
        energies = energies.clamp(min=self.floor)
        parameters = self.parameters_in_bounds()
        average = moving_average(energies, parameters.pop("smooth"), state["average"] if state else None)
        return pcen(energies, average, **parameters, eps=self.eps), {"average": average[..., -1]}


class OffsetPCEN(PCEN):
    """sPCEN of E + `offset`, with one learnt offset per band, initially 1; alpha and delta have no lower bound.

    That of leaf-pytorch (Yadav, 2021), whose pooling has a bias.
    """

    def __init__(self, n_filters: int, **options: Any) -> None:
        super().__init__(n_filters, bounds=LEAF_AUDIO_BOUNDS, **options)
        self.offset = nn.Parameter(torch.ones(n_filters))

    def step(self, energies: Tensor, state: State | None) -> tuple[Tensor, State]:
        return super().step(energies + self.offset[:, None], state)


class BandNorm(Framewise):
    """Layer normalisation over the bands of each frame, with a learnt scale and shift per band (SincNet)."""

    def __init__(self, n_filters: int, eps: float = 1e-3) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(n_filters, eps=eps)

    def forward(self, energies: Tensor) -> Tensor:
        return self.norm(energies.transpose(1, 2)).transpose(1, 2)


COMPRESSIONS = {
    "log": lambda n_filters: Log(),
    "log-z-score": lambda n_filters: LogZScore(),
    "log-z-score-frames": lambda n_filters: LogFrameZScore(),
    "decibels": lambda n_filters: Decibels(),
    "pcen": lambda n_filters: PCEN(n_filters, learn_smooth=False),
    "spcen": lambda n_filters: PCEN(n_filters),
    "offset-spcen": OffsetPCEN,
    "band-norm": BandNorm,
    "none": lambda n_filters: nn.Identity(),
}


def create_compression(compression: str | nn.Module, n_filters: int) -> nn.Module:
    """Make a compression by name (see `COMPRESSIONS`); a module is returned as it is."""
    if isinstance(compression, nn.Module):
        return compression
    if compression not in COMPRESSIONS:
        raise AuricleError(unknown_name("compression", compression, COMPRESSIONS))
    return COMPRESSIONS[compression](n_filters)
