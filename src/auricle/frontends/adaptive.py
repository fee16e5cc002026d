"""Simplified and adaptive per-channel energy normalisation (Meng et al., LEAF-APCEN).

SimpPCEN divides a power of the energies by a power of their moving average (equation 3). In adaptive PCEN the two
exponents are not parameters: at every frame a small recurrent network, shared by all bands, computes them from the
band's last output and its present energy (section 2.3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from auricle.errors import AuricleError
from auricle.frontends.compression import COMPRESSIONS, linear_recurrence
from auricle.frontends.controller_table import (
    COARSE,
    MAX_ERROR,
    Table,
    differentiable,
    make_table,
    nodes_around,
    solve,
    whole_table,
)
from auricle.frontends.parts import State
from auricle.layers import bounded, same_values, uncompiled
from auricle.registry import unknown_name


def smoothed(energies: Tensor, smooth: float, previous: Tensor | None = None) -> Tensor:
    """M[t] = s·E[t] + (1 − s)·M[t−1], equation 2, with one s for all bands.

    `energies` (batch, n_filters, frames); `previous` (batch, n_filters) is M[−1], by default the first frame.
    """
    decay = energies.new_full(energies.shape[1:2], 1.0 - smooth)
    return linear_recurrence(decay, smooth * energies, energies[..., 0] if previous is None else previous)


def simp_pcen(energies: Tensor, average: Tensor, alpha: Tensor, gamma: Tensor, eps: float = 1e-12) -> Tensor:
    """E^gamma / (M + eps)^alpha: equation 3. Energies are positive; the tensors are broadcast."""
    return power_ratio(torch.log(energies), torch.log(average + eps), alpha, gamma)


def power_ratio(log_energies: Tensor, log_average: Tensor, alpha: Tensor, gamma: Tensor) -> Tensor:
    """Equation 3 from logarithms, so that neither a power nor its gradient overflows."""
    return torch.exp(gamma * log_energies - alpha * log_average)


class SimpPCEN(nn.Module):
    """Simplified PCEN: two learnt parameters per band, `alpha` bounded to [0, 1] and `root` = 1/gamma to [1, ∞).

    As in LEAF's PCEN, the parameter is the inverse of the exponent. s is fixed; energies are floored at `floor`.
    Silence gives 0.794328 at the initial values.
    """

    def __init__(
        self,
        n_filters: int,
        *,
        alpha: float = 0.48,
        root: float = 2.0,
        smooth: float = 0.04,
        floor: float = 1e-5,
        eps: float = 1e-12,
    ) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((n_filters,), alpha))
        self.root = nn.Parameter(torch.full((n_filters,), root))
        self.smooth = smooth
        self.floor = floor
        self.eps = eps

    def parameters_in_bounds(self) -> dict[str, Tensor]:
        """alpha and gamma `(n_filters,)` as the compression uses them."""
        return {"alpha": bounded(self.alpha, 0.0, 1.0), "gamma": 1.0 / bounded(self.root, 1.0)}

    def forward(self, energies: Tensor) -> Tensor:
        energies = energies.clamp(min=self.floor)
        return self._compress(energies, smoothed(energies, self.smooth))

    def step(self, energies: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """The output for the next frames of a stream, and the state after them; None at the start of a clip.

        State: "average" M `(batch, n_filters)`.
        """
        if energies.shape[-1] == 0:
            return energies, state
        energies = energies.clamp(min=self.floor)
        average = smoothed(energies, self.smooth, None if state is None else state["average"])
        return self._compress(energies, average), {"average": average[..., -1]}

    def _compress(self, energies: Tensor, average: Tensor) -> Tensor:
        parameters = {name: value[:, None] for name, value in self.parameters_in_bounds().items()}
        return simp_pcen(energies, average, **parameters, eps=self.eps)


METHODS = ("table", "loop")


class GRUWeights(NamedTuple):
    """Weights of one direction of a GRU with H units; reset, update and new gate are stacked, as in PyTorch."""

    from_input: Tensor  # (3H, 1)
    from_state: Tensor  # (3H, H)
    input_bias: Tensor  # (3H, 1)
    state_bias: Tensor  # (3H, 1)


class ControllerWeights(NamedTuple):
    """Weights of the controller: a GRU of one or two directions, then two layers; H' is H times the directions."""

    gru: list[GRUWeights]
    first: Tensor  # (32, H')
    first_bias: Tensor  # (32, 1)
    second: Tensor  # (2, 32)
    second_bias: Tensor  # (2, 1)


