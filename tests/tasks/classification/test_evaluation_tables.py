"""Tables of an evaluation in a terminal."""

from __future__ import annotations

import pytest

from auricle.metrics import Interval
from auricle.runs.results import Measured
from auricle.tasks.classification.evaluation_tables import metrics_table, printed

METRICS = ("accuracy", "balanced_accuracy", "top_5_accuracy", "mean_average_precision", "auc", "d_prime")


def test_a_title_is_one_line_above_a_narrow_table() -> None:
    title = "12 clips of the split that is called validation-of-2024, with 95 % intervals, and more words than columns"
    rows = [Measured("clean", {"accuracy": Interval(1.0, 1.0, 1.0)})]
    first, heads, *_ = printed([metrics_table(title, rows)]).splitlines()
    assert first == title
    assert heads.split() == ["condition", "accuracy"]


def test_the_widest_intervals_are_whole_in_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    sure, unsure = Interval(1.0, 1.0, 1.0), Interval(1.0, -1.01, 3.01)
    metrics = {name: unsure if name == "d_prime" else sure for name in METRICS}
    rows = [Measured(condition, metrics) for condition in ("clean", "gaussian -10 dB")]
    lines = printed([metrics_table("12 clips", rows)]).splitlines()
    assert len(lines) == 3 + 2 * len(rows)
    intervals = [line for line in lines if "1.00–1.00" in line]
    assert [line.count("1.00–1.00") for line in intervals] == [len(METRICS) - 1] * len(rows)
    assert all(line.endswith("−1.01 … 3.01") for line in intervals)
