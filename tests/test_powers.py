"""Powers of two."""

from __future__ import annotations

import pytest

from auricle.powers import next_power_of_two


@pytest.mark.parametrize("exponent", range(31))
def test_of_a_power_it_is_itself_and_just_above_it_the_next(exponent: int):
    power = 1 << exponent
    assert next_power_of_two(power) == power
    assert next_power_of_two(power + 1) == next_power_of_two(power + 0.001) == 2 * power
