"""The front-ends of the LEAF and LEAF-APCEN papers by name: each is an arrangement of the shared parts.

`variant="paper"` (the default) follows the text of the paper, with frame k centred at sample k·hop_length and
ceil(N / hop_length) frames. `variant="published"` computes what the authors' code computes; each preset's docstring
states the differences after "Published:".
"""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from auricle.errors import AuricleError
from auricle.frontends.adaptive import AdaptivePCEN, SimpPCEN
from auricle.frontends.compression import LEAF_AUDIO_BOUNDS, PCEN, BandNorm, Decibels, Log
from auricle.frontends.emphasized import EmphasizedMel
from auricle.frontends.energies import DirectEnergies, EnergyMethod
from auricle.frontends.factory import FrontendOptions, register_frontend
from auricle.frontends.fast.plan import FastGabor
from auricle.frontends.filterbanks import ConvFilterbank, GaborFilterbank, SincFilterbank
from auricle.frontends.frontend import Frontend
from auricle.frontends.parts import Filterbank
from auricle.frontends.pooling import GaussianPool, HannPool, MaxPool
from auricle.frontends.preemphasis import Preemphasis, PreemphasizedEnergies
from auricle.frontends.scales import auditory_mel_matrix, mel_matrix
from auricle.frontends.spectral import Matrix, MelFilterbank
from auricle.frontends.wavegram import Wavegram
from auricle.frontends.windowwise import WindowwiseEnergies, WindowwisePCEN, WindowwisePool
from auricle.powers import next_power_of_two

FLOOR = 1e-5
"""The papers' lowest energy, about 50 dB below full scale."""
_LEAF_APCEN = {"alpha": (-math.inf, 1.0), "delta": (0.0, math.inf), "smooth": (-math.inf, math.inf)}


def _paper_only(name: str, common: FrontendOptions) -> None:
    if common.published:
        raise AuricleError(f"{name} has no published code to follow: use variant='paper'")


@register_frontend("mel")
def mel(**options: Any) -> Frontend:
    """Log-mel: power spectrum, mel triangles, log(E + 1e-5); nothing is learnt.

    Published: frame k starts at sample k·hop_length.
    """
    common = FrontendOptions(**options)
    return common.assemble(_mel_bank(common), None, Log())


def _mel_bank(
    common: FrontendOptions,
    published_padding: str = "start",
    matrix: Matrix = mel_matrix,
    n_fft: int | None = None,
    kind: type[MelFilterbank] = MelFilterbank,
) -> MelFilterbank:
    return kind(
        common.n_filters,
        common.kernel_size - 1,
        common.hop_length,
        common.sample_rate,
        common.min_freq_hz,
        common.max_freq_hz,
        n_fft=n_fft,
        padding=published_padding if common.published else "centered",
        matrix=matrix,
    )


@register_frontend("mel-db")
def mel_db(**options: Any) -> Frontend:
    """Log-mel of PANNs (Kong et al., 2020): power spectrum, triangles of equal area, 10·log10 max(E, 1e-10).

    Published: 64 bands from 50 Hz to 7/16 of the sample rate and windows of 32 ms (14,000 Hz and 1024 samples at
    32 kHz); the clip is mirrored at its ends, and there are N // hop_length + 1 frames.
    """
    if options.get("variant") == "published":
        rate = options.get("sample_rate", 16000)
        sizes = {"n_filters": 64, "kernel_size": 2 * round(0.016 * rate) + 1}
        options = sizes | {"min_freq_hz": 50.0, "max_freq_hz": 7 / 16 * rate} | options
    common = FrontendOptions(**options)
    n_fft = common.kernel_size - 1 if common.published else None
    return common.assemble(_mel_bank(common, "reflected", auditory_mel_matrix, n_fft), None, Decibels())


@register_frontend("mel-efficientat")
def mel_efficientat(**options: Any) -> Frontend:
    """Log-mel of EfficientAT (Schmid et al., 2023): pre-emphasis, power spectrum, mel triangles, standardised log.

    The logarithm is standardised by a fixed mean of −4.5 and deviation of 5. Published: 128 bands from 0 Hz to 15/32 of
    the sample rate (15,000 Hz at 32 kHz); the clip is mirrored at its ends, and its first sample is lost to the
    pre-emphasis.
    """
    if options.get("variant") == "published":
        rate = options.get("sample_rate", 16000)
        options = {"n_filters": 128, "min_freq_hz": 0.0, "max_freq_hz": 15 / 32 * rate} | options
    common = FrontendOptions(**options)
    n_fft = next_power_of_two(common.kernel_size - 1) if common.published else None
    bank = _mel_bank(common, "reflected", n_fft=n_fft, kind=EmphasizedMel)
    return common.assemble(bank, None, Log(mean=-4.5, deviation=5.0))


