from __future__ import annotations

import pandas as pd
import pytest

from auricle.metrics import Interval
from auricle.reports.tables import (
    difference_text,
    in_percent,
    interval_text,
    markdown_table,
    percent,
    signed_percent,
    to_markdown,
    to_text,
)


def test_to_markdown() -> None:
    frame = pd.DataFrame(
        {
            "front-end": ["mel", '<script>alert("x")</script>', "leaf"],
            "accuracy": [Interval(0.91, 0.9, 0.92), Interval(float("nan"), float("nan"), float("nan")), 0.5],
            "parameters": [0, 32120, 240],
        }
    )
    assert to_markdown(frame).splitlines() == [
        "| front-end | accuracy | parameters |",
        "| --- | ---: | ---: |",
        "| mel | 0.910 [0.900, 0.920] | 0 |",
        '| &lt;script>alert("x")&lt;/script> | – | 32120 |',
        "| leaf | 0.500 | 240 |",
    ]
    named = pd.DataFrame({"a|b": [-1.5, 1e-7], "c": [True, None]}, index=pd.Index(["x\ny", "z"], name="clip"))
    assert to_markdown(named).splitlines() == [
        "| clip | a\\|b | c |",
        "| --- | ---: | --- |",
        "| x y | −1.5 | yes |",
        "| z | 1e−07 | – |",
    ]
    assert to_markdown(pd.DataFrame({"gaussian -5 dB": [1], "a-5": [-1]})).splitlines()[0] == "| gaussian −5 dB | a-5 |"
    assert to_markdown(pd.DataFrame({"a": []})) == "| a |\n| --- |\n"
    levels = pd.MultiIndex.from_product([["mel", "leaf"], [0]])
    grouped = pd.DataFrame(
        [[1, 2.25], [3, 4.0]], index=levels, columns=pd.MultiIndex.from_product([["clean"], ["a", "b"]])
    )
    assert to_markdown(grouped).splitlines()[0::2] == ["|  |  | clean a | clean b |", "| mel | 0 | 1 | 2.25 |"]


def test_long_texts_are_cut_for_a_terminal() -> None:
    frame = pd.DataFrame({"label": ["a" * 5000, "b" * 200, "c"], "clips": [1, 2, 3]})
    lines = to_text(frame).splitlines()
    assert [len(line) for line in lines] == [207] * 4
    assert [line[198:202] for line in lines[1:]] == ["a…  ", "bb  ", "    "]


def test_markdown_table_aligns_all_but_the_first_column_right() -> None:
    assert markdown_table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
    assert markdown_table(["a", "b"], [], right=[True, False]) == "| a | b |\n| ---: | --- |"


def test_intervals_as_text() -> None:
    assert interval_text(Interval(-1.234, -2.0, 0.5), 2, " … ") == "−1.23 (−2.00 … 0.50)"
    assert percent(Interval(0.934, 0.912, 0.951)) == "93.4 (91.2–95.1)"
    shares = in_percent(Interval(0.5, 0.25, 0.75))
    assert (shares.value, shares.low, shares.high) == (50.0, 25.0, 75.0)


@pytest.mark.parametrize(
    ("difference", "text"),
    [
        (Interval(0.021, 0.004, 0.039), "**+2.1 (+0.4 … +3.9)**"),
        (Interval(-0.021, -0.039, -0.004), "**−2.1 (−3.9 … −0.4)**"),
        (Interval(0.021, 0.0, 0.039), "+2.1 (+0.0 … +3.9)"),
        (Interval(0.021, float("nan"), float("nan")), "+2.1 (+nan … +nan)"),
    ],
)
def test_a_difference_is_bold_where_its_interval_excludes_zero(difference: Interval, text: str) -> None:
    assert signed_percent(difference) == text
    assert difference_text(in_percent(difference)) == text
