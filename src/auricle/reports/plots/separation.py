"""Plots of separation: a metric per class, and spectrograms of a mixture, its target and the result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from auricle.errors import AuricleError
from auricle.reports.plots.style import INK, MARKERS, MUTED, PALETTE, WIDTH_IN, legend, mel_axis, new_figure, style

_MAX_NAMES = 60  # classes whose names fit below the axis
_RANGE_DB = 80.0
_WINDOW, _HOP = 1024, 256
_TICKS_HZ = (0, 500, 1000, 2000, 4000, 8000, 16000)


def by_class(values: Mapping[str, Mapping[str, float]], y_label: str) -> Figure:
    """A line per entry of `values`, which maps classes to a metric; classes are in descending order of the last entry.

    With more than 60 classes only some are named. Raises `AuricleError` if there are none.
    """
    if not values or not all(values.values()):
        raise AuricleError("there are no classes to draw")
    last = list(values.values())[-1]
    names = sorted(last, key=lambda name: -last[name] if np.isfinite(last[name]) else np.inf)
    figure = new_figure(3.9, WIDTH_IN + 1.8)
    axes = style(figure.subplots(), "", y_label)
    positions = np.arange(len(names))
    for index, (name, by_name) in enumerate(values.items()):
        heights = [by_name.get(label, np.nan) for label in names]
        color, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
        axes.plot(positions, heights, color=color, marker=marker, markersize=3.5, linewidth=1.4, label=name)
    axes.axhline(0.0, color=MUTED, linewidth=1.0)
    step = -(-len(names) // _MAX_NAMES)
    axes.set_xticks(positions[::step], [name.replace("_", " ") for name in names[::step]], rotation=90, fontsize=7.5)
    axes.set_xlim(-0.8, len(names) - 0.2)
    legend(axes, "upper right")
    return figure


def spectrograms(waveforms: Mapping[str, np.ndarray], sample_rate: int) -> Figure:
    """Spectrograms of the waveforms, each `(time,)`, one below the other, on one colour scale of 80 dB."""
    if not waveforms:
        raise AuricleError("there are no waveforms to draw")
    levels = {name: _levels_db(np.asarray(wave, dtype=np.float32)) for name, wave in waveforms.items()}
    highest = max(float(values.max()) for values in levels.values())
    figure = new_figure(0.6 + 1.7 * len(levels))
    panels = figure.subplots(len(levels), 1, sharex=True, squeeze=False)[:, 0]
    image = None
    for axes, (name, values) in zip(panels, levels.items(), strict=True):
        style(axes, y_label="Hz", title=name, grid=False)
        times_s = np.arange(values.shape[1] + 1) * _HOP / sample_rate
        freqs_hz = np.linspace(0, sample_rate / 2, values.shape[0] + 1)
        image = axes.pcolormesh(
            times_s, freqs_hz, values, cmap="magma", vmin=highest - _RANGE_DB, vmax=highest, rasterized=True
        )
        mel_axis(axes, "y", 0.0, sample_rate / 2)
        axes.yaxis.set_major_locator(FixedLocator([hz for hz in _TICKS_HZ if hz <= sample_rate / 2]))
    panels[-1].set_xlabel("Time (s)", fontsize=10, color=INK)
    assert image is not None
    bar = figure.colorbar(image, ax=list(panels), pad=0.01)
    bar.set_label("dB", fontsize=9, color=INK)
    bar.outline.set_visible(False)
    return figure


def _levels_db(waveform: np.ndarray) -> np.ndarray:
    """STFT magnitude in dB, `(bins, frames)`, with a Hann window of 1024 samples and a hop of 256."""
    samples = torch.from_numpy(np.pad(waveform, (0, max(0, _WINDOW // 2 + 1 - len(waveform)))))
    spectra = torch.stft(samples, _WINDOW, _HOP, window=torch.hann_window(_WINDOW), return_complex=True)
    return 20 * np.log10(np.maximum(spectra.abs().numpy(), 1e-7))
