"""DEGramNet's front-ends against the published formulas' figures and slow restatements in NumPy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.errors import AuricleError
from auricle.frontends import Frontend, create_frontend
from auricle.frontends.attention import TFDELayer
from auricle.frontends.compression import LogZScore, running_mean
from auricle.frontends.spectral import SincGram, butterworth
from auricle.systems.streaming import Stream
from published import PublishedFigures

Array = np.ndarray


def bank(n_filters: int = 64, order: int = 4, **options: Any) -> SincGram:
    made = create_frontend("sincgram", n_filters=n_filters, order=order, **options).filterbank
    assert isinstance(made, SincGram)
    return made


def chirp(n_samples: int = 8000) -> Array:
    time = np.arange(n_samples) / 16000
    return 0.3 * np.sin(2.0 * np.pi * (200.0 + 4000.0 * time) * time) + 0.01 * np.cos(9000.0 * time)


def spectrum_twin(waveform: Array, first: int, length: int = 512) -> Array:
    """|X| at the bins 0 … length/2 of the window that starts at sample `first`, zeros beyond the clip's ends."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)
    padded = np.concatenate([np.zeros(length), waveform, np.zeros(2 * length)])
    frame = padded[length + first : 2 * length + first] * window
    waves = np.exp(-2j * np.pi * np.outer(np.arange(length // 2 + 1), np.arange(length)) / length)
    return np.abs(waves @ frame)


def bands_twin(n_filters: int, order: int, low_hz: float = 125.0, high_hz: float = 7500.0, rate: int = 16000) -> Array:
    """The matrix W of equation 2, straight from the notes of the formulas."""

    def mel(freq_hz: float) -> float:
        return 2595.0 * math.log10(1.0 + freq_hz / 700.0)

    places = np.linspace(mel(low_hz), mel(high_hz), n_filters + 2)
    peaks = 700.0 * (10.0 ** (places / 2595.0) - 1.0)
    x = np.linspace(-1.0, 1.0, 257)
    columns = []
    for below, center, above in zip(peaks, peaks[1:], peaks[2:], strict=False):
        alpha, beta = 4.0 * center / rate - 1.0, 2.0 * (above - below) / rate
        columns.append(1.0 / np.sqrt(1.0 + ((x - alpha) / beta) ** (2 * order)))
    return np.stack(columns, axis=1)


def attention_twin(spectrogram: Array, layer: TFDELayer) -> Array:
    """Equations 3 to 5 for one spectrogram `(n_filters, frames)`, one band and one frame at a time."""

    def sigmoid(value: Array | float) -> Array:
        return 1.0 / (1.0 + np.exp(-np.asarray(value)))

    weights = {name: value.detach().double().numpy() for name, value in layer.named_parameters()}
    attended = []
    if layer.frequency is not None:
        hidden = weights["frequency.0.weight"] @ spectrogram.mean(axis=1) + weights["frequency.0.bias"]
        scores = weights["frequency.2.weight"] @ np.maximum(hidden, 0.0) + weights["frequency.2.bias"]
        attended.append(np.stack([sigmoid(score) * band for score, band in zip(scores, spectrogram, strict=True)]))
    if layer.time is not None:
        kernel = weights["time.conv.weight"][0, 0]
        squeezed = np.pad(spectrogram.mean(axis=0), len(kernel) // 2)
        scores = [kernel @ squeezed[t : t + len(kernel)] for t in range(spectrogram.shape[1])]
        attended.append(spectrogram * sigmoid(np.array(scores) + weights["time.conv.bias"]))
    if len(attended) == 1:
        return attended[0]
    return np.maximum(*attended) if layer.merge == "max" else (attended[0] + attended[1]) / 2.0


class TestSincGram:
    @pytest.mark.parametrize(("n_filters", "order"), [(64, 4), (128, 5)])
    def test_golden(self, n_filters: int, order: int, shared: Path) -> None:
        made = bank(n_filters, order)
        centers_hz, widths_hz = made.bands_hz()
        with np.load(shared / "golden/sincgram.npz") as golden:
            np.testing.assert_allclose(centers_hz.detach(), golden[f"center_hz_{n_filters}"], rtol=1e-5, atol=1e-3)
            np.testing.assert_allclose(widths_hz.detach(), golden[f"bandwidth_hz_{n_filters}"], rtol=1e-5, atol=1e-4)
            matrix = golden[f"matrix_{n_filters}_order{order}"]
        np.testing.assert_allclose(made.matrix().detach(), matrix, rtol=0, atol=1e-5)

    @pytest.mark.parametrize(("n_filters", "order"), [(64, 4), (128, 5)])
    def test_figures_of_the_golden_banks(self, n_filters: int, order: int, figures: PublishedFigures) -> None:
        made = bank(n_filters, order)
        centers_hz, widths_hz = (values.detach() for values in made.bands_hz())
        figures(f"sincgram/center_hz_{n_filters}", centers_hz, rtol=1e-5, atol=1e-3)
        figures(f"sincgram/bandwidth_hz_{n_filters}", widths_hz, rtol=1e-5, atol=1e-4)
        figures(f"sincgram/matrix_{n_filters}_order{order}", made.matrix().detach(), atol=1e-5)

    def test_figures_of_the_papers_bank(self) -> None:
        made = bank()
        centers_hz, widths_hz = (values.detach() for values in made.bands_hz())
        matrix = made.matrix().detach()
        assert float(centers_hz[0]) == pytest.approx(154.669, abs=1e-3)
        assert float(widths_hz[0]) == pytest.approx(60.405, abs=1e-3)
        assert float(matrix[4, 0]) == pytest.approx(0.73184, abs=1e-5)
        np.testing.assert_allclose(matrix.sum(0)[[0, 32, 63]], [2.4566, 7.5412, 22.4191], atol=1e-4)

    @pytest.mark.parametrize(("n_filters", "order"), [(64, 4), (20, 1), (128, 8)])
    def test_matrix_is_the_formula(self, n_filters: int, order: int) -> None:
        np.testing.assert_allclose(bank(n_filters, order).matrix().detach(), bands_twin(n_filters, order), atol=2e-5)

    @pytest.mark.parametrize(("variant", "shift"), [("paper", 256), ("published", 0)])
    def test_energies_are_magnitudes_times_the_bands(self, variant: str, shift: int) -> None:
        waveform = chirp()
        frontend = create_frontend("sincgram", variant=variant, n_filters=64, order=4)
        with torch.no_grad():
            energies = frontend.energies(torch.from_numpy(waveform)[None].float())[0]
        for frame in (0, 1, 20, 49):
            expected = spectrum_twin(waveform, 160 * frame - shift) @ bands_twin(64, 4)
            np.testing.assert_allclose(energies[:, frame], expected, rtol=1e-4, atol=1e-3)

    @pytest.mark.parametrize("order", [1, 4, 50, 1000])
    @pytest.mark.parametrize("band_weight", [-1.0, -3.0, 1.0])
    def test_no_band_vanishes_and_no_gradient_overflows(self, order: int, band_weight: float) -> None:
        made = bank(8, order)
        with torch.no_grad():
            made.band_weights.fill_(band_weight)
            made.center_weights[:2] = torch.tensor([-1.0, 1.0])
        matrix = made.matrix()
        matrix.square().sum().backward()
        assert matrix.isfinite().all()
        assert (matrix.amax(dim=0) > 0.9)[torch.tensor([0, 7])].all(), "centres on a bin pass it"
        for weights in (made.center_weights, made.band_weights):
            assert weights.grad is not None
            assert weights.grad.isfinite().all()

    def test_steeper_bands_come_close_to_rectangles(self) -> None:
        x = torch.linspace(-1.0, 1.0, 201)
        rectangle = (x.abs() < 0.3).float()[:, None]
        gaps = []
        for order in (2, 8, 32, 128):
            band = butterworth(x, torch.zeros(1), torch.full((1,), 0.3), order)
            inside = (x.abs() - 0.3).abs() > 1e-6
            gaps.append(float((band - rectangle)[inside].abs().mean()))
        assert gaps == sorted(gaps, reverse=True)
        assert gaps[-1] < 0.005

    def test_order_and_bounds_are_kept_after_training(self) -> None:
        torch.manual_seed(0)
        made = bank(16)
        optimizer = torch.optim.SGD(made.parameters(), lr=0.3)
        target = torch.randn(257, 16)
        for _ in range(30):
            optimizer.zero_grad()
            (made.matrix() * target).sum().backward()
            optimizer.step()
        centers_hz, widths_hz = made.bands_hz()
        assert (made.center_weights.sort().values != made.center_weights).any(), "training left the order as it was"
        assert (centers_hz.diff() >= 0).all()
        assert centers_hz.min() >= 0
        assert centers_hz.max() <= 8000
        assert widths_hz.min() > 0
        assert widths_hz.max() <= (0.25 - 2 / 257) * 8000 + 1e-3

    def test_a_bands_width_moves_with_its_centre(self) -> None:
        made = bank(4)
        before = made.matrix().detach()
        with torch.no_grad():
            made.center_weights.copy_(made.center_weights.flip(0))
            made.band_weights.copy_(made.band_weights.flip(0))
        torch.testing.assert_close(made.matrix(), before, rtol=0, atol=0)

    @pytest.mark.parametrize("order", [0, -1, 1.5])
    def test_an_order_is_a_whole_number(self, order: Any) -> None:
        with pytest.raises(AuricleError, match=f"order={order}"):
            SincGram(8, 512, 160, 16000, 125.0, 7500.0, order=order)


class TestSpectrogram:
    @pytest.mark.parametrize(("variant", "shift"), [("paper", 256), ("published", 0)])
    def test_is_the_slow_transform(self, variant: str, shift: int) -> None:
        waveform = chirp()
        frontend = create_frontend("spectrogram", variant=variant)
        with torch.no_grad():
            energies = frontend.energies(torch.from_numpy(waveform)[None].float())[0]
        assert energies.shape == (257, 50)
        for frame in (0, 7, 49):
            np.testing.assert_allclose(
                energies[:, frame], spectrum_twin(waveform, 160 * frame - shift), rtol=1e-3, atol=1e-4
            )

    def test_silence_has_a_gradient(self) -> None:
        silence = torch.zeros(1, 1600, requires_grad=True)
        create_frontend("degram")(silence).sum().backward()
        assert silence.grad is not None
        assert silence.grad.isfinite().all()

    def test_too_few_bins_for_the_window_are_refused(self) -> None:
        with pytest.raises(AuricleError, match="n_filters=65 bins do not hold the spectrum of a window of 512 samples"):
            create_frontend("spectrogram", n_filters=65, kernel_size=513)


class TestAttention:
    @pytest.mark.parametrize("merge", ["max", "mean"])
    @pytest.mark.parametrize("branches", [("frequency", "time"), ("frequency",), ("time",)])
    @pytest.mark.parametrize("kernel_size", [1, 7])
    def test_is_the_slow_twin(self, merge: str, branches: tuple[str, ...], kernel_size: int) -> None:
        torch.manual_seed(0)
        layer = TFDELayer(12, ratio=0.25, kernel_size=kernel_size, merge=merge, branches=branches).double()
        spectrograms = torch.randn(2, 12, 9, dtype=torch.float64)
        with torch.no_grad():
            attended = layer(spectrograms)
        for spectrogram, expected in zip(spectrograms, attended, strict=True):
            np.testing.assert_allclose(attention_twin(spectrogram.numpy(), layer), expected, rtol=1e-9, atol=1e-12)

    def test_weights_are_those_that_multiply(self) -> None:
        torch.manual_seed(0)
        layer, spectrogram = TFDELayer(6, merge="mean"), torch.randn(1, 6, 20)
        with torch.no_grad():
            weights = layer.weights(spectrogram)
            expected = spectrogram * (weights["frequency"] + weights["time"]) / 2.0
            torch.testing.assert_close(layer(spectrogram), expected)
        assert weights["frequency"].shape == (1, 6, 1)
        assert weights["time"].shape == (1, 1, 20)

    def test_the_causal_layer_equals_the_whole_one_on_a_constant_spectrogram(self) -> None:
        """For a constant input every running mean is the mean; the convolution differs where it sees the ends."""
        torch.manual_seed(0)
        whole, causal = TFDELayer(6), TFDELayer(6, context=10.0)
        causal.load_state_dict(whole.state_dict())
        spectrogram = torch.randn(1, 6, 1).expand(-1, -1, 40).contiguous()
        with torch.no_grad():
            torch.testing.assert_close(causal(spectrogram)[..., 6:-3], whole(spectrogram)[..., 6:-3])

    def test_running_mean_is_its_loop(self) -> None:
        values = torch.randn(2, 3, 400, dtype=torch.float64)
        mean, expected = values[..., 0], []
        for value in values.unbind(-1):
            mean = mean + (value - mean) / 25.0
            expected.append(mean)
        torch.testing.assert_close(running_mean(values, 25.0), torch.stack(expected, -1))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"ratio": 0.0}, "ratio=0"),
            ({"merge": "sum"}, "'sum'"),
            ({"kernel_size": 4}, "kernel_size=4"),
            ({"branches": ()}, "branch"),
        ],
    )
    def test_wrong_options_are_named(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(AuricleError, match=words):
            TFDELayer(8, **options)


class TestZScore:
    def test_whole_clip(self) -> None:
        energies = torch.rand(3, 5, 40, dtype=torch.float64)
        levels = np.log(energies.numpy() + 1e-7)
        expected = np.stack([(clip - clip.mean()) / clip.std() for clip in levels])
        np.testing.assert_allclose(LogZScore()(energies), expected, rtol=1e-9)

    def test_moving_averages_are_those_of_levels_and_their_squares(self) -> None:
        energies = torch.rand(2, 5, 90, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        energies[..., 40:] *= 1e-9
        levels, expected = np.log(energies.numpy() + 1e-7), np.empty((2, 5, 90))
        mean, square = levels[..., 0].mean(1), (levels[..., 0] ** 2).mean(1)
        for t in range(90):
            mean += (levels[..., t].mean(1) - mean) / 20
            square += ((levels[..., t] ** 2).mean(1) - square) / 20
            expected[..., t] = (levels[..., t] - mean[:, None]) / np.sqrt(square - mean**2)[:, None]
        np.testing.assert_allclose(LogZScore(context=20.0)(energies), expected, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("level", [1.0, 1e-9])
    def test_moving_averages_resolve_loud_and_quiet_sounds(self, level: float) -> None:
        """Single precision gives what double precision does, however near the levels are to each other."""
        energies = level * torch.rand(1, 5, 400, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        single, double = (LogZScore(least=1e-4, context=20.0)(values) for values in (energies.float(), energies))
        torch.testing.assert_close(single.double(), double, atol=3e-5, rtol=0)

    @pytest.mark.parametrize("context", [None, 20.0])
    def test_silence_is_zero_and_has_a_gradient(self, context: float | None) -> None:
        energies = torch.zeros(1, 5, 40, requires_grad=True)
        normal = LogZScore(context=context)(energies)
        normal.sum().backward()
        assert (normal == 0).all()
        assert energies.grad is not None
        assert energies.grad.isfinite().all()


def streaming(name: str, variant: str) -> Frontend:
    torch.manual_seed(0)
    options = {"compression": "log-z-score"} if (name, variant) == ("spectrogram", "paper") else {}
    return create_frontend(name, variant=variant, n_filters=33, sample_rate=8000, context_s=0.3, **options).eval()


class TestStreams:
    @pytest.mark.parametrize(
        ("name", "variant"),
        [("degram", "paper"), ("despectrogram", "paper"), ("degram", "published"), ("spectrogram", "published"),
         ("spectrogram", "paper")],
    )  # fmt: skip
    @settings(max_examples=20, deadline=None)
    @given(sizes=st.lists(st.integers(1, 4000), min_size=1, max_size=5), n_samples=st.integers(1, 9000))
    def test_any_pieces_give_the_whole(self, name: str, variant: str, sizes: list[int], n_samples: int) -> None:
        frontend = streaming(name, variant)
        clip = torch.from_numpy(chirp(n_samples)).float()
        sizes = [max(size, n_samples // 100) for size in sizes]
        stream, pieces, first = Stream(frontend), [], 0
        while first < n_samples:
            size = sizes[len(pieces) % len(sizes)]
            pieces.append(stream.push(clip[first : first + size]))
            first += size
        with torch.no_grad():
            whole = frontend(clip[None])[0]
        torch.testing.assert_close(torch.cat([*pieces, stream.flush()], -1), whole, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize(("name", "variant"), [("degram", "paper"), ("spectrogram", "published")])
    def test_streaming_without_context_raises_a_clear_error(self, name: str, variant: str) -> None:
        with pytest.raises(AuricleError, match="context_s"):
            Stream(create_frontend(name, variant=variant))

    @pytest.mark.parametrize("name", ["spectrogram", "sincgram"])
    def test_a_z_score_that_is_chosen_has_the_context(self, name: str) -> None:
        clip = torch.from_numpy(chirp()).float()[None]
        whole = create_frontend(name, compression="log-z-score").eval()
        live = create_frontend(name, compression="log-z-score", context_s=0.5).eval()
        assert isinstance(live.compression, LogZScore)
        assert live.compression.context == pytest.approx(50.0)
        assert (whole(clip) - live(clip)).abs().max() > 0.1

    def test_context_is_in_seconds(self) -> None:
        attention = create_frontend("degram", context_s=0.3).attention
        assert isinstance(attention, TFDELayer)
        assert attention.context == pytest.approx(30.0)
        with pytest.raises(AuricleError, match="context_s: nothing here is a mean over the clip"):
            create_frontend("sincgram", context_s=0.3)
        with pytest.raises(AuricleError, match="context_s=-1"):
            create_frontend("degram", context_s=-1.0)
