"""What the parts of a front-end offer: base classes of filterbanks, and how compression and attention take a stream.

waveform → filterbank → pooling → compression → attention → spectrogram; a `FramedFilterbank` needs no pooling.
The base class of poolings is in `pooling`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from auricle.layers import shown_options

State = dict[str, Tensor]
"""What a part remembers of a stream between two pieces, by name; the first axis of every tensor is the batch."""


class Filterbank(nn.Module):
    """Convolutional filters at the waveform's rate: `(batch, time)` to `(batch, n_filters, time)`; pooling follows."""

    kernel_size: int
    extra_repr = shown_options

    def kernels(self) -> Tensor:
        """Impulse responses `(n_filters, kernel_size)`; of complex filters the real parts, then the imaginary parts."""
        raise NotImplementedError


class FramedFilterbank(nn.Module):
    """A filterbank with frames of its own: `(batch, time)` to `(batch, n_filters, frames)`; no pooling follows."""

    extra_repr = shown_options

    def n_frames(self, n_samples: int) -> int:
        """Number of frames of a clip of `n_samples`."""
        raise NotImplementedError

    def reach(self) -> tuple[int, int]:
        """(before, after): frame k depends on samples k·hop_length − before to k·hop_length + after.

        Raises `AuricleError` where the frames' positions depend on the clip's length.
        """
        raise NotImplementedError


@runtime_checkable
class Streamable(Protocol):
    """A compression or an attention that can take a clip piece by piece."""

    def step(self, values: Tensor, state: State | None, /) -> tuple[Tensor, State | None]:
        """The output for the next frames, and the state after them.

        `values` `(batch, n_filters, frames)`; `state` is what the step before returned, None at the start of a clip.
        """
        ...


class Framewise(nn.Module):
    """A compression that treats every frame on its own, so that a stream leaves no state."""

    extra_repr = shown_options

    def step(self, values: Tensor, state: State | None = None, /) -> tuple[Tensor, State]:
        """The output for the next frames; nothing is remembered."""
        return self(values), {}
