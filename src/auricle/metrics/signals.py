"""How good a signal is that should be another: enhanced speech against clean.

Signals are `(time,)` in [-1, 1], estimate and reference of the same length. NaN is what cannot be told, such as the
PESQ of silence.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auricle.errors import AuricleError
from auricle.metrics.classification import Metric
from auricle.metrics.intervals import Interval, bootstrap

Floats = NDArray[np.float64]

_LEAST_POWER = 1e-10
_FRAME_S = 0.03
_LEAST_DB, _MOST_DB = -10.0, 35.0
_KEPT = 0.95  # the share of frames, the best ones, that LLR and WSS are averaged over
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
    """Signal-to-distortion ratio in dB, 10 log10(Σs² / Σ(ŝ − s)²), both means of squares no less than 1e-10.

    As Kong et al. (2023) measure separation; unlike `si_sdr` it punishes a wrong level.
    """
    ours, clean = _pair(estimate, reference)
    signal, distortion = (max(float(np.square(x).mean()), _LEAST_POWER) for x in (clean, ours - clean))
    return _ratio_db(signal, distortion)


def si_sdr(estimate: ArrayLike, reference: ArrayLike) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019): |αs|² / |αs − ŝ|², α = ŝ·s / |s|²."""
    ours, clean = _pair(estimate, reference)
    if not clean.any():
        return float("nan")
    target = (ours @ clean) / (clean @ clean) * clean
    return _ratio_db(float(target @ target), float(np.square(target - ours).sum()))


def segmental_snr(estimate: ArrayLike, reference: ArrayLike, sample_rate: int) -> float:
    """Mean over frames of 30 ms of their SNR in dB, each limited to −10 … 35 dB (Hansen & Pellom, 1998)."""
    ours, clean = (_frames(signal, sample_rate) for signal in _pair(estimate, reference))
    if not len(clean) or not clean.any():
        return float("nan")
    eps = np.spacing(1.0)
    ratios = np.square(clean).sum(1) / (np.square(clean - ours).sum(1) + eps)
    return float(np.clip(10 * np.log10(ratios + eps), _LEAST_DB, _MOST_DB).mean())


def llr(estimate: ArrayLike, reference: ArrayLike, sample_rate: int) -> float:
    """Log-likelihood ratio of linear prediction (Quackenbush et al., 1988): mean of ln (â R âᵀ / a R aᵀ).

    a and â are the prediction filters of a clean and an estimated frame, R the clean frame's autocorrelation matrix, of
    order 16 (10 below 10 kHz). The mean is over the best 95 % of the frames in which both sound.
    """
    ours, clean = (_frames(signal, sample_rate) for signal in _pair(estimate, reference))
    sounding = ours.any(1) & clean.any(1)
    if not sounding.any():
        return float("nan")
    order = 16 if sample_rate >= 10_000 else 10
    correlation, filters = _prediction(clean[sounding], order)
    _, other = _prediction(ours[sounding], order)
    missed = [np.einsum("fi,fij,fj->f", a, correlation, a) for a in (other, filters)]
    return _best_mean(np.log(np.maximum(missed[0] / missed[1], 1.0)))


def wss(estimate: ArrayLike, reference: ArrayLike, sample_rate: int) -> float:
    """Weighted spectral slope distance (Klatt, 1982), in dB²: squared differences of the levels' slopes over 25 bands.

    A slope weighs more the nearer its band is to the frame's highest and to the nearest peak, in clean and estimated
    frame alike; weights are divided by their sum. The mean is over the best 95 % of the frames.
    """
    ours, clean = (_frames(signal, sample_rate) for signal in _pair(estimate, reference))
    if not len(clean) or not clean.any():
        return float("nan")
    (slopes, weights), (others, other_weights) = (_slopes(_band_levels(f, sample_rate)) for f in (clean, ours))
    weights = (weights + other_weights) / 2
    return _best_mean((weights * np.square(slopes - others)).sum(1) / weights.sum(1))


def pesq(estimate: ArrayLike, reference: ArrayLike, sample_rate: int) -> float:
    """Wide-band PESQ (ITU-T P.862.2) at 16 kHz, 1 to 4.64; NaN where no speech is found.

    It is the package pesq's, an optional one since a C compiler has to build it.
    """
    try:
        import pesq as package
    except ImportError:
        raise AuricleError("PESQ needs the package pesq, and that a C compiler: pip install 'auricle[pesq]'") from None

    ours, clean = _pair(estimate, reference)
    if sample_rate != _PESQ_RATE:
        raise AuricleError(f"wide-band PESQ is for {_PESQ_RATE} Hz, not {sample_rate}: resample first")
    if len(clean) < _PESQ_RATE // 4 or not clean.any():
        return float("nan")
    try:
        return float(package.pesq(_PESQ_RATE, clean.astype(np.float32), ours.astype(np.float32), "wb"))
    except (package.PesqError, ValueError):
        return float("nan")


