"""A plan applied by large matrix products, compared with convolutions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from auricle.frontends import Frontend, create_frontend
from auricle.frontends.fast.plan import make_plan
from auricle.frontends.pooling import weighted_sums


def leaf(**options: int) -> Frontend:
    return create_frontend("leaf", **options)


def moved(frontend: Frontend) -> Frontend:
    """Very wide and very narrow filters and windows, so that there are leaking filters with and without a split."""
    with torch.no_grad():
        frontend.filterbank.center_freqs.copy_(torch.tensor([0.0, 3.14, 1.5, 0.02, 2.0, 0.3]))
        frontend.filterbank.bandwidths.copy_(torch.tensor([1.0, 2.0, 150.0, 140.0, 8.0, 44.0]))
        frontend.pooling.widths.copy_(torch.tensor([0.01, 0.5, 0.4, 0.1, 0.2, 0.3]))
    return frontend


@pytest.mark.parametrize("n_frames", [1, 2, 7])
@pytest.mark.parametrize(
    "frontend",
    [
        leaf(),
        leaf(sample_rate=8000, n_filters=20),
        leaf(sample_rate=22050, n_filters=64),
        leaf(sample_rate=44100, n_filters=128),
        leaf(n_filters=8, hop_length=157),
        leaf(n_filters=8, kernel_size=101, hop_length=40),
        moved(leaf(n_filters=6)),
    ],
    ids=["16k", "8k", "22k", "44k", "prime hop", "short", "moved"],
)
def test_products_equal_convolutions(frontend: Frontend, n_frames: int) -> None:
    """On noise, and on noise 100 dB below a tone that starts in the middle."""
    plan = make_plan(frontend.filterbank, frontend.pooling)
    time = torch.arange((n_frames - 1) * plan.hop + 2 * plan.context + 1)
    clips = torch.randn(2, len(time), generator=torch.Generator().manual_seed(14))
    clips[1] *= 1e-5
    clips[1, len(time) // 2 :] += torch.sin(0.4 * time[len(time) // 2 :])
    with torch.no_grad():
        multiplied, convolved = plan.products.energies(clips, n_frames), plan.by_convolutions(clips, n_frames)
    loudest = convolved.amax(dim=(1, 2), keepdim=True)
    assert ((multiplied - convolved).abs() / (convolved + 1e-9 * loudest)).max() < 1e-2
    assert ((multiplied - convolved).norm(dim=2) / convolved.norm(dim=2))[0].max() < 2e-6


def test_weighted_sums_are_a_convolution_of_every_column() -> None:
    generator = torch.Generator().manual_seed(15)
    values, windows = torch.randn(2, 23, 3, generator=generator), torch.randn(7, 3, generator=generator)
    expected = F.conv1d(values.transpose(1, 2), windows.T[:, None], stride=4, groups=3).transpose(1, 2)
    torch.testing.assert_close(weighted_sums(values, windows, 4), expected)
