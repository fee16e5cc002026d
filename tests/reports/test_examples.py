"""The choice of examples, and sounds beside their spectrograms."""

from __future__ import annotations

import numpy as np
import pytest

from auricle.reports.examples import best_median_worst, sound_cards

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], {}),
        ([3.0], {"best": 0}),
        ([1.0, 3.0], {"best": 1, "worst": 0}),
        ([1.0, 3.0, 2.0], {"best": 1, "median": 2, "worst": 0}),
        ([1.0, NAN, 3.0, 2.0], {"best": 2, "median": 3, "worst": 0}),
        ([NAN, NAN], {}),
        ([0.0, 0.0, 0.0, 0.0], {"best": 0, "median": 2, "worst": 3}),
    ],
)
def test_best_median_worst(values, expected):
    found = best_median_worst(values)
    assert found == expected
    assert list(found) == [place for place in ("best", "median", "worst") if place in found]


def test_the_median_is_in_the_middle_of_many():
    values = np.random.default_rng(0).permutation(101).astype(float)
    found = best_median_worst(list(values))
    assert [values[found[place]] for place in ("best", "median", "worst")] == [100, 50, 0]


@pytest.mark.figures("undrawn")
def test_hostile_names_of_sounds_stay_in_their_folder(tmp_path):
    names = ["../../x", "/x", "..", "a/b", "CON", "x" * 300, "$\\frac{", "<b>"]
    waves = {name: np.zeros(800, np.float32) for name in names}
    cards = sound_cards(waves, 8000, tmp_path / "plots", "sound-")
    assert [card.sound.label for card in cards if card.sound] == names
    written = list(tmp_path.rglob("*.png"))
    assert len(written) == len(names)
    assert {path.parent for path in written} == {tmp_path / "plots"}
