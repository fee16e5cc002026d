"""Filterbanks on a short-time Fourier transform: from `(batch, time)` to `(batch, n_filters, frames)`.

A mel filterbank applies triangles to a power spectrum; SincGram applies learnt bands to a magnitude spectrum (Foggia
et al., DEGramNet, section 2.1.1).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.frontends.fourier import as_products, real_transform, windows_of
from auricle.frontends.parts import FramedFilterbank
from auricle.frontends.pooling import frame_count
from auricle.frontends.scales import mel_matrix, spaced_freqs
from auricle.layers import Constants, bounded
from auricle.powers import next_power_of_two
from auricle.registry import unknown_name


def spectra(signal: Tensor, window: Tensor, hop_length: int, n_fft: int) -> Tensor:
    """Short-time Fourier transform: real and imaginary parts under `window` every `hop_length` samples.

    `(batch, time)` → `(batch, frames, n_fft // 2 + 1, 2)`, whole windows only. In a graph of `auricle export` or for
    ONNX the transforms are matrix products, which every runtime computes accurately at any length.
    """
    if as_products():
        return real_transform(windows_of(signal, len(window), hop_length) * window, n_fft)
    frames = signal.unfold(-1, len(window), hop_length) * window
    return torch.view_as_real(torch.fft.rfft(frames, n=n_fft))


PADDINGS = ("centered", "start", "reflected")


class Spectrogram(Constants, FramedFilterbank):
    """|X| or, with `power` 2, |X|² under a periodic Hann window: `(batch, n_fft // 2 + 1, frames)`.

    There are ceil(N / hop) frames; frame k is centred at sample k·hop (`padding="centered"`) or starts there ("start",
    as in published baselines), and the clip is padded with zeros. With "reflected" frame k is centred at k·hop, the
    clip is mirrored at its ends, and there are N // hop + 1 frames, as in librosa.
    """

    window: Tensor

    def __init__(
        self, window_length: int, hop_length: int, n_fft: int, padding: str = "centered", power: int = 1
    ) -> None:
        super().__init__()
        if padding not in PADDINGS:
            raise AuricleError(unknown_name("padding", padding, PADDINGS))
        if n_fft < window_length:
            raise AuricleError(f"n_fft={n_fft} is shorter than the window of {window_length} samples")
        self.hop_length = hop_length
        self.n_fft = n_fft
        self.padding = padding
        self.power = power
        self.window_length = window_length
        self.register_constants()

    def constants(self) -> dict[str, Tensor]:
        return {"window": torch.hann_window(self.window_length)}

    @property
    def n_bins(self) -> int:
        return self.n_fft // 2 + 1

    def n_frames(self, n_samples: int) -> int:
        if self.padding == "reflected":
            return n_samples // self.hop_length + 1
        return frame_count(n_samples, len(self.window), self.hop_length, "centered")

    def reach(self) -> tuple[int, int]:
        if self.padding == "reflected":
            raise AuricleError("clips that are mirrored at their ends cannot come in pieces: use variant='paper'")
        before = len(self.window) // 2 if self.padding == "centered" else 0
        return before, len(self.window) - before - 1

    def frames(self, waveform: Tensor) -> Tensor:
        """|X| or |X|² as `(batch, frames, n_bins)`, for a product with a matrix of bands `(n_bins, n_filters)`."""
        n_samples, size = waveform.shape[-1], len(self.window)
        if self.padding == "reflected":
            if not torch.compiler.is_exporting() and n_samples <= size // 2:
                raise AuricleError(f"{n_samples} samples are too few to mirror {size // 2} of them at the clip's ends")
            padded = F.pad(waveform, (size // 2, size // 2), mode="reflect")
        else:
            left = size // 2 if self.padding == "centered" else 0
            span = (self.n_frames(n_samples) - 1) * self.hop_length + size
            padded = F.pad(waveform, (left, span - left - n_samples))
        transforms = spectra(padded, self.window, self.hop_length, self.n_fft)
        if self.power == 1:
            return torch.linalg.vector_norm(transforms, dim=-1)
        real, imaginary = transforms.square().unbind(-1)
        return real + imaginary

    def forward(self, waveform: Tensor) -> Tensor:
        return self.frames(waveform).transpose(1, 2)


Matrix = Callable[[int, int, int, float, float], np.ndarray]


class MelFilterbank(Spectrogram):
    """Power spectrum times the mel triangles that `matrix` makes: `(batch, n_filters, frames)`.

    Unless `n_fft` is given, the FFT is made so long that no triangle falls between two bins.
    """

    triangles: Tensor

    def __init__(
        self,
        n_filters: int,
        window_length: int,
        hop_length: int,
        sample_rate: int,
        min_freq_hz: float,
        max_freq_hz: float,
        n_fft: int | None = None,
        padding: str = "centered",
        matrix: Matrix = mel_matrix,
    ) -> None:
        n_fft = n_fft or _resolving_n_fft(matrix, n_filters, window_length, sample_rate, min_freq_hz, max_freq_hz)
        self._make_triangles = partial(matrix, n_filters, n_fft, sample_rate, min_freq_hz, max_freq_hz)
        super().__init__(window_length, hop_length, n_fft, padding, power=2)
        self.n_filters = n_filters

    def constants(self) -> dict[str, Tensor]:
        return super().constants() | {"triangles": torch.from_numpy(self._make_triangles()).float()}

    def forward(self, waveform: Tensor) -> Tensor:
        return (self.frames(waveform) @ self.triangles).transpose(1, 2)


def _resolving_n_fft(
    matrix: Matrix, n_filters: int, window_length: int, sample_rate: int, min_freq_hz: float, max_freq_hz: float
) -> int:
    n_fft = next_power_of_two(window_length)
    while not matrix(n_filters, n_fft, sample_rate, min_freq_hz, max_freq_hz).any(axis=0).all():
        n_fft *= 2
    return n_fft


def butterworth(freqs: Tensor, centers: Tensor, half_widths: Tensor, order: int) -> Tensor:
    """1 / √(1 + ((f − α) / β)^(2n)): equation 1 of the DEGramNet paper, `(bins, n_filters)`.

    `freqs` f `(bins,)`; `centers` α and `half_widths` β > 0 `(n_filters,)` in the same unit; n = `order`. The power is
    computed in the log domain, so that neither it nor its gradient overflows for steep bands.
    """
    squared = ((freqs[:, None] - centers) / half_widths).square()
    return torch.exp(-0.5 * F.softplus(order * torch.log(squared + 1e-12)))


class SincGram(Spectrogram):
    """Magnitude spectrum times learnt Butterworth bands (equation 2): `(batch, n_filters, frames)`.

    Frequencies 0 … sr/2 are mapped to x = −1 … 1. The parameters are `center_weights` w_f = 4·f/sr − 1 and
    `band_weights` w_b with β = (w_b + 1)·μ/2, μ = 1/4 − 2/bins, both bounded to [−1, 1]; β is at least a quarter of the
    distance between two bins, so that no band vanishes. Initially the centres are the inner ones of n_filters + 2
    evenly spaced mel frequencies, and β = 2·bw/sr with bw the distance between a centre's two neighbours. The output is
    in the order of the centres.
    """

    def __init__(
        self,
        n_filters: int,
        window_length: int,
        hop_length: int,
        sample_rate: int,
        min_freq_hz: float,
        max_freq_hz: float,
        order: int = 4,
        n_fft: int | None = None,
        padding: str = "centered",
    ) -> None:
        super().__init__(window_length, hop_length, n_fft or next_power_of_two(window_length), padding)
        if not isinstance(order, int) or order < 1:
            raise AuricleError(f"order={order!r} of a Butterworth band: a whole number from 1 on")
        self.n_filters = n_filters
        self.sample_rate = sample_rate
        self.order = order
        peaks_hz = spaced_freqs(n_filters + 2, min_freq_hz, max_freq_hz)
        centers = 4.0 * peaks_hz[1:-1] / sample_rate - 1.0
        half_widths = 2.0 * (peaks_hz[2:] - peaks_hz[:-2]) / sample_rate
        self.center_weights = nn.Parameter(torch.from_numpy(centers).float())
        self.band_weights = nn.Parameter(
            torch.from_numpy(np.minimum(2.0 * half_widths / self._span - 1.0, 1.0)).float()
        )

    @property
    def _span(self) -> float:
        """μ, the largest β."""
        return 0.25 - 2.0 / self.n_bins

    def bands(self) -> tuple[Tensor, Tensor]:
        """α and β on the axis x = −1 … 1, `(n_filters,)` each, sorted by α."""
        centers, order = bounded(self.center_weights, -1.0, 1.0).sort()
        least = 0.5 / (self.n_bins - 1)
        half_widths = (bounded(self.band_weights, -1.0, 1.0) + 1.0) * self._span / 2.0
        return centers, bounded(half_widths, least)[order]

    def bands_hz(self) -> tuple[Tensor, Tensor]:
        """Centres and −3 dB bandwidths in Hz, `(n_filters,)` each."""
        centers, half_widths = self.bands()
        return (centers + 1.0) * self.sample_rate / 4.0, half_widths * self.sample_rate / 2.0

    def matrix(self) -> Tensor:
        """W of equation 2, `(n_bins, n_filters)`."""
        centers, half_widths = self.bands()
        freqs = torch.linspace(-1.0, 1.0, self.n_bins, device=centers.device, dtype=centers.dtype)
        return butterworth(freqs, centers, half_widths, self.order)

    def forward(self, waveform: Tensor) -> Tensor:
        return (self.frames(waveform) @ self.matrix()).transpose(1, 2)
