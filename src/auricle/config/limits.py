"""Limits of numeric options, far beyond what is useful, within which sizes cannot exhaust memory at once."""

from __future__ import annotations

from typing import Any

from auricle.errors import AuricleError

_RATE_HZ = (50, 10_000_000)
_LENGTH_S = (0, 3600)
_RATIO_DB = (-1000, 1000)
LIMITS: dict[str, tuple[float, float]] = {
    "batch_size": (1, 65_536),
    "channels": (1, 1024),
    "crop_s": _LENGTH_S,
    "epochs": (0, 1_000_000),
    "hop_length": (1, 1_000_000),
    "n_filters": (1, 10_000),
    "hop_s": _LENGTH_S,
    "input_rate": _RATE_HZ,
    "lengths_s": _LENGTH_S,
    "mixtures": (0, 1_000_000),
    "n_clips": (0, 1_000_000),
    "noise_snr_db": _RATIO_DB,
    "num_workers": (0, 256),
    "rate": _RATE_HZ,
    "repeats": (0, 1_000_000),
    "sample_rate": _RATE_HZ,
    "seed": (0, 2**63 - 1),
    "seeds": (0, 2**63 - 1),
    "segment_s": _LENGTH_S,
    "snr": _RATIO_DB,
    "spec_masks": (0, 1000),
    "speed_perturbation": (1, 4),
    "steps_per_epoch": (1, 100_000_000),
    "max_steps": (1, 100_000_000),
    "threads": (1, 1024),
    "window_range_s": _LENGTH_S,
    "window_s": _LENGTH_S,
}


LARGEST_WHOLE = 2**64
LARGEST = 1e30
"""Of all other numbers, which single precision can hold."""


def check_limits(name: str, number: Any) -> None:
    """Raise `AuricleError` for a number outside the limits of the option `name`, as in "group.option", and for NaN."""
    if isinstance(number, int) and abs(number) > LARGEST_WHOLE:
        raise AuricleError(f"{name}: a whole number of that size cannot be used")
    low, high = LIMITS.get(name.rpartition(".")[2], (-LARGEST, LARGEST))
    if not low <= number <= high:
        raise AuricleError(f"{name}={number:.10g}: a number from {low:g} to {high:g} is needed")
