"""How a plan is made of the parameters: strides, reuse, and how far a frame reaches."""

from __future__ import annotations

import pytest
import torch

from auricle.frontends import create_frontend
from auricle.frontends.fast.plan import choose_strides, make_plan


def test_strides_divide_the_hop_and_grow_with_the_bandwidths() -> None:
    usual = torch.full((6,), 80.0)
    chosen = choose_strides(torch.tensor([150.0, 60.0, 40.0, 20.0, 8.0, 1.5]), usual, 401, 160)
    assert [truncated for _, truncated in chosen] == [True, True, False, False, False, False]
    assert all(160 % d == 0 for d, _ in chosen)
    assert chosen[2][0] > chosen[3][0] > chosen[4][0] > chosen[5][0]
    assert choose_strides(torch.tensor([150.0, 20.0]), usual[:2], 401, 157) == [(1, False), (1, False)]


def test_a_truncated_filter_with_a_narrow_pooling_window_has_stride_one() -> None:
    assert choose_strides(torch.tensor([150.0, 150.0]), torch.tensor([80.0, 20.0]), 401, 160)[1] == (1, False)


def test_the_plan_follows_the_parameters() -> None:
    leaf = create_frontend("leaf")
    noise = torch.randn(1, 4000, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        before = leaf(noise)
        assert torch.equal(before, leaf(noise))
        leaf.filterbank.bandwidths.mul_(1.1)
        after = leaf(noise)
        leaf.pooling.widths.data.mul_(0.8)
        narrower = leaf(noise)
    assert not torch.allclose(before, after, atol=1e-3)
    assert not torch.allclose(after, narrower, atol=1e-3), "parameters may be written to behind autograd's back"
    torch.testing.assert_close(narrower, leaf(noise).detach())


def test_a_frame_depends_only_on_the_samples_around_it() -> None:
    """Cutting a clip at multiples of the hop does not change frames far from the cuts, as streams require."""
    leaf = create_frontend("leaf")
    noise = torch.randn(1, 32000, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        whole, part = leaf.energies(noise), leaf.energies(noise[:, 4800:20000])
    margin = -(-make_plan(leaf.filterbank, leaf.pooling).context // 160)
    torch.testing.assert_close(part[..., margin:-margin], whole[..., 30 + margin : 125 - margin], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
def test_no_factor_is_so_small_that_products_with_it_are_slow(sample_rate: int) -> None:
    """The tails of narrow Gaussians would be subnormal numbers, of which a product takes some hundred cycles."""
    leaf = create_frontend("leaf", sample_rate=sample_rate)
    with torch.no_grad():
        leaf.pooling.widths[0] = 0.0  # the narrowest window
        plan = make_plan(leaf.filterbank, leaf.pooling)
        plan.energies(torch.zeros(1, sample_rate))
    parts = [part for of_length in plan.for_transforms.values() for part in of_length]
    factors = [plan.kernels, plan.windows, leaf.pooling.windows(), *(group.windows for group in plan.groups)]
    factors += [group.taps for group in plan.groups]
    factors += [value for part in parts for value in (part.responses, part.windows)]
    assert parts
    for values in factors:
        moduli = values.detach().abs()
        assert float(moduli[moduli > 0].min()) > 1e-30
