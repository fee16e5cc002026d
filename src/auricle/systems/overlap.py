"""A long signal processed piece by piece, the pieces joined by cross-fades."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from auricle.errors import AuricleError


@dataclass(frozen=True)
class Pieces:
    """How a signal is cut, in samples: pieces of `length` begin every `hop` = length − 2·context − overlap.

    What comes out of the `context` at a piece's inner ends is not used; neighbours are faded into each other over
    `overlap`. Every piece begins at a multiple of `grid`. So where a process is translation-invariant by steps of
    `grid` and depends on no more than `context` around each sample, the joined pieces are what the whole gives at once.
    """

    length: int
    context: int
    overlap: int
    grid: int = 1

    def __post_init__(self) -> None:
        if self.context < 0 or self.overlap < 0 or self.hop < 1 or self.hop % self.grid:
            raise AuricleError(f"{self}: length - 2 context - overlap is to be a positive multiple of grid")

    @property
    def hop(self) -> int:
        return self.length - 2 * self.context - self.overlap

    @classmethod
    def around(cls, middle: int, context: int, overlap: int, grid: int = 1) -> Pieces:
        """Pieces whose new part is at least `middle` long, on the grid."""
        hop = -(-middle // grid) * grid
        return cls(hop + 2 * context + overlap, context, overlap, grid)

    def cut(self, signal: np.ndarray) -> Iterator[np.ndarray]:
        """The pieces of `(…, time)`; the last one, which may be shorter, is the first that reaches the end."""
        for start in range(0, max(1, signal.shape[-1] - self.length + self.hop), self.hop):
            yield signal[..., start : start + self.length]

    def join(self, pieces: Iterable[np.ndarray], process: Callable[[np.ndarray], np.ndarray]) -> Iterator[np.ndarray]:
        """`process` of every piece `(…, time)`, cross-faded, in parts whose concatenation is as long as the signal."""
        rise = (np.arange(self.overlap, dtype=np.float32) + 0.5) / max(1, self.overlap)
        tail: np.ndarray | None = None
        for piece, last in marked(pieces):
            done = process(piece)
            if tail is not None:
                done = done[..., self.context :]
                done[..., : self.overlap] = tail * (1 - rise) + done[..., : self.overlap] * rise
            if last:
                yield done
                return
            done = done[..., : done.shape[-1] - self.context]
            kept = done.shape[-1] - self.overlap
            tail = done[..., kept:]
            yield done[..., :kept]


def marked(items: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Each item, and whether it is the last."""
    held: np.ndarray | None = None
    for item in items:
        if held is not None:
            yield held, False
        held = item
    if held is not None:
        yield held, True
