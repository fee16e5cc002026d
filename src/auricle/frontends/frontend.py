"""`Frontend`: the four parts of a front-end in a row, and the contract that every front-end keeps."""

from __future__ import annotations

import html
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.frontends.energies import DirectEnergies, EnergyMethod
from auricle.frontends.parts import Filterbank, FramedFilterbank, State, Streamable
from auricle.frontends.pooling import Pooling
from auricle.layers import first_tensor, freeze, uncompiled


class Frontend(nn.Module):
    """A waveform's time-frequency spectrogram: filterbank, then pooling, then compression, then attention.

    In: `(batch, time)` or `(batch, channels, time)`, floating point, at `sample_rate`.
    Out: `(batch, [channels,] n_filters, frames)`, where frames = `n_frames(time)`.

    `pooling` is None exactly where the filterbank has frames of its own (`FramedFilterbank`); `attention` may be None.
    `frozen` names parts whose parameters do not learn. `method` computes the pooled energies; by default the filterbank
    runs at every sample.
    A waveform whose precision differs from the front-end's is converted. Under autocast the front-end still computes in
    float32, because bfloat16 does not resolve the range that energies span.
    """

    filterbank: Filterbank | FramedFilterbank
    pooling: Pooling | None
    compression: nn.Module
    attention: nn.Module | None

    def __init__(
        self,
        filterbank: Filterbank | FramedFilterbank,
        pooling: Pooling | None,
        compression: nn.Module,
        *,
        sample_rate: int,
        n_filters: int,
        hop_length: int,
        attention: nn.Module | None = None,
        frozen: str | Iterable[str] = (),
        method: EnergyMethod[Any, Any] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(filterbank, FramedFilterbank) != (pooling is None):
            needs = "takes no pooling: it has" if pooling is not None else "needs a pooling: it does not have"
            raise AuricleError(f"{type(filterbank).__name__} {needs} frames of its own")
        self.filterbank = filterbank
        self.pooling = pooling
        self.compression = compression
        self.attention = attention
        self.sample_rate = sample_rate
        self.n_filters = n_filters
        self.hop_length = hop_length
        self.method: EnergyMethod[Any, Any] = method or DirectEnergies()
        freeze(self, frozen)

    def n_frames(self, n_samples: int) -> int:
        """Number of frames of a clip of `n_samples`."""
        return self._framed().n_frames(n_samples) if self.pooling is None else self.pooling.n_frames(n_samples)

    def reach(self) -> tuple[int, int]:
        """(before, after): frame k depends on samples k·hop_length − before to k·hop_length + after.

        Raises `AuricleError` where the frames' positions depend on the clip's length.
        """
        if self.pooling is None:
            return self._framed().reach()
        context = self.method.context(self.filterbank, self.pooling)
        return context, context

    def energies(self, waveform: Tensor) -> Tensor:
        """The compression's input: pooled sub-band energies, with the shape of the output."""
        return self._by_channel(waveform, compress=False)

    def energies_of_frames(self, samples: Tensor, first: int, count: int) -> Tensor:
        """`energies(samples)[..., first : first + count]` of `samples` `(batch, time)`.

        Cheaper than the whole clip where these frames do not depend on what lies beyond its ends.
        """
        before, after = self.reach()
        starts = first * self.hop_length - before
        ends = (first + count - 1) * self.hop_length + after
        if self.pooling is not None and starts >= 0 and ends < samples.shape[-1]:
            with torch.autocast(samples.device.type, enabled=False):
                return self.method.interior(samples, self.filterbank, self.pooling, first, count)
        return self.energies(samples)[..., first : first + count]

    def finish(self, energies: Tensor) -> Tensor:
        """Compression and attention: the output of `forward` for `energies` `(batch, n_filters, frames)`."""
        exporting = torch.compiler.is_exporting()  # a loop within such a context cannot be saved
        with nullcontext() if exporting else torch.autocast(energies.device.type, enabled=False):
            spectrogram = self.compression(energies)
            return spectrogram if self.attention is None else self.attention(spectrogram)

    def finish_piece(self, energies: Tensor, state: dict[str, Any] | None) -> tuple[Tensor, dict[str, Any]]:
        """`finish` for the next frames `(batch, n_filters, frames)` of a stream, and the state after them.

        `state` holds what compression and attention remember of the frames before, None at the start of a clip.
        """
        before, after = state or {}, {}
        with torch.autocast(energies.device.type, enabled=False):
            spectrogram, after["compression"] = _step(self.compression, energies, before.get("compression"))
            if self.attention is not None:
                spectrogram, after["attention"] = _step(self.attention, spectrogram, before.get("attention"))
        return spectrogram, after

    @property
    def energies_learn(self) -> bool:
        """Whether `energies` depend on a parameter that learns."""
        parts = [self.filterbank] if self.pooling is None else [self.filterbank, self.pooling]
        return any(parameter.requires_grad for part in parts for parameter in part.parameters())

    def forward(self, waveform: Tensor) -> Tensor:
        return self._by_channel(waveform, compress=True)

    def _by_channel(self, waveform: Tensor, compress: bool) -> Tensor:
        if not isinstance(waveform, Tensor):
            kind = type(waveform).__name__
            raise AuricleError(f"a front-end takes a tensor, not a {kind}; torch.as_tensor makes one of an array")
        if waveform.ndim not in (2, 3) or not waveform.is_floating_point():
            raise AuricleError(
                f"a front-end takes floats of shape (batch, time) or (batch, channels, time), "
                f"not {waveform.dtype} of shape {tuple(waveform.shape)}"
                + ("; waveform[None] makes a batch of one" if waveform.ndim == 1 else "")
            )
        if torch.jit.is_tracing():
            raise AuricleError("a trace would hold for one length of clip only: use torch.export or `auricle export`")
        if torch.compiler.is_exporting():
            rows = waveform.reshape(-1, waveform.shape[-1])
            return self._spectrogram(rows, compress).unflatten(0, waveform.shape[:-1])
        if waveform.shape[-1] == 0:
            raise AuricleError(f"a front-end needs at least one sample, not shape {tuple(waveform.shape)}")
        with torch.autocast(waveform.device.type, enabled=False):
            rows = waveform.flatten(0, -2).to(self._computing_dtype())
            if waveform.numel() == 0:
                spectrogram = self._spectrogram(F.pad(rows, (0, 0, 0, 1)), compress)[:0]
            else:
                spectrogram = self._spectrogram(rows, compress)
        return spectrogram.reshape(*waveform.shape[:-1], *spectrogram.shape[1:])

    def _spectrogram(self, rows: Tensor, compress: bool) -> Tensor:
        energies = self._energies(rows)
        return self.finish(energies) if compress else energies

    @uncompiled
    def _energies(self, rows: Tensor) -> Tensor:
        """Pooled energies `(rows, n_filters, frames)` of `(rows, time)`.

        `torch.compile` would call the same convolutions and transforms, and fails where what follows sorts by sizes
        that it cannot compare, as numbers of frames.
        """
        if self.pooling is None:
            return self.filterbank(rows)
        return self.method.energies(rows, self.filterbank, self.pooling)

    def _framed(self) -> FramedFilterbank:
        """The filterbank of a front-end without pooling."""
        assert isinstance(self.filterbank, FramedFilterbank)
        return self.filterbank

    def _computing_dtype(self) -> torch.dtype:
        """The precision of the front-end's parameters and buffers, in which it computes."""
        dtype = first_tensor(self.filterbank, self).dtype
        if dtype not in (torch.float32, torch.float64):
            raise AuricleError(f"a front-end does not compute in {dtype}: leave it in float32 and use autocast")
        return dtype

    def _repr_html_(self) -> str:
        """A table of the parts, for notebooks: what each is, and how many of its parameters learn."""
        parts = {"filterbank": self.filterbank, "pooling": self.pooling, "compression": self.compression}
        rows = []
        for name, part in (parts | {"attention": self.attention}).items():
            if part is not None:
                total = sum(p.numel() for p in part.parameters())
                learnt = sum(p.numel() for p in part.parameters() if p.requires_grad)
                cells = name, type(part).__name__, part.extra_repr(), f"{learnt:,} of {total:,}" if total else "none"
                rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
        head = "".join(f"<th>{title}</th>" for title in ("part", "class", "options", "parameters that learn"))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<p>Frontend: {self.extra_repr()}</p><table><tr>{head}</tr>{body}</table>"

    def extra_repr(self) -> str:
        return f"sample_rate={self.sample_rate}, n_filters={self.n_filters}, hop_length={self.hop_length}"


def _step(part: nn.Module, values: Tensor, state: State | None) -> tuple[Tensor, State | None]:
    """The output of `part` for the next frames of a stream, and its state after them."""
    if values.shape[-1] == 0:
        return values, state
    if isinstance(part, nn.Identity):
        return values, {}
    if not isinstance(part, Streamable):
        raise AuricleError(f"{type(part).__name__} has no `step`: it cannot take a clip piece by piece")
    return part.step(values, state)
