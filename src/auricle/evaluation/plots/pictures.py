"""One clip as several front-ends see it."""

from __future__ import annotations

import copy

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from auricle.errors import AuricleError
from auricle.evaluation.plots.learned import center_freqs_hz
from auricle.evaluation.plots.style import INK, hertz, new_figure, style
from auricle.frontends.frontend import Frontend


def pictures(waveform: ArrayLike | torch.Tensor, sample_rate: int, frontends: dict[str, Frontend]) -> Figure:
    """The waveform `(time,)`, and below it each front-end's output on the same time axis.

    Frame k is drawn at sample k·hop_length. Each picture has its own colours, from its 1st to its 99th percentile.
    """
    samples = torch.as_tensor(np.array(waveform, dtype=np.float32))
    if samples.ndim != 1 or len(samples) == 0:
        raise AuricleError(f"the waveform has shape {tuple(samples.shape)}; it should be (time,) and not empty")
    duration_s = len(samples) / sample_rate
    figure = new_figure(1.2 + 1.75 * len(frontends))
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
    hop_s = frontend.hop_length / frontend.sample_rate
    low, high = np.percentile(values, [1.0, 99.0])
    extent = (-0.5 * hop_s, (values.shape[1] - 0.5) * hop_s, -0.5, values.shape[0] - 0.5)
    axes.imshow(
        values,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        vmin=float(low),
        vmax=float(high),
        extent=extent,
    )
    style(axes, title=name, grid=False)
    try:
        centers = center_freqs_hz(frontend)
    except AuricleError:
        axes.set_ylabel("Band")
        return
    ticks = np.unique(np.linspace(0, len(centers) - 1, 5).round().astype(int))
    axes.set_yticks(ticks, [hertz(centers[tick]) for tick in ticks])
    axes.set_ylabel("Centre (Hz)")
