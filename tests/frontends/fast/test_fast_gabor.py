"""LEAF's energies by the fast method, compared with the direct convolution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auricle import audio
from auricle.errors import AuricleError
from auricle.frontends import Frontend, create_frontend
from auricle.frontends.energies import DirectEnergies
from auricle.frontends.fast.convolution import BLOCK_SAMPLES
from auricle.frontends.fast.plan import FastGabor

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
def test_impulses_near_the_ends_and_inside(place: int) -> None:
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
    """Clips of one block and of several, and clips so short that every frame is at an end."""
    fast, direct = both()
    noise = 0.1 * torch.randn(n_clips, n_samples, generator=torch.Generator().manual_seed(3))
    weights = torch.randn(n_clips, 40, -(-n_samples // 160), generator=torch.Generator().manual_seed(4))
    for frontend in (fast, direct):
        (frontend(noise) * weights).sum().backward()
    for (name, one), (_, other) in zip(fast.named_parameters(), direct.named_parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert (one.grad - other.grad).norm() < 0.003 * other.grad.norm(), name


def test_parameters_far_from_their_initial_values() -> None:
    """Very wide and very narrow filters and windows, at and beyond the bounds, not in order."""
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


@pytest.mark.slow
def test_real_clips(shared) -> None:  # type: ignore[no-untyped-def]
    """Every band down to 90 dB below the loudest, at initial and at changed parameters."""
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


def test_gradients_of_the_waveform() -> None:
    fast, direct = both()
    found = []
    for frontend in (fast, direct):
        frontend.requires_grad_(False)
        noise = 0.1 * torch.randn(1, 4000, generator=torch.Generator().manual_seed(11))
        frontend(noise.requires_grad_()).square().sum().backward()
        found.append(noise.grad)
    assert (found[0] - found[1]).norm() < 0.003 * found[1].norm()


def test_distant_tones_that_leak_into_a_quiet_band() -> None:
    """Only the leakage counts: two loud tones and a chirp, at least 2 kHz from the bands."""
    fast, direct = both()
    time = torch.arange(16000) / 16000
    tones = torch.sin(2 * torch.pi * 4003.0 * time) + torch.sin(2 * torch.pi * 3911.0 * time)
    chirp = torch.sin(2 * torch.pi * (3000.0 + 2000.0 * time) * time) * (time * 40 % 1 < 0.5)
    for clip in (tones, chirp):
        with torch.no_grad():
            one, other = fast.energies(clip[None])[:, :8], direct.energies(clip[None])[:, :8]
        assert other.max() < 1e-4 * direct.energies(clip[None]).max()
        assert band_errors(one[..., 4:-4], other[..., 4:-4]).max() < 5e-3


def test_methods_and_their_variants() -> None:
    assert isinstance(create_frontend("leaf").method, FastGabor)
    assert isinstance(create_frontend("leaf", variant="published").method, DirectEnergies)
    with pytest.raises(AuricleError, match="'direct' or 'fast'"):
        create_frontend("leaf", method="fft")
    with pytest.raises(AuricleError, match="variant='paper' only"):
        create_frontend("leaf", method="fast", variant="published")
