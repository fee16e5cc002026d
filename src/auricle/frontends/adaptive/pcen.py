"""Adaptive PCEN: SimpPCEN whose exponents a controller sets at every frame (Meng et al., LEAF-APCEN, section 2.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from auricle.errors import AuricleError
from auricle.frontends.adaptive.controller import Controller, ControllerWeights, control
from auricle.frontends.adaptive.simplified import SimpPCEN, power_ratio
from auricle.frontends.adaptive.table import (
    COARSE,
    Exponents,
    Table,
    differentiable,
    make_table,
    nodes_around,
    solve,
    whole_table,
)
from auricle.frontends.compression import COMPRESSIONS, moving_average, positive_floor
from auricle.frontends.parts import State
from auricle.layers import UntilChanged, shown_options, uncompiled
from auricle.registry import unknown_name

METHODS = ("table", "loop")


@dataclass(frozen=True)
class Trace:
    """Adaptive PCEN over time: tensors `(batch, n_filters, frames)` with output = gain · max(energy, floor)."""

    output: Tensor
    gain: Tensor
    alpha: Tensor
    gamma: Tensor


class AdaptivePCEN(nn.Module):
    """SimpPCEN whose exponents a controller sets every `block` frames, from S[t] = [X[t−1]; E[t]] (section 2.3).

    alpha lies in (0, 1) and gamma in [`min_gamma`, `max_gamma`]; both are constant within a block. X[−1], which the
    paper leaves open, is E[0]. The controller reads the last `context` outputs before a block and the block's first
    `context` energies, floored; the paper has `context` = 1. The GRU starts each context from a zero state, so that it
    can be `bidirectional` and still causal; with `carried=True` its state is carried from block to block instead.

    `method`: "loop" runs the controller at every frame, one after the other. "table" computes all frames together (see
    `table`), several times quicker and, for energies up to 1e5, within 1e-4 of the loop in norm; it needs
    `block` = 1 and no carried state. By default "table" where it can be. Where the weights are so large that the table
    is not accurate, or does not converge, the loop is run.
    """

    extra_repr = shown_options

    def __init__(
        self,
        *,
        block: int = 1,
        context: int = 1,
        hidden_size: int = 32,
        bidirectional: bool = False,
        carried: bool = False,
        min_gamma: float = 0.2,
        max_gamma: float = 1.0,
        smooth: float = 0.04,
        floor: float = 1e-5,
        eps: float = 1e-12,
        method: str = "",
    ) -> None:
        super().__init__()
        can_tabulate = block == 1 and not carried
        method = method or ("table" if can_tabulate else "loop")
        if method not in METHODS:
            raise AuricleError(unknown_name("method", method, METHODS))
        if method == "table" and not can_tabulate:
            raise AuricleError("method='table' needs block=1 and carried=False: use method='loop'")
        if not 1 <= context <= block:
            raise AuricleError(f"context={context} does not fit a block of {block} frames: 1 to {block} would")
        if bidirectional and carried:
            raise AuricleError("a bidirectional GRU's state cannot be carried through time: carried=True needs one way")
        if not 0.0 <= min_gamma <= max_gamma:
            raise AuricleError(f"min_gamma={min_gamma:g} and max_gamma={max_gamma:g} are no range of exponents")
        self.controller = Controller(hidden_size, bidirectional)
        self.block = block
        self.context = context
        self.carried = carried
        self.min_gamma = min_gamma
        self.max_gamma = max_gamma
        self.smooth = smooth
        self.floor = positive_floor(floor)
        self.eps = eps
        self.method = method
        self._kept: UntilChanged[Table | None] = UntilChanged()

    @uncompiled
    def forward(self, energies: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            with torch.no_grad():
                return self._scanned(energies)
        return self._exactly(energies)[0]

    def trace(self, energies: Tensor) -> Trace:
        """The output, the gain and the exponents over time."""
        output, alpha, gamma = self._exactly(energies)
        return Trace(output, output / energies.clamp(min=self.floor), alpha, gamma)

    def average(self, energies: Tensor) -> Tensor:
        """M of the whole clip `(batch, n_filters, frames)`; it does not depend on the controller."""
        return moving_average(energies.clamp(min=self.floor), self.smooth)

    def _exactly(self, energies: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`_run` in the precision of the parameters, also within autocast: rounding errors would add up over time."""
        with torch.autocast(energies.device.type, enabled=False):
            return self._run(energies.to(next(self.controller.parameters()).dtype))

    def _run(self, energies: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Output, alpha and gamma of a whole clip: a loop over blocks sets the exponents, then equation 3 applies."""
        log_energies = torch.log(energies.clamp(min=self.floor))
        log_average = torch.log(self.average(energies) + self.eps)
        if self.method == "table" and energies.numel():
            solved = self._solved(log_energies, log_average, log_energies[..., 0])
            if solved is not None:
                return solved
        frames, log_frames, log_averages = (
            by_frame(v) for v in (energies.clamp(min=self.floor), log_energies, log_average)
        )
        weights, hidden = self.controller.weights(), None
        outputs = list(frames[: self.context])
        alphas, gammas = [], []
        for start in range(0, len(frames), self.block):
            alpha, gamma, state = control([*outputs, *frames[start : start + self.context]], hidden, weights)
            gamma = self._in_range(gamma)
            alphas.append(alpha)
            gammas.append(gamma)
            hidden = state if self.carried else None
            end = start + self.block
            read = range(end - self.context, end) if end < len(frames) else ()
            outputs = [power_ratio(log_frames[t], log_averages[t], alpha, gamma) for t in read]
        alpha, gamma = (self._per_frame(values, energies) for values in (alphas, gammas))
        return power_ratio(log_energies, log_average, alpha, gamma), alpha, gamma

    def _solved(
        self, log_energies: Tensor, log_average: Tensor, before: Tensor
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """Output, alpha and gamma by the table; None where the loop is needed. `before` is log X before the first."""
        guess = None
        if torch.is_grad_enabled() and any(p.requires_grad for p in self.controller.parameters()):
            table, guess = self._learning_table(log_energies, log_average, before)
        else:
            table = self._kept.get(list(self.controller.parameters()), self._whole_table)
        u = None if table is None else solve(table, log_energies, log_average, before, guess)
        if table is None or u is None:
            return None
        u, alpha, gamma = differentiable(table, log_energies, log_average, before, u)
        return torch.exp(u), alpha, gamma

    def _whole_table(self) -> Table | None:
        """The table for all energies; None where it would not be accurate."""
        exponents = self._exponents()
        return whole_table(exponents, self.floor, next(self.controller.parameters())).if_accurate(exponents)

    def _learning_table(
        self, log_energies: Tensor, log_average: Tensor, before: Tensor
    ) -> tuple[Table | None, Tensor | None]:
        """The part of the table that these energies need, with the weights' gradient, and a first guess of log X.

        None in place of the table where it would not be accurate, or a coarse one does not converge.
        """
        exponents = self._exponents()
        with torch.no_grad():
            coarse = whole_table(exponents, self.floor, log_energies, COARSE)
        guess = solve(coarse, log_energies, log_average, before)
        if guess is None:
            return None, None
        outputs = nodes_around(torch.cat([before[..., None], guess], dim=-1))
        table = make_table(exponents, nodes_around(log_energies), outputs, log_energies)
        return table.if_accurate(exponents), guess

    def _exponents(self) -> Exponents:
        """alpha and gamma as a function of outputs X and energies E `(rows,)`."""
        weights = self.controller.weights()

        def exponents(outputs: Tensor, energies: Tensor) -> tuple[Tensor, Tensor]:
            alpha, gamma, _ = control([outputs, energies], None, weights)
            return alpha, self._in_range(gamma)

        return exponents

    def _in_range(self, gamma: Tensor) -> Tensor:
        """Map (0, 1) to [min_gamma, max_gamma] (section 2.3)."""
        return self.min_gamma + (self.max_gamma - self.min_gamma) * gamma

    def _per_frame(self, values: list[Tensor], like: Tensor) -> Tensor:
        """Repeat one value `(rows,)` per block for its frames: `(batch, n_filters, frames)`, the shape of `like`."""
        by_block = torch.stack(values, dim=-1).unflatten(0, like.shape[:2])
        return by_block.repeat_interleave(self.block, dim=-1)[..., : like.shape[-1]]

    def step(self, energies: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """The output for the next frames of a stream, and the state after them; None at the start of a clip.

        State: "average" M, "output" X of the last frame, and the current "alpha" and "gamma", each
        `(batch, n_filters)`; "position" of the next frame in its block `(batch,)`; if `carried`, the GRU's "hidden"
        state `(batch, n_filters, hidden_size)`. No branch depends on a tensor's value, so that a step over a fixed
        number of frames can be exported with its state.
        """
        if self.context > 1:
            raise AuricleError(
                f"this adaptive PCEN sets its parameters from {self.context} energies ahead: it cannot go step by step"
            )
        if energies.shape[-1] == 0:
            return energies, state
        energies = energies.clamp(min=self.floor)
        state = self._start(energies) if state is None else state
        average = moving_average(energies, self.smooth, state["average"])
        log_energies, log_average = torch.log(energies), torch.log(average + self.eps)
        if self.method == "table" and not torch.compiler.is_exporting():
            solved = self._solved(log_energies, log_average, torch.log(state["output"]))
            if solved is not None:
                names = ("output", "alpha", "gamma")
                last = {name: values[..., -1] for name, values in zip(names, solved, strict=True)}
                return solved[0], {**state, "average": average[..., -1], **last}
        weights = self.controller.weights()
        n_bands = energies.shape[1]
        output, alpha, gamma = (state[name].flatten() for name in ("output", "alpha", "gamma"))
        position = state["position"].repeat_interleave(n_bands)
        hidden = [state["hidden"].flatten(0, 1).T] if self.carried else []
        outputs = []
        for frame in zip(*(by_frame(v) for v in (energies, log_energies, log_average)), strict=True):
            output, position, alpha, gamma, *hidden = self._after(
                frame, (output, position, alpha, gamma, *hidden), weights
            )
            outputs.append(output)

        by_band = {"output": output, "alpha": alpha, "gamma": gamma}
        after = {"average": average[..., -1], **{name: value.view(-1, n_bands) for name, value in by_band.items()}}
        after["position"] = position.view(-1, n_bands)[:, 0]
        if hidden:
            after["hidden"] = hidden[0].T.unflatten(0, (-1, n_bands))
        return torch.stack(outputs, dim=-1).unflatten(0, (-1, n_bands)), after

    def _after(
        self, frame: tuple[Tensor, ...], before: tuple[Tensor, ...], weights: ControllerWeights
    ) -> tuple[Tensor, ...]:
        """The output of a frame, the position of the next one, alpha, gamma and, if `carried`, the hidden state.

        `frame` has the energy, its logarithm and that of the average; `before` is what this gave for the frame before.
        """
        energy, log_energy, log_average = frame
        output, position, alpha, gamma, *hidden = before
        begins = position == 0
        new_alpha, new_gamma, new_hidden = control([output, energy], hidden[0] if hidden else None, weights)
        alpha = torch.where(begins, new_alpha, alpha)
        gamma = torch.where(begins, self._in_range(new_gamma), gamma)
        hidden = [torch.where(begins, new_hidden, own) for own in hidden]
        return power_ratio(log_energy, log_average, alpha, gamma), (position + 1) % self.block, alpha, gamma, *hidden

    def _scanned(self, energies: Tensor) -> Tensor:
        """The output of a whole clip as one scan over its frames: an exported graph leaves their number open.

        It has no gradient: torch's scan has none for this recursion.
        """
        if self.context > 1:
            raise AuricleError(
                f"adaptive PCEN that reads {self.context} energies ahead cannot be exported: use variant='paper'"
            )
        energies = energies.clamp(min=self.floor)
        logs = torch.log(energies), torch.log(self.average(energies) + self.eps)
        frames = tuple(values.movedim(-1, 0).flatten(1).contiguous() for values in (energies, *logs))
        weights, size = self.controller.weights(), self.controller.gru.hidden_size

        def frame_step(carry: tuple[Tensor, ...], frame: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
            carry = self._after(frame, carry, weights)
            return carry, carry[0].clone()

        nothing = torch.zeros_like(frames[0][0])
        start = [frames[0][0].clone(), torch.zeros_like(nothing, dtype=torch.int64), nothing, nothing.clone()]
        if self.carried:
            start.append(nothing.expand(size, -1).clone())
        _, outputs = scan(frame_step, tuple(start), frames)
        return outputs.unflatten(1, energies.shape[:2]).movedim(0, -1)

    def _start(self, energies: Tensor) -> State:
        """The state before the first frame of a clip."""
        first = energies[..., 0]
        nothing = torch.zeros_like(first)
        position = torch.zeros_like(first[:, 0], dtype=torch.int64)
        state = {"average": first, "output": first, "alpha": nothing, "gamma": nothing, "position": position}
        if self.carried:
            state["hidden"] = first.new_zeros(*first.shape, self.controller.gru.hidden_size)
        return state


def by_frame(values: Tensor) -> tuple[Tensor, ...]:
    """Split `(batch, n_filters, frames)` into one tensor `(batch · n_filters,)` per frame."""
    return values.movedim(-1, 0).flatten(1).contiguous().unbind(0)


COMPRESSIONS.update({"simppcen": SimpPCEN, "apcen": lambda n_filters: AdaptivePCEN()})
