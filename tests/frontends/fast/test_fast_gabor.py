"""The quick way to LEAF's energies, held against the direct convolution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from auricle import audio
from auricle.errors import AuricleError
from auricle.frontends import Frontend, create_frontend
from auricle.frontends.energies import DirectEnergies
from auricle.frontends.fast.convolution import BLOCK_SAMPLES, BandGroup
from auricle.frontends.fast.plan import FastGabor, choose_strides, make_plan
from auricle.frontends.fast.transform import circular_slice, cover_evenly, evenly_spaced_bands, fast_length

TOLERANCE = 1e-3


def both(**options: object) -> tuple[Frontend, Frontend]:
    return create_frontend("leaf", method="fast", **options), create_frontend("leaf", method="direct", **options)


def band_errors(fast: torch.Tensor, direct: torch.Tensor) -> torch.Tensor:
    """‖Ê − E‖ / ‖E‖ of each band over the clips and frames."""
    return (fast - direct).norm(dim=(0, 2)) / direct.norm(dim=(0, 2))


@pytest.mark.parametrize("sample_rate", [8000, 11025, 16000, 22050, 32000, 44100])
@pytest.mark.parametrize("n_filters", [20, 40, 128])
def test_white_noise_at_any_rate_and_number_of_filters(sample_rate: int, n_filters: int) -> None:
    fast, direct = both(sample_rate=sample_rate, n_filters=n_filters)
    noise = torch.randn(1, sample_rate // 2 + 37, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert band_errors(fast.energies(noise), direct.energies(noise)).max() < TOLERANCE


@pytest.mark.parametrize("seconds", [0.001, 0.05, 0.1, 0.13, 0.5, 1.0, 2.0, 2.01, 4.5])
def test_any_length(seconds: float) -> None:
    """Shorter and longer than a block of frames, and so short that every frame is at an end."""
    fast, direct = both()
    assert BLOCK_SAMPLES == 16000
    noise = torch.randn(2, max(1, round(16000 * seconds)), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        one, other = fast(noise), direct(noise)
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("kernel_size", "hop_length"), [(401, 1), (101, 40), (25, 160), (401, 157), (1001, 80), (3, 7)]
)
@pytest.mark.parametrize("n_samples", [50, 700, 1700, 5000])
def test_any_window_and_hop(kernel_size: int, hop_length: int, n_samples: int) -> None:
    fast, direct = both(n_filters=8, kernel_size=kernel_size, hop_length=hop_length)
    noise = torch.randn(1, n_samples, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        one, other = fast.energies(noise), direct.energies(noise)
    assert one.shape == other.shape
    assert band_errors(one, other).max() < TOLERANCE


@pytest.mark.parametrize("place", [0, 1, 150, 5000, 15800, 15999])
def test_an_impulse_anywhere(place: int) -> None:
    """Clips that begin or end abruptly: pooling stops at their ends."""
    fast, direct = both()
    clip = torch.zeros(1, 16000)
    clip[0, place] = 1.0
    with torch.no_grad():
        assert band_errors(fast.energies(clip), direct.energies(clip)).max() < TOLERANCE


def test_silence_and_full_scale() -> None:
    fast, direct = both()
    square = torch.sign(torch.sin(torch.arange(16000) * 0.1))[None]
    with torch.no_grad():
        assert not fast.energies(torch.zeros(1, 16000)).any()
        assert band_errors(fast.energies(square), direct.energies(square)).max() < TOLERANCE


@pytest.mark.parametrize(("n_clips", "n_samples"), [(4, 16000), (1, 50000), (3, 700)])
def test_gradients_of_every_parameter(n_clips: int, n_samples: int) -> None:
    """One block to a clip and several, and clips that are all ends."""
    fast, direct = both()
    noise = 0.1 * torch.randn(n_clips, n_samples, generator=torch.Generator().manual_seed(3))
    weights = torch.randn(n_clips, 40, -(-n_samples // 160), generator=torch.Generator().manual_seed(4))
    for frontend in (fast, direct):
        (frontend(noise) * weights).sum().backward()
    for (name, one), (_, other) in zip(fast.named_parameters(), direct.named_parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert (one.grad - other.grad).norm() < 0.003 * other.grad.norm(), name


def test_moved_parameters() -> None:
    """As training, or a stray step, might move them: very wide, very narrow, at the borders, out of order."""
    fast, direct = both(n_filters=6)
    for frontend in (fast, direct):
        with torch.no_grad():
            frontend.filterbank.center_freqs.copy_(torch.tensor([0.0, 3.14, 1.5, 0.02, 5.0, -1.0]))
            frontend.filterbank.bandwidths.copy_(torch.tensor([1.0, 2.0, 150.0, 400.0, 8.0, 44.0]))
            frontend.pooling.widths.copy_(torch.tensor([0.001, 0.5, 0.4, 0.1, 2.0, 0.3]))
    noise = torch.randn(1, 16000, generator=torch.Generator().manual_seed(5))
    one, other = fast.energies(noise), direct.energies(noise)
    assert band_errors(one.detach(), other.detach()).max() < TOLERANCE
    weights = torch.randn(other.shape, generator=torch.Generator().manual_seed(13))
    for energies in (one, other):
        (energies / other.detach() * weights).sum().backward()
    for part in ("filterbank.center_freqs", "filterbank.bandwidths", "pooling.widths"):
        found, expected = fast.get_parameter(part).grad, direct.get_parameter(part).grad
        assert found is not None
        assert expected is not None
        assert (found - expected).norm() < 0.01 * expected.norm(), part


def test_real_clips(shared) -> None:  # type: ignore[no-untyped-def]
    """Every band down to 90 dB below the loudest, at the initial parameters and at moved ones."""
    pairs = [both(), both()]
    moved = np.load(shared / "golden" / "leaf_perturbed.npz")
    for frontend in pairs[1]:
        with torch.no_grad():
            frontend.filterbank.center_freqs.copy_(torch.from_numpy(moved["center_freqs"]))
            frontend.filterbank.bandwidths.copy_(torch.from_numpy(moved["bandwidths"]))
            frontend.pooling.widths.copy_(torch.from_numpy(moved["pooling_widths"]))
    clips = sorted((shared / "data" / "field").rglob("*.flac"))
    clips += sorted((shared / "data" / "esc50-fold4" / "audio").glob("*.flac"))[::16][:20]
    for path in clips:
        clip = torch.from_numpy(audio.read(path, sample_rate=16000, end_s=2.5)[0])[None]
        for fast, direct in pairs:
            with torch.no_grad():
                one, other = fast.energies(clip), direct.energies(clip)
                heard = other[0].amax(1) > 1e-9 * other.max()
                assert band_errors(one, other)[heard].max() < 3e-3, path.name
                assert band_errors(fast.compression(one), direct.compression(other)).max() < 1e-2, path.name


@pytest.mark.parametrize(("sample_rate", "n_filters"), [(8000, 20), (16000, 40), (44100, 64)])
def test_transforms_equal_convolutions(sample_rate: int, n_filters: int) -> None:
    """The two ways in which a plan is applied, on noise with a tone 100 dB above it in its middle."""
    fast, _ = both(sample_rate=sample_rate, n_filters=n_filters)
    present = make_plan(fast.filterbank, fast.pooling)
    n_frames, first = 60, present.context_hops * present.hop
    time = torch.arange((n_frames - 1) * present.hop + 2 * first + 1)
    clips = 1e-5 * torch.randn(3, len(time), generator=torch.Generator().manual_seed(9))
    clips[1, len(time) // 3 :] += torch.sin(0.4 * time[len(time) // 3 :])
    clips[2] *= 1e5
    around_frames = F.pad(clips, (present.context - first, present.context - first))
    with torch.no_grad():
        convolved, transformed = (
            present.by_convolutions(around_frames, n_frames),
            present.by_transforms(clips, n_frames),
        )
    loudest = convolved.amax(dim=(1, 2), keepdim=True)
    assert ((transformed - convolved).abs() / (convolved + 1e-9 * loudest)).max() < 1e-2
    assert ((transformed - convolved).norm(dim=2) / convolved.norm(dim=2))[[0, 2]].max() < 2e-6


@pytest.mark.parametrize(("sample_rate", "n_filters"), [(8000, 20), (16000, 40), (44100, 64)])
def test_responses_are_the_transforms_of_the_kernels(sample_rate: int, n_filters: int) -> None:
    """Gaussian, cut off or split, at bins near the centres and anywhere, counted beyond both ends of the spectrum."""
    fast, _ = both(sample_rate=sample_rate, n_filters=n_filters)
    present = make_plan(fast.filterbank, fast.pooling)
    length = 108 * present.hop
    generator = torch.Generator().manual_seed(12)
    for group in present.groups:
        centers = (fast.filterbank.center_freqs.detach()[group.bands] / (2 * torch.pi) * length).long()
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
def test_folds_and_wraps_and_their_gradients(passed: list[tuple[float, float]]) -> None:
    """Bands that let everything through, on a coarse grid, against the strided convolution."""
    generator = torch.Generator().manual_seed(10)
    drawn, windows = torch.randn(2, 2, 21, generator=generator), torch.randn(2, 5, generator=generator)
    blocks, weights = torch.randn(3, 72, generator=generator), torch.randn(3, 2, 3, generator=generator)
    drawn.requires_grad_()
    windows.requires_grad_()

    def kernels() -> torch.Tensor:
        """Their mirror images are their conjugates."""
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


def test_bins_on_a_circle() -> None:
    spectra = torch.arange(10)[None]
    for first, count in ((0, 10), (3, 4), (-2, 5), (8, 6), (-7, 24), (25, 3)):
        assert circular_slice(spectra, first, count)[0].tolist() == [bin_ % 10 for bin_ in range(first, first + count)]


@given(st.lists(st.tuples(st.integers(-50, 900), st.integers(1, 300)), min_size=1, max_size=12))
def test_every_band_lies_within_its_tooth(spans: list[tuple[int, int]]) -> None:
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


def test_gradients_of_the_waveform() -> None:
    fast, direct = both()
    found = []
    for frontend in (fast, direct):
        frontend.requires_grad_(False)
        noise = 0.1 * torch.randn(1, 4000, generator=torch.Generator().manual_seed(11))
        frontend(noise.requires_grad_()).square().sum().backward()
        found.append(noise.grad)
    assert (found[0] - found[1]).norm() < 0.003 * found[1].norm()


def test_smooth_lengths() -> None:
    assert [fast_length(n) for n in (1, 7, 11, 101, 128, 217)] == [1, 8, 12, 108, 128, 225]


def test_strides_divide_the_hop_and_grow_with_the_bandwidths() -> None:
    usual = torch.full((6,), 80.0)
    chosen = choose_strides(torch.tensor([150.0, 60.0, 40.0, 20.0, 8.0, 1.5]), usual, 401, 160)
    assert [leaky for _, leaky in chosen] == [True, True, False, False, False, False]
    assert all(160 % d == 0 for d, _ in chosen)
    assert chosen[2][0] > chosen[3][0] > chosen[4][0] > chosen[5][0]
    assert choose_strides(torch.tensor([150.0, 20.0]), usual[:2], 401, 157) == [(1, False), (1, False)]


def test_a_leaking_filter_under_a_narrow_pooling_window_is_computed_at_every_sample() -> None:
    assert choose_strides(torch.tensor([150.0, 150.0]), torch.tensor([80.0, 20.0]), 401, 160)[1] == (1, False)


def test_far_tones_that_leak_into_a_quiet_band() -> None:
    """The leak alone, which the far part computes: two loud tones and a chirp, 2 kHz and more from the bands."""
    fast, direct = both()
    time = torch.arange(16000) / 16000
    tones = torch.sin(2 * torch.pi * 4003.0 * time) + torch.sin(2 * torch.pi * 3911.0 * time)
    chirp = torch.sin(2 * torch.pi * (3000.0 + 2000.0 * time) * time) * (time * 40 % 1 < 0.5)
    for clip in (tones, chirp):
        with torch.no_grad():
            one, other = fast.energies(clip[None])[:, :8], direct.energies(clip[None])[:, :8]
        assert other.max() < 1e-4 * direct.energies(clip[None]).max()
        assert band_errors(one[..., 4:-4], other[..., 4:-4]).max() < 5e-3


def test_a_frame_depends_on_its_surroundings_alone() -> None:
    """Cut anywhere at a hop, the frames away from the cuts stay: what streaming rests on."""
    fast, _ = both()
    noise = torch.randn(1, 32000, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        whole, part = fast.energies(noise), fast.energies(noise[:, 4800:20000])
    margin = -(-make_plan(fast.filterbank, fast.pooling).context // 160)
    torch.testing.assert_close(part[..., margin:-margin], whole[..., 30 + margin : 125 - margin], rtol=1e-5, atol=1e-7)


def test_the_plan_follows_the_parameters() -> None:
    fast, _ = both()
    noise = torch.randn(1, 4000, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        before = fast(noise)
        assert torch.equal(before, fast(noise))
        fast.filterbank.bandwidths.mul_(1.1)
        after = fast(noise)
        fast.pooling.widths.data.mul_(0.8)
        narrower = fast(noise)
    assert not torch.allclose(before, after, atol=1e-3)
    assert not torch.allclose(after, narrower, atol=1e-3), "parameters may be written to behind autograd's back"
    torch.testing.assert_close(narrower, fast(noise).detach())


def test_there_are_two_methods_and_one_has_published_frames() -> None:
    assert isinstance(create_frontend("leaf").method, FastGabor)
    assert isinstance(create_frontend("leaf", variant="published").method, DirectEnergies)
    with pytest.raises(AuricleError, match="'direct' or 'fast'"):
        create_frontend("leaf", method="fft")
    with pytest.raises(AuricleError, match="variant='paper' only"):
        create_frontend("leaf", method="fast", variant="published")
