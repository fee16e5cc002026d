"""Plots of a front-end's filters, pooling windows and compression parameters (LEAF paper, sections 3.1 and 4.4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from auricle.errors import AuricleError
from auricle.frontends.compression import PCEN
from auricle.frontends.factory import FrontendOptions
from auricle.frontends.filterbanks import GaborFilterbank, SincFilterbank
from auricle.frontends.frontend import Frontend
from auricle.frontends.parts import Filterbank
from auricle.frontends.pooling import GaussianPool
from auricle.frontends.preemphasis import Preemphasis
from auricle.frontends.scales import spaced_freqs
from auricle.frontends.spectral import MelFilterbank, SincGram, Spectrogram
from auricle.powers import next_power_of_two
from auricle.reports.plots.style import (
    BLUE,
    INK,
    MUTED,
    PURPLE,
    VERMILION,
    hertz,
    legend,
    mel_axis,
    new_figure,
    style,
)

Floats = NDArray[np.floating[Any]]
N_FFT = 8192
FLOOR_DB = -50.0


@dataclass(frozen=True)
class Responses:
    """Frequency responses of a filterbank.

    `gain` `(n_filters, bins)` at `freqs_hz` `(bins,)` is the magnitude of the response, or with `on_power` the weights
    of a power spectrum. `freqs_hz` includes negative frequencies if a complex filter has its peak there.
    """

    freqs_hz: Floats
    gain: Floats
    on_power: bool = False

    def peaks_hz(self) -> Floats:
        """Frequency of each filter's largest response, without its sign: real signals have symmetric spectra."""
        return np.abs(self.freqs_hz[self.gain.argmax(axis=1)])

    def decibels(self) -> Floats:
        """`gain` in dB relative to the largest of all filters."""
        relative = np.maximum(self.gain / self.gain.max(), 1e-12)
        return (10.0 if self.on_power else 20.0) * np.log10(relative)


