"""Processing a long signal in overlapping pieces that are joined by cross-fades."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from auricle.errors import AuricleError


@dataclass(frozen=True)
class OverlapAdd:
    """How a signal is cut into overlapping pieces and joined again; all lengths are in samples.

    Pieces of `length` start every `hop` = length − 2·context − overlap samples. Of each processed piece the first and
    the last `context` samples are discarded, except at the ends of the signal, and neighbouring pieces are cross-faded
    linearly over `overlap` samples.

    Each piece starts at a multiple of `grid`. If a process is invariant to shifts by `grid` samples, and each output
    sample depends on at most `context` samples to either side, the joined pieces equal the process of the whole signal.
    Raises an `AuricleError` unless the hop is a positive multiple of `grid`.
    """

    length: int
    context: int
    overlap: int
    grid: int = 1

    def __post_init__(self) -> None:
        if self.context < 0 or self.overlap < 0 or self.hop < 1 or self.hop % self.grid:
            raise AuricleError(f"{self}: length - 2 context - overlap has to be a positive multiple of grid")

    @property
    def hop(self) -> int:
        """Samples from the start of one piece to the start of the next."""
        return self.length - 2 * self.context - self.overlap

    @classmethod
    def with_hop(cls, hop: int, context: int, overlap: int, grid: int = 1) -> OverlapAdd:
        """The pieces whose hop is at least `hop`, rounded up to a multiple of `grid`."""
        hop = -(-hop // grid) * grid
        return cls(hop + 2 * context + overlap, context, overlap, grid)

    def cut(self, signal: np.ndarray) -> Iterator[np.ndarray]:
        """The pieces of `(…, time)`; the last is the first that reaches the end of the signal, and may be shorter."""
        for start in range(0, max(1, signal.shape[-1] - self.length + self.hop), self.hop):
            yield signal[..., start : start + self.length]

    def join(self, pieces: Iterable[np.ndarray], process: Callable[[np.ndarray], np.ndarray]) -> Iterator[np.ndarray]:
        """Process each piece `(…, time)` and cross-fade the results.

        Yields consecutive parts of the output `(…, time)`, which together are as long as the signal.
        """
        rise = (np.arange(self.overlap, dtype=np.float32) + 0.5) / max(1, self.overlap)
        tail: np.ndarray | None = None
        for piece, last in with_last_flag(pieces):
            result = process(piece)
            if tail is not None:
                result = result[..., self.context :]
                result[..., : self.overlap] = tail * (1 - rise) + result[..., : self.overlap] * rise
            if last:
                yield result
                return
            result = result[..., : result.shape[-1] - self.context]
            n_final = result.shape[-1] - self.overlap
            tail = result[..., n_final:]
            yield result[..., :n_final]


def with_last_flag(items: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Each item, with a flag that is true for the last one."""
    held: np.ndarray | None = None
    for item in items:
        if held is not None:
            yield held, False
        held = item
    if held is not None:
        yield held, True
