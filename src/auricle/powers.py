"""Sizes of Fourier transforms: powers of two, and products of small primes."""

from __future__ import annotations

import math
from itertools import takewhile

_ODD_FACTORS = sorted(3**a * 5**b for a in range(21) for b in range(14))


def next_power_of_two(size: float) -> int:
    """The smallest power of two that is not below `size`, which is 1 or more."""
    return int(2 ** math.ceil(math.log2(size)))


def fast_length(least: int) -> int:
    """The smallest product of powers of 2, 3 and 5 that is at least `least`: a length with a fast transform."""
    factors = takewhile(lambda factor: factor < 2 * least, _ODD_FACTORS)
    return min(factor << (-(-least // factor) - 1).bit_length() for factor in factors)
