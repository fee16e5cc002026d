"""Adaptive PCEN by a table of its controller, against its loop."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from auricle.errors import AuricleError
from auricle.frontends import create_frontend
from auricle.frontends.adaptive import AdaptivePCEN

OPTIONS: list[dict[str, Any]] = [
    {},
    {"bidirectional": True},
    {"min_gamma": 0.1, "max_gamma": 0.6, "smooth": 0.3, "floor": 1e-2},
    {"floor": 1e-10},
]


def pair(scale: float = 1.5, **options: Any) -> tuple[AdaptivePCEN, AdaptivePCEN]:
    """By the table and by the loop, with the same weights; the default ones times `scale`."""
    torch.manual_seed(0)
    table, loop = AdaptivePCEN(**options), AdaptivePCEN(method="loop", **options)
    with torch.no_grad():
        for weight in table.parameters():
            weight.mul_(scale)
    loop.load_state_dict(table.state_dict())
    with torch.no_grad():
        assert abs(scale) > 1.5 or table._whole_table() is not None
    return table, loop


def energies(*shape: int, decades: tuple[float, float] = (-5.5, 0.5)) -> Tensor:
    low, high = decades
    return 10.0 ** (low + (high - low) * torch.rand(shape, generator=torch.Generator().manual_seed(0)))


def error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_outputs_are_the_loops(options: dict[str, Any], scale: float) -> None:
    table, loop = pair(scale, **options)
    with torch.no_grad():
        for given in (
            energies(3, 5, 200),
            energies(1, 1, 1),
            torch.zeros(2, 3, 50),
            energies(2, 3, 50, decades=(0.0, 5.0)),
            energies(1, 2, 50, decades=(-5.0, 5.0)),
            energies(1, 2, 50, decades=(-10.5, -5.0)),
        ):
            assert error(table(given), loop(given)) < 1e-4
        assert table(torch.zeros(0, 3, 10)).shape == (0, 3, 10)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradients_are_the_loops(options: dict[str, Any]) -> None:
    """Of every weight and of the energies, within 1 %."""
    table, loop = pair(**options)
    gradients = []
    for compression in (table, loop):
        given = energies(3, 5, 100, decades=(-4.5, 0.5)).requires_grad_()
        weights = torch.linspace(0.5, 1.5, given.numel()).view_as(given)
        (compression(given) * weights).sum().backward()
        assert given.grad is not None
        gradients.append([given.grad, *(p.grad for p in compression.parameters())])
    for found, expected in zip(*gradients, strict=True):
        assert error(found, expected) < 0.01


def test_double_precision_and_one_clip_are_as_the_batch() -> None:
    table, loop = pair()
    given = energies(2, 4, 60)
    with torch.no_grad():
        torch.testing.assert_close(table(given)[:1], table(given[:1]), rtol=2e-5, atol=1e-6)
        assert error(table.double()(given.double()), loop.double()(given.double())) < 1e-4


@pytest.mark.parametrize("sizes", [[1] * 40, [2, 3, 0, 5, 30], [40]])
def test_pieces_are_the_whole(sizes: list[int]) -> None:
    table, _ = pair()
    given, state, pieces = energies(2, 3, 40), None, []
    with torch.no_grad():
        for piece in given.split(sizes, dim=-1):
            output, state = table.step(piece, state)
            pieces.append(output)
        torch.testing.assert_close(torch.cat(pieces, -1), table(given), rtol=1e-4, atol=1e-6)


def test_weights_learn_and_the_table_follows() -> None:
    table, loop = pair()
    given = energies(1, 2, 30)
    with torch.no_grad():
        table(given)
        for compression in (table, loop):
            compression.controller.head[2].bias.add_(1.0)
        assert error(table(given), loop(given)) < 1e-4


@pytest.mark.parametrize("scale", [30.0, -1e3])
def test_a_controller_too_steep_for_the_table_runs_the_loop(scale: float) -> None:
    table, loop = pair(scale)
    given = energies(2, 3, 40).requires_grad_()
    torch.testing.assert_close(table(given), loop(given), rtol=0, atol=0)
    with torch.no_grad():
        torch.testing.assert_close(table(given), loop(given), rtol=0, atol=0)


def test_what_is_no_number_is_as_in_the_loop() -> None:
    table, loop = pair()
    given = energies(1, 2, 20)
    given[0, 1, 7] = torch.nan
    with torch.no_grad():
        torch.testing.assert_close(table(given), loop(given), rtol=1e-4, atol=1e-4, equal_nan=True)


def test_second_derivatives_are_refused() -> None:
    table, _ = pair()
    given = energies(1, 2, 20).requires_grad_()
    with pytest.raises(AuricleError, match="use method='loop'"):
        torch.autograd.grad(table(given).sum(), given, create_graph=True)


@pytest.mark.parametrize("options", [{"block": 2}, {"carried": True}])
def test_options_that_need_the_loop(options: dict[str, Any]) -> None:
    assert AdaptivePCEN(**options).method == "loop"
    with pytest.raises(AuricleError, match="use method='loop'"):
        AdaptivePCEN(method="table", **options)
    with pytest.raises(AuricleError, match="did you mean 'table'"):
        create_frontend("leaf-apcen", method="tables")
