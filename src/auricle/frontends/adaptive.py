"""Simplified and adaptive per-channel energy normalisation (Meng et al., LEAF-APCEN).

SimpPCEN divides a power of the energies by a power of their moving average (equation 3). In adaptive PCEN the two
exponents are no parameters: at every frame a small recurrent network, which all bands share, reads the band's last
output and its present energy and gives both (section 2.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from auricle.errors import AuricleError
from auricle.frontends.compression import COMPRESSIONS, linear_recurrence
from auricle.layers import bounded

State = dict[str, Tensor]


def smoothed(energies: Tensor, smooth: float, previous: Tensor | None = None) -> Tensor:
    """M[t] = s·E[t] + (1 − s)·M[t−1], equation 2, with one s for all bands.

    `energies` (batch, n_filters, frames); `previous` (batch, n_filters) is M before the first of them, which starts at
    the first energy without it.
    """
    decay = energies.new_full(energies.shape[1:2], 1.0 - smooth)
    return linear_recurrence(decay, smooth * energies, energies[..., 0] if previous is None else previous)


def simp_pcen(energies: Tensor, average: Tensor, alpha: Tensor, gamma: Tensor, eps: float = 1e-12) -> Tensor:
    """E^gamma / (M + eps)^alpha: equation 3. Energies are positive; all tensors broadcast against each other."""
    return power_ratio(torch.log(energies), torch.log(average + eps), alpha, gamma)


def power_ratio(log_energies: Tensor, log_average: Tensor, alpha: Tensor, gamma: Tensor) -> Tensor:
    """Equation 3 from logarithms, so that no power overflows on its way or has an infinite gradient."""
    return torch.exp(gamma * log_energies - alpha * log_average)


class SimpPCEN(nn.Module):
    """Simplified PCEN: two learnt parameters per band, `alpha` bounded to [0, 1] and `root` = 1/gamma to [1, ∞).

    As in LEAF's PCEN the inverse of the exponent is what is learnt. s is fixed, energies are floored at `floor`.
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
        """The output of the next frames and the state after them; `state` is None at the start of a clip.

        `state`: "average" M `(batch, n_filters)`.
        """
        if energies.shape[-1] == 0:
            return energies, state
        energies = energies.clamp(min=self.floor)
        average = smoothed(energies, self.smooth, None if state is None else state["average"])
        return self._compress(energies, average), {"average": average[..., -1]}

    def _compress(self, energies: Tensor, average: Tensor) -> Tensor:
        parameters = {name: value[:, None] for name, value in self.parameters_in_bounds().items()}
        return simp_pcen(energies, average, **parameters, eps=self.eps)


class GRUWeights(NamedTuple):
    """One direction of a gated recurrent unit: reset, update and new gates below each other, as PyTorch lays them."""

    from_input: Tensor  # (3H, 1)
    from_state: Tensor  # (3H, H)
    input_bias: Tensor  # (3H, 1)
    state_bias: Tensor  # (3H, 1)


class ControllerWeights(NamedTuple):
    """One direction or two, then the two layers; H' is the states' size together."""

    gru: list[GRUWeights]
    first: Tensor  # (32, H')
    first_bias: Tensor  # (32, 1)
    second: Tensor  # (2, 32)
    second_bias: Tensor  # (2, 1)


def gru_step(inputs: Tensor, hidden: Tensor | None, weights: GRUWeights) -> Tensor:
    """The next state `(H, rows)` of `hidden`, which is zero where None, after `inputs` `(rows,)`.

    Rows lie along the last axis, so that every gate is one contiguous piece.
    """
    size = weights.from_state.shape[-1]
    given = torch.addmm(weights.input_bias, weights.from_input, inputs[None])
    recalled = weights.state_bias
    if hidden is not None:
        recalled = torch.addmm(recalled, weights.from_state, hidden)
    given_gates, given_new = given.split([2 * size, size])
    recalled_gates, recalled_new = recalled.split([2 * size, size])
    reset, update = torch.sigmoid(given_gates + recalled_gates).split(size)
    new = torch.tanh(torch.addcmul(given_new, reset, recalled_new))
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
    """alpha and gamma before its range, both `(rows,)` in (0, 1), and the GRU's state `(H, rows)` after the context.

    `context` and `hidden` as for `gru`. The second direction of a bidirectional GRU reads the same context backwards,
    from zero; its state after it joins the first one's.
    """
    state = read = gru(context, hidden, weights.gru[0])
    for direction in weights.gru[1:]:
        read = torch.cat([read, gru(context[::-1], None, direction)])
    features = torch.relu(torch.addmm(weights.first_bias, weights.first, read))
    alpha, gamma = torch.sigmoid(torch.addmm(weights.second_bias, weights.second, features)).unbind(0)
    return alpha, gamma, state


