"""Base class and registry of conditions.

condition = create_condition("babble", snr_db=[0, 15], talkers=3)
noisy = condition(clip, sample_rate, seed=7)
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from auricle.conditions.material import SYNTHETIC, Material
from auricle.errors import AuricleError
from auricle.registry import Registry

Random = np.random.Generator
Range = float | Sequence[float]


@dataclass(frozen=True)
class Condition(ABC):
    """Base class of conditions; its fields are the parameters, where a `Range` is a number or a pair to draw from.

    The same clip, parameters, sample rate, seed and material give the same samples. The result is not clipped or
    rescaled to [-1, 1], unless the condition's docstring says so; floating-point files keep larger samples.
    """

    def __call__(self, clip: np.ndarray, sample_rate: int, seed: int = 0, material: Material = SYNTHETIC) -> np.ndarray:
        """Degrade the clip `(time,)` at `sample_rate` Hz; the result has the same length and floating-point type.

        `material` holds the recordings to mix in. A clip of zeros is returned unchanged. Raises `AuricleError` for
        other shapes and types, for samples that are NaN or infinite, and for a seed or rate that is none.
        """
        if not isinstance(clip, np.ndarray):
            raise AuricleError(f"a condition takes an array, not a {type(clip).__name__}; numpy.asarray makes one")
        if clip.ndim != 1 or not np.issubdtype(clip.dtype, np.floating):
            raise AuricleError(f"a clip should be (time,) and floating-point; this one is {clip.shape}, {clip.dtype}")
        if not np.isfinite(clip).all():
            raise AuricleError("a clip has samples that are NaN or infinite")
        if sample_rate < 1:
            raise AuricleError(f"sample_rate={sample_rate}: a number of Hz, 1 or more")
        rng = generator(seed)
        if not clip.any():
            return clip.copy()
        changed = self._apply(clip.astype(np.float64), sample_rate, rng, material)
        return changed.astype(clip.dtype)

    @abstractmethod
    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        """Degrade a copy of the clip, float64 `(time,)` and not all zero, which may be changed in place."""


CONDITIONS: Registry[Condition] = Registry("condition")
register_condition = CONDITIONS.register


def create_condition(name: str, /, **parameters: Any) -> Condition:
    """Create the condition `name`; raises `AuricleError` for an unknown name and for invalid parameters."""
    return CONDITIONS.create(name, **parameters)


def list_conditions() -> list[str]:
    """The names that `create_condition` accepts, sorted."""
    return list(CONDITIONS)


@CONDITIONS.register("clean")
@dataclass(frozen=True)
class Clean(Condition):
    """The clip unchanged."""

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return clip


def generator(seed: int) -> Random:
    """The generator of random numbers that a seed stands for; raises `AuricleError` for a seed that is none."""
    if not isinstance(seed, Integral) or seed < 0:
        raise AuricleError(f"seed={seed!r}: a whole number is needed, 0 or more")
    return np.random.default_rng(seed)


def stable_seed(*parts: object) -> int:
    """A 64-bit seed from the text of `parts`, the same in every process and on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:8], "little")


def check_range(name: str, value: Any, low: float, high: float = float("inf")) -> tuple[float, float]:
    """The (lowest, highest) value of a `Range`; raises `AuricleError` unless low ≤ lowest ≤ highest ≤ high."""
    pair = list(value) if isinstance(value, (list, tuple)) else [value, value]
    try:
        first, last = (float(number) for number in pair)
    except (TypeError, ValueError):
        raise AuricleError(
            f"{name}={value!r}: it should be a number, or a pair of the lowest and the highest"
        ) from None
    if not low <= first <= last <= high or (first < last == float("inf")):
        raise AuricleError(f"{name}={value!r}: it should lie between {low:g} and {high:g}, with the lowest first")
    return first, last


def check_number(name: str, value: Any, low: float, high: float = float("inf")) -> None:
    """Raise `AuricleError` unless `value` is a number from `low` to `high`."""
    if isinstance(value, (list, tuple)):
        raise AuricleError(f"{name}={value!r}: it should be one number")
    check_range(name, value, low, high)


def draw(value: Any, rng: Random) -> float:
    """The number of a `Range`, or one drawn uniformly from its interval."""
    if not isinstance(value, (list, tuple)):
        return float(value)
    low, high = (float(bound) for bound in value)
    return low if low == high else float(rng.uniform(low, high))
