"""The four front-ends of the DEGramNet paper: a spectrogram; with learnt bands; with attention; with both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from auricle.errors import AuricleError
from auricle.frontends.attention import BRANCHES, TFDELayer
from auricle.frontends.compression import LogZScore
from auricle.frontends.factory import FrontendOptions, register_frontend
from auricle.frontends.frontend import Frontend
from auricle.frontends.parts import FramedFilterbank
from auricle.frontends.spectral import SincGram, Spectrogram
from auricle.powers import next_power_of_two


@dataclass(frozen=True)
class _Parts:
    """The paper's default options, and the parts that the four front-ends share.

    Windows of 32 ms; SincGram has 64 bands from 125 Hz to 15/16 of sr/2 (7500 Hz at 16 kHz). Published: 128 bands of
    order 5; frame k starts at sample k·hop_length; log(X + 1e-7) and a z-score over the clip.
    """

    common: FrontendOptions
    context: float | None

    @classmethod
    def of(cls, options: dict[str, Any], context_s: float, bands: bool) -> _Parts:
        rate = options.get("sample_rate", 16000)
        half = round(0.016 * rate)
        defaults = {"kernel_size": 2 * half + 1}
        if bands:
            published = options.get("variant") == "published"
            defaults |= {"n_filters": 128 if published else 64, "min_freq_hz": 125.0, "max_freq_hz": 15 / 32 * rate}
        elif "n_filters" in options:
            defaults = {"kernel_size": 2 * min(half, options["n_filters"] - 1) + 1}
        else:
            defaults |= {"n_filters": _n_fft(2 * half) // 2 + 1}
        common = FrontendOptions(**defaults | options)
        if context_s < 0:
            raise AuricleError(f"context_s={context_s:g} s of a running mean: 0 for the whole clip, or above")
        return cls(common, context_s * rate / common.hop_length if context_s else None)

    @property
    def window(self) -> tuple[int, int]:
        return self.common.kernel_size - 1, self.common.hop_length

    @property
    def padding(self) -> str:
        return "start" if self.common.published else "centered"

    def spectrogram(self) -> Spectrogram:
        bins, (length, hop) = self.common.n_filters, self.window
        if bins < 2 or length > 2 * (bins - 1):
            raise AuricleError(f"n_filters={bins} bins do not hold the spectrum of a window of {length} samples")
        return Spectrogram(length, hop, 2 * (bins - 1), self.padding)

    def sincgram(self, order: int) -> SincGram:
        sizes = {name: value for name, value in self.common.bank.items() if name != "kernel_size"}
        sizes |= dict(zip(("window_length", "hop_length"), self.window, strict=True))
        return SincGram(**sizes, order=order or (5 if self.common.published else 4), padding=self.padding)

    def attention(self, ratio: float, merge: str, kernel: int) -> TFDELayer:
        branches = ("frequency",) if self.common.published else BRANCHES
        return TFDELayer(
            self.common.n_filters,
            ratio=ratio,
            kernel_size=kernel,
            merge=merge,
            branches=branches,
            context=self.context,
        )

    def assemble(self, bank: FramedFilterbank, attention: nn.Module | None = None) -> Frontend:
        common = self.common
        compression: nn.Module = nn.Identity()
        chosen = common.compression or ("log-z-score" if common.published else "")
        if chosen == "log-z-score":
            common, compression = replace(common, compression=""), LogZScore(context=self.context)
        elif self.context and attention is None:
            raise AuricleError("context_s: nothing here is a mean over the clip; it is for attention and log-z-score")
        return common.assemble(bank, None, compression, attention=attention)


def _n_fft(window_length: int) -> int:
    return next_power_of_two(window_length)


@register_frontend("spectrogram")
def spectrogram(*, context_s: float = 0.0, **options: Any) -> Frontend:
    """Magnitude spectrogram: 257 bins at 16 kHz, which is `n_filters`; nothing is learnt.

    Published: log(X + 1e-7) and a z-score over the clip, as with compression="log-z-score". With `context_s`, that
    z-score is by moving averages with a time constant of so many seconds, so that it can take a stream.
    """
    parts = _Parts.of(options, context_s, bands=False)
    return parts.assemble(parts.spectrogram())


@register_frontend("sincgram")
def sincgram(*, order: int = 0, context_s: float = 0.0, **options: Any) -> Frontend:
    """Learnt Butterworth bands of `order` (by default 4) on a spectrogram (Foggia et al., DEGramNet).

    Published: 128 bands of order 5; log and z-score as in "spectrogram", with its `context_s`.
    """
    parts = _Parts.of(options, context_s, bands=True)
    return parts.assemble(parts.sincgram(order))


@register_frontend("despectrogram")
def despectrogram(
    *,
    ratio: float = 1 / 16,
    merge: str = "max",
    attention_kernel: int = 7,
    context_s: float = 0.0,
    **options: Any,
) -> Frontend:
    """Attention over bands and frames of a spectrogram (Foggia et al., DEGramNet).

    `ratio`, `merge`, `attention_kernel`, `context_s`: as for "degram".
    """
    parts = _Parts.of(options, context_s, bands=False)
    return parts.assemble(parts.spectrogram(), parts.attention(ratio, merge, attention_kernel))


@register_frontend("degram")
def degram(
    *,
    order: int = 0,
    ratio: float = 1 / 16,
    merge: str = "max",
    attention_kernel: int = 7,
    context_s: float = 0.0,
    **options: Any,
) -> Frontend:
    """SincGram, then attention over bands and frames (Foggia et al., DEGramNet).

    `order`: of the Butterworth bands (by default 4). `ratio`: hidden units of the attention over bands, relative to the
    number of bands. `attention_kernel`: number of frames in the convolution of the attention over frames. `merge` of
    the two: "max" or "mean". `context_s`: instead of the whole clip's mean, attention uses a moving average with a time
    constant of so many seconds, so that it can take a stream. Published: 128 bands of order 5; log and z-score;
    attention over bands only.
    """
    parts = _Parts.of(options, context_s, bands=True)
    return parts.assemble(parts.sincgram(order), parts.attention(ratio, merge, attention_kernel))
