"""Dynamic range of spectrograms before and after compression (LEAF-APCEN paper, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from auricle.errors import AuricleError
from auricle.frontends.frontend import Frontend

LEAST = 1e-12


def dynamic_range_db(spectrogram: Tensor) -> Tensor:
    """10·log10(largest / smallest value) over the bands and frames of each clip: `(…, n_filters, frames)` → `(…)`.

    This is the range in the paper's Fig. 5. Values are energies or powers of energies, at least 0, and are clamped to
    1e-12. Raises `AuricleError` for negative values.
    """
    smallest, largest = spectrogram.amin(dim=(-2, -1)), spectrogram.amax(dim=(-2, -1))
    if smallest.min() < 0.0:
        raise AuricleError(f"a value of {smallest.min():g} has no level in dB: a logarithm has been taken already")
    return 10.0 * torch.log10(largest.clamp(min=LEAST) / smallest.clamp(min=LEAST))


@dataclass(frozen=True)
class DynamicRange:
    """Dynamic range in dB before and after compression, as medians over clips."""

    before_db: float
    after_db: float


@torch.no_grad()
def dynamic_range(frontend: Frontend, clips: Iterable[Tensor]) -> DynamicRange:
    """The dynamic range of the energies and of the output of `frontend`, for clips `(time,)` of any lengths.

    The paper's values are for the first second of one utterance: about 56 dB before, 30 dB after PCEN, 18 dB after
    SimpPCEN.
    """
    before, after = [], []
    for clip in clips:
        before.append(float(dynamic_range_db(frontend.energies(clip[None]))))
        after.append(float(dynamic_range_db(frontend(clip[None]))))
    if not before:
        raise AuricleError("no clips: a dynamic range needs at least one")
    return DynamicRange(median(before), median(after))
