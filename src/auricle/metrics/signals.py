"""Metrics of an estimated signal against its reference, such as enhanced against clean speech.

Signals are `(time,)` in [-1, 1], estimate and reference of the same length and sample rate; other shapes raise
`AuricleError`. A metric that is undefined, such as the PESQ of silence, is NaN.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auricle.errors import AuricleError
from auricle.extras import optional
from auricle.metrics.classification import Metric
from auricle.metrics.intervals import Interval, bootstrap
from auricle.powers import next_power_of_two

Floats = NDArray[np.float64]

_MIN_POWER = 1e-10
_FRAME_S = 0.03
_MIN_DB, _MAX_DB = -10.0, 35.0
_KEPT_SHARE = 0.95  # LLR and WSS are averaged over this share of the frames, those of least distance
_PESQ_RATE = 16000

# Critical bands of Klatt (1982): centre and bandwidth in Hz.
_CENTRES_HZ = np.array(
    [50, 120, 190, 260, 330, 400, 470, 540, 617.372, 703.378, 798.717, 904.128, 1020.38, 1148.30, 1288.72, 1442.54,
     1610.70, 1794.16, 1993.93, 2211.08, 2446.71, 2701.97, 2978.04, 3276.17, 3597.63]
)  # fmt: skip
_WIDTHS_HZ = np.array(
    [70, 70, 70, 70, 70, 70, 70, 77.3724, 86.0056, 95.3398, 105.411, 116.256, 127.914, 140.423, 153.823, 168.154,
     183.457, 199.776, 217.153, 235.631, 255.255, 276.072, 298.126, 321.465, 346.136]
)  # fmt: skip


def sdr(estimate: ArrayLike, reference: ArrayLike) -> float:
    """Signal-to-distortion ratio in dB, 10 log10(Σs² / Σ(ŝ − s)²), as Kong et al. (2023) measure separation.

    Both powers (mean squares) are at least 1e-10. Unlike `si_sdr`, it penalises a wrong level.
    """
    estimated, clean = _pair(estimate, reference)
    signal, distortion = (max(float(np.square(x).mean()), _MIN_POWER) for x in (clean, estimated - clean))
    return _ratio_db(signal, distortion)


def si_sdr(estimate: ArrayLike, reference: ArrayLike) -> float:
    """Scale-invariant signal-to-distortion ratio in dB: 10 log10(|αs|² / |αs − ŝ|²) with α = ŝ·s / |s|².

    Le Roux et al. (2019). NaN for a silent reference.
    """
    estimated, clean = _pair(estimate, reference)
    if not clean.any():
        return float("nan")
    target = (estimated @ clean) / (clean @ clean) * clean
    return _ratio_db(float(target @ target), float(np.square(target - estimated).sum()))


def segmental_snr(estimate: ArrayLike, reference: ArrayLike, sample_rate: int) -> float:
    """Segmental SNR in dB: mean SNR of 30 ms frames, each limited to [−10, 35] dB (Hansen & Pellom, 1998)."""
    estimated, clean = (_frames(signal, sample_rate) for signal in _pair(estimate, reference))
    if not len(clean) or not clean.any():
        return float("nan")
    eps = np.spacing(1.0)
    ratios = np.square(clean).sum(1) / (np.square(clean - estimated).sum(1) + eps)
    return float(np.clip(10 * np.log10(ratios + eps), _MIN_DB, _MAX_DB).mean())


def llr(estimate: ArrayLike, reference: ArrayLike, sample_rate: int) -> float:
    """Log-likelihood ratio of linear prediction (Quackenbush et al., 1988): mean of ln(â R âᵀ / a R aᵀ), 0 at best.

    a and â are the prediction error filters of a clean and an estimated frame, of order 16 (10 below 10 kHz), and R is
    the clean frame's autocorrelation matrix. The mean is over the best 95 % of the frames in which neither is silent.
    """
    estimated, clean = (_frames(signal, sample_rate) for signal in _pair(estimate, reference))
    active = estimated.any(1) & clean.any(1)
    if not active.any():
        return float("nan")
    order = 16 if sample_rate >= 10_000 else 10
    correlation, filters = _prediction(clean[active], order)
    _, estimated_filters = _prediction(estimated[active], order)
    errors = [np.einsum("fi,fij,fj->f", a, correlation, a) for a in (estimated_filters, filters)]
    return _best_mean(np.log(np.maximum(errors[0] / errors[1], 1.0)))


def wss(estimate: ArrayLike, reference: ArrayLike, sample_rate: int) -> float:
    """Weighted spectral slope distance (Klatt, 1982), in dB²: weighted mean of squared differences of spectral slopes.

    The slopes are level differences between neighbours of 25 critical bands. A slope weighs the more, the closer its
    band's level is to the frame's maximum and to the nearest peak; the weights of the clean and the estimated frame are
    averaged. The mean is over the best 95 % of the frames.
    """
    estimated, clean = (_frames(signal, sample_rate) for signal in _pair(estimate, reference))
    if not len(clean) or not clean.any():
        return float("nan")
    (slopes, weights), (estimated_slopes, estimated_weights) = (
        _slopes(_band_levels(frames, sample_rate)) for frames in (clean, estimated)
    )
    weights = (weights + estimated_weights) / 2
    return _best_mean((weights * np.square(slopes - estimated_slopes)).sum(1) / weights.sum(1))


def pesq(estimate: ArrayLike, reference: ArrayLike, sample_rate: int) -> float:
    """Wide-band PESQ (ITU-T P.862.2), 1 to 4.64, at 16 kHz; NaN where no speech is found or within less than 0.25 s.

    Computed by the optional package pesq, which needs a C compiler to install. Raises `AuricleError` where it is
    missing and at other sample rates.
    """
    package = optional("pesq", "PESQ")
    estimated, clean = _pair(estimate, reference)
    if sample_rate != _PESQ_RATE:
        raise AuricleError(f"wide-band PESQ is defined at {_PESQ_RATE} Hz, not at {sample_rate}: resample first")
    if len(clean) < _PESQ_RATE // 4 or not clean.any():
        return float("nan")
    try:
        return float(package.pesq(_PESQ_RATE, clean.astype(np.float32), estimated.astype(np.float32), "wb"))
    except (package.PesqError, ValueError):
        return float("nan")


def stoi(estimate: ArrayLike, reference: ArrayLike, sample_rate: int) -> float:
    """Short-time objective intelligibility (Taal et al., 2011), at most 1; NaN where there is too little speech.

    Computed by the optional package pystoi; raises `AuricleError` where it is missing.
    """
    package = optional("pystoi", "STOI")
    estimated, clean = _pair(estimate, reference)
    if not clean.any() or not estimated.any():
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(package.stoi(clean, estimated, sample_rate))
        except (RuntimeWarning, ValueError):
            return float("nan")


def composite(pesq_value: float, llr_value: float, wss_value: float, segmental_snr_db: float) -> dict[str, float]:
    """CSIG, CBAK and COVL: predicted ratings, 1 to 5, of signal, background and overall quality (Hu & Loizou, 2008).

    Linear combinations of wide-band PESQ, LLR, WSS and segmental SNR, limited to [1, 5].
    """
    values = {
        "csig": 3.093 - 1.029 * llr_value + 0.603 * pesq_value - 0.009 * wss_value,
        "cbak": 1.634 + 0.478 * pesq_value - 0.007 * wss_value + 0.063 * segmental_snr_db,
        "covl": 1.594 + 0.805 * pesq_value - 0.512 * llr_value - 0.007 * wss_value,
    }
    return {name: float(np.clip(value, 1.0, 5.0)) for name, value in values.items()}


def measure_speech(estimate: ArrayLike, reference: ArrayLike, sample_rate: int) -> dict[str, float]:
    """The metrics of speech enhancement by name: pesq, stoi, csig, cbak, covl, segmental_snr and si_sdr."""
    quality = pesq(estimate, reference, sample_rate)
    segmental = segmental_snr(estimate, reference, sample_rate)
    likelihood, slopes = (measure(estimate, reference, sample_rate) for measure in (llr, wss))
    return {
        "pesq": quality,
        "stoi": stoi(estimate, reference, sample_rate),
        **composite(quality, likelihood, slopes, segmental),
        "segmental_snr": segmental,
        "si_sdr": si_sdr(estimate, reference),
    }


def mean_interval(values: ArrayLike, groups: Sequence[Any] | NDArray[Any] | None = None, seed: int = 0) -> Interval:
    """Mean of `values` `(clips,)` without NaN, with its 95 % bootstrap interval over clips or whole `groups`."""
    array = np.asarray(values, dtype=np.float64)
    return bootstrap(cast(Metric, _mean), array, array, groups=groups, seed=seed)


def _mean(values: Any, targets: Any, weights: Any = None) -> Any:
    defined = ~np.isnan(values)
    if weights is None:
        return float(values[defined].mean()) if defined.any() else float("nan")
    total = weights[:, defined].sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, weights[:, defined] @ values[defined] / total, np.nan)


def _pair(estimate: ArrayLike, reference: ArrayLike) -> tuple[Floats, Floats]:
    estimated, clean = np.asarray(estimate, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if estimated.shape != clean.shape or estimated.ndim != 1 or estimated.size == 0:
        raise AuricleError(
            f"signals have shapes {estimated.shape} and {clean.shape}; both should be (time,), not empty, of one length"
        )
    return estimated, clean


def _ratio_db(signal: float, distortion: float) -> float:
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.float64(signal) / distortion)) if signal or distortion else float("-inf")


def _frames(signal: Floats, sample_rate: int) -> Floats:
    """Frames of 30 ms with 75 % overlap, under a Hann window: `(frames, time)`."""
    size = round(_FRAME_S * sample_rate)
    hop = size // 4
    count = max(0, (len(signal) - size) // hop)
    starts = hop * np.arange(count)
    window = 0.5 * (1 - np.cos(2 * np.pi * np.arange(1, size + 1) / (size + 1)))
    return signal[starts[:, None] + np.arange(size)] * window


def _best_mean(distances: Floats) -> float:
    return float(np.sort(distances)[: max(1, round(_KEPT_SHARE * len(distances)))].mean())


def _prediction(frames: Floats, order: int) -> tuple[Floats, Floats]:
    """Autocorrelation matrices `(frames, order + 1, order + 1)` and prediction error filters `(frames, order + 1)`."""
    size = frames.shape[1]
    lags = np.stack([(frames[:, : size - k] * frames[:, k:]).sum(1) for k in range(order + 1)], axis=1)
    lags[:, 0] *= 1 + 1e-9
    indices = np.arange(order + 1)
    matrix = lags[:, np.abs(indices[:, None] - indices)]
    coefficients = np.linalg.solve(matrix[:, 1:, 1:], lags[:, 1:, None])[..., 0]
    return matrix, np.concatenate([np.ones((len(frames), 1)), -coefficients], axis=1)


def _band_levels(frames: Floats, sample_rate: int) -> Floats:
    """Levels in dB `(frames, 25)` of critical bands, whose Gaussian filters are cut off at −30 dB."""
    n_fft = next_power_of_two(2 * frames.shape[1])
    half = n_fft // 2
    power = np.square(np.abs(np.fft.rfft(frames, n_fft)[:, :half]))
    centres, widths = (values / (sample_rate / 2) * half for values in (_CENTRES_HZ, _WIDTHS_HZ))
    offsets = (np.arange(half) - np.floor(centres)[:, None]) / widths[:, None]
    filters = np.exp(-11 * np.square(offsets) + np.log(_WIDTHS_HZ[0] / _WIDTHS_HZ)[:, None])
    filters[filters <= np.exp(-30 / (2 * 2.303))] = 0.0
    return 10 * np.log10(np.maximum(power @ filters.T, 1e-10))


def _slopes(levels: Floats) -> tuple[Floats, Floats]:
    """Slopes from band to band and their weights (Klatt, 1982), each `(frames, 24)`.

    The nearest peak of a rising slope is the lower band of the last step of its rise; that of a falling slope is the
    band in which its fall begins.
    """
    slopes = np.diff(levels, axis=1)
    rising = slopes > 0
    peaks = levels[:, :-1].copy()
    for i in range(slopes.shape[1] - 2, -1, -1):
        peaks[:, i] = np.where(rising[:, i] & rising[:, i + 1], peaks[:, i + 1], peaks[:, i])
    for i in range(1, slopes.shape[1]):
        peaks[:, i] = np.where(~rising[:, i] & ~rising[:, i - 1], peaks[:, i - 1], peaks[:, i])
    below_highest = 20 / (20 + levels.max(1, keepdims=True) - levels[:, :-1])
    below_peak = 1 / (1 + peaks - levels[:, :-1])
    return slopes, below_highest * below_peak
