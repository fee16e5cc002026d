"""Damage of sound files that can still be used: what it is, and who is told of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

import numpy as np

from auricle.errors import AuricleWarning, shown_path

LARGEST_SAMPLE = 1e4  # full scale is 1; a sample beyond this is not sound
_FULL_SCALES = {"int16": 2**15, "int32": 2**31}


@dataclass(frozen=True)
class Damage:
    """What is wrong with a sound file that can still be used; as text, `path: reason`.

    "cut": the file ends before the end that its header states. "broken": a stretch in it is lost or cannot be decoded.
    "beyond-header": it has more samples than its header states. "bad-samples": some samples are not finite or beyond
    ±1e4, and are read as 0.
    """

    path: str
    kind: Literal["cut", "broken", "beyond-header", "bad-samples"]
    reason: str

    def __str__(self) -> str:
        return f"{shown_path(self.path)}: {self.reason}"


_noticed: ContextVar[list[Damage] | None] = ContextVar("noticed", default=None)


@contextmanager
def noticing() -> Iterator[list[Damage]]:
    """Collect in a list, once per file and kind, the damage that reading in this context meets.

    Outside such a context each damage is an `AuricleWarning`.
    """
    noticed: list[Damage] = []
    token = _noticed.set(noticed)
    try:
        yield noticed
    finally:
        _noticed.reset(token)


def notice(damage: Damage) -> None:
    """Add `damage` to the list of the innermost `noticing()`, or warn."""
    noticed = _noticed.get()
    if noticed is None:
        warnings.warn(str(damage), AuricleWarning, stacklevel=2)
    elif not any((known.path, known.kind) == (damage.path, damage.kind) for known in noticed):
        noticed.append(damage)


def without_bad_samples(waveform: np.ndarray) -> tuple[np.ndarray, int]:
    """The floating-point waveform with 0 for samples that are not finite or beyond ±1e4, and how many these are.

    The array itself is returned if there are none.
    """
    waveform = np.asarray(waveform)
    good = np.abs(waveform) <= LARGEST_SAMPLE
    if good.all():
        return waveform, 0
    return np.where(good, waveform, waveform.dtype.type(0)), int(good.size - np.count_nonzero(good))


def how_to_scale(dtype: object) -> str:
    """What an error about samples of a NumPy or torch type of integers ends with; empty for other types."""
    full_scale = _FULL_SCALES.get(str(dtype).removeprefix("torch."))
    return f"; divide by {full_scale} for a full scale of 1" if full_scale else ""