def gru_step(inputs: Tensor, hidden: Tensor | None, weights: GRUWeights) -> Tensor:
    """The GRU's state `(H, rows)` after `inputs` `(rows,)`; `hidden` is the state before, zero where None.

    Rows (batch × bands) lie along the last axis, so that every gate is contiguous in memory.
    """
    size = weights.from_state.shape[-1]
    from_input = torch.addmm(weights.input_bias, weights.from_input, inputs[None])
    from_state = weights.state_bias
    if hidden is not None:
        from_state = torch.addmm(from_state, weights.from_state, hidden)
    input_gates, input_new = from_input.split([2 * size, size])
    state_gates, state_new = from_state.split([2 * size, size])
    reset, update = torch.sigmoid(input_gates + state_gates).split(size)
    new = torch.tanh(torch.addcmul(input_new, reset, state_new))
    return new - update * new if hidden is None else torch.lerp(new, hidden, update)


def gru(context: Sequence[Tensor], hidden: Tensor | None, weights: GRUWeights) -> Tensor:
    """The state `(H, rows)` after `context`, a sequence of `(rows,)`; `hidden` is the state before, zero where None."""
    hidden = gru_step(context[0], hidden, weights)
    for inputs in context[1:]:
        hidden = gru_step(inputs, hidden, weights)
    return hidden


def control(
    context: Sequence[Tensor], hidden: Tensor | None, weights: ControllerWeights
) -> tuple[Tensor, Tensor, Tensor]:
    """alpha and unscaled gamma, both `(rows,)` in (0, 1), and the GRU's state `(H, rows)` after the context.

    `context` and `hidden` as for `gru`. The second direction of a bidirectional GRU reads the same context backwards
    from a zero state; the two final states are concatenated.
    """
    state = read = gru(context, hidden, weights.gru[0])
    for direction in weights.gru[1:]:
        read = torch.cat([read, gru(context[::-1], None, direction)])
    features = torch.relu(torch.addmm(weights.first_bias, weights.first, read))
    alpha, gamma = torch.sigmoid(torch.addmm(weights.second_bias, weights.second, features)).unbind(0)
    return alpha, gamma, state


