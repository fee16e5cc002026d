"""Every function of the front-ends against a plain, slow, obviously right twin in NumPy and float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from auricle.errors import AuricleError
from auricle.frontends.compression import PCEN, BandNorm, Decibels, Log, linear_recurrence, moving_average, pcen
from auricle.frontends.filterbanks import (
    ConvFilterbank,
    GaborFilterbank,
    SincFilterbank,
    convolve,
    gabor_kernels,
    sinc_kernels,
    squared_modulus,
)
from auricle.frontends.pooling import (
    PADDINGS,
    MaxPool,
    frame_count,
    gaussian_windows,
    hann_squared_window,
    window_pool,
)
from auricle.frontends.scales import auditory_mel_matrix, mel_matrix
from auricle.frontends.spectral import MelFilterbank
from auricle.frontends.wavegram import split_hop
from auricle.layers import bounded

Array = np.ndarray

properties = settings(deadline=None, max_examples=40, database=None, derandomize=True)
seeds = st.integers(0, 2**16)
odd = st.integers(1, 15).map(lambda half: 2 * half + 1)


def tensor(array: Array) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float64))


def gabor_twin(center: float, sigma: float, kernel_size: int) -> Array:
    """One complex filter of equation 4 of the LEAF paper."""
    filter_ = np.zeros(kernel_size, dtype=complex)
    for i in range(kernel_size):
        t = i - kernel_size // 2
        filter_[i] = np.exp(1j * center * t) * np.exp(-(t**2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma)
    return filter_


def band_pass_twin(low_hz: float, high_hz: float, kernel_size: int, sample_rate: int) -> Array:
    """One filter of SincNet: the difference of two ideal low-passes, windowed."""
    filter_ = np.zeros(kernel_size)
    for i in range(kernel_size):
        t = (i - kernel_size // 2) / sample_rate
        difference = 2 * high_hz * np.sinc(2 * high_hz * t) - 2 * low_hz * np.sinc(2 * low_hz * t)
        hamming = 0.54 - 0.46 * math.cos(2 * math.pi * i / kernel_size)
        filter_[i] = hamming * difference / (2 * (high_hz - low_hz))
    return filter_


def frame_centers_twin(n_samples: int, kernel_size: int, hop: int, padding: str) -> list[int]:
    """The sample that the middle of each frame's window lies on."""
    if padding == "valid":
        return [k * hop + kernel_size // 2 for k in range(n_samples) if k * hop + kernel_size <= n_samples]
    n_frames = math.ceil(n_samples / hop)
    if padding == "centered":
        return [k * hop for k in range(n_frames)]
    added = max(0, (n_frames - 1) * hop + kernel_size - n_samples)
    return [k * hop - added // 2 + kernel_size // 2 for k in range(n_frames)]


def under_window(signal: Array, center: int, kernel_size: int, beyond: float) -> Array:
    """The samples around `center`, and `beyond` where there are none."""
    places = range(center - kernel_size // 2, center + kernel_size // 2 + 1)
    return np.array([signal[i] if 0 <= i < len(signal) else beyond for i in places])


def recurrence_twin(decay: float, drive: Array, initial: float) -> Array:
    out, state = np.zeros(len(drive)), initial
    for t, value in enumerate(drive):
        state = decay * state + value
        out[t] = state
    return out


def average_twin(energies: Array, smooth: float) -> Array:
    average = energies[0]
    out = [average]
    for energy in energies[1:]:
        average = (1 - smooth) * average + smooth * energy
        out.append(average)
    return np.array(out)


def pcen_of(
    energies: torch.Tensor, alpha: torch.Tensor, delta: torch.Tensor, root: torch.Tensor, smooth: torch.Tensor
) -> torch.Tensor:
    return pcen(energies, moving_average(energies, smooth), alpha, delta, root, eps=1e-12)


def pcen_twin(energies: Array, alpha: float, delta: float, root: float, smooth: float, eps: float) -> Array:
    """Equation 6 of the LEAF paper with r = 1/root."""
    average = average_twin(energies, smooth)
    return (energies / (eps + average) ** alpha + delta) ** (1 / root) - delta ** (1 / root)


def mel_twin(n_filters: int, n_fft: int, sample_rate: int, low_hz: float, high_hz: float) -> Array:
    def mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    step = (mel(high_hz) - mel(low_hz)) / (n_filters + 1)
    matrix = np.zeros((n_fft // 2 + 1, n_filters))
    for b in range(1, n_fft // 2 + 1):
        for f in range(n_filters):
            distance = abs(mel(b * sample_rate / n_fft) - (mel(low_hz) + (f + 1) * step))
            matrix[b, f] = max(0.0, 1.0 - distance / step)
    return matrix


def auditory_mel_twin(n_filters: int, n_fft: int, sample_rate: int, low_hz: float, high_hz: float) -> Array:
    """Triangles of area 1 whose corners are found by walking up the Auditory Toolbox's mel scale."""

    def mel(hz: float) -> float:
        return 3 * hz / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000, 6.4)

    def hz(wanted: float) -> float:
        low, high = 0.0, 1e6
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if mel(middle) < wanted else (low, middle)
        return low

    step = (mel(high_hz) - mel(low_hz)) / (n_filters + 1)
    corners = [hz(mel(low_hz) + i * step) for i in range(n_filters + 2)]
    matrix = np.zeros((n_fft // 2 + 1, n_filters))
    for b, f in np.ndindex(matrix.shape):
        place = b * sample_rate / n_fft
        left, top, right = corners[f : f + 3]
        if left <= place <= right:
            height = (place - left) / (top - left) if place <= top else (right - place) / (right - top)
            matrix[b, f] = 2 / (right - left) * height
    return matrix


def power_twin(frame: Array, n_fft: int) -> Array:
    """|DFT|² term by term."""
    return np.array(
        [
            abs(sum(value * np.exp(-2j * np.pi * b * i / n_fft) for i, value in enumerate(frame))) ** 2
            for b in range(n_fft // 2 + 1)
        ]
    )


class TestKernels:
    @properties
    @given(seeds, st.integers(1, 6), odd)
    @example(0, 40, 401)
    def test_gabor(self, seed: int, n_filters: int, kernel_size: int) -> None:
        rng = np.random.default_rng(seed)
        centers, sigmas = rng.uniform(0, np.pi, n_filters), rng.uniform(0.5, 100, n_filters)
        kernels = gabor_kernels(tensor(centers), tensor(sigmas), kernel_size).numpy()
        twins = np.array([gabor_twin(c, s, kernel_size) for c, s in zip(centers, sigmas, strict=True)])
        np.testing.assert_allclose(kernels[:n_filters] + 1j * kernels[n_filters:], twins, atol=1e-12)

    @properties
    @given(seeds, st.integers(1, 6), odd, st.sampled_from([8000, 16000, 44100]))
    @example(0, 40, 401, 16000)
    def test_sinc(self, seed: int, n_filters: int, kernel_size: int, sample_rate: int) -> None:
        rng = np.random.default_rng(seed)
        low = rng.uniform(50, sample_rate / 2 - 50, n_filters)
        high = low + 50 + rng.uniform(0, 1, n_filters) * (sample_rate / 2 - low - 50)
        kernels = sinc_kernels(tensor(low), tensor(high), kernel_size, sample_rate).numpy()
        twins = [band_pass_twin(a, b, kernel_size, sample_rate) for a, b in zip(low, high, strict=True)]
        np.testing.assert_allclose(kernels, np.array(twins), atol=1e-12)

    @properties
    @given(st.integers(1, 5).map(lambda n: n / 10), odd)
    @example(0.4, 401)
    def test_gaussian_windows(self, width: float, kernel_size: int) -> None:
        half = (kernel_size - 1) / 2
        twin = [math.exp(-0.5 * ((i - half) / (width * half)) ** 2) for i in range(kernel_size)]
        np.testing.assert_allclose(gaussian_windows(tensor([width]), kernel_size).numpy()[0], twin, atol=1e-12)

    @properties
    @given(odd, st.integers(0, 1))
    @example(401, 1)
    def test_squared_hann_window(self, kernel_size: int, shift: int) -> None:
        last = kernel_size - 1
        twin = [(0.5 - 0.5 * math.cos(2 * math.pi * (i - shift) / last)) ** 2 for i in range(kernel_size)]
        np.testing.assert_allclose(hann_squared_window(kernel_size, shift).numpy(), twin, atol=1e-6)


class TestFilterbanks:
    @properties
    @given(seeds, st.integers(1, 4), odd, st.integers(1, 60))
    def test_squared_modulus_of_a_true_convolution(
        self, seed: int, n_filters: int, kernel_size: int, n_samples: int
    ) -> None:
        rng = np.random.default_rng(seed)
        centers, sigmas = rng.uniform(0, np.pi, n_filters), rng.uniform(0.5, 20, n_filters)
        waveform = rng.standard_normal((2, n_samples))
        kernels = gabor_kernels(tensor(centers), tensor(sigmas), kernel_size)
        actual = squared_modulus(convolve(tensor(waveform), kernels)).numpy()
        for row in range(2):
            for f in range(n_filters):
                full = np.convolve(waveform[row], gabor_twin(centers[f], sigmas[f], kernel_size))
                middle = full[kernel_size // 2 : kernel_size // 2 + n_samples]
                np.testing.assert_allclose(actual[row, f], np.abs(middle) ** 2, atol=1e-10)

    def test_banks_are_made_of_these_kernels(self) -> None:
        waveform = torch.randn(2, 700, generator=torch.Generator().manual_seed(0))
        geometry = (6, 101, 16000, 60.0, 7800.0)
        gabor, free, sinc = GaborFilterbank(*geometry), ConvFilterbank(*geometry), SincFilterbank(*geometry)
        with torch.no_grad():
            for bank in (gabor, free):
                kernels = bank.kernels().double().numpy()
                for row in range(2):
                    for f in range(6):
                        real, imaginary = (
                            np.convolve(waveform[row].double().numpy(), kernel[::-1])[50:-50]
                            for kernel in (kernels[f], kernels[6 + f])
                        )
                        actual = bank(waveform)[row, f].numpy()
                        np.testing.assert_allclose(actual, real**2 + imaginary**2, rtol=2e-4, atol=2e-5)
            kernels = sinc.kernels().double().numpy()
            for f in range(6):
                band = np.convolve(waveform[0].double().numpy(), kernels[f][::-1])[50:-50]
                actual = sinc(waveform)[0, f].numpy()
                np.testing.assert_allclose(actual, np.where(band > 0, band, 0.2 * band), rtol=2e-4, atol=2e-5)

    def test_edges_of_sinc_bands(self) -> None:
        bank = SincFilterbank(4, 101, 16000, 80.0, 8000.0)
        with torch.no_grad():
            bank.low_hz.copy_(torch.tensor([-100.0, 30.0, 9000.0, 7900.0]))
            bank.band_hz.copy_(torch.tensor([-20.0, 1e6, 10.0, 100.0]))
        low, high = bank.edges_hz()
        assert low.tolist() == [150.0, 80.0, 7950.0, 7950.0]
        assert high.tolist() == [220.0, 8000.0, 8000.0, 8000.0]

    def test_normalised_filters_have_length_one_as_complex_vectors(self) -> None:
        bank = ConvFilterbank(6, 101, 16000, 60.0, 7800.0, normalize=True)
        with torch.no_grad():
            bank.weight.mul_(torch.logspace(-2, 3, 12)[:, None])
            norms = bank.kernels().square().sum(dim=1).unflatten(0, (2, 6)).sum(dim=0)
        np.testing.assert_allclose(norms.numpy(), 1.0, rtol=1e-4)

    @properties
    @given(st.integers(1, 12), st.sampled_from([64, 128, 250]), st.sampled_from([8000, 16000]), st.integers(0, 300))
    @example(40, 512, 16000, 60)
    def test_mel_matrix(self, n_filters: int, n_fft: int, sample_rate: int, low_hz: int) -> None:
        geometry = (n_filters, n_fft, sample_rate, float(low_hz), 0.975 * sample_rate / 2)
        np.testing.assert_allclose(mel_matrix(*geometry), mel_twin(*geometry), atol=1e-9)
        np.testing.assert_allclose(auditory_mel_matrix(*geometry), auditory_mel_twin(*geometry), atol=1e-9)

    @properties
    @given(seeds, st.integers(1, 70), st.integers(1, 12).map(lambda half: 2 * half), st.integers(1, 30))
    @example(0, 90, 20, 45)
    def test_mel_filterbank(self, seed: int, n_samples: int, size: int, hop: int) -> None:
        waveform = np.random.default_rng(seed).standard_normal(n_samples)
        hann = np.array([0.5 - 0.5 * math.cos(2 * math.pi * i / size) for i in range(size)])
        for padding in ("centered", "start", "reflected"):
            bank = MelFilterbank(3, size, hop, 1000, 10.0, 490.0, n_fft=32, padding=padding).double()
            reflected = padding == "reflected"
            if reflected and n_samples <= size // 2:
                with pytest.raises(AuricleError, match=f"{n_samples} samples"):
                    bank(tensor(waveform)[None])
                continue
            actual = bank(tensor(waveform)[None])[0].numpy()
            n_frames = n_samples // hop + 1 if reflected else math.ceil(n_samples / hop)
            assert actual.shape == (3, n_frames) == (3, bank.n_frames(n_samples))
            for k in range(actual.shape[1]):
                first = k * hop - (0 if padding == "start" else size // 2)
                places = range(first, first + size)
                if reflected:
                    places = [i if 0 <= i < n_samples else -i if i < 0 else 2 * (n_samples - 1) - i for i in places]
                frame = [waveform[i] if 0 <= i < n_samples else 0.0 for i in places]
                expected = power_twin(hann * np.array(frame), 32) @ mel_twin(3, 32, 1000, 10.0, 490.0)
                np.testing.assert_allclose(actual[:, k], expected, rtol=1e-5, atol=1e-5)


class TestPooling:
    @properties
    @given(seeds, st.integers(1, 80), odd, st.integers(1, 40), st.sampled_from(PADDINGS))
    @example(0, 16, 3, 16, "same")
    @example(0, 100, 5, 37, "same")
    def test_window_pool(self, seed: int, n_samples: int, kernel_size: int, hop: int, padding: str) -> None:
        if padding == "valid" and n_samples < kernel_size:
            n_samples += kernel_size
        rng = np.random.default_rng(seed)
        signal, windows = rng.standard_normal((2, 3, n_samples)), rng.standard_normal((3, kernel_size))
        actual = window_pool(tensor(signal), tensor(windows), hop, padding).numpy()
        centers = frame_centers_twin(n_samples, kernel_size, hop, padding)
        assert actual.shape == (2, 3, len(centers))
        assert frame_count(n_samples, kernel_size, hop, padding) == len(centers)
        for row, band, k in np.ndindex(actual.shape):
            expected = windows[band] @ under_window(signal[row, band], centers[k], kernel_size, 0.0)
            assert actual[row, band, k] == pytest.approx(expected, abs=1e-10)

    @properties
    @given(seeds, st.integers(1, 80), odd, st.integers(1, 40), st.sampled_from(PADDINGS))
    def test_max_pool(self, seed: int, n_samples: int, kernel_size: int, hop: int, padding: str) -> None:
        if padding == "valid" and n_samples < kernel_size:
            n_samples += kernel_size
        signal = np.random.default_rng(seed).standard_normal((2, 3, n_samples)) - 5.0
        actual = MaxPool(kernel_size, hop, padding)(tensor(signal)).numpy()
        centers = frame_centers_twin(n_samples, kernel_size, hop, padding)
        assert actual.shape == (2, 3, len(centers))
        for row, band, k in np.ndindex(actual.shape):
            assert actual[row, band, k] == under_window(signal[row, band], centers[k], kernel_size, -np.inf).max()

    def test_same_padding_is_tensorflows_for_one_second(self) -> None:
        """120 zeros on the left, so frame k is centred at 160·k + 80; one sample more moves all frames by 79."""
        assert frame_centers_twin(16000, 401, 160, "same")[:2] == [80, 240]
        assert frame_centers_twin(16001, 401, 160, "same")[:2] == [0, 160]


class TestCompression:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("n_steps", [1, 2, 4, 5, 127, 128, 129, 256, 257, 1000, 20000])
    def test_linear_recurrence(self, n_steps: int, dtype: torch.dtype) -> None:
        rng = np.random.default_rng(n_steps)
        drive, initial = rng.standard_normal((1, 5, n_steps)), rng.standard_normal((1, 5))
        inputs = [tensor(x).to(dtype) for x in (np.array([0.0, 0.5, 0.96, 0.9999, 1.0]), drive, initial)]
        actual = linear_recurrence(*inputs).numpy()
        decay, drive, initial = (x.double().numpy() for x in inputs)
        twin = np.array([[recurrence_twin(decay[f], drive[0, f], initial[0, f]) for f in range(5)]])
        tolerance = 1e-9 if dtype == torch.float64 else 2e-5 * max(1.0, np.abs(twin).max())
        np.testing.assert_allclose(actual, twin, atol=tolerance)

    @pytest.mark.parametrize("n_steps", [1, 5, 31, 32, 33, 1000, 1024, 1025, 32768, 40000])
    def test_linear_recurrence_as_in_an_exported_graph(self, n_steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = np.random.default_rng(n_steps)
        decay = tensor(np.array([0.0, 0.5, 0.96, 0.9999, 1.0]))
        drive, initial = tensor(rng.standard_normal((2, 5, n_steps))), tensor(rng.standard_normal((2, 5)))
        expected = linear_recurrence(decay, drive, initial)
        monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
        torch.testing.assert_close(linear_recurrence(decay, drive, initial), expected, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("n_frames", [1, 127, 128, 129, 1000, 20000])
    def test_moving_average(self, n_frames: int) -> None:
        energies = np.random.default_rng(n_frames).exponential(size=(2, 4, n_frames)) ** 3
        smooth = np.array([0.0, 0.001, 0.04, 1.0])
        actual = moving_average(tensor(energies).float(), tensor(smooth).float()).numpy()
        for row in range(2):
            for band in range(4):
                np.testing.assert_allclose(
                    actual[row, band], average_twin(energies[row, band], smooth[band]), rtol=1e-4
                )

    @pytest.mark.parametrize("n_frames", [1, 127, 128, 129, 1000, 20000])
    def test_gradients_of_the_moving_average(self, n_frames: int) -> None:
        """Against automatic differentiation of the loop over frames."""
        rng = np.random.default_rng(n_frames)
        energies = tensor(rng.exponential(size=(1, 4, n_frames)))
        smooth = tensor(np.array([0.0, 0.04, 0.5, 1.0]))
        upstream = tensor(rng.standard_normal((1, 4, n_frames)))

        def looped(energies: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
            average = energies[..., 0]
            out = [average]
            for energy in energies.unbind(dim=-1)[1:]:
                average = (1.0 - smooth) * average + smooth * energy
                out.append(average)
            return torch.stack(out, dim=-1)

        gradients = []
        for function in (moving_average, looped):
            inputs = [energies.clone().requires_grad_(), smooth.clone().requires_grad_()]
            loss = (function(*inputs) * upstream).sum()
            gradients.append(torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True))
        for actual, expected in zip(*gradients, strict=True):
            np.testing.assert_allclose(actual.numpy(), expected.numpy(), rtol=1e-8, atol=1e-8)

    @properties
    @given(seeds, st.integers(1, 300), st.floats(0, 1), st.floats(1e-3, 10), st.floats(1, 8), st.floats(0, 1))
    @example(0, 100, 0.96, 2.0, 2.0, 0.04)
    def test_pcen(self, seed: int, n_frames: int, alpha: float, delta: float, root: float, smooth: float) -> None:
        energies = np.random.default_rng(seed).exponential(size=(1, 1, n_frames)) ** 4 + 1e-5
        parameters = [tensor([value]) for value in (alpha, delta, root, smooth)]
        actual = pcen_of(tensor(energies), *parameters).numpy()[0, 0]
        twin = pcen_twin(energies[0, 0], alpha, delta, root, smooth, 1e-12)
        np.testing.assert_allclose(actual, twin, rtol=1e-8, atol=1e-10)

    def test_pcen_in_float32_over_seven_orders_of_magnitude(self) -> None:
        energies = 10.0 ** np.random.default_rng(0).uniform(-7, 2, (1, 3, 500))
        actual = PCEN(3)(tensor(energies).float()).detach().numpy()[0]
        for band in range(3):
            twin = pcen_twin(np.maximum(energies[0, band], 1e-5), 0.96, 2.0, 2.0, 0.04, 1e-12)
            np.testing.assert_allclose(actual[band], twin, rtol=1e-4, atol=2e-6)

    @properties
    @given(seeds, st.integers(1, 10), st.integers(1, 10))
    def test_log_and_band_norm(self, seed: int, n_filters: int, n_frames: int) -> None:
        energies = np.random.default_rng(seed).standard_normal((2, n_filters, n_frames))
        log = Log(offset=1e-3, floor=1e-2)(tensor(energies)).numpy()
        np.testing.assert_allclose(log, np.log(np.maximum(energies, 1e-2) + 1e-3), rtol=1e-10)
        decibels = Decibels(floor=1e-2)(tensor(energies)).numpy()
        np.testing.assert_allclose(decibels, 10 * np.log(np.maximum(energies, 1e-2)) / np.log(10), rtol=1e-10)
        norm = BandNorm(n_filters).double()
        with torch.no_grad():
            norm.norm.weight.copy_(torch.arange(n_filters))
            norm.norm.bias.copy_(-torch.arange(n_filters))
        mean, variance = energies.mean(axis=1, keepdims=True), energies.var(axis=1, keepdims=True)
        band = np.arange(n_filters)[:, None]
        expected = (energies - mean) / np.sqrt(variance + 1e-3) * band - band
        np.testing.assert_allclose(norm(tensor(energies)).detach().numpy(), expected, atol=1e-9)


class TestSplitHop:
    @properties
    @given(st.integers(1, 5000), st.integers(1, 6))
    def test_factors_fall_and_multiply_to_the_hop(self, hop: int, parts: int) -> None:
        factors = split_hop(hop, parts)
        assert math.prod(factors) == hop
        assert len(factors) == parts
        assert factors == sorted(factors, reverse=True)

    @pytest.mark.parametrize("hop", [1, 80, 110, 160, 220, 320, 441, 480, 512])
    def test_largest_factor_is_as_small_as_trial_of_all_makes_it(self, hop: int) -> None:
        divisors = [d for d in range(1, hop + 1) if hop % d == 0]
        best = min(
            max(a, b, c, hop // (a * b * c))
            for a in divisors
            for b in divisors
            for c in divisors
            if hop % (a * b * c) == 0
        )
        assert split_hop(hop)[0] == best

    def test_default(self) -> None:
        assert split_hop(160) == [5, 4, 4, 2]


class TestGradients:
    """Analytic gradients against finite differences, in float64."""

    def test_pcen(self) -> None:
        rng = np.random.default_rng(0)
        inputs = (
            tensor(rng.exponential(size=(2, 3, 7)) + 0.1),
            tensor([0.2, 0.7, 0.96]),
            tensor([0.5, 1.0, 2.0]),
            tensor([1.5, 2.0, 3.0]),
            tensor([0.04, 0.3, 0.9]),
        )
        assert torch.autograd.gradcheck(pcen_of, [x.requires_grad_() for x in inputs])

    def test_pcen_across_blocks(self) -> None:
        energies = tensor(np.random.default_rng(1).exponential(size=(1, 1, 131)) + 0.1).requires_grad_()
        parameters = [tensor([value]).requires_grad_() for value in (0.9, 2.0, 2.0, 0.04)]
        assert torch.autograd.gradcheck(lambda *p: pcen_of(energies.detach(), *p), parameters)

    def test_gaussian_windows(self) -> None:
        assert torch.autograd.gradcheck(lambda w: gaussian_windows(w, 9), [tensor([0.3, 0.5]).requires_grad_()])

    def test_gabor_kernels(self) -> None:
        inputs = [tensor([0.0, 0.4, 3.0]).requires_grad_(), tensor([1.5, 2.0, 4.0]).requires_grad_()]
        assert torch.autograd.gradcheck(lambda c, s: gabor_kernels(c, s, 9), inputs)

    def test_sinc_kernels(self) -> None:
        inputs = [tensor([60.0, 500.0]).requires_grad_(), tensor([300.0, 900.0]).requires_grad_()]
        assert torch.autograd.gradcheck(lambda a, b: sinc_kernels(a, b, 9, 2000), inputs)

    def test_bounded_is_the_identity_inside(self) -> None:
        inputs = [tensor([0.2, 0.5, 0.8]).requires_grad_()]
        assert torch.autograd.gradcheck(lambda v: bounded(v, 0.0, 1.0) ** 2, inputs)
