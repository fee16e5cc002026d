"""The controller of adaptive PCEN (section 2.3): a small recurrent network that sets alpha and gamma for all bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


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
