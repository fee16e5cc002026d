"""Initial parameters of convolutional filterbanks: centres and widths of Gabor filters, and weights of free filters."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.frontends.scales import mel_matrix, spaced_freqs
from auricle.powers import next_power_of_two

# The full width at half maximum of a Gabor filter's response is FWHM / sigma, in cycles per sample.
FWHM = math.sqrt(2.0 * math.log(2.0)) / math.pi

DRAWN: dict[str, Callable[[Tensor], Tensor]] = {"xavier": nn.init.xavier_normal_, "kaiming": nn.init.kaiming_normal_}
"""Initialisations that know nothing of frequencies."""


def drawn_weights(init: str, *shape: int) -> Tensor:
    """A tensor of `shape`, of two dimensions or more, drawn by the initialisation `init`, a key of `DRAWN`."""
    return DRAWN[init](torch.empty(shape))


def gabor_initialisation(
    n_filters: int, sample_rate: int, min_freq_hz: float, max_freq_hz: float, init: str
) -> tuple[np.ndarray, np.ndarray]:
    """Initial centre frequencies (rad/sample) and bandwidths (samples) of a Gabor filterbank, `(n_filters,)` each.

    `init` is a frequency scale ("mel", "erb" or "linear"): of n_filters + 2 evenly spaced frequencies the inner ones
    are the centres, and σ = (sr/2) / (distance between the two neighbours). "random": sorted uniform centres with the
    bandwidth that a linear scale would give. "published": read off a mel filterbank, as leaf-audio does. "xavier" and
    "kaiming" draw the matrix (n_filters, 2) of centres and widths, as ports do: most widths begin at their lower bound.
    """
    if init in DRAWN:
        centers, widths = drawn_weights(init, n_filters, 2).double().numpy().T
        return centers, widths
    if init == "published":
        return _published_gabor(n_filters, sample_rate, min_freq_hz, max_freq_hz)
    if init == "random":
        centers_hz = np.sort(np.random.default_rng(torch.initial_seed()).uniform(min_freq_hz, max_freq_hz, n_filters))
        span_hz = np.full(n_filters, 2.0 * (max_freq_hz - min_freq_hz) / (n_filters + 1))
    else:
        peaks_hz = spaced_freqs(n_filters + 2, min_freq_hz, max_freq_hz, init)
        centers_hz, span_hz = peaks_hz[1:-1], peaks_hz[2:] - peaks_hz[:-2]
    return centers_hz * 2.0 * np.pi / sample_rate, sample_rate / 2.0 / span_hz


def published_n_fft(sample_rate: int) -> int:
    """FFT size of leaf-audio: the smallest power of two that holds a 25 ms window, 512 at 16 kHz."""
    return next_power_of_two(0.025 * sample_rate)


def _published_gabor(
    n_filters: int, sample_rate: int, min_freq_hz: float, max_freq_hz: float
) -> tuple[np.ndarray, np.ndarray]:
    """The initialisation of leaf-audio, from the triangles of a √mel filterbank.

    The centre is the bin of a triangle's maximum, the width is the number of bins above half the maximum.
    """
    n_fft = published_n_fft(sample_rate)
    roots = np.sqrt(mel_matrix(n_filters, n_fft, sample_rate, min_freq_hz, max_freq_hz))
    if not (roots.max(axis=0) > 0).all():
        raise AuricleError(
            f"the published initialisation has empty bands with {n_filters} filters at {sample_rate} Hz: "
            "use fewer filters or init='mel'"
        )
    bins_above_half = (roots >= roots.max(axis=0) / 2).sum(axis=0)
    centers = roots.argmax(axis=0) * 2.0 * np.pi / n_fft
    return centers, FWHM * n_fft / bins_above_half


def initial_filters(
    n_filters: int, sample_rate: int, min_freq_hz: float, max_freq_hz: float, init: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres (rad/sample), widths σ (samples) and scales of Gabor filters with the energies of mel bands.

    The scale is √(2√π·σ·area), where `area` (rad/sample) is that of the mel triangle; `(n_filters,)` each.
    """
    centers, widths = gabor_initialisation(n_filters, sample_rate, min_freq_hz, max_freq_hz, init)
    if init == "published":
        n_fft = published_n_fft(sample_rate)
        triangles = mel_matrix(n_filters, n_fft, sample_rate, min_freq_hz, max_freq_hz)
        areas = triangles.max(axis=0) * ((triangles > 0).sum(axis=0) + 2) * np.pi / n_fft
    else:
        areas = np.pi / (2.0 * widths)
    return centers, widths, np.sqrt(2.0 * math.sqrt(math.pi) * widths * areas)