@register_frontend("mel-pcen")
def mel_pcen(**options: Any) -> Frontend:
    """Mel filterbank with per-channel energy normalisation; alpha, delta and r are learnt, s is fixed."""
    common = FrontendOptions(**options)
    _paper_only("mel-pcen", common)
    return common.assemble(_mel_bank(common), None, PCEN(common.n_filters, learn_smooth=False))


@register_frontend("mel-spcen")
def mel_spcen(**options: Any) -> Frontend:
    """Mel filterbank with LEAF's sPCEN: alpha, delta, r and s are learnt per band."""
    common = FrontendOptions(**options)
    _paper_only("mel-spcen", common)
    return common.assemble(_mel_bank(common), None, PCEN(common.n_filters))


@register_frontend("td-filterbanks")
def td_filterbanks(*, init: str = "", **options: Any) -> Frontend:
    """Time-domain filterbanks (Zeghidour et al., 2018): unconstrained complex filters, fixed low-pass, log.

    `init`: as for "leaf". Published: the low-pass is not padded (98 frames of 16,000 samples), and its window peaks one
    sample late.
    """
    common = FrontendOptions(**options)
    init = init or ("published" if common.published else "mel")
    pooling = HannPool(
        common.n_filters,
        common.kernel_size,
        common.hop_length,
        padding="valid" if common.published else "centered",
        shift=1 if common.published else 0,
    )
    return common.assemble(ConvFilterbank(**common.bank, init=init), pooling, Log(floor=1e-5))


@register_frontend("sincnet")
def sincnet(**options: Any) -> Frontend:
    """SincNet (Ravanelli & Bengio, 2018): ideal band-passes, leaky ReLU, max-pooling, layer norm over bands.

    By default the bands reach from 80 Hz (published: 100) to sr/2. Published: TensorFlow's SAME padding.
    """
    common = _sinc_geometry(options)
    return common.assemble(SincFilterbank(**common.bank), MaxPool(*common.window), BandNorm(common.n_filters))


def _sinc_geometry(options: dict[str, Any]) -> FrontendOptions:
    """The options with SincNet's default range: k₀ starts at 30 Hz in the original, at 50 Hz in the published code."""
    low_hz = 100.0 if options.get("variant") == "published" else 80.0
    return FrontendOptions(**{"min_freq_hz": low_hz, "max_freq_hz": options.get("sample_rate", 16000) / 2} | options)


@register_frontend("sincnet+")
def sincnet_plus(**options: Any) -> Frontend:
    """SincNet with LEAF's Gaussian pooling and sPCEN (LEAF paper, section 4.3).

    Published: the parameters of PCEN do not learn, and its eps is 1e-6.
    """
    common = _sinc_geometry(options)
    if common.published:
        compression = PCEN(common.n_filters, eps=1e-6, bounds=LEAF_AUDIO_BOUNDS).requires_grad_(False)
    else:
        compression = PCEN(common.n_filters)
    pooling = GaussianPool(common.n_filters, *common.window)
    return common.assemble(SincFilterbank(**common.bank), pooling, compression)


@register_frontend("leaf")
def leaf(
    *,
    init: str = "",
    sort: bool = False,
    method: str = "",
    bounds: str = "published",
    normalize_pooling: bool = False,
    preemphasis: bool = False,
    floor: float = FLOOR,
    **options: Any,
) -> Frontend:
    """LEAF (Zeghidour et al., 2021): Gabor filters, Gaussian pooling and sPCEN, all learnt.

    `init`: "mel", "erb", "linear", "random", "published", "xavier" or "kaiming" (see `gabor_initialisation`). `sort`:
    filters in the order of their centre frequencies. `bounds` of the filters' widths: "published", "stated" or
    "printed" (see `WIDTH_BOUNDS`). `normalize_pooling`: pooling windows with the factor 1/(√(2π)σ) of equation 5.
    `preemphasis`: a learnt pre-emphasis before the filters. `floor`: energies below it count as it; by default 50 dB
    below full scale. `method`: "fast" (see `FastGabor`), or "direct", the convolution at every sample, which is several
    times slower and differs by about 1e-4. Published: initialisation read off a mel filterbank; TensorFlow's SAME
    padding (for 16,000 samples frame k is centred at k·160 + 80); delta and alpha have no lower bound.
    """
    common = FrontendOptions(**options)
    method = method or ("direct" if common.published else "fast")
    if method not in ("direct", "fast"):
        raise AuricleError(f"unknown method {method!r}: 'direct' or 'fast'")
    if method == "fast" and common.published:
        raise AuricleError("method='fast' has the frames of variant='paper' only: use method='direct'")
    init = init or ("published" if common.published else "mel")
    bank: Filterbank = GaborFilterbank(**common.bank, init=init, sort=sort, bounds=bounds)
    energies: EnergyMethod[Any, Any] = FastGabor() if method == "fast" else DirectEnergies()
    if preemphasis:
        bank, energies = Preemphasis(bank, early=common.published), PreemphasizedEnergies(energies)
    return common.assemble(
        bank,
        GaussianPool(common.n_filters, *common.window, normalize=normalize_pooling),
        PCEN(common.n_filters, floor=floor, bounds=LEAF_AUDIO_BOUNDS if common.published else None),
        energies,
    )


