"""Front-ends within `torch.compile`: what cannot be compiled runs as it is, and composes with a compiled network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from auricle.frontends import create_frontend


class Network(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.frontend = create_frontend(name, n_filters=8)
        self.convolution = nn.Conv1d(8, 4, 3)

    def forward(self, waveform: Tensor) -> Tensor:
        return torch.relu(self.convolution(self.frontend(waveform))).mean(-1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mel", "leaf", "leaf-apcen"])
def test_outputs_and_gradients_are_those_without_the_compiler(name: str) -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)
    network = Network(name)
    compiled = torch.compile(network, backend="eager")
    for length in (8000, 12345):
        waveform = 0.1 * torch.randn(2, length)
        outputs = [module(waveform) for module in (compiled, network)]
        torch.testing.assert_close(*outputs)
        weights = [p for p in network.parameters() if p.requires_grad]
        for found, expected in zip(*(torch.autograd.grad(o.sum(), weights) for o in outputs), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
