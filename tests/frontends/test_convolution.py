"""Convolution by blocks against the plain one: outputs, gradients, gradients of gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from auricle.frontends import convolution
from auricle.frontends.convolution import block_length, convolve, convolve_by_blocks


def inputs(batch: int, n_samples: int, rows: int, width: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(n_samples)
    shapes = (batch, n_samples), (rows, width)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def plain(waveform: Tensor, kernels: Tensor) -> Tensor:
    """Sample by sample."""
    half = kernels.shape[-1] // 2
    padded = torch.nn.functional.pad(waveform, (half, half))
    windows = [padded[:, start : start + kernels.shape[-1]] for start in range(waveform.shape[-1])]
    return torch.stack([window @ kernels.T for window in windows], dim=-1)


@settings(max_examples=25)
@given(
    width=st.integers(0, 60).map(lambda half: 2 * half + 1),
    n_samples=st.one_of(st.integers(1, 400), st.sampled_from([1024, 1025, 1904, 1905, 2929])),
    batch=st.integers(1, 3),
)
def test_it_is_the_sum_at_every_sample(width: int, n_samples: int, batch: int) -> None:
    given_ = inputs(batch, n_samples, 3, width)
    expected, found = plain(*given_), convolve_by_blocks(*given_)
    torch.testing.assert_close(found, expected)
    upstream = torch.linspace(-1.0, 1.0, expected.numel(), dtype=expected.dtype).view_as(expected)
    for one, other in zip(
        torch.autograd.grad(found, given_, upstream), torch.autograd.grad(expected, given_, upstream), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("learns", [(True, False), (False, True)])
def test_gradients_of_one_input_alone(learns: tuple[bool, bool]) -> None:
    values = [value.detach().requires_grad_(own) for value, own in zip(inputs(2, 3000, 4, 401), learns, strict=True)]
    learning = [value for value in values if value.requires_grad]
    (found,) = torch.autograd.grad(convolve_by_blocks(*values).square().sum(), learning)
    (expected,) = torch.autograd.grad(convolve(*values).square().sum(), learning)
    torch.testing.assert_close(found, expected)


def test_second_derivatives() -> None:
    values = inputs(1, 1500, 2, 101)
    found = []
    for convolved in (convolve_by_blocks, convolve):
        (first,) = torch.autograd.grad(convolved(*values).pow(3).sum(), values[0], create_graph=True)
        found.append(torch.autograd.grad(first.square().sum(), values))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_single_precision_is_that_of_the_plain_convolution() -> None:
    waveform, kernels = inputs(2, 20000, 8, 401, torch.float32)
    exact = convolve(waveform.double(), kernels.double())
    errors = [float((way(waveform, kernels) - exact).norm() / exact.norm()) for way in (convolve_by_blocks, convolve)]
    assert errors[0] < 2.0 * errors[1]


def test_short_clips_are_convolved_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution._ByBlocks, "apply", None)
    waveform, kernels = inputs(2, block_length(401), 2, 401)
    torch.testing.assert_close(convolve_by_blocks(waveform, kernels), convolve(waveform, kernels), rtol=0, atol=0)
