"""The contract that every front-end keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.layers import freeze


class Frontend(nn.Module):
    """A waveform's time-frequency spectrogram: filterbank, then pooling, then compression, then attention.

    In: `(batch, time)` or `(batch, channels, time)`, floating point, at `sample_rate`.
    Out: `(batch, [channels,] n_filters, frames)`, where frames = `n_frames(time)`.
    `pooling=None` where the filterbank has frames of its own, `attention=None` where there is none. `frozen` names
    parts whose parameters do not learn.
    `pooled(waveform, filterbank, pooling)` gives what the two give one after the other, in a quicker way.
    A waveform of another precision than the front-end's own is converted. Under autocast the front-end computes in
    float32: energies span more than a bfloat16 can tell apart.
    """

    def __init__(
        self,
        filterbank: nn.Module,
        pooling: nn.Module | None,
        compression: nn.Module,
        *,
        sample_rate: int,
        n_filters: int,
        hop_length: int,
        attention: nn.Module | None = None,
        frozen: str | Iterable[str] = (),
        pooled: Callable[[Tensor, Any, Any], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.filterbank = filterbank
        self.pooling = pooling
        self.compression = compression
        self.attention = attention
        self.sample_rate = sample_rate
        self.n_filters = n_filters
        self.hop_length = hop_length
        self.pooled = pooled
        freeze(self, frozen)

    def n_frames(self, n_samples: int) -> int:
        """Number of frames that `n_samples` give."""
        framing = self.filterbank if self.pooling is None else self.pooling
        return framing.n_frames(n_samples)  # type: ignore[operator]

    def reach(self) -> tuple[int, int]:
        """Frame k depends on the samples from k·hop_length − `before` to k·hop_length + `after`: (before, after).

        An `AuricleError` where frames lie according to the clip's length, so that there is no such rule.
        """
        if self.pooling is None:
            return self.filterbank.reach()  # type: ignore[operator]
        if self.pooling.padding != "centered":
            raise AuricleError("the frames of variant='published' move with the clip's length: use variant='paper'")
        if self.pooled is not None and hasattr(self.pooled, "context"):
            context = self.pooled.context(self.filterbank, self.pooling)
        else:
            context = self.filterbank.kernel_size // 2 + self.pooling.kernel_size // 2  # type: ignore[operator]
        return context, context

    def interior(self, samples: Tensor, first: int, count: int) -> Tensor:
        """`energies(samples)[..., first : first + count]`, at less cost where these frames are clear of both ends.

        `samples` (batch, time).
        """
        before, after = self.reach()
        first_place, last_place = first * self.hop_length, (first + count - 1) * self.hop_length
        clear = first_place >= before and last_place + after < samples.shape[-1]
        if clear and hasattr(self.pooled, "interior"):
            return self.pooled.interior(samples, self.filterbank, self.pooling, first, count)  # type: ignore[union-attr]
        return self.energies(samples)[..., first : first + count]

    def compress(self, energies: Tensor, state: dict[str, Any] | None) -> tuple[Tensor, dict[str, Any]]:
        """A piece of `energies` (batch, n_filters, frames) compressed and attended to.

        `state` is what compression and attention remember of the pieces before, None at the start; the second result is
        it after this piece.
        """
        before, after = state or {}, {}
        spectrogram = energies
        for name in ("compression", "attention"):
            part = getattr(self, name)
            if part is not None:
                spectrogram, after[name] = _advanced(part, spectrogram, before.get(name))
        return spectrogram, after

    def energies(self, waveform: Tensor) -> Tensor:
        """What the compression receives: pooled sub-band energies, of the output's shape."""
        return self._by_channel(waveform, compress=False)

    def forward(self, waveform: Tensor) -> Tensor:
        return self._by_channel(waveform, compress=True)

    def _by_channel(self, waveform: Tensor, compress: bool) -> Tensor:
        if waveform.ndim not in (2, 3) or not waveform.is_floating_point():
            raise AuricleError(
                f"a front-end takes floats of shape (batch, time) or (batch, channels, time), "
                f"not {waveform.dtype} of shape {tuple(waveform.shape)}"
            )
        if torch.compiler.is_exporting():
            return self._spectrogram(waveform.reshape(-1, waveform.shape[-1]), compress).unflatten(
                0, waveform.shape[:-1]
            )
        if waveform.numel() == 0:
            raise AuricleError(f"a front-end needs at least one sample, not shape {tuple(waveform.shape)}")
        with torch.autocast(waveform.device.type, enabled=False):
            rows = waveform.reshape(-1, waveform.shape[-1]).to(self._computing_dtype())
            spectrogram = self._spectrogram(rows, compress)
        return spectrogram.reshape(*waveform.shape[:-1], *spectrogram.shape[1:])

    def _spectrogram(self, rows: Tensor, compress: bool) -> Tensor:
        energies = self._pooled_energies(rows)
        return self.finish(energies) if compress else energies

    def finish(self, energies: Tensor) -> Tensor:
        """What `forward` makes of `energies` (batch, n_filters, frames): their compression, and attention to it."""
        spectrogram = self.compression(energies)
        return spectrogram if self.attention is None else self.attention(spectrogram)

    @property
    def energies_learn(self) -> bool:
        """Whether a parameter that learns has a part in `energies`."""
        parts = [self.filterbank] if self.pooling is None else [self.filterbank, self.pooling]
        return any(parameter.requires_grad for part in parts for parameter in part.parameters())

    def _pooled_energies(self, rows: Tensor) -> Tensor:
        if self.pooling is None:
            return self.filterbank(rows)
        if self.pooled is not None:
            return self.pooled(rows, self.filterbank, self.pooling)
        return self.pooling(self.filterbank(rows))

    def _computing_dtype(self) -> torch.dtype:
        """That of the front-end's own numbers; a waveform of another is converted."""
        own = next(chain(self.parameters(), self.buffers()), None)
        dtype = torch.float32 if own is None else own.dtype
        if dtype not in (torch.float32, torch.float64):
            raise AuricleError(f"a front-end does not compute in {dtype}: leave it in float32 and use autocast")
        return dtype

    def extra_repr(self) -> str:
        return f"sample_rate={self.sample_rate}, n_filters={self.n_filters}, hop_length={self.hop_length}"


def _advanced(part: Any, spectrogram: Tensor, state: dict[str, Tensor] | None) -> tuple[Tensor, dict[str, Tensor]]:
    """The next frames of `part`'s output, and what it remembers after them."""
    if hasattr(part, "step"):
        return part.step(spectrogram, state)
    if getattr(part, "framewise", isinstance(part, nn.Identity)):
        return part(spectrogram), {}
    raise AuricleError(f"{type(part).__name__} has no `step`: it cannot take a clip piece by piece")
