"""The contract of every front-end: shapes, alignment, finite values, parameter bounds, clear errors."""

from __future__ import annotations

import dataclasses
import inspect
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.frontends import FRONTENDS, Frontend, create_frontend, list_frontends, register_frontend
from auricle.frontends.compression import PCEN, moving_average, pcen
from auricle.frontends.factory import FrontendOptions
from auricle.frontends.filterbanks import FWHM, GaborFilterbank
from auricle.frontends.pooling import GaussianPool, HannPool, MaxPool
from auricle.frontends.spectral import MelFilterbank
from auricle.layers import bounded

NAMES = list_frontends()
LEARNT = [name for name in NAMES if name not in ("mel", "mel-db", "mel-efficientat", "leaf-fixed", "spectrogram")]
BINS = ["spectrogram", "despectrogram"]
WHOLE = ["despectrogram", "degram"]
DEGRAM = ["spectrogram", "sincgram", "despectrogram", "degram"]
PUBLISHED = [
    "mel", "mel-db", "mel-efficientat", "td-filterbanks", "sincnet", "sincnet+", *DEGRAM,
    *(name for name in NAMES if name.startswith("leaf")),
]  # fmt: skip
RATES = [8000, 11025, 16000, 22050, 32000, 44100]
INITS = ["mel", "erb", "linear", "random", "published"]
every = pytest.mark.parametrize("name", NAMES)


def create(name: str, **options: Any) -> Frontend:
    """A front-end in evaluation mode, by default with eight filters."""
    if name in BINS and options.get("kernel_size", 0) > 2 * options.get("n_filters", 8) - 1:
        pytest.skip("bins that do not hold the window's spectrum are refused")
    torch.manual_seed(0)
    return create_frontend(name, **{"n_filters": 8, **options}).eval()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def gradients_are_finite(frontend: Frontend) -> bool:
    return all(p.grad is None or bool(p.grad.isfinite().all()) for p in frontend.parameters())