def stoi(estimate: ArrayLike, reference: ArrayLike, sample_rate: int) -> float:
    """Short-time objective intelligibility (Taal et al., 2011), up to 1; NaN where there is too little speech."""
    import pystoi

    ours, clean = _pair(estimate, reference)
    if not clean.any() or not ours.any():
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(pystoi.stoi(clean, ours, sample_rate))
        except (RuntimeWarning, ValueError):
            return float("nan")


def composite(pesq_value: float, llr_value: float, wss_value: float, segmental_snr_db: float) -> dict[str, float]:
    """CSIG (signal), CBAK (background) and COVL (overall), each 1 to 5 (Hu & Loizou, 2008, from wide-band PESQ)."""
    values = {
        "csig": 3.093 - 1.029 * llr_value + 0.603 * pesq_value - 0.009 * wss_value,
        "cbak": 1.634 + 0.478 * pesq_value - 0.007 * wss_value + 0.063 * segmental_snr_db,
        "covl": 1.594 + 0.805 * pesq_value - 0.512 * llr_value - 0.007 * wss_value,
    }
    return {name: float(np.clip(value, 1.0, 5.0)) for name, value in values.items()}


def measure_speech(estimate: ArrayLike, reference: ArrayLike, sample_rate: int) -> dict[str, float]:
    """All of it: pesq, stoi, csig, cbak, covl, segmental_snr and si_sdr."""
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


def mean_interval(
    values: ArrayLike, groups: Sequence[Any] | NDArray[Any] | None = None, resamples: int = 1000, seed: int = 0
) -> Interval:
    """The mean of those `values` that are not NaN, with its bootstrap interval over clips or whole `groups`."""
    array = np.asarray(values, dtype=np.float64)
    return bootstrap(cast(Metric, _mean), array, array, groups=groups, resamples=resamples, seed=seed)


def _mean(values: Any, targets: Any, weights: Any = None) -> Any:
    told = ~np.isnan(values)
    if weights is None:
        return float(values[told].mean()) if told.any() else float("nan")
    total = weights[:, told].sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, weights[:, told] @ values[told] / total, np.nan)


def _pair(estimate: ArrayLike, reference: ArrayLike) -> tuple[Floats, Floats]:
    ours, clean = np.asarray(estimate, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if ours.shape != clean.shape or ours.ndim != 1 or ours.size == 0:
        raise AuricleError(f"signals of shapes {ours.shape} and {clean.shape}; both should be (time,), of one length")
    return ours, clean


def _ratio_db(signal: float, distortion: float) -> float:
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.float64(signal) / distortion)) if signal or distortion else float("-inf")


def _frames(signal: Floats, sample_rate: int) -> Floats:
    """Frames of 30 ms, three quarters overlapping, under a Hann window: `(frames, time)`."""
    size = round(_FRAME_S * sample_rate)
    hop = size // 4
    count = max(0, (len(signal) - size) // hop)
    starts = hop * np.arange(count)
    window = 0.5 * (1 - np.cos(2 * np.pi * np.arange(1, size + 1) / (size + 1)))
    return signal[starts[:, None] + np.arange(size)] * window


def _best_mean(distances: Floats) -> float:
    return float(np.sort(distances)[: max(1, round(_KEPT * len(distances)))].mean())


def _prediction(frames: Floats, order: int) -> tuple[Floats, Floats]:
    """Autocorrelation matrices `(frames, order + 1, order + 1)` and prediction filters `(frames, order + 1)`."""
    size = frames.shape[1]
    lags = np.stack([(frames[:, : size - k] * frames[:, k:]).sum(1) for k in range(order + 1)], axis=1)
    lags[:, 0] *= 1 + 1e-9
    places = np.arange(order + 1)
    matrix = lags[:, np.abs(places[:, None] - places)]
    coefficients = np.linalg.solve(matrix[:, 1:, 1:], lags[:, 1:, None])[..., 0]
    return matrix, np.concatenate([np.ones((len(frames), 1)), -coefficients], axis=1)


def _band_levels(frames: Floats, sample_rate: int) -> Floats:
    """Levels in dB `(frames, 25)` in critical bands, Gaussian filters cut off at −30 dB."""
    n_fft = 2 ** int(np.ceil(np.log2(2 * frames.shape[1])))
    half = n_fft // 2
    power = np.square(np.abs(np.fft.rfft(frames, n_fft)[:, :half]))
    centres, widths = (values / (sample_rate / 2) * half for values in (_CENTRES_HZ, _WIDTHS_HZ))
    offsets = (np.arange(half) - np.floor(centres)[:, None]) / widths[:, None]
    filters = np.exp(-11 * np.square(offsets) + np.log(_WIDTHS_HZ[0] / _WIDTHS_HZ)[:, None])
    filters[filters <= np.exp(-30 / (2 * 2.303))] = 0.0
    return 10 * np.log10(np.maximum(power @ filters.T, 1e-10))


def _slopes(levels: Floats) -> tuple[Floats, Floats]:
    """Slopes from band to band and their weights, each `(frames, 24)`.

    The nearest peak of a rising slope is where the rise that it belongs to begins its last step, that of a falling one
    where the fall began.
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
