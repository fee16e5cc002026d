"""LEAF (Zeghidour et al., 2021): equations in NumPy, options that take the text literally, and options of the code.

Equations 3, 4 and 6, SincNet and the moving average have their twins in frontends/test_twins.py.
"""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from auricle import create_frontend
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.frontends import Frontend
from auricle.frontends.filterbanks import WIDTH_BOUNDS, ConvFilterbank, GaborFilterbank
from auricle.frontends.pooling import GaussianPool
from auricle.systems.classifier.system import Classifier
from auricle.systems.streaming import Stream

W, HOP = 401, 160


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(n_samples)


def leaf_twin(waveform: np.ndarray, frontend: Frontend, normalize: bool) -> np.ndarray:
    """Equations 2, 4, 5 and 6 written out, one band and one frame after the other."""
    frontend = copy.deepcopy(frontend).requires_grad_(False)
    bank, pooling, pcen = frontend.filterbank, frontend.pooling, frontend.compression
    assert isinstance(bank, GaborFilterbank)
    assert isinstance(pooling, GaussianPool)
    half = W // 2
    time = np.arange(-half, half + 1)
    n_frames = -(-len(waveform) // HOP)
    out = np.zeros((frontend.n_filters, n_frames))
    for n in range(frontend.n_filters):
        eta, sigma = float(bank.center_freqs[n]) / (2 * np.pi), float(bank.bandwidths[n])
        gabor = np.exp(2j * np.pi * eta * time) * np.exp(-(time**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
        f = np.abs(np.convolve(waveform, gabor, mode="same")) ** 2
        spread = float(pooling.widths[n]) * half
        low_pass = np.exp(-(time**2) / (2 * spread**2))
        if normalize:
            low_pass /= np.sqrt(2 * np.pi) * spread
        padded = np.pad(f, half)
        energies = [max(float(padded[k * HOP : k * HOP + W] @ low_pass), 1e-5) for k in range(n_frames)]
        alpha, delta, r, s = (float(p[n]) for p in (pcen.alpha, pcen.delta, 1 / pcen.root, pcen.smooth))
        average = energies[0]
        for k, energy in enumerate(energies):
            average = (1 - s) * average + s * energy
            out[n, k] = (energy / (1e-12 + average) ** alpha + delta) ** r - delta**r
    return out


def tuned(options: dict[str, Any]) -> Frontend:
    """LEAF in float64 whose parameters are not the initial ones."""
    frontend = create_frontend("leaf", n_filters=20, **options).double()
    rng = np.random.default_rng(3)
    with torch.no_grad():
        for parameter in frontend.parameters():
            parameter *= torch.from_numpy(rng.uniform(0.8, 1.04, parameter.shape))
    return frontend


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("method", "bound"), [("direct", 1e-9), ("fast", 3e-3)])
def test_the_whole_front_end_is_equations_2_to_6(normalize: bool, method: str, bound: float) -> None:
    frontend = tuned({"normalize_pooling": normalize, "method": method})
    waveform = noise(4000)
    with torch.no_grad():
        found = frontend(torch.from_numpy(waveform)[None])[0].numpy()
    expected = leaf_twin(waveform, frontend, normalize)
    assert np.abs(found - expected).max() < bound * np.abs(expected).max()


def test_the_factor_of_equation_5_scales_each_band_by_its_own_width() -> None:
    plain, literal = (tuned({"normalize_pooling": flag}) for flag in (False, True))
    assert isinstance(literal.pooling, GaussianPool)
    np.testing.assert_allclose(literal.pooling.windows().sum(-1).detach(), 1.0, atol=0.02)  # cut off at ±2.5σ
    clip = torch.from_numpy(noise(3200))[None]
    spread = literal.pooling.spreads()[:, None]
    ratio = plain.energies(clip) / literal.energies(clip)
    torch.testing.assert_close(ratio, (np.sqrt(2 * np.pi) * spread).expand_as(ratio[0])[None])


def width_of_response(sigma: float) -> float:
    """Full width at half maximum of a Gabor filter's frequency response, measured on it, in cycles per sample."""
    freqs = np.linspace(-0.6, 0.6, 4801) if sigma < 10 else np.linspace(-2 / sigma, 2 / sigma, 4801)
    reach = min(20000, int(12 * sigma) + 12)
    time = np.arange(-reach, reach + 1)
    response = np.exp(-(time**2) / (2 * sigma**2)) @ np.exp(-2j * np.pi * np.outer(time, freqs))
    above = freqs[np.abs(response) >= np.abs(response).max() / 2]
    return float(above[-1] - above[0])


@pytest.mark.parametrize(("bounds", "widest"), [("published", 1 / 4), ("stated", 1 / 2)])
def test_bounds_of_sigma_are_those_of_the_responses_width(bounds: str, widest: float) -> None:
    """Section 3.1.2 states widths from 1/W to 1/2; the published code allows 1/W to 1/4."""
    bank = GaborFilterbank(2, W, 16000, 60.0, 7800.0, bounds=bounds)
    with torch.no_grad():
        bank.bandwidths.copy_(torch.tensor([0.0, 1e6]))
    narrow, wide = bank.parameters_in_bounds()[1].tolist()
    if bounds == "published":  # at 1/2 a filter of two samples' width is no longer a Gaussian in frequency
        assert width_of_response(narrow) == pytest.approx(widest, rel=0.02)
    assert np.sqrt(2 * np.log(2)) / (np.pi * narrow) == pytest.approx(widest)
    assert width_of_response(wide) == pytest.approx(1 / W, rel=0.02)


def test_the_printed_bounds_of_sigma() -> None:
    bank = GaborFilterbank(2, W, 16000, 60.0, 7800.0, bounds="printed")
    with torch.no_grad():
        bank.bandwidths.copy_(torch.tensor([0.0, 1e6]))
    z = np.sqrt(2 * np.log(2))
    np.testing.assert_allclose(bank.parameters_in_bounds()[1].detach(), [4 * z, 2 * W * z], rtol=1e-6)


@pytest.mark.parametrize("bounds", WIDTH_BOUNDS)
def test_the_fast_method_holds_within_all_bounds(bounds: str) -> None:
    clip = torch.from_numpy(noise(16000)).float()[None]
    energies = []
    for method in ("fast", "direct"):
        frontend = create_frontend("leaf", bounds=bounds, method=method)
        with torch.no_grad():
            frontend.filterbank.bandwidths.copy_(torch.linspace(1.0, 1000.0, 40))
            energies.append(frontend.energies(clip))
    error = (energies[0] - energies[1]).norm(dim=-1) / energies[1].norm(dim=-1)
    assert error.max() < 3e-3


def test_equation_7_is_a_sum_over_the_batch() -> None:
    """L = Σ_i Σ_k L_k(h_k(g(F(x_i))), y_i) δ(k_i, k), for two tasks that share front-end and encoder."""
    tasks = [Task("animals", ("cat", "dog", "owl")), Task("rooms", ("hall", "attic"))]
    config = {"sample_rate": 8000, "window_s": 0.25, "frontend": {"name": "leaf", "n_filters": 8}}
    waveforms = torch.from_numpy(np.stack([noise(2000, seed) for seed in range(5)])).float()
    of_task, labels = np.array([0, 1, 0, 0, 1]), np.array([2, 0, 1, 0, 1])
    targets = torch.zeros(5, 5)
    targets[np.arange(5), np.where(of_task == 0, labels, 3 + labels)] = 1.0
    batch = {"waveform": waveforms, "target": targets, "task": torch.from_numpy(of_task)}
    losses = {}
    for kind in ("sum", "mean"):
        model = Classifier.build(
            tasks=tasks, backbone={"name": "cnn-small"}, optimization={"batch_loss": kind}, **config
        ).eval()
        vars(model)["loop"] = SimpleNamespace(log=lambda *_, **__: None, global_step=0)
        losses[kind] = float(model.training_step(batch, 0).detach())
        logits = model(waveforms).detach().double().numpy()
    expected = 0.0
    for i in range(5):
        for k, columns in enumerate((slice(0, 3), slice(3, 5))):
            if of_task[i] == k:  # the Kronecker delta
                own = logits[i, columns]
                expected += np.log(np.exp(own).sum()) - own[labels[i]]
    assert losses["sum"] == pytest.approx(expected, rel=1e-5)
    assert losses["mean"] == pytest.approx(expected / 5, rel=1e-5)
    with pytest.raises(AuricleError, match="batch_loss"):
        Classifier.build(tasks=tasks, backbone={"name": "cnn-small"}, optimization={"batch_loss": "total"}, **config)


class TestOptionsOfTheCode:
    """Pre-emphasis, and initialisations that know nothing of frequencies."""

    @pytest.mark.parametrize(("variant", "shift"), [("paper", 1), ("published", 0)])
    def test_preemphasis_comes_before_the_filters(self, variant: str, shift: int) -> None:
        """y[t] = x[t] − 0.97·x[t − 1]; TensorFlow pads an even kernel at the end, so that y is one sample early."""
        plain = create_frontend("leaf", variant=variant, n_filters=6, method="direct").double()
        frontend = create_frontend("leaf", variant=variant, n_filters=6, method="direct", preemphasis=True).double()
        waveform = noise(3200)
        padded = np.concatenate([np.zeros(shift), waveform, np.zeros(1 - shift)])
        emphasized = padded[1:] - 0.97 * padded[:-1]
        with torch.no_grad():
            found = frontend(torch.from_numpy(waveform)[None])
            expected = plain(torch.from_numpy(emphasized)[None])
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)

    def test_preemphasis_learns(self) -> None:
        frontend = create_frontend("leaf", n_filters=6, preemphasis=True)
        frontend(torch.from_numpy(noise(3200)).float()[None]).sum().backward()
        taps = frontend.filterbank.taps
        assert taps.grad is not None
        assert (taps.grad != 0).all()

    def test_preemphasis_takes_a_stream(self) -> None:
        frontend = create_frontend("leaf", n_filters=6, preemphasis=True)
        clip = torch.from_numpy(noise(8000)).float()[None]
        stream = Stream(frontend)
        with torch.no_grad():
            pieces = [stream.push(piece) for piece in clip.split(1111, dim=1)]
            found = torch.cat([*pieces, stream.flush()], dim=-1)
            torch.testing.assert_close(found, frontend(clip), rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize(("init", "deviation"), [("xavier", (2 / (1000 + 2)) ** 0.5), ("kaiming", 1.0)])
    def test_gabor_parameters_are_drawn(self, init: str, deviation: float) -> None:
        torch.manual_seed(0)
        bank = GaborFilterbank(1000, 101, 16000, 60.0, 7800.0, init=init)
        drawn = torch.stack([bank.center_freqs, bank.bandwidths])
        assert abs(float(drawn.mean())) < 0.1 * deviation
        assert float(drawn.std()) == pytest.approx(deviation, rel=0.05)
        assert float(bank.parameters_in_bounds()[1].min()) == pytest.approx(4 * np.sqrt(2 * np.log(2)) / np.pi)

    @pytest.mark.parametrize(
        ("init", "deviation"), [("xavier", (2 / (401 + 401 * 80)) ** 0.5), ("kaiming", (2 / 401) ** 0.5)]
    )
    def test_free_filters_are_drawn(self, init: str, deviation: float) -> None:
        torch.manual_seed(0)
        weight = ConvFilterbank(40, W, 16000, 60.0, 7800.0, init=init).weight
        assert weight.shape == (80, W)
        assert float(weight.std()) == pytest.approx(deviation, rel=0.05)

    @pytest.mark.parametrize(
        ("options", "words"), [({"bounds": "wide"}, "bounds 'wide'"), ({"init": "xavie"}, "'xavie'")]
    )
    def test_unknown_names(self, options: dict[str, str], words: str) -> None:
        with pytest.raises(AuricleError, match=words):
            create_frontend("leaf", **options)