class TestFrames:
    @every
    @pytest.mark.parametrize("options", [{}, {"kernel_size": 25, "hop_length": 37}, {"hop_length": 500}])
    def test_number_of_frames(self, name: str, options: dict[str, int]) -> None:
        frontend = create(name, **options)
        hop = frontend.hop_length
        for n_samples in (1, 2, hop - 1, hop, hop + 1, 2 * hop - 1, 2 * hop, 2 * hop + 1, 399, 400, 401, 1600, 2017):
            spectrogram = frontend(noise(1, n_samples))
            assert spectrogram.shape == (1, 8, math.ceil(n_samples / hop)), n_samples
            assert frontend.n_frames(n_samples) == spectrogram.shape[-1]
            assert frontend.energies(noise(1, n_samples)).shape == spectrogram.shape

    @pytest.mark.parametrize("name", PUBLISHED)
    def test_number_of_frames_of_published_variants(self, name: str) -> None:
        frontend = create(name, variant="published")
        for n_samples in (401, 559, 560, 561, 1600, 16001):
            assert frontend(noise(1, n_samples)).shape[-1] == frontend.n_frames(n_samples)

    def test_published_td_filterbanks_need_a_whole_window(self) -> None:
        frontend = create("td-filterbanks", variant="published")
        assert frontend.n_frames(16000) == 98
        assert frontend.n_frames(400) == 0
        with pytest.raises(AuricleError, match="400 samples are fewer than the window's 401"):
            frontend(noise(1, 400))

    @pytest.mark.parametrize("name", [name for name in NAMES if name != "wavegram"])
    @pytest.mark.parametrize("options", [{}, {"kernel_size": 201, "hop_length": 75}])
    def test_frame_k_is_centred_at_k_hops(self, name: str, options: dict[str, int]) -> None:
        """An impulse at k·hop is largest in frame k, and as large in frame k − j as in frame k + j."""
        frontend = create(name, **options)
        hop = frontend.hop_length
        for k in (7, 12):
            impulse = torch.zeros(1, 20 * hop)
            impulse[0, k * hop] = 1.0
            with torch.no_grad():
                energies = frontend.energies(impulse)[0]
            # SincNet's Hamming window is periodic, so that its filters are not quite symmetric themselves, and a
            # pre-emphasis reads the sample before.
            tolerance = 0.02 if name.startswith("sincnet") or name == "mel-efficientat" else 1e-4
            assert (energies[:, k] >= energies.amax(dim=-1) * (1.0 - 1e-6)).all()
            for j in range(1, 5):
                asymmetry = (energies[:, k - j] - energies[:, k + j]).abs() / energies[:, k].abs()
                assert asymmetry.max() < tolerance

    @every
    def test_a_shift_by_whole_hops_shifts_the_frames(self, name: str) -> None:
        frontend = create(name)
        waveform = torch.zeros(1, 8000)
        waveform[:, 3200:4800] = noise(1, 1600)
        with torch.no_grad():
            late = frontend.energies(waveform.roll(320, dims=-1))
            early = frontend.energies(waveform)
        torch.testing.assert_close(late[..., 12:-6], early[..., 10:-8], rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("name", [name for name in NAMES if name != "wavegram"])
    def test_later_samples_do_not_change_earlier_frames(self, name: str) -> None:
        """No part looks ahead further than its windows; the moving average is causal."""
        frontend = create(name, **({"context_s": 0.5} if name in WHOLE else {}))
        waveform = noise(1, 16000)
        changed = waveform.clone()
        changed[:, 8000:] *= 3.0
        with torch.no_grad():
            before, after = frontend(waveform), frontend(changed)
        window = frontend.n_frames(800)
        torch.testing.assert_close(before[..., : 50 - window], after[..., : 50 - window], rtol=1e-5, atol=1e-6)
        assert (before[..., 50] - after[..., 50]).abs().max() > 1e-3


class TestShapes:
    @every
    def test_channels_are_rows(self, name: str) -> None:
        frontend = create(name)
        waveform = noise(2, 3, 1000)
        with torch.no_grad():
            spectrogram = frontend(waveform)
            assert spectrogram.shape == (2, 3, 8, 7)
            rows = frontend(waveform.reshape(6, 1000))
        torch.testing.assert_close(spectrogram.reshape(6, 8, 7), rows, rtol=0, atol=0)

    @every
    def test_rows_of_a_batch_are_independent(self, name: str) -> None:
        """In double precision: how single precision is rounded in a batch of another size depends on the processor."""
        frontend = create(name).double()
        waveform = noise(3, 2000).double()
        other = waveform.clone()
        other[0], other[2] = 0.0, 1e3
        with torch.no_grad():
            together, alone, beside = frontend(waveform)[1], frontend(waveform[1:2])[0], frontend(other)[1]
        torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(together, beside, rtol=1e-10, atol=1e-10)

    @every
    def test_views_and_copies_give_the_same(self, name: str) -> None:
        frontend = create(name)
        waveform = noise(2, 2000)[:, ::2]
        with torch.no_grad():
            torch.testing.assert_close(frontend(waveform), frontend(waveform.contiguous()), rtol=0, atol=0)

    @every
    @pytest.mark.parametrize("sample_rate", RATES)
    @pytest.mark.parametrize("n_filters", [1, 20, 64, 128])
    def test_rates_and_numbers_of_filters(self, name: str, sample_rate: int, n_filters: int) -> None:
        if name in BINS and n_filters == 1:
            pytest.skip("a spectrum has two bins at least")
        frontend = create(name, sample_rate=sample_rate, n_filters=n_filters)
        n_samples = 3 * round(0.01 * sample_rate) + 1
        waveform = noise(1, n_samples)
        spectrogram = frontend(waveform)
        assert spectrogram.shape == (1, n_filters, 4)
        assert spectrogram.isfinite().all()
        with torch.no_grad():
            assert frontend.energies(waveform).abs().amax(dim=(0, 2)).min() > 0, "an empty band"

    @pytest.mark.parametrize("sample_rate", RATES)
    def test_bands_lie_within_the_given_range(self, sample_rate: int) -> None:
        bank = create("leaf", sample_rate=sample_rate, n_filters=40, min_freq_hz=100.0, max_freq_hz=3000.0).filterbank
        centers_hz = bank.center_freqs.detach() * sample_rate / (2.0 * math.pi)
        assert 100.0 < centers_hz.min() < 150.0
        assert 2700.0 < centers_hz.max() < 3000.0

    @pytest.mark.parametrize("name", ["sincnet", "sincnet+"])
    def test_a_range_of_bands_has_an_effect_or_is_refused(self, name: str) -> None:
        try:
            frontend = create(name, min_freq_hz=1000.0, max_freq_hz=2000.0)
        except AuricleError:
            return
        low, high = frontend.filterbank.edges_hz()
        assert low.min() > 900.0
        assert high.max() < 2200.0

    @pytest.mark.parametrize(
        ("name", "options"),
        [(name, {}) for name in NAMES if name != "wavegram"]
        + [(name, {"init": init}) for name in ("leaf", "normalized-conv") for init in INITS],
    )
    def test_a_tone_is_loudest_in_the_band_that_holds_it(self, name: str, options: dict[str, str]) -> None:
        frontend = create(name, n_filters=20, **options)
        time = torch.arange(8000) / 16000
        loudest = []
        for freq_hz in (300.0, 800.0, 2000.0, 5000.0):
            with torch.no_grad():
                tone = 0.1 * torch.sin(2.0 * math.pi * freq_hz * time)
                loudest.append(int(frontend.energies(tone[None])[0, :, 25].argmax()))
        assert loudest == sorted(set(loudest))


class TestPrecision:
    @every
    def test_float64(self, name: str) -> None:
        frontend = create(name)
        waveform = noise(2, 1600)
        with torch.no_grad():
            single = frontend(waveform)
            double = frontend.double()(waveform.double())
        assert double.dtype == torch.float64
        torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=2e-5)

    @every
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    def test_any_floating_point_input(self, name: str, dtype: torch.dtype) -> None:
        """`soundfile` reads float64 by default; a batch may come in half precision."""
        frontend = create(name)
        waveform = noise(1, 800).to(dtype)
        with torch.no_grad():
            actual, expected = frontend(waveform), frontend(waveform.float())
        torch.testing.assert_close(actual.float(), expected, rtol=1e-4, atol=1e-5)

    @every
    def test_autocast_to_bfloat16_changes_nothing(self, name: str) -> None:
        frontend = create(name)
        waveform = noise(2, 1600)
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = frontend(waveform)
            after = torch.mm(torch.ones(2, 2), torch.ones(2, 2))
        assert mixed.dtype == torch.float32
        assert after.dtype == torch.bfloat16, "autocast stays on for later layers"
        with torch.no_grad():
            torch.testing.assert_close(mixed, frontend(waveform), rtol=0, atol=0)

    @pytest.mark.parametrize("name", LEARNT)
    def test_autocast_trains(self, name: str) -> None:
        frontend = create(name)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            frontend(noise(2, 1600)).square().mean().backward()
        assert gradients_are_finite(frontend)