class Controller(nn.Module):
    """The neural controller of section 2.3: a GRU over a short context, then two layers with a ReLU between.

    4,482 parameters with 32 hidden units, 8,866 if `bidirectional`; names and shapes are the published ones.
    """

    def __init__(self, hidden_size: int = 32, bidirectional: bool = False) -> None:
        super().__init__()
        self.gru = nn.GRU(1, hidden_size, bidirectional=bidirectional)
        first, second = nn.Linear((1 + bidirectional) * hidden_size, 32), nn.Linear(32, 2)
        self.head = nn.Sequential(first, nn.ReLU(), second)

    def weights(self) -> ControllerWeights:
        """The parameters in the form in which `control` applies them."""
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
    """What adaptive PCEN did: tensors `(batch, n_filters, frames)`, output = gain · max(energy, floor)."""

    output: Tensor
    gain: Tensor
    alpha: Tensor
    gamma: Tensor


class AdaptivePCEN(nn.Module):
    """SimpPCEN whose exponents a controller sets anew every `block` frames, from S[t] = [X[t−1]; E[t]] (section 2.3).

    alpha lies in (0, 1) and gamma in [`min_gamma`, `max_gamma`]; within a block both are held. X[−1], which the paper
    leaves open, is E[0]. The controller reads the last `context` outputs before a block and the block's first `context`
    energies, floored; 1 is the paper's. The GRU starts each context from zero, which is why it can be
    `bidirectional` and causal; with `carried=True` its state goes on through time instead.
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
    ) -> None:
        super().__init__()
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

    def forward(self, energies: Tensor) -> Tensor:
        return self._scanned(energies) if torch.compiler.is_exporting() else self._run(energies)[0]

    def trace(self, energies: Tensor) -> Trace:
        """The output with the gain and the parameters over time."""
        output, alpha, gamma = self._run(energies)
        return Trace(output, output / energies.clamp(min=self.floor), alpha, gamma)

    def average(self, energies: Tensor) -> Tensor:
        """M of the whole clip; it does not depend on what the controller does."""
        return smoothed(energies.clamp(min=self.floor), self.smooth)

    def _run(self, energies: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Output, alpha and gamma of a whole clip: the closed loop over blocks, then equation 3 for all frames."""
        log_energies = torch.log(energies.clamp(min=self.floor))
        log_average = torch.log(self.average(energies) + self.eps)
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
        alpha, gamma = (self._held(values, energies) for values in (alphas, gammas))
        return power_ratio(log_energies, log_average, alpha, gamma), alpha, gamma

    def _in_range(self, gamma: Tensor) -> Tensor:
        """The affine map of section 2.3."""
        return self.min_gamma + (self.max_gamma - self.min_gamma) * gamma

    def _held(self, values: list[Tensor], like: Tensor) -> Tensor:
        """One value `(rows,)` per block as one per frame, `(batch, n_filters, frames)`."""
        by_block = torch.stack(values, dim=-1).unflatten(0, like.shape[:2])
        return by_block.repeat_interleave(self.block, dim=-1)[..., : like.shape[-1]]

    def step(self, energies: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """The output of the next frames and the state after them; `state` is None at the start of a clip.

        `state`: "average" M, "output" X of the last frame, and the "alpha" and "gamma" that are held, each
        `(batch, n_filters)`; "position" of the next frame in its block `(batch,)`; if `carried`, the GRU's
        "hidden" `(batch, n_filters, hidden_size)`. Nothing here depends on a tensor's value, so a fixed number of
        frames can be traced with its state.
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
        """The output of a whole clip as one scan over its frames, whose number an exported graph leaves open."""
        if self.context > 1:
            raise AuricleError(f"adaptive PCEN that reads {self.context} energies ahead cannot be exported")
        energies = energies.clamp(min=self.floor)
        logs = torch.log(energies), torch.log(self.average(energies) + self.eps)
        frames = tuple(values.movedim(-1, 0).flatten(1) for values in (energies, *logs))
        weights, size = self.controller.weights(), self.controller.gru.hidden_size

        def one(carry: tuple[Tensor, ...], frame: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
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
        _, outputs = scan(one, tuple(start), frames)
        return outputs.unflatten(1, energies.shape[:2]).movedim(0, -1)

    def _start(self, energies: Tensor) -> State:
        first = energies[..., 0]
        nothing = torch.zeros_like(first)
        position = torch.zeros_like(first[:, 0], dtype=torch.int64)
        state = {"average": first, "output": first, "alpha": nothing, "gamma": nothing, "position": position}
        if self.carried:
            state["hidden"] = first.new_zeros(*first.shape, self.controller.gru.hidden_size)
        return state


def by_frame(values: Tensor) -> tuple[Tensor, ...]:
    """`(batch, n_filters, frames)` as one tensor `(batch · n_filters,)` per frame."""
    return values.movedim(-1, 0).flatten(1).contiguous().unbind(0)


COMPRESSIONS.update({"simppcen": SimpPCEN, "apcen": lambda n_filters: AdaptivePCEN()})
