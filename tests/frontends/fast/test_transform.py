"""A plan applied by transforms, compared with convolutions, and the parts of the transforms."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from auricle.frontends import create_frontend
from auricle.frontends.fast.convolution import BandGroup
from auricle.frontends.fast.plan import make_plan
from auricle.frontends.fast.transform import circular_slice, cover_evenly, evenly_spaced_bands


@pytest.mark.parametrize(("sample_rate", "n_filters"), [(8000, 20), (16000, 40), (44100, 64)])
def test_transforms_equal_convolutions(sample_rate: int, n_filters: int) -> None:
    """On noise, and on noise with a tone 100 dB above it that starts in the middle."""
    leaf = create_frontend("leaf", sample_rate=sample_rate, n_filters=n_filters)
    plan = make_plan(leaf.filterbank, leaf.pooling)
    n_frames, first = 60, plan.context_hops * plan.hop
    time = torch.arange((n_frames - 1) * plan.hop + 2 * first + 1)
    clips = 1e-5 * torch.randn(3, len(time), generator=torch.Generator().manual_seed(9))
    clips[1, len(time) // 3 :] += torch.sin(0.4 * time[len(time) // 3 :])
    clips[2] *= 1e5
    around_frames = F.pad(clips, (plan.context - first, plan.context - first))
    with torch.no_grad():
        convolved, transformed = (
            plan.by_convolutions(around_frames, n_frames),
            plan.by_transforms(clips, n_frames),
        )
    loudest = convolved.amax(dim=(1, 2), keepdim=True)
    assert ((transformed - convolved).abs() / (convolved + 1e-9 * loudest)).max() < 1e-2
    assert ((transformed - convolved).norm(dim=2) / convolved.norm(dim=2))[[0, 2]].max() < 2e-6


@pytest.mark.parametrize(("sample_rate", "n_filters"), [(8000, 20), (16000, 40), (44100, 64)])
def test_responses_are_the_transforms_of_the_kernels(sample_rate: int, n_filters: int) -> None:
    """Gaussian, cut off and split filters, at bins near the centres and far away, also outside the spectrum."""
    leaf = create_frontend("leaf", sample_rate=sample_rate, n_filters=n_filters)
    plan = make_plan(leaf.filterbank, leaf.pooling)
    length = 108 * plan.hop
    generator = torch.Generator().manual_seed(12)
    for group in plan.groups:
        centers = (leaf.filterbank.center_freqs.detach()[group.bands] / (2 * torch.pi) * length).long()
        near = centers[:, None] + torch.randint(-300, 300, (len(group.bands), 100), generator=generator)
        bins = torch.cat([near, torch.randint(-length, 2 * length, near.shape, generator=generator)], dim=1)
        kernels = torch.complex(*group.kernels().detach().double().chunk(2))
        angle = -2.0 * torch.pi / length * bins.double()[..., None] * torch.arange(-group.reach, group.reach + 1)
        expected = torch.einsum("bt,bkt->bk", kernels, torch.polar(torch.ones_like(angle), angle))
        found = group.responses(slice(0, len(group.bands)), bins, length).detach()
        assert (found - expected).abs().max() < 3e-6


@pytest.mark.parametrize(
    "passed", [[(-0.5, 0.5), (-0.45, 0.55)], [(0.1, 1.1), (-0.5, 0.5)], [(0.3, 1.3), (0.3, 1.3)]], ids=str
)
def test_aliased_and_wrapped_bins_and_their_gradients(passed: list[tuple[float, float]]) -> None:
    """Passbands as wide as the spectrum on a coarse grid, compared with the strided convolution."""
    generator = torch.Generator().manual_seed(10)
    drawn, windows = torch.randn(2, 2, 21, generator=generator), torch.randn(2, 5, generator=generator)
    blocks, weights = torch.randn(3, 72, generator=generator), torch.randn(3, 2, 3, generator=generator)
    drawn.requires_grad_()
    windows.requires_grad_()

    def kernels() -> torch.Tensor:
        """Conjugate-symmetric in time, so that the responses are real."""
        return torch.cat([drawn[0] + drawn[0].flip(-1), drawn[1] - drawn[1].flip(-1)])

    def responses(few: slice, bins: torch.Tensor, length: int) -> torch.Tensor:
        centred = torch.complex(*kernels().chunk(2))[few].roll(-10, dims=-1)
        angle = -2.0 * torch.pi / length * bins[..., None] * torch.fft.fftfreq(21, 1 / 21)
        return torch.einsum("bt,bkt->bk", centred, torch.polar(torch.ones_like(angle), angle)).real

    found = []
    for way in ("transforms", "convolutions"):
        if way == "transforms":
            spectra = torch.fft.fft(blocks)
            parts = evenly_spaced_bands([0, 1], responses, windows, passed, stride=4, hop=8, n_hops=9)
            energies = torch.cat([comb.energies(spectra, 3, 3) for comb in parts], dim=1)
        else:
            group = BandGroup([0, 1], 4, 1, 10, kernels, responses, windows, passed)
            energies = group.energies(blocks, 24, 8, 3)
        found.append((energies.detach(), *torch.autograd.grad((energies * weights).sum(), (windows, drawn))))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_circular_slice_continues_at_the_beginning() -> None:
    spectra = torch.arange(10)[None]
    for first, count in ((0, 10), (3, 4), (-2, 5), (8, 6), (-7, 24), (25, 3)):
        assert circular_slice(spectra, first, count)[0].tolist() == [bin_ % 10 for bin_ in range(first, first + count)]


@given(st.lists(st.tuples(st.integers(-50, 900), st.integers(1, 300)), min_size=1, max_size=12))
def test_evenly_spaced_ranges_cover_every_passband(spans: list[tuple[int, int]]) -> None:
    ends = [(low, low + width) for low, width in spans]
    covered = 0
    for few, first, spacing, n_bins in cover_evenly(ends, 64, 1000):
        assert few.start == covered
        assert 64 <= n_bins <= 1000
        for place, (low, high) in enumerate(ends[few]):
            assert first + place * spacing <= low
            assert high <= first + place * spacing + n_bins
        covered = few.stop
    assert covered == len(ends)
