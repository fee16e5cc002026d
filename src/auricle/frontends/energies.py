"""How pooled sub-band energies `pooling(filterbank(waveform))` are computed: the protocol, and the direct way.

The fast way for LEAF's Gabor filters is in `fast`, that of the published LEAF-APCEN code in `windowwise`.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from torch import Tensor

from auricle.errors import AuricleError
from auricle.frontends.parts import Filterbank
from auricle.frontends.pooling import Pooling

BankT = TypeVar("BankT", contravariant=True)
PoolT = TypeVar("PoolT", contravariant=True)


class EnergyMethod(Protocol[BankT, PoolT]):
    """A way to compute `pooling(filterbank(waveform))`.

    Filterbank and pooling are arguments of every call, because training changes their parameters.
    """

    def energies(self, waveform: Tensor, filterbank: BankT, pooling: PoolT) -> Tensor:
        """`(batch, time)` to `(batch, n_filters, frames)`."""
        ...

    def context(self, filterbank: BankT, pooling: PoolT) -> int:
        """How many samples on either side of its centre k·hop_length a frame depends on.

        Raises `AuricleError` where frames do not lie at multiples of the hop.
        """
        ...

    def interior(self, samples: Tensor, filterbank: BankT, pooling: PoolT, first: int, count: int) -> Tensor:
        """`energies(samples)[..., first : first + count]`, where all these frames are `context` away from both ends."""
        ...

    def fixed(self, filterbank: BankT, pooling: PoolT) -> EnergyMethod[Any, Any]:
        """This method for the present parameters only, without decisions that depend on a tensor's values.

        An exported graph needs it.
        """
        ...


class DirectEnergies:
    """Filter at every sample, then pool."""

    def energies(self, waveform: Tensor, filterbank: Filterbank, pooling: Pooling) -> Tensor:
        return pooling(filterbank(waveform))

    def context(self, filterbank: Filterbank, pooling: Pooling) -> int:
        if pooling.padding != "centered":
            raise AuricleError("the frames of variant='published' move with the clip's length: use variant='paper'")
        return filterbank.kernel_size // 2 + pooling.kernel_size // 2

    def interior(self, samples: Tensor, filterbank: Filterbank, pooling: Pooling, first: int, count: int) -> Tensor:
        return self.energies(samples, filterbank, pooling)[..., first : first + count]

    def fixed(self, filterbank: Filterbank, pooling: Pooling) -> DirectEnergies:
        return self