def square_wave(n_samples: int) -> Tensor:
    return torch.where(torch.arange(n_samples) // 40 % 2 == 0, 1.0, -1.0)[None]


def impulse(n_samples: int) -> Tensor:
    return nn.functional.one_hot(torch.tensor([n_samples // 2]), n_samples).float()


SIGNALS: dict[str, Callable[[int], Tensor]] = {
    "silence": lambda n: torch.zeros(1, n),
    "full-scale square wave": square_wave,
    "amplitude 1e-20": lambda n: 1e-19 * noise(1, n),
    "amplitude 1e-30": lambda n: 1e-29 * noise(1, n),
    "amplitude of 16-bit integers": lambda n: 32768 * square_wave(n),
    "impulse": impulse,
    "constant": lambda n: torch.ones(1, n),
    "silence, then noise": lambda n: torch.cat([torch.zeros(1, n // 2), noise(1, n - n // 2)], dim=-1),
    "noise, then silence": lambda n: torch.cat([noise(1, n // 2), torch.zeros(1, n - n // 2)], dim=-1),
    "one sample": lambda n: torch.ones(1, 1),
}


class TestFinite:
    @every
    @pytest.mark.parametrize("signal", SIGNALS)
    @pytest.mark.parametrize("training", [False, True])
    def test_outputs_and_gradients(self, name: str, signal: str, training: bool) -> None:
        frontend = create(name).train(training)
        waveform = SIGNALS[signal](2000).requires_grad_()
        spectrogram = frontend(waveform)
        assert spectrogram.isfinite().all()
        spectrogram.square().sum().backward()
        assert gradients_are_finite(frontend)
        assert waveform.grad is not None
        assert waveform.grad.isfinite().all()

    @pytest.mark.parametrize("compression", ["log", "pcen", "spcen", "offset-spcen", "band-norm", "none"])
    @every
    def test_any_compression_on_any_bank(self, name: str, compression: str) -> None:
        frontend = create(name, compression=compression)
        for waveform in (torch.zeros(1, 1600), noise(1, 1600)):
            spectrogram = frontend(waveform)
            assert spectrogram.isfinite().all()
            if spectrogram.requires_grad:
                spectrogram.sum().backward()
        assert gradients_are_finite(frontend)


def parameter_names(name: str) -> list[str]:
    return [parameter for parameter, _ in create(name).named_parameters()]


DRIFTS = [(name, parameter) for name in LEARNT if name != "wavegram" for parameter in parameter_names(name)]


class TestDrift:
    """Parameters far out of bounds do no harm, and training can bring them back."""

    @pytest.mark.parametrize(("name", "parameter"), DRIFTS)
    def test_outputs_and_gradients_stay_finite(self, name: str, parameter: str) -> None:
        for value in (-1e6, -3.0, -1e-3, 0.0, 3.0, 1e6):
            frontend = create(name)
            with torch.no_grad():
                frontend.get_parameter(parameter).fill_(value)
            for waveform in (noise(1, 1600), torch.zeros(1, 800)):
                spectrogram = frontend(waveform)
                assert spectrogram.isfinite().all(), value
                spectrogram.square().mean().backward()
            assert gradients_are_finite(frontend), value

    @pytest.mark.parametrize("name", ["leaf", "sincnet+", "mel-spcen", "normalized-conv"])
    def test_all_at_once(self, name: str) -> None:
        for value in (-1e6, 1e6):
            frontend = create(name)
            with torch.no_grad():
                for parameter in frontend.parameters():
                    parameter.fill_(value)
            spectrogram = frontend(noise(1, 1600))
            assert spectrogram.isfinite().all()
            spectrogram.square().mean().backward()
            assert gradients_are_finite(frontend)

    def test_gradient_of_bounded(self) -> None:
        """Inside the bounds the gradient passes; elsewhere only where descent moves the value inwards."""
        value = torch.tensor([-1.0, -1.0, 0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 2.0, 2.0], requires_grad=True)
        upstream = torch.tensor([1.0, -1.0] * 5)
        out = bounded(value, 0.0, 1.0)
        assert out.tolist() == [0.0] * 4 + [0.5] * 2 + [1.0] * 4
        out.backward(upstream)
        assert value.grad is not None
        assert value.grad.tolist() == [0.0, -1.0, 0.0, -1.0, 1.0, -1.0, 1.0, 0.0, 1.0, 0.0]

    @pytest.mark.parametrize(
        ("name", "parameter", "bound", "stray"),
        [
            ("leaf", "filterbank.bandwidths", 4 * FWHM, 4 * FWHM - 0.1),
            ("leaf", "filterbank.bandwidths", 101 * FWHM, 101 * FWHM + 0.1),
            ("leaf", "pooling.widths", 2 / 101, -0.05),
            ("leaf", "pooling.widths", 0.5, 0.55),
            ("leaf", "compression.alpha", 0.0, -0.05),
            ("leaf", "compression.alpha", 1.0, 1.05),
            ("leaf", "compression.delta", 0.0, -0.05),
            ("leaf", "compression.root", 1.0, 0.95),
            ("leaf", "compression.smooth", 0.0, -0.05),
            ("leaf", "compression.smooth", 1.0, 1.05),
            ("mel-spcen", "compression.smooth", 1.0, 1.05),
            ("sincnet+", "filterbank.low_hz", 7900.0, 7950.0),
            ("sincnet+", "filterbank.band_hz", 7900.0, 7950.0),
        ],
    )
    def test_an_optimiser_brings_a_stray_parameter_back(
        self, name: str, parameter: str, bound: float, stray: float
    ) -> None:
        """Of a loss and its negative, one moves the parameter back inside and the other does not move it.

        The centre of a Gabor filter is left out: a real signal's spectrum is symmetric about 0 and pi, so that the
        energies do not depend on it there to first order.
        """
        inwards = math.copysign(1.0, bound - stray)
        movements = []
        for sign in (1.0, -1.0):
            frontend = create(name, n_filters=1, kernel_size=101, hop_length=40)
            value = frontend.get_parameter(parameter)
            with torch.no_grad():
                value.fill_(stray)
            start = float(value.detach())
            optimiser = torch.optim.Adam([value], lr=abs(bound - stray) / 4)
            for _ in range(8):
                optimiser.zero_grad()
                (sign * frontend(noise(2, 800)).mean()).backward()
                optimiser.step()
            movements.append(inwards * (float(value.detach()) - start))
        assert min(movements) >= 0.0, "it moved further out"
        assert max(movements) > 0.9 * abs(bound - stray), "neither loss brought it back"

    @pytest.mark.parametrize("name", LEARNT)
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    @pytest.mark.parametrize("optimiser", ["Adam", "SGD"])
    def test_training_at_a_reckless_rate_makes_no_nan(self, name: str, sign: float, optimiser: str) -> None:
        frontend = create(name, n_filters=4, kernel_size=101).train()
        steps = getattr(torch.optim, optimiser)((p for p in frontend.parameters() if p.requires_grad), lr=1.0)
        for step in range(15):
            steps.zero_grad()
            waveform = noise(2, 1200, seed=step)
            waveform[0, 600:] = 0.0
            spectrogram = frontend(waveform)
            assert spectrogram.isfinite().all(), step
            (sign * torch.tanh(spectrogram).mean()).backward()
            assert gradients_are_finite(frontend), step
            steps.step()
        assert all(p.isfinite().all() for p in frontend.parameters())

    def test_every_parameter_of_every_preset_gets_a_gradient(self) -> None:
        for name in LEARNT:
            frontend = create(name, **({"merge": "mean", "ratio": 1.0} if name in WHOLE else {})).train()
            frontend(noise(2, 4000)).square().mean().backward()
            for parameter, value in frontend.named_parameters():
                if value.requires_grad:
                    assert value.grad is not None, (name, parameter)
                    assert value.grad.abs().max() > 0, (name, parameter)


class TestLaws:
    @pytest.mark.parametrize("name", ["leaf", "mel", "td-filterbanks", "normalized-conv"])
    def test_energies_grow_with_the_square_of_the_amplitude(self, name: str) -> None:
        frontend = create(name)
        waveform = noise(1, 1600)
        with torch.no_grad():
            torch.testing.assert_close(frontend.energies(8 * waveform), 64 * frontend.energies(waveform))

    @pytest.mark.parametrize("name", ["sincnet", "sincnet+"])
    def test_sincnet_grows_with_the_amplitude(self, name: str) -> None:
        frontend = create(name)
        waveform = noise(1, 1600)
        with torch.no_grad():
            torch.testing.assert_close(frontend.energies(8 * waveform), 8 * frontend.energies(waveform))

    def test_energies_add_up_for_signals_in_different_bands(self) -> None:
        frontend = create("leaf", n_filters=20)
        time = torch.arange(8000) / 16000
        low, high = (torch.sin(2.0 * math.pi * freq_hz * time)[None] for freq_hz in (300.0, 5000.0))
        with torch.no_grad():
            parts = frontend.energies(low) + frontend.energies(high)
            torch.testing.assert_close(frontend.energies(low + high)[..., 5:-5], parts[..., 5:-5], rtol=0.02, atol=0.02)

    def test_pcen_with_alpha_one_is_independent_of_the_gain(self) -> None:
        frontend = create("mel-pcen")
        with torch.no_grad():
            frontend.compression.alpha.fill_(1.0)
            quiet, loud = frontend(noise(1, 8000)), frontend(100 * noise(1, 8000))
        torch.testing.assert_close(quiet, loud, rtol=1e-3, atol=1e-4)

    def test_pcen_without_gain_control_or_root_is_the_identity(self) -> None:
        energies = torch.rand(2, 3, 50) + 1e-3
        zero, one = torch.zeros(3), torch.ones(3)
        torch.testing.assert_close(
            pcen(energies, moving_average(energies, 0.04 * one), zero, one, one), energies, rtol=1e-5, atol=1e-6
        )

    def test_pcen_without_smoothing_divides_by_the_first_frame(self) -> None:
        energies = torch.rand(2, 3, 300) + 0.1
        zero, one = torch.zeros(3), torch.ones(3)
        expected = energies / energies[..., :1]
        torch.testing.assert_close(
            pcen(energies, moving_average(energies, zero), one, one, one), expected, rtol=1e-4, atol=1e-5
        )

    def test_pcen_with_smooth_one_gives_a_constant(self) -> None:
        energies = torch.rand(2, 3, 300) + 0.1
        one = torch.ones(3)
        torch.testing.assert_close(
            pcen(energies, moving_average(energies, one), one, one, one),
            torch.ones_like(energies),
            rtol=1e-4,
            atol=1e-5,
        )

    def test_pcen_is_spcen_with_one_parameter_fixed(self) -> None:
        waveform = noise(1, 3200)
        with torch.no_grad():
            torch.testing.assert_close(create("mel-pcen")(waveform), create("mel-spcen")(waveform), rtol=0, atol=0)
        assert not create("mel-pcen").compression.smooth.requires_grad
        assert create("mel-spcen").compression.smooth.requires_grad

    def test_normalised_filters_are_independent_of_their_scale(self) -> None:
        frontend = create("normalized-conv")
        waveform = noise(1, 1600)
        with torch.no_grad():
            before = frontend.energies(waveform)
            frontend.filterbank.weight.mul_(7.0)
            torch.testing.assert_close(frontend.energies(waveform), before, rtol=1e-4, atol=1e-6)

    def test_td_filterbanks_start_as_a_mel_filterbank(self) -> None:
        """Section 3.1.1: up to one scale, the energies are those of mel bands."""
        waveform = noise(1, 16000)
        with torch.no_grad():
            td = create("td-filterbanks", n_filters=40).energies(waveform)[0, 4:36, 5:-5].mean(dim=-1)
            mel = create("mel", n_filters=40).energies(waveform)[0, 4:36, 5:-5].mean(dim=-1)
        ratio = td / mel
        assert ratio.max() / ratio.min() < 1.3

    def test_forward_does_not_change_the_state_dict(self) -> None:
        for name in NAMES:
            frontend = create(name)
            before = {key: value.clone() for key, value in frontend.state_dict().items()}
            frontend(noise(2, 1600))
            assert all(torch.equal(before[key], value) for key, value in frontend.state_dict().items()), name


class TestOptions:
    @pytest.mark.parametrize(
        ("frozen", "learnt"),
        [
            ([], {"filterbank", "pooling", "compression"}),
            (["filterbank"], {"pooling", "compression"}),
            (("filterbank", "pooling"), {"compression"}),
            (["filterbank", "pooling", "compression"], set()),
        ],
    )
    def test_parts_freeze_by_name(self, frozen: Any, learnt: set[str]) -> None:
        frontend = create("leaf", frozen=frozen)
        assert {name.partition(".")[0] for name, p in frontend.named_parameters() if p.requires_grad} == learnt
        spectrogram = frontend(noise(1, 1600))
        if learnt:
            spectrogram.sum().backward()
        with_gradient = {name.partition(".")[0] for name, p in frontend.named_parameters() if p.grad is not None}
        assert with_gradient == learnt

    def test_a_single_parameter_freezes(self) -> None:
        frontend = create("leaf", frozen=["compression.smooth"])
        assert [name for name, p in frontend.named_parameters() if not p.requires_grad] == ["compression.smooth"]

    def test_a_part_without_parameters_freezes(self) -> None:
        assert create("mel", frozen=["filterbank"]).n_filters == 8

    @every
    def test_compression_can_be_a_module(self, name: str) -> None:
        frontend = create(name, compression=nn.Sigmoid())
        with torch.no_grad():
            waveform = noise(1, 800)
            expected = torch.sigmoid(frontend.energies(waveform))
            if frontend.attention is not None:
                expected = frontend.attention(expected)
            torch.testing.assert_close(frontend(waveform), expected)

    @pytest.mark.parametrize("n_filters", [40, 80, 128])
    @pytest.mark.parametrize("variant", ["paper", "published"])
    def test_sorting_a_sorted_bank_changes_nothing(self, variant: str, n_filters: int) -> None:
        """The published initialisation has equal centres with unequal bandwidths from about 80 filters on."""
        options = {"variant": variant, "n_filters": n_filters}
        plain, sorted_ = create("leaf", **options), create("leaf", sort=True, **options)
        waveform = noise(1, 800)
        with torch.no_grad():
            torch.testing.assert_close(sorted_.energies(waveform), plain.energies(waveform), rtol=0, atol=0)

    def test_sorting_puts_bands_in_the_order_of_their_centres(self) -> None:
        plain, sorted_ = create("leaf"), create("leaf", sort=True)
        order = torch.tensor([3, 0, 7, 5, 1, 2, 6, 4])
        with torch.no_grad():
            for parameter in (sorted_.filterbank.center_freqs, sorted_.filterbank.bandwidths):
                parameter.copy_(parameter[order])
            waveform = noise(1, 1600)
            torch.testing.assert_close(sorted_(waveform), plain(waveform), rtol=0, atol=0)
        sorted_(waveform).sum().backward()
        plain(waveform).sum().backward()
        torch.testing.assert_close(sorted_.filterbank.center_freqs.grad, plain.filterbank.center_freqs.grad[order])

    def test_random_centres_follow_the_seed(self) -> None:
        centers = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            centers.append(create_frontend("leaf", init="random").filterbank.center_freqs.tolist())
        assert centers[0] == centers[1] != centers[2]

    @every
    def test_state_moves_to_another_instance(self, name: str) -> None:
        source, target = create(name), create(name)
        with torch.no_grad():
            for parameter in source.parameters():
                parameter.mul_(1.05)
        target.load_state_dict(source.state_dict())
        with torch.no_grad():
            waveform = noise(1, 800)
            torch.testing.assert_close(target(waveform), source(waveform), rtol=0, atol=0)


class TestErrors:
    """Every bad option raises an `AuricleError` of one line that quotes it."""

    @pytest.mark.parametrize(
        ("name", "options", "words"),
        [
            ("leef", {}, "unknown front-end 'leef'; did you mean 'leaf'"),
            ("leaf", {"variant": "publishd"}, "'publishd'"),
            ("mel-pcen", {"variant": "published"}, "mel-pcen has no published code"),
            ("mel-spcen", {"variant": "published"}, "mel-spcen has no published code"),
            ("normalized-conv", {"variant": "published"}, "normalized-conv has no published code"),
            ("wavegram", {"variant": "published"}, "wavegram has no published code"),
            ("leaf-apcen", {"lead": 149}, "lead is an option of variant='published'"),
            ("leaf-apcen", {"variant": "published", "lead": -1}, "lead=-1"),
            ("leaf", {"kernel_size": 400}, "kernel_size=400: filters need a centre"),
            ("leaf", {"kernel_size": -1}, "kernel_size=-1"),
            ("leaf", {"kernel_size": 1}, "kernel_size=1"),
            ("leaf", {"hop_length": -1}, "hop_length=-1"),
            ("leaf", {"n_filters": 0}, "n_filters=0"),
            ("leaf", {"sample_rate": 0}, "sample_rate=0"),
            ("leaf", {"sample_rate": -8000}, "sample_rate=-8000"),
            ("leaf", {"max_freq_hz": 8001.0}, "to 8001 Hz do not fit"),
            ("leaf", {"max_freq_hz": 50.0}, "from 60 to 50 Hz"),
            ("leaf", {"min_freq_hz": -5.0}, "from -5 to"),
            ("leaf", {"min_freq_hz": math.nan}, "from nan"),
            ("leaf", {"compression": "pcn"}, "unknown compression 'pcn'; did you mean 'pcen'"),
            ("leaf", {"init": "mle"}, "'mle'; did you mean 'mel'"),
            ("leaf", {"method": "fft2"}, "'fft2'"),
            ("leaf", {"frozen": ["filterbnk"]}, "unknown part 'filterbnk'; did you mean 'filterbank'"),
            ("leaf", {"frozen": ["compression.smoth"]}, "did you mean 'compression.smooth'"),
            ("mel", {"frozen": ["pooling.widths"]}, "'pooling.widths'"),
            ("leaf", {"n_filter": 40}, "'n_filter'"),
            ("mel", {"init": "mel"}, "'init'"),
            (
                "leaf",
                {"n_mels": 64},
                "option 'n_mels' of the front-end 'leaf' (unexpected keyword); did you mean 'n_filters'? Known: ",
            ),
            ("mel", {"init": "mel"}, "unknown option 'init' of the front-end 'mel'"),
            ("leaf", {"init": "published", "n_filters": 128, "sample_rate": 8000}, "128 filters at 8000 Hz"),
        ],
    )
    def test_bad_options(self, name: str, options: dict[str, Any], words: str) -> None:
        with pytest.raises(AuricleError) as error:
            create_frontend(name, **options)
        assert words in str(error.value)
        assert "\n" not in str(error.value)

    @every
    @pytest.mark.parametrize(
        ("waveform", "words"),
        [
            (torch.zeros(2, 0), "at least one sample"),
            (torch.zeros(2, 3, 0), "at least one sample"),
            (torch.zeros(1600), "(1600,)"),
            (torch.zeros(1600), "; waveform[None] makes a batch of one"),
            (np.zeros((1, 1600), np.float32), "takes a tensor, not a ndarray; torch.as_tensor makes one"),
            (torch.zeros(1, 1, 1, 1600), "(1, 1, 1, 1600)"),
            (torch.zeros(2, 1600, dtype=torch.int16), "torch.int16"),
            (torch.zeros(2, 1600, dtype=torch.complex64), "torch.complex64"),
        ],
        ids=["no samples", "no samples in channels", "1-D", "1-D, mended", "array", "4-D", "integers", "complex"],
    )
    def test_bad_input(self, name: str, waveform: Tensor, words: str) -> None:
        with pytest.raises(AuricleError) as error:
            create(name)(waveform)
        assert words in str(error.value)
        assert "\n" not in str(error.value)

    def test_frozen_may_be_a_single_string(self) -> None:
        message = ""
        try:
            assert not create("leaf", frozen="filterbank").filterbank.center_freqs.requires_grad
        except AuricleError as error:
            message = str(error)
        assert not message or "'filterbank'" in message

    def test_a_pooling_is_needed_exactly_where_the_filterbank_has_no_frames(self) -> None:
        gabor, mel, pooling = create("leaf").filterbank, create("mel").filterbank, GaussianPool(8, 401, 160)
        sizes = {"sample_rate": 16000, "n_filters": 8, "hop_length": 160}
        with pytest.raises(AuricleError, match="GaborFilterbank needs a pooling"):
            Frontend(gabor, None, nn.Identity(), **sizes)
        with pytest.raises(AuricleError, match="MelFilterbank takes no pooling"):
            Frontend(mel, pooling, nn.Identity(), **sizes)

    def test_published_windows_have_no_reach(self) -> None:
        with pytest.raises(AuricleError, match="variant='paper'"):
            create("leaf-apcen", variant="published").reach()

    def test_bad_options_of_single_parts(self) -> None:
        for make in (
            lambda: GaussianPool(4, 400, 160),
            lambda: MaxPool(401, 160, "sam"),
            lambda: HannPool(4, 401, 160, "sam"),
            lambda: MelFilterbank(4, 400, 160, 16000, 60.0, 7800.0, padding="sam"),
            lambda: GaborFilterbank(4, 401, 16000, 60.0, 7800.0, init="bark"),
        ):
            with pytest.raises(AuricleError):
                make()

    def test_a_taken_name_cannot_be_registered_again(self) -> None:
        with pytest.raises(AuricleError, match="'leaf' is registered already"):
            register_frontend("leaf")(lambda: None)

    def test_a_decorator_without_a_name_is_refused(self) -> None:
        """It would register nothing, and put a function in the place of the decorated one."""
        for name in (lambda: None, ""):
            with pytest.raises(AuricleError, match="a front-end is registered by a name"):
                register_frontend(name)  # type: ignore[arg-type]

    def test_errors_are_value_errors(self) -> None:
        with pytest.raises(ValueError):
            create_frontend("leef")

    def test_published_leaf_keeps_the_published_flaw(self) -> None:
        """leaf-audio does not bound delta; the default does."""
        for variant, finite in (("paper", True), ("published", False)):
            frontend = create("leaf", variant=variant)
            assert isinstance(frontend.compression, PCEN)
            with torch.no_grad():
                frontend.compression.delta.fill_(-1.0)
                assert frontend(noise(1, 1600)).isfinite().all() == finite


class TestNames:
    def test_a_pattern_selects_names(self) -> None:
        leaf = ["leaf", "leaf-apcen", "leaf-fixed", "leaf-pcen", "leaf-simppcen"]
        assert list_frontends("leaf*") == leaf
        assert list_frontends("*") == list_frontends() == sorted(NAMES)
        assert list_frontends("leef*") == []

    @every
    def test_docstrings_name_every_option(self, name: str) -> None:
        """Those of the preset itself; the options that all share stand in `create_frontend`."""
        preset = FRONTENDS[name]
        own = [option for option, p in inspect.signature(preset).parameters.items() if p.kind is p.KEYWORD_ONLY]
        for option in own:
            assert f"`{option}`" in (preset.__doc__ or ""), option
        for field in dataclasses.fields(FrontendOptions):
            assert f"`{field.name}`" in (create_frontend.__doc__ or "")


class TestImports:
    def test_torch_and_numpy_are_enough(self) -> None:
        absent = "soundfile soxr pandas lightning monai scipy matplotlib yaml rich torchmetrics safetensors"
        program = (
            "import sys\n"
            f"for name in {absent.split()!r}: sys.modules[name] = None\n"
            "import torch\n"
            "from auricle.frontends import create_frontend, list_frontends\n"
            "for name in list_frontends(): create_frontend(name, n_filters=4)(torch.zeros(2, 400))\n"
        )
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr

    def test_numpy_is_the_type_of_the_scales(self) -> None:
        from auricle.frontends.scales import SCALES, spaced_freqs

        for scale, (forward, backward) in SCALES.items():
            freqs = spaced_freqs(12, 50.0, 7000.0, scale)
            np.testing.assert_allclose(backward(forward(freqs)), freqs)
            np.testing.assert_allclose(freqs[[0, -1]], [50.0, 7000.0])
            assert (np.diff(freqs) > 0).all()


class TestFloor:
    """Below the floor everything sounds the same; with a lower one a distant tone is still a tone."""

    NAMES = ("leaf", "leaf-fixed", "leaf-pcen", "leaf-simppcen", "leaf-apcen")

    @pytest.mark.parametrize("name", NAMES)
    def test_what_is_eighty_decibels_quieter_is_heard_with_a_lower_floor(self, name: str) -> None:
        tone = torch.sin(2 * torch.pi * 1000.0 * torch.arange(16000) / 16000)[None] + noise(1, 16000)
        quiet = 1e-4 * tone
        with torch.no_grad():
            usual = create(name)(quiet)
            frontend = create(name, floor=1e-15)
            heard, loud = frontend(quiet), frontend(tone)
            energies = create(name).energies(tone)
        torch.testing.assert_close(usual, usual[:, :1].expand_as(usual))
        torch.testing.assert_close(heard, frontend.compression(1e-8 * energies), rtol=2e-4, atol=2e-4)
        by_band = torch.stack([heard.mean(-1)[0], loud.mean(-1)[0]])
        assert torch.equal(*by_band.argsort(dim=-1))

    def test_fast_and_direct_agree_about_quiet_sounds(self) -> None:
        quiet = 1e-3 * noise(1, 16000)
        with torch.no_grad():
            fast, direct = (create("leaf", floor=1e-12, method=method)(quiet) for method in ("fast", "direct"))
        assert (fast - direct).abs().max() < 1e-2

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("floor", [0.0, -1e-5, math.inf, math.nan])
    def test_it_is_positive(self, name: str, floor: float) -> None:
        with pytest.raises(AuricleError, match="floor="):
            create(name, floor=floor)

    def test_the_published_code_has_its_own(self) -> None:
        with pytest.raises(AuricleError, match="floor are for variant='paper'"):
            create("leaf-apcen", variant="published", floor=1e-10)


def test_whole_numbers_of_numpy_count_as_pythons() -> None:
    frontend = create_frontend("leaf", sample_rate=np.int64(8000), n_filters=np.int32(20), hop_length=np.uint8(80))
    own = create_frontend("leaf", sample_rate=8000, n_filters=20, hop_length=80)
    clip = torch.randn(1, 4000)
    torch.testing.assert_close(frontend(clip), own(clip), rtol=0, atol=0)
    assert type(frontend.sample_rate) is int
    with pytest.raises(AuricleError, match=r"n_filters=.*20\.5.* is not a whole number"):
        create_frontend("leaf", n_filters=np.float32(20.5))