def responses(frontend: Frontend) -> Responses:
    """Frequency responses of a front-end's filters; raises `AuricleError` if its filterbank has none."""
    bank = frontend.filterbank
    if isinstance(bank, Filterbank):
        kernels = _numpy(bank.kernels())
        n_fft = max(N_FFT, next_power_of_two(kernels.shape[-1]))
        if len(kernels) == frontend.n_filters:
            return Responses(np.fft.rfftfreq(n_fft, 1 / frontend.sample_rate), np.abs(np.fft.rfft(kernels, n_fft)))
        real, imaginary = np.split(kernels, 2)
        bins = np.arange(-n_fft // 2, n_fft // 2 + 1)
        gain = np.abs(np.fft.fft(real + 1j * imaginary, n_fft))[:, bins]
        peaks = bins[gain.argmax(axis=1)]
        shown = bins >= (-n_fft // 2 if ((peaks > bins[0]) & (peaks < 0)).any() else 0)
        return Responses(bins[shown] * frontend.sample_rate / n_fft, gain[:, shown])
    if isinstance(bank, SincGram):
        return Responses(_bins_hz(bank, frontend.sample_rate), _numpy(bank.matrix()).T)
    if isinstance(bank, MelFilterbank):
        triangles = _numpy(bank.triangles).T
        return Responses(_bins_hz(bank, frontend.sample_rate), triangles, on_power=True)
    raise AuricleError(f"{type(bank).__name__} has no filters whose response could be drawn")


def center_freqs_hz(frontend: Frontend) -> Floats:
    """Centre frequency of each filter in Hz `(n_filters,)`.

    For Gabor and SincGram filters the parameter, for sinc filters the middle of the band, for a spectrogram the bin,
    for other filters the peak of the response. Raises `AuricleError` if the filterbank has no responses.
    """
    bank = frontend.filterbank
    if isinstance(bank, Preemphasis):
        bank = bank.bank
    if isinstance(bank, GaborFilterbank):
        return _numpy(bank.parameters_in_bounds()[0]) * frontend.sample_rate / (2.0 * math.pi)
    if isinstance(bank, SincGram):
        return _numpy(bank.bands_hz()[0])
    if type(bank) is Spectrogram:
        return _bins_hz(bank, frontend.sample_rate)
    if isinstance(bank, SincFilterbank):
        low, high = bank.edges_hz()
        return (_numpy(low) + _numpy(high)) / 2.0
    return responses(frontend).peaks_hz()


def band_ticks(frontend: Frontend, n_ticks: int) -> list[tuple[int, str]]:
    """Up to `n_ticks` evenly spaced bands with their centre frequencies as text; none where they have none."""
    try:
        centers_hz = center_freqs_hz(frontend)
    except AuricleError:
        return []
    bands = np.unique(np.linspace(0, len(centers_hz) - 1, n_ticks).round().astype(int)).tolist()
    return [(band, hertz(float(centers_hz[band]))) for band in bands]


def _bins_hz(spectrogram: Spectrogram, sample_rate: int) -> Floats:
    return np.linspace(0.0, sample_rate / 2, spectrogram.n_bins)


def filter_responses(
    frontend: Frontend, initial: Frontend | None = None, scale: Literal["linear", "db"] = "linear"
) -> Figure:
    """Magnitude response of every filter, below that of the `initial` front-end (LEAF paper, Fig. 2).

    `scale="linear"` shows the gain itself, "db" the gain relative to each filterbank's largest. One low and one high
    filter are highlighted in both panels. Negative frequencies are shown if a complex filter has its peak there.
    """
    if scale not in ("db", "linear"):
        raise AuricleError(f"scale is {scale!r}; it should be 'linear' or 'db'")
    banks = {"": frontend} if initial is None else {"Initial": initial, "Learnt": frontend}
    drawn = {title: responses(bank) for title, bank in banks.items()}
    figure = new_figure(2.8 if initial is None else 4.6)
    panels = figure.subplots(len(banks), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    low_hz = min(bank.freqs_hz[0] for bank in drawn.values())
    high_hz = max(bank.freqs_hz[-1] for bank in drawn.values())
    ranks = np.argsort(center_freqs_hz(frontend if initial is None else initial))
    picked = {int(ranks[len(ranks) // 5]): VERMILION, int(ranks[4 * len(ranks) // 5]): PURPLE}
    for axes, (title, bank) in zip(panels, drawn.items(), strict=True):
        values = bank.decibels() if scale == "db" else bank.gain
        for index, value in enumerate(values):
            if index not in picked:
                axes.plot(bank.freqs_hz, value, color=BLUE, linewidth=0.7, alpha=0.55)
        centers = center_freqs_hz(banks[title])
        for index, color in picked.items():
            label = f"filter {index}: {centers[index]:.0f} Hz"
            axes.plot(bank.freqs_hz, values[index], color=color, linewidth=2.0, label=label)
        gain = "Weight on power" if bank.on_power else "Magnitude"
        style(axes, y_label="Response (dB)" if scale == "db" else gain, title=title)
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=2,
            fontsize=9,
            frameon=False,
            borderpad=0,
            labelcolor=INK,
        )
    if scale == "db":
        panels[0].set_ylim(FLOOR_DB, 3.0)
    else:
        panels[0].set_ylim(bottom=0.0)
    mel_axis(panels[-1], "x", low_hz, high_hz)
    panels[-1].set_xlabel("Frequency (Hz, spaced as mel)")
    return figure


def center_frequencies(frontend: Frontend, initial: Frontend | None = None) -> Figure:
    """Centre frequency of each filter, beside the mel scale and the `initial` front-end (LEAF paper, Fig. A.3).

    The mel scale covers the default range of `create_frontend`.
    """
    centers = center_freqs_hz(frontend)
    geometry = FrontendOptions(sample_rate=frontend.sample_rate, n_filters=frontend.n_filters)
    mel = spaced_freqs(frontend.n_filters + 2, geometry.min_freq_hz, geometry.max_freq_hz)[1:-1]
    start = None if initial is None else center_freqs_hz(initial)
    index = np.arange(len(centers))
    figure = new_figure(3.2)
    axes = style(figure.subplots(), "Filter index", "Centre frequency (Hz, spaced as mel)")
    from_mel = start is not None and np.allclose(start, mel, rtol=1e-3)
    mel_label = "mel scale, the initial centres" if from_mel else "mel scale"
    axes.plot(index, mel, color=INK, linewidth=1.4, linestyle=":", label=mel_label)
    if start is not None and not from_mel:
        axes.plot(index, start, color=MUTED, linewidth=1.4, linestyle="--", label="initial")
    label = "this front-end" if initial is None else "learnt"
    axes.plot(index, centers, color=BLUE, linestyle="none", marker="o", markersize=4.5, clip_on=False, label=label)
    mel_axis(axes, "y", 0.0, frontend.sample_rate / 2)
    legend(axes, "upper left")
    return figure


def pooling_windows(frontend: Frontend, initial: Frontend | None = None) -> Figure:
    """The Gaussian pooling window of each band; the initial windows are dotted (LEAF paper, Fig. A.4)."""
    pooling = frontend.pooling
    if not isinstance(pooling, GaussianPool):
        raise AuricleError(f"{type(pooling).__name__} has no learnt windows: a front-end with Gaussian pooling does")
    windows = _numpy(pooling.windows())
    sizes = (1, pooling.kernel_size, pooling.hop_length)
    start = initial.pooling if initial is not None else GaussianPool(*sizes, normalize=pooling.normalize)
    half = (pooling.kernel_size - 1) / 2
    time_ms = np.linspace(-half, half, pooling.kernel_size) * 1000.0 / frontend.sample_rate
    colors = ScalarMappable(Normalize(0, max(1, len(windows) - 1)), "viridis")
    figure = new_figure(3.0)
    axes = style(figure.subplots(), "Time (ms)", "Weight")
    for index, window in enumerate(windows):
        axes.plot(time_ms, window, color=colors.to_rgba(np.array(index)), linewidth=0.9, alpha=0.8)
    if isinstance(start, GaussianPool):
        for row, window in enumerate(np.unique(_numpy(start.windows()), axis=0)):
            label = "_" if row else "initial"
            axes.plot(time_ms, window, color=INK, linewidth=1.8, linestyle=":", label=label)
        legend(axes, "upper right")
    axes.set_ylim(0.0, 1.05 * axes.dataLim.ymax)
    axes.set_xlim(time_ms[0], time_ms[-1])
    bar = figure.colorbar(colors, ax=axes, pad=0.02)
    bar.set_label("Filter index", fontsize=10, color=INK)
    bar.ax.tick_params(labelsize=9)
    bar.outline.set_visible(False)
    return figure


def pcen_values(compression: PCEN) -> dict[str, Floats]:
    """alpha, delta, root = 1/r and smooth = s of each band, bounded: `(n_filters,)`."""
    return {name: _numpy(value) for name, value in compression.parameters_in_bounds().items()}


def pcen_parameters(frontend: Frontend, initial: Frontend | None = None) -> Figure:
    """The four parameters of PCEN for each band; the initial values are dotted (LEAF paper, Fig. A.5)."""
    compression = frontend.compression
    if not isinstance(compression, PCEN):
        raise AuricleError(f"{type(compression).__name__} has no parameters of PCEN")
    values = pcen_values(compression)
    start = initial.compression if initial is not None else PCEN(1)
    starts = pcen_values(start) if isinstance(start, PCEN) else {}
    index = np.arange(frontend.n_filters)
    figure = new_figure(4.0)
    panels: Sequence[Axes] = figure.subplots(2, 2, sharex=True).flat
    titles = {
        "alpha": "Gain exponent α",
        "delta": "Offset δ",
        "root": "Root 1/r",
        "smooth": "Smoothing s",
    }
    for place, (axes, (name, title)) in enumerate(zip(panels, titles.items(), strict=True)):
        style(axes, "Filter index" if place >= 2 else "", title=title)
        if name in starts:
            initial_values = np.broadcast_to(starts[name], index.shape)
            axes.plot(index, initial_values, color=INK, linewidth=1.6, linestyle=":", label="initial")
        axes.plot(index, values[name], color=BLUE, linewidth=0.8, marker="o", markersize=3.2, label="learnt")
        widen_y_axis(axes, 0.1 * float(np.abs(values[name]).max()))
    if starts:
        legend(panels[0], "best")
    return figure


DOTTED_START = ("pooling_windows", "pcen_parameters")
"""Names of figures in which the values before training are dotted lines."""


def in_words(name: str) -> str:
    """The name of a figure, such as those of `frontend_figures`, as people write it."""
    return name.replace("_", " ").replace("pcen", "PCEN")


def frontend_figures(frontend: Frontend, initial: Frontend | None = None) -> dict[str, Figure]:
    """All plots that apply to `frontend`, by name.

    "filter_responses" of its filterbank; "centre_frequencies" if the filterbank is learnable; "pooling_windows" if
    pooling is Gaussian; "pcen_parameters" if the compression is PCEN.
    """
    bank = frontend.filterbank
    figures = {}
    learns = isinstance(bank, Filterbank | SincGram)
    if learns or isinstance(bank, MelFilterbank):
        figures["filter_responses"] = filter_responses(frontend, initial if learns else None)
    if learns:
        figures["centre_frequencies"] = center_frequencies(frontend, initial)
    if isinstance(frontend.pooling, GaussianPool):
        figures["pooling_windows"] = pooling_windows(frontend, initial)
    if isinstance(frontend.compression, PCEN):
        figures["pcen_parameters"] = pcen_parameters(frontend, initial)
    return figures


def widen_y_axis(axes: Axes, span: float) -> None:
    """Widen the y-axis to at least `span`, so that small changes look small."""
    low, high = axes.get_ylim()
    missing = max(0.0, span - (high - low)) / 2
    axes.set_ylim(low - missing, high + missing)


def _numpy(values: Tensor) -> Floats:
    return values.detach().cpu().double().numpy()
