"""Adaptive PCEN without a loop over frames: its controller as a table, its recursion as a fixed point.

Where the controller reads one output and one energy and carries no state, alpha and gamma are one smooth function of
log X[t−1] and log E[t], the same for all bands and frames. It is tabulated, and read by bilinear interpolation. With
u = log X, equation 3 becomes u[t] = F(u[t−1]; E[t], M[t]) = gamma·log E[t] − alpha·log(M[t] + eps), and all frames are
solved at once by u ← F(u shifted by one frame), which converges in a few rounds because |∂F/∂u| is small.

The gradient is that of the solution (implicit differentiation): λ = g + J·λ shifted back by one frame, with J = ∂F/∂u,
is solved in the same way, and λ then passes through one evaluation of F.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.errors import AuricleError
from auricle.frontends.adaptive.simplified import log_power_ratio

STEP = 1 / 16  # distance of the table's nodes, in log X and log E
COARSE = 8  # steps between the nodes of a first table, which finds out where the fine one is needed
HIGHEST = 256  # last node of the whole table, in steps; beyond, the controller counts as constant
TOLERANCE = 1e-5  # largest change of u in the last round
MAX_ROUNDS = 32
SPARSE = 5  # of so many cells in each direction one is tried
MAX_ERROR = 5e-4  # of alpha and gamma; a controller that changes so fast that the table has more needs the loop

Exponents = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""The controller: outputs X and energies E `(rows,)` to alpha and gamma `(rows,)`."""


class Table(NamedTuple):
    """alpha and gamma at the nodes of a grid over log E and log X."""

    values: Tensor  # (2, energies, outputs)
    energies: range  # the nodes, in steps of STEP
    outputs: range

    def detach(self) -> Table:
        return self._replace(values=self.values.detach())

    def read(self, log_outputs: Tensor, log_energies: Tensor) -> tuple[Tensor, Tensor]:
        """alpha and gamma at `log_outputs` and `log_energies`, tensors of one shape, by bilinear interpolation."""
        places = [
            (values - STEP * nodes[0]) * (2.0 / (STEP * (nodes[-1] - nodes[0]))) - 1.0
            for values, nodes in ((log_outputs, self.outputs), (log_energies, self.energies))
        ]
        grid = torch.stack(places, dim=-1).view(1, -1, 1, 2)
        found = F.grid_sample(self.values[None], grid, padding_mode="border", align_corners=True)
        alpha, gamma = found.view(2, *log_outputs.shape)
        return alpha, gamma

    def error(self, exponents: Exponents) -> float:
        """The largest error of alpha and gamma in the middle of cells, of which every `SPARSE`-th is tried."""
        sparse = self.energies[:-1:SPARSE], self.outputs[:-1:SPARSE]
        with torch.no_grad():
            places = pairs(*sparse, self.values, middle=0.5 * self.energies.step)
            exact = torch.stack(exponents(*(place.exp() for place in places)))
            return float((torch.stack(self.read(*places)) - exact).abs().max())

    def if_accurate(self, exponents: Exponents) -> Table | None:
        """This table, unless its error exceeds `MAX_ERROR`."""
        return self if self.error(exponents) <= MAX_ERROR else None


def pairs(energies: range, outputs: range, like: Tensor, middle: float = 0.0) -> tuple[Tensor, Tensor]:
    """log X and log E `(rows,)` of all pairs of nodes, moved by `middle` steps; precision and device of `like`."""
    down, across = (
        STEP * (torch.arange(nodes.start, nodes.stop, nodes.step, device=like.device).to(like.dtype) + middle)
        for nodes in (energies, outputs)
    )
    return across.repeat(len(down)), down.repeat_interleave(len(across))


def make_table(exponents: Exponents, energies: range, outputs: range, like: Tensor) -> Table:
    """The table with these nodes, in the precision and on the device of `like`."""
    values = exponents(*(place.exp() for place in pairs(energies, outputs, like)))
    return Table(torch.stack(values).unflatten(1, (len(energies), len(outputs))), energies, outputs)


def whole_table(exponents: Exponents, floor: float, like: Tensor, step: int = 1) -> Table:
    """The table for all energies from `floor` on, with a node every `step` steps."""
    lowest = math.floor(math.log(floor) / STEP)
    return make_table(exponents, range(lowest, HIGHEST + step, step), range(-HIGHEST, HIGHEST + step, step), like)


def nodes_around(values: Tensor) -> range:
    """The nodes that interpolation needs at `values` and a little beyond, within those of the whole table."""
    low, high = (min(max(float(end) / STEP, -HIGHEST), HIGHEST) for end in values.detach().aminmax())
    return range(math.floor(low) - 2, math.ceil(high) + 3)


def evaluate(
    table: Table, previous: Tensor, log_energies: Tensor, log_average: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """F, alpha and gamma where `previous` is u of the frame before each frame."""
    alpha, gamma = table.read(previous, log_energies)
    return log_power_ratio(log_energies, log_average, alpha, gamma), alpha, gamma


def solve(
    table: Table, log_energies: Tensor, log_average: Tensor, before: Tensor, start: Tensor | None = None
) -> Tensor | None:
    """u = log X `(batch, n_filters, frames)`, without a gradient; None where it does not converge.

    `before` `(batch, n_filters)` is u of the frame before the first; `start` is a first guess of the solution.
    """
    with torch.no_grad():
        u = before[..., None].expand_as(log_energies) if start is None else start
        for _ in range(min(MAX_ROUNDS, log_energies.shape[-1] + 1)):
            following, _, _ = evaluate(table, shifted(u, before), log_energies, log_average)
            change = (following - u).abs().amax()
            u = following
            if change <= TOLERANCE:
                return u
    return u if log_energies.shape[-1] < MAX_ROUNDS and u.isfinite().all() else None


def differentiable(
    table: Table, log_energies: Tensor, log_average: Tensor, before: Tensor, u: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The solution `u` with its gradient, and alpha and gamma: one evaluation of F at the solution.

    The gradient of alpha and gamma themselves is that of this evaluation alone.
    """
    solution, alpha, gamma = evaluate(table, shifted(u, before), log_energies, log_average)
    if solution.requires_grad:
        previous = shifted(u, before).detach().requires_grad_()
        with torch.enable_grad():
            once, _, _ = evaluate(table.detach(), previous, log_energies.detach(), log_average.detach())
            (slope,) = torch.autograd.grad(once.sum(), previous)
        solution.register_hook(lambda gradient: _adjoint(gradient, slope))
    return solution, alpha, gamma


def _adjoint(gradient: Tensor, slope: Tensor) -> Tensor:
    """λ[t] = g[t] + J[t+1]·λ[t+1], by rounds over all frames; exact after as many rounds as there are frames."""
    if torch.is_grad_enabled():
        raise AuricleError("adaptive PCEN's table has no second derivatives: use method='loop'")
    least = TOLERANCE * gradient.abs().amax()
    result = gradient
    for _ in range(gradient.shape[-1]):
        following = gradient + F.pad((slope * result)[..., 1:], (0, 1))
        change = (following - result).abs().amax()
        result = following
        if change <= least:
            break
    return result


def shifted(u: Tensor, before: Tensor) -> Tensor:
    """u of the frame before each frame."""
    return torch.cat([before[..., None], u[..., :-1]], dim=-1)
