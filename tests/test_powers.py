"""Sizes of Fourier transforms, against slow twins."""

from __future__ import annotations

import pytest

from auricle.powers import fast_length, next_power_of_two


@pytest.mark.parametrize("exponent", range(31))
def test_of_a_power_it_is_itself_and_just_above_it_the_next(exponent: int):
    power = 1 << exponent
    assert next_power_of_two(power) == power
    assert next_power_of_two(power + 1) == next_power_of_two(power + 0.001) == 2 * power


def test_fast_lengths_have_small_factors() -> None:
    assert [fast_length(n) for n in (1, 7, 11, 101, 128, 217)] == [1, 8, 12, 108, 128, 225]


def small_factors_alone(n: int) -> bool:
    for factor in (2, 3, 5):
        while n % factor == 0:
            n //= factor
    return n == 1


@pytest.mark.parametrize("least", [*range(1, 300), 16031, 135584, 160032, 2**24 + 1, 3**17 + 1, 5**11 + 1])
def test_a_fast_length_is_the_next_one(least: int) -> None:
    found = fast_length(least)
    assert small_factors_alone(found)
    assert least <= found < 2 * least
    assert not any(map(small_factors_alone, range(least, found)))
