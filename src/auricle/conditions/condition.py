"""What a condition is: a few parameters, and a pure function of clip, sample rate, seed and material.

condition = create_condition("babble", snr_db=[0, 15], talkers=3)
noisy = condition(clip, sample_rate, seed=7)
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from auricle.conditions.material import SYNTHETIC, Material
from auricle.errors import AuricleError
from auricle.registry import Registry

Random = np.random.Generator
Range = float | Sequence[float]


@dataclass(frozen=True)
class Condition(ABC):
    """Base of all conditions. Parameters are the fields; where one is a `Range`, a pair is drawn from uniformly.

    The same clip, parameters, rate, seed and material give the same samples. Nothing is clipped or rescaled to fit
    into [-1, 1], unless the condition's own text says so: what lies beyond is kept by floating-point files.
    """

    def __call__(self, clip: np.ndarray, sample_rate: int, seed: int = 0, material: Material = SYNTHETIC) -> np.ndarray:
        """The clip `(time,)` under this condition, of the same length and floating-point type.

        `sample_rate` in Hz; `material` is what is mixed in. A clip without sound comes back as it is.
        """
        if clip.ndim != 1 or not np.issubdtype(clip.dtype, np.floating):
            raise AuricleError(f"a clip has to be (time,), floating-point; this is {clip.shape}, {clip.dtype}")
        if not np.isfinite(clip).all():
            raise AuricleError("a clip has samples that are NaN or infinite")
        if not clip.any():
            return clip.copy()
        changed = self._apply(clip.astype(np.float64), sample_rate, np.random.default_rng(seed), material)
        return changed.astype(clip.dtype)

    @abstractmethod
    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        """The clip, float64 `(time,)` and not all zero, under the condition; `clip` is a copy that may be changed."""


CONDITIONS: Registry[Condition] = Registry("condition")
register_condition = CONDITIONS.register


def create_condition(name: str, **parameters: Any) -> Condition:
    """The condition `name` with its parameters."""
    try:
        return CONDITIONS.create(name, **parameters)
    except TypeError as error:
        raise AuricleError(f"the condition {name!r} cannot be made so: {error}") from None


def list_conditions() -> list[str]:
    """All names that `create_condition` takes."""
    return list(CONDITIONS)


@CONDITIONS.register("clean")
@dataclass(frozen=True)
class Clean(Condition):
    """The clip as it is."""

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return clip


def stable_seed(*parts: object) -> int:
    """A 64-bit seed from the text of `parts`, the same in every process and on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def bounds(name: str, value: Any, low: float, high: float = float("inf")) -> tuple[float, float]:
    """(lowest, highest) of a `Range`; an `AuricleError` unless both are ordered numbers from `low` to `high`."""
    pair = list(value) if isinstance(value, (list, tuple)) else [value, value]
    try:
        first, last = (float(number) for number in pair)
    except (TypeError, ValueError):
        raise AuricleError(f"{name}={value!r}: give a number, or the lowest and the highest") from None
    if not low <= first <= last <= high:
        raise AuricleError(f"{name}={value!r}: it has to lie between {low:g} and {high:g}, the lowest first")
    return first, last


def draw(value: Any, rng: Random) -> float:
    """A number from a `Range`."""
    if not isinstance(value, (list, tuple)):
        return float(value)
    low, high = (float(bound) for bound in value)
    return low if low == high else float(rng.uniform(low, high))
