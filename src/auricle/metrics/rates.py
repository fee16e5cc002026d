"""Rates of events per hour, with exact Poisson intervals."""

from __future__ import annotations

import functools

import torch

from auricle.errors import AuricleError
from auricle.metrics.intervals import Interval


def hourly_rate(count: int, hours: float, level: float = 0.95) -> Interval:
    """`count` events in `hours` as a rate per hour, with the exact interval of a Poisson rate (Garwood, 1936).

    The bounds are the rates under which as many events or more, and as many or fewer, have the probability
    (1 − level) / 2. So no event in 3 hours still gives an upper bound, 1.23 per hour. Events that come in clusters vary
    more than a Poisson process, and their true interval is wider.

    Raises `AuricleError` for a negative count, and unless `hours` is positive.
    """
    if count < 0 or not 0 < hours < float("inf"):
        raise AuricleError(f"{count} events in {hours:g} hours: a rate needs a count of 0 or more in a positive time")
    tail = (1 - level) / 2
    low = _expected(count, 1 - tail) if count else 0.0
    return Interval(count / hours, low / hours, _expected(count + 1, tail) / hours)


@functools.lru_cache(maxsize=100_000)
def _expected(shape: int, probability: float) -> float:
    """The expectation μ under which fewer than `shape` events have the given probability: Q(shape, μ) = probability."""
    low, high = 0.0, shape + 12.0 * shape**0.5 + 20.0
    for _ in range(100):
        middle = (low + high) / 2
        fewer = torch.special.gammaincc(*torch.tensor([shape, middle], dtype=torch.float64)).item()
        low, high = (middle, high) if fewer > probability else (low, middle)
    return (low + high) / 2
