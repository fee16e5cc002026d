"""Base class of backbones: sizes, and the check of the input."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from auricle.errors import AuricleError


class Backbone(nn.Module):
    """`(batch, in_channels, n_bands, frames)` to `(batch, embedding_dim)`; subclasses implement `embed`.

    A backbone that can embed segments of time separately sets their length `segment_frames` and implements `segments`.
    """

    segment_frames: ClassVar[int | None] = None

    def __init__(self, *, n_bands: int, in_channels: int, embedding_dim: int) -> None:
        super().__init__()
        for name, size in (("n_bands", n_bands), ("in_channels", in_channels)):
            if size < 1:
                raise AuricleError(f"{name} is {size}; a backbone needs at least 1")
        self.n_bands = n_bands
        self.in_channels = in_channels
        self.embedding_dim = embedding_dim

    @property
    def embedding_parts(self) -> tuple[int, ...]:
        """The sizes of the parts of an embedding that tell different things, the last features first."""
        return (self.embedding_dim,)

    def forward(self, x: Tensor) -> Tensor:
        """Embed `x`, `(batch, in_channels, n_bands, frames)`, as `(batch, embedding_dim)`."""
        self.check_input(x)
        return self.embed(x)

    def embed(self, x: Tensor) -> Tensor:
        """`forward` without the check of the input."""
        raise NotImplementedError

    def segments(self, x: Tensor) -> Tensor:
        """Embed each segment of `x`: `(batch, embedding_dim, max(1, frames // segment_frames))`."""
        raise NotImplementedError

    def keep_channels_last(self) -> None:
        """Keep the weights of convolutions in the order in which a CPU computes small ones quickest.

        Outputs follow their order. `benchmarks/backbones.py` measures which networks gain.
        """
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def check_input(self, x: Tensor) -> None:
        """Raise `AuricleError` unless `x` is a float `(batch, in_channels, n_bands, frames)`, of a frame at least."""
        want = f"(batch, {self.in_channels}, {self.n_bands}, frames)"
        if x.ndim != 4 or x.shape[1] != self.in_channels or x.shape[2] != self.n_bands or x.shape[3] < 1:
            raise AuricleError(f"a backbone's input has shape {tuple(x.shape)}; it should be {want} with frames >= 1")
        if not x.is_floating_point():
            raise AuricleError(f"a backbone's input has type {x.dtype}; it should be floating point")