def _fixed_leaf(common: FrontendOptions, compression: nn.Module) -> Frontend:
    """LEAF's filters and pooling, which do not learn, and `compression`."""
    return common.assemble(
        GaborFilterbank(**common.bank).requires_grad_(False),
        GaussianPool(common.n_filters, common.kernel_size, common.hop_length).requires_grad_(False),
        compression,
        None if common.published else FastGabor(),
    )


def _leaf_pcen(common: FrontendOptions, floor: float) -> PCEN:
    return PCEN(common.n_filters, floor=floor, bounds=_LEAF_APCEN if common.published else None)


@register_frontend("leaf-fixed")
def leaf_fixed(*, floor: float = FLOOR, **options: Any) -> Frontend:
    """LEAF with no learnt parameter (LEAF-APCEN paper, section 3.2); `floor` as for "leaf".

    Published: as for "leaf-pcen".
    """
    common = FrontendOptions(**options)
    return _fixed_leaf(common, _leaf_pcen(common, floor).requires_grad_(False))


@register_frontend("leaf-pcen")
def leaf_pcen(*, floor: float = FLOOR, **options: Any) -> Frontend:
    """LEAF that learns only the four parameters of PCEN; `floor` as for "leaf".

    Published: direct convolution; delta ≥ 0, alpha has no lower bound and s no bound.
    """
    common = FrontendOptions(**options)
    return _fixed_leaf(common, _leaf_pcen(common, floor))


@register_frontend("leaf-simppcen")
def leaf_simppcen(*, floor: float = FLOOR, **options: Any) -> Frontend:
    """LEAF's fixed filters and simplified PCEN, which learns two parameters; `floor` as for "leaf".

    Published: direct convolution; alpha has no lower bound.
    """
    common = FrontendOptions(**options)
    min_alpha = -math.inf if common.published else 0.0
    return _fixed_leaf(common, SimpPCEN(common.n_filters, floor=floor, min_alpha=min_alpha))


@register_frontend("leaf-apcen")
def leaf_apcen(
    *,
    block: int = 1,
    bidirectional: bool = False,
    carried: bool = False,
    method: str = "",
    lead: int = 0,
    floor: float = FLOOR,
    **options: Any,
) -> Frontend:
    """LEAF's fixed filters and adaptive PCEN, whose controller learns (Meng et al., LEAF-APCEN).

    `block`: the controller sets the exponents every `block` frames. `bidirectional`: the GRU reads its context in both
    directions. `carried`: the GRU's state is carried through time (see `AdaptivePCEN`). `method`: "table" or "loop";
    by default the table, which is several times quicker, where the other options allow it. `floor` as for "leaf".
    Published: windows of kernel_size − 1 samples, each filtered on its own (294 columns of 16,000 samples); the moving
    average is never updated, and each window is a block. `lead` zeros are put before the clip: the published training
    has 149.
    """
    common = FrontendOptions(**options)
    if not common.published:
        if lead:
            raise AuricleError("lead is an option of variant='published'")
        return _fixed_leaf(
            common,
            AdaptivePCEN(block=block, bidirectional=bidirectional, carried=carried, floor=floor, method=method),
        )
    if block != 1 or bidirectional or carried or method or floor != FLOOR:
        raise AuricleError(
            "block, bidirectional, carried, method and floor are for variant='paper': the published code is fixed"
        )
    if not isinstance(lead, int) or lead < 0:
        raise AuricleError(f"lead={lead!r}: a number of zeros before the clip, 0 or more")
    window = common.kernel_size - 1
    pooling = WindowwisePool(common.n_filters, common.kernel_size, common.hop_length, window, lead)
    return common.assemble(
        GaborFilterbank(**common.bank).requires_grad_(False),
        pooling.requires_grad_(False),
        WindowwisePCEN(-(-window // common.hop_length)),
        WindowwiseEnergies(),
    )


@register_frontend("normalized-conv")
def normalized_conv(*, init: str = "mel", **options: Any) -> Frontend:
    """LEAF with ℓ2-normalised unconstrained filters instead of Gabor filters (LEAF paper, section 3.1.1).

    `init`: as for "leaf".
    """
    common = FrontendOptions(**options)
    _paper_only("normalized-conv", common)
    bank = ConvFilterbank(**common.bank, init=init, normalize=True)
    return common.assemble(bank, GaussianPool(common.n_filters, *common.window), PCEN(common.n_filters))


@register_frontend("wavegram")
def wavegram(**options: Any) -> Frontend:
    """Nine layers of convolution (Kong et al., 2020): the large-capacity baseline, about 300 k parameters.

    `kernel_size`, `min_freq_hz` and `max_freq_hz` have no effect.
    """
    common = FrontendOptions(**options)
    _paper_only("wavegram", common)
    return common.assemble(Wavegram(common.n_filters, common.hop_length), None, nn.Identity())
