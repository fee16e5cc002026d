"""Plots of single clips: spectrograms, front-end outputs, attention weights, reconstructions of masked spectrograms."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator
from numpy.typing import ArrayLike

from auricle.audio.embedded import heat_png
from auricle.errors import AuricleError
from auricle.frontends.frontend import Frontend
from auricle.reports.plots.learned import band_ticks
from auricle.reports.plots.style import BLUE, CARD_IN, INK, VERMILION, WIDTH_IN, mel_axis, new_figure, style

_RANGE_DB = 80.0
_WINDOW, _HOP = 1024, 256
_TICKS_HZ = (0, 500, 1000, 2000, 4000, 8000, 16000)


def spectrogram(waveform: np.ndarray, sample_rate: int, title: str = "", highest_db: float | None = None) -> Figure:
    """The spectrogram of `(time,)` in a figure that stands beside others.

    Colours cover the 80 dB below `highest_db`, by default the highest level of this waveform; `highest_level_db` of
    several gives them all the same colours.
    """
    levels = _levels_db(np.asarray(waveform, dtype=np.float32))
    top = float(levels.max()) if highest_db is None else highest_db
    figure = new_figure(2.1, CARD_IN)
    axes = style(figure.subplots(), "Time (s)", "Frequency (Hz)", title, grid=False)
    times_s = np.arange(levels.shape[1] + 1) * _HOP / sample_rate
    freqs_hz = np.linspace(0, sample_rate / 2, levels.shape[0] + 1)
    axes.pcolormesh(times_s, freqs_hz, levels, cmap="magma", vmin=top - _RANGE_DB, vmax=top, rasterized=True)
    axes.set_xlim(0.0, len(waveform) / sample_rate)
    mel_axis(axes, "y", 0.0, sample_rate / 2)
    axes.yaxis.set_major_locator(FixedLocator([hz for hz in _TICKS_HZ if hz <= sample_rate / 2]))
    return figure


def highest_level_db(waveforms: Iterable[np.ndarray]) -> float:
    """The highest level of the spectrograms of several waveforms `(time,)`."""
    return max(float(_levels_db(np.asarray(waveform, dtype=np.float32)).max()) for waveform in waveforms)


def _levels_db(waveform: np.ndarray) -> np.ndarray:
    """STFT magnitude in dB, `(bins, frames)`, with a Hann window of 1024 samples and a hop of 256."""
    samples = torch.from_numpy(np.pad(waveform, (0, max(0, _WINDOW // 2 + 1 - len(waveform)))))
    spectra = torch.stft(samples, _WINDOW, _HOP, window=torch.hann_window(_WINDOW), return_complex=True)
    return 20 * np.log10(np.maximum(spectra.abs().numpy(), 1e-7))


def frontend_outputs(waveform: ArrayLike | torch.Tensor, sample_rate: int, frontends: dict[str, Frontend]) -> Figure:
    """The waveform `(time,)`, and below it each front-end's output on the same time axis.

    Frame k is drawn at sample k·hop_length. Each spectrogram's colours run from its 1st to its 99th percentile.
    """
    samples = torch.as_tensor(np.array(waveform, dtype=np.float32))
    if samples.ndim != 1 or len(samples) == 0:
        raise AuricleError(f"the waveform has shape {tuple(samples.shape)}; it should be (time,) and not empty")
    duration_s = len(samples) / sample_rate
    figure = new_figure(1.1 + 1.5 * len(frontends))
    panels = figure.subplots(
        1 + len(frontends), 1, sharex=True, squeeze=False, height_ratios=[0.6] + [1.0] * len(frontends)
    )[:, 0]
    style(panels[0], y_label="Amplitude", title="Waveform")
    panels[0].plot(np.arange(len(samples)) / sample_rate, samples.numpy(), color=INK, linewidth=0.5)
    for axes, (name, frontend) in zip(panels[1:], frontends.items(), strict=True):
        if frontend.sample_rate != sample_rate:
            raise AuricleError(f"{name} works at {frontend.sample_rate} Hz and the clip is at {sample_rate} Hz")
        _draw(axes, name, frontend, samples)
    panels[-1].set_xlabel("Time (s)")
    panels[0].set_xlim(0.0, duration_s)
    figure.align_ylabels(panels)
    return figure


def _draw(axes: Axes, name: str, frontend: Frontend, samples: torch.Tensor) -> None:
    with torch.no_grad():
        values = copy.deepcopy(frontend).cpu().float().eval()(samples[None])[0].numpy()
    _image(axes, values, frontend.hop_length / frontend.sample_rate, values)
    style(axes, title=name, grid=False)
    ticks = band_ticks(frontend, 5)
    if ticks:
        bands, texts = zip(*ticks, strict=True)
        axes.set_yticks(bands, texts)
    axes.set_ylabel("Centre (Hz)" if ticks else "Band")


def spectrogram_png(values: np.ndarray, color_range: np.ndarray | None = None) -> bytes:
    """A PNG of a spectrogram `(bands, frames)` and nothing else, a pixel for each value, high bands at the top.

    Colours run from the 1st to the 99th percentile of `color_range`, by default `values`.
    """
    low, high = np.percentile(values if color_range is None else color_range, [1.0, 99.0])
    return heat_png(values, low, max(high, low + 1e-6))


def _image(axes: Axes, values: np.ndarray, hop_s: float, color_range: np.ndarray) -> None:
    """Draw `values` (bands, frames); colours run from the 1st to the 99th percentile of `color_range`."""
    low, high = np.percentile(color_range, [1.0, 99.0])
    axes.imshow(
        values,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        vmin=float(low),
        vmax=float(high),
        extent=(-0.5 * hop_s, (values.shape[1] - 0.5) * hop_s, -0.5, values.shape[0] - 0.5),
    )


def attention_maps(
    spectrogram: np.ndarray, attended: np.ndarray, weights: dict[str, np.ndarray], hop_s: float
) -> Figure:
    """Spectrograms before and after attention, `(bands, frames)`, and the attention weights.

    `weights["frequency"]` `(bands, 1 or frames)` is drawn beside the spectrograms: its mean and its range over frames.
    `weights["time"]` `(1, frames)` is drawn below them. Both spectrograms share one colour scale.
    """
    figure = new_figure(4.6, WIDTH_IN + 0.4)
    grid = figure.add_gridspec(3, 2, width_ratios=[4.0, 1.0], height_ratios=[1.0, 1.0, 0.55])
    seconds = np.arange(spectrogram.shape[1]) * hop_s
    first = None
    for row, (title, values) in enumerate((("Before attention", spectrogram), ("After attention", attended))):
        axes = style(figure.add_subplot(grid[row, 0], sharex=first), y_label="Band", title=title, grid=False)
        _image(axes, values, hop_s, spectrogram)
        first = first or axes
    if "frequency" in weights:
        rows = weights["frequency"]
        beside = style(figure.add_subplot(grid[:2, 1]), x_label="Weight", title="Over bands")
        bands = np.arange(len(rows))
        beside.plot(rows.mean(axis=1), bands, color=BLUE, linewidth=1.4)
        beside.fill_betweenx(bands, rows.min(axis=1), rows.max(axis=1), color=BLUE, alpha=0.15, linewidth=0)
        beside.set_ylim(-0.5, len(rows) - 0.5)
    if "time" in weights:
        below = style(figure.add_subplot(grid[2, 0], sharex=first), "Time (s)", "Weight", "Over frames")
        below.plot(seconds, weights["time"][0], color=VERMILION, linewidth=1.4)
    return figure


def reconstructions(spectrograms: np.ndarray, visible: np.ndarray, reconstructed: np.ndarray, hop_s: float) -> Figure:
    """Spectrograms, their visible patches (masked ones are NaN) and reconstructions, each `(clips, frames, bands)`."""
    figure = new_figure(1.1 * len(spectrograms) + 0.4, WIDTH_IN + 1.0)
    panels = figure.subplots(len(spectrograms), 3, sharex=True, sharey=True, squeeze=False)
    for row, clips in zip(panels, zip(spectrograms, visible, reconstructed, strict=True), strict=True):
        for axes, spectrogram in zip(row, clips, strict=True):
            _image(style(axes, grid=False), spectrogram.T, hop_s, clips[0])
    for axes, title in zip(panels[0], ("Spectrogram", "Visible patches", "Reconstruction"), strict=True):
        style(axes, title=title, grid=False)
    for axes in panels[-1]:
        axes.set_xlabel("Time (s)", fontsize=10)
    for row in panels:
        row[0].set_ylabel("Band", fontsize=10)
    return figure