class Controller(nn.Module):
    """The neural controller of section 2.3: a GRU over a short context, then two linear layers with a ReLU between.

    4,482 parameters with 32 hidden units, 8,866 if `bidirectional`. Names and shapes of the parameters are those of the
    published code.
    """

    def __init__(self, hidden_size: int = 32, bidirectional: bool = False) -> None:
        super().__init__()
        self.gru = nn.GRU(1, hidden_size, bidirectional=bidirectional)
        first, second = nn.Linear((1 + bidirectional) * hidden_size, 32), nn.Linear(32, 2)
        self.head = nn.Sequential(first, nn.ReLU(), second)

    def weights(self) -> ControllerWeights:
        """The parameters, grouped for `control`."""
        directions = []
        for suffix in ("", "_reverse")[: 1 + self.gru.bidirectional]:
            names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
            from_input, from_state, *biases = (getattr(self.gru, name + suffix) for name in names)
            directions.append(GRUWeights(from_input, from_state, *(bias[:, None] for bias in biases)))
        layers = [value if value.ndim == 2 else value[:, None] for value in self.head.parameters()]
        return ControllerWeights(directions, *layers)

    def forward(self, context: Sequence[Tensor], hidden: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """As `control`."""
        return control(context, hidden, self.weights())


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
    `controller_table`), several times quicker and, for energies up to 1e5, within 1e-4 of the loop in norm; it needs
    `block` = 1 and no carried state. By default "table" where it can be. Where the weights are so large that the table
    is not accurate, or does not converge, the loop is run.
    """

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
        self.floor = floor
        self.eps = eps
        self.method = method
        self._tabulated: tuple[list[Tensor], Table | None] | None = None  # the weights, and their table

    def forward(self, energies: Tensor) -> Tensor:
        return self._scanned(energies) if torch.compiler.is_exporting() else self._exactly(energies)[0]

    def trace(self, energies: Tensor) -> Trace:
        """The output, the gain and the exponents over time."""
        output, alpha, gamma = self._exactly(energies)
        return Trace(output, output / energies.clamp(min=self.floor), alpha, gamma)

    def average(self, energies: Tensor) -> Tensor:
        """M of the whole clip `(batch, n_filters, frames)`; it does not depend on the controller."""
        return smoothed(energies.clamp(min=self.floor), self.smooth)

    @uncompiled
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
        """Output, alpha and gamma by the table; None where it does not converge. `before` is log X before the first."""
        learning = torch.is_grad_enabled() and any(p.requires_grad for p in self.controller.parameters())
        with torch.no_grad():
            coarse = learning and whole_table(self._exponents(), self.floor, log_energies, COARSE)
        table = coarse or self._kept_table()
        if table is None:
            return None
        u = solve(table, log_energies, log_average, before)
        if u is None:
            return None
        if learning:
            read = torch.cat([before[..., None], u], dim=-1)
            table = make_table(self._exponents(), nodes_around(log_energies), nodes_around(read), log_energies)
            u = solve(table, log_energies, log_average, before, u)
            if u is None or not table.error(self._exponents()) <= MAX_ERROR:
                return None
        u, alpha, gamma = differentiable(table, log_energies, log_average, before, u)
        return torch.exp(u), alpha, gamma

    def _kept_table(self) -> Table | None:
        """The whole table, made anew when a weight has changed; None where it would not be accurate."""
        parameters = list(self.controller.parameters())
        if self._tabulated is None or not all(map(same_values, parameters, self._tabulated[0])):
            with torch.inference_mode(False), torch.no_grad():
                table = whole_table(self._exponents(), self.floor, parameters[0])
                accurate = table.error(self._exponents()) <= MAX_ERROR
                self._tabulated = [p.detach().clone() for p in parameters], table if accurate else None
        return self._tabulated[1]

    def _exponents(self) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
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
        average = smoothed(energies, self.smooth, state["average"])
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
        hidden = state["hidden"].flatten(0, 1).T if self.carried else None
        outputs = []
        for frame, log_frame, log_mean in zip(
            *(by_frame(v) for v in (energies, log_energies, log_average)), strict=True
        ):
            begins = position == 0
            new_alpha, new_gamma, new_hidden = control([output, frame], hidden, weights)
            alpha = torch.where(begins, new_alpha, alpha)
            gamma = torch.where(begins, self._in_range(new_gamma), gamma)
            if hidden is not None:
                hidden = torch.where(begins, new_hidden, hidden)
            output = power_ratio(log_frame, log_mean, alpha, gamma)
            outputs.append(output)
            position = (position + 1) % self.block

        by_band = {"output": output, "alpha": alpha, "gamma": gamma}
        after = {"average": average[..., -1], **{name: value.view(-1, n_bands) for name, value in by_band.items()}}
        after["position"] = position.view(-1, n_bands)[:, 0]
        if hidden is not None:
            after["hidden"] = hidden.T.unflatten(0, (-1, n_bands))
        return torch.stack(outputs, dim=-1).unflatten(0, (-1, n_bands)), after

    def _scanned(self, energies: Tensor) -> Tensor:
        """The output of a whole clip as one scan over its frames: an exported graph leaves their number open."""
        if self.context > 1:
            raise AuricleError(f"adaptive PCEN that reads {self.context} energies ahead cannot be exported")
        energies = energies.clamp(min=self.floor)
        logs = torch.log(energies), torch.log(self.average(energies) + self.eps)
        frames = tuple(values.movedim(-1, 0).flatten(1) for values in (energies, *logs))
        weights, size = self.controller.weights(), self.controller.gru.hidden_size

        def frame_step(carry: tuple[Tensor, ...], frame: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
            output, position, alpha, gamma, *hidden = carry
            energy, log_energy, log_average = frame
            begins = position == 0
            new_alpha, new_gamma, new_hidden = control([output, energy], hidden[0] if hidden else None, weights)
            alpha = torch.where(begins, new_alpha, alpha)
            gamma = torch.where(begins, self._in_range(new_gamma), gamma)
            hidden = [torch.where(begins, new_hidden, hidden[0])] if hidden else []
            output = power_ratio(log_energy, log_average, alpha, gamma)
            return (output, (position + 1) % self.block, alpha, gamma, *hidden), output.clone()

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
