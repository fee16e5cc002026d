"""Powers of two, as sizes of Fourier transforms."""

from __future__ import annotations

import math


def next_power_of_two(size: float) -> int:
    """The smallest power of two that is not below `size`, which is 1 or more."""
    return int(2 ** math.ceil(math.log2(size)))
