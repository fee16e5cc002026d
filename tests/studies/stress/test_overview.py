"""Heatmaps, curves and tables hold the figures of the test."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auricle.files import write_tidy
from auricle.metrics import Interval, hourly_rate
from auricle.reports.plots import accuracy_against_level, accuracy_by_condition
from auricle.studies.stress.figures import accuracy_heatmap, alarm_heatmap, chance_level, confusions, curves, worst_cell
from auricle.studies.stress.report import curves_section
from auricle.studies.stress.statistics import StressTest, interval
from auricle.studies.stress.tables import COLUMNS, by_corruption, summary, tidy
from made_up_cells import CLEAN_ONLY, SUITE, made_up

SHARES = {
    "mel": CLEAN_ONLY | {"white-2": 0.5, "white-3": 0.25, "gain-2": 0.6},
    "<b>leaf</b>": CLEAN_ONLY | {"white-3": 0.4},
}
TEST = StressTest(made_up(SHARES))
MET: dict[str, set[str] | None] = {"mel": {"white"}, "<b>leaf</b>": None}


def test_chance_is_that_of_guessing_one_label():
    assert chance_level(TEST, 4) == 0.25
    several = TEST.cells.assign(labels=TEST.cells["labels"] + ";z")
    assert chance_level(StressTest(several), 4) == 0.5
    assert np.isnan(chance_level(StressTest(TEST.cells.assign(labels="")), 4))


def test_the_heatmap_has_every_cell_in_its_unit():
    html = accuracy_heatmap(TEST, SUITE, 0.25).html()
    groups = re.findall(r"<tbody>(.*?)</tbody>", html, re.DOTALL)
    heads = [re.findall(r"<th[^>]*>(.*?)</th>", group.split("</tr>")[0]) for group in groups]
    assert heads == [["clean"], ["white noise", "20 dB", "10 dB", "0 dB"],
                     ["codec", "opus 32 kbit/s", "opus 8 kbit/s"], ["gain", "−10 dB", "−24 dB"]]  # fmt: skip
    shown = [re.findall(r'title="([^"]*)">(\d+)', group) for group in groups]
    assert [number for _, number in shown[1]] == ["90", "50", "25", "90", "90", "40"]
    own = interval(TEST.accuracy("mel", "white-2"), 100)
    assert shown[1][1][0] == f"mel, white noise, 10 dB: 50 % ({own.low:.0f} to {own.high:.0f})"
    assert "<b>leaf" not in html
    assert "&lt;b&gt;leaf&lt;/b&gt;" in html
    assert "Lowest: mel in white noise, 0 dB, 25 %." in html


def test_of_equally_low_cells_the_heatmap_names_the_first_like_the_verdict():
    tied = StressTest(made_up({"mel": CLEAN_ONLY | {"white-3": 0.25, "gain-2": 0.25, "codec-2": 0.25}}))
    assert "Lowest: mel in white noise, 0 dB, 25 %." in accuracy_heatmap(tied, SUITE, 0.25).html()
    assert worst_cell(tied, "mel") == "white-3"


def test_one_model_alone_is_compared_with_nothing():
    alone = StressTest(made_up({"mel": SHARES["mel"]}))
    compared = {"to baseline", "verdict", "mCE", "relative mCE"}
    assert compared <= set(summary(TEST, "mel"))
    assert not compared & set(summary(alone, "mel"))
    assert summary(alone, "mel")["model"].tolist() == ["mel"]
    assert summary(alone, "mel")["worst corruption"].tolist() == ["white noise"]
    assert set(by_corruption(TEST, "mel", MET)) - set(by_corruption(alone, "mel", MET)) == {"CE", "relative CE"}


def test_only_what_is_not_shown_to_be_better_than_guessing_is_marked():
    html = accuracy_heatmap(TEST, SUITE, 0.25).html()
    assert html.count('class="marked"') == 1
    assert re.search(r'class="marked"[^>]*>25<span class="hidden">, not shown to be better than guessing', html)
    assert 'class="marked"' not in accuracy_heatmap(TEST, SUITE, float("nan")).html()


def test_clips_of_one_group_show_nothing_to_be_better_than_guessing():
    one = StressTest(made_up(SHARES).assign(group="one speaker"))
    html = accuracy_heatmap(one, SUITE, 0.25).html()
    assert html.count('class="marked"') == len(re.findall(r'title="[^"]*">\d', html)) > 10
    assert "nan" not in html


def test_the_text_of_a_heatmap_has_enough_contrast():
    html = accuracy_heatmap(TEST, SUITE, 0.25).html()

    def luminance(color: str) -> float:
        parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    pairs = re.findall(r"background: (#\w{6}); color: (#\w{3})", html)
    assert len(pairs) == 16
    for background, ink in pairs:
        low, high = sorted([luminance(background), luminance(ink * 1 + ink[1:])])
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_false_alarms_are_coloured_from_none_to_most():
    rows = []
    for cell, events in (("clean", 0), ("white-3", 40), ("codec-2", 3)):
        rate = hourly_rate(events, 2.0)
        rows.append({"model": "mel", "cell": cell, "label": "all labels", "per_hour": rate.value, "low": rate.low,
                     "high": rate.high})  # fmt: skip
    found = alarm_heatmap(pd.DataFrame(rows), SUITE)
    cells = {cell.text: cell.value for group in found.groups for _, row in group.rows for cell in row}
    assert set(cells) == {"0", "20", "1.5"}
    assert (cells["0"], cells["20"]) == (1.0, 0.0)
    assert 0 < cells["1.5"] < 1
    assert "Most: mel in white noise, 0 dB, 20." in found.caption


@pytest.mark.figures("undrawn")
def test_curves_are_against_the_unit_and_say_what_they_show(tmp_path: Path):
    drawn = curves(TEST, SUITE, 0.25, tmp_path)
    labels = [figure.figure.axes[0].get_xlabel() for figure in drawn]
    assert labels == ["Signal-to-noise ratio (dB)", "Bit rate (kbit/s)", "Gain (dB)"]
    white, _, gain = (figure.figure.axes[0] for figure in drawn)
    assert white.lines[0].get_xdata().tolist() == [30, 20, 10, 0]
    np.testing.assert_allclose(white.lines[0].get_ydata(), [0.9, 0.9, 0.5, 0.25])
    assert white.xaxis_inverted()
    assert [tick.get_text() for tick in gain.get_xticklabels()] == ["clean", "−10", "−24"]
    assert "guessing" in white.get_legend_handles_labels()[1]
    assert "From clean to white noise, 0 dB: mel 90 % → 25 %" in drawn[0].alt


def test_markers_at_the_edge_of_a_plot_are_whole():
    own = Interval(1.0, 0.9, 1.0)
    curve = accuracy_against_level({"mel": [(0.0, own), (10.0, own)]}, {"mel": own}, "level")
    for figure in (curve, accuracy_by_condition({"clean": {"mel": own}})):
        marked = [line for line in figure.axes[0].lines if line.get_marker() not in ("None", "", None)]
        assert [line.get_clip_on() for line in marked] == [False]


@pytest.mark.figures("undrawn")
def test_only_of_curves_it_is_said_that_the_worst_is_at_the_right(tmp_path: Path):
    def said(cells: pd.DataFrame) -> str:
        return " ".join(curves_section(StressTest(cells), SUITE, 0.25, tmp_path).paragraphs)

    single = TEST.cells[~TEST.cells["cell"].isin(["white-1", "white-2", "codec-1", "gain-1"])]
    some = TEST.cells[~TEST.cells["cell"].isin(["codec-1", "gain-1"])]
    right, points = "the worst level at the right", "one level are points"
    assert [(right in text, points in text) for text in map(said, (TEST.cells, single, some))] == [
        (True, False),
        (False, True),
        (True, True),
    ]


@pytest.mark.figures("undrawn")
def test_corruptions_without_a_scale_are_not_joined_by_lines(tmp_path: Path):
    single = TEST.cells[~TEST.cells["cell"].isin(["white-1", "white-2", "codec-1", "gain-1"])]
    (figure,) = curves(StressTest(single), SUITE, 0.25, tmp_path)
    axes = figure.figure.axes[0]
    joined = [line for line in axes.lines if len(np.unique(line.get_xdata())) > 1 and line.get_linestyle() != "None"]
    assert joined == []
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["clean", "white noise, 0 dB", "codec, opus 8 kbit/s", "gain, −24 dB"]


@pytest.mark.figures("undrawn")
def test_confusions_say_what_is_taken_for_what(tmp_path: Path):
    worst = {model: worst_cell(TEST, model) for model in TEST.models}
    assert worst == dict.fromkeys(TEST.models, "white-3")
    found = confusions(TEST, SUITE, "abcd", worst, tmp_path)
    assert len(found) == 4
    assert "mel, white noise, 0 dB: 50 of 200 right; most often" in found[1].alt
    assert {path.parent for path in tmp_path.rglob("*.png")} == {tmp_path}


@pytest.mark.figures("undrawn")
def test_confusions_of_clips_with_several_labels_count_none(tmp_path: Path):
    several = StressTest(TEST.cells.assign(labels="a;b"))
    found = confusions(several, SUITE, "abcd", dict.fromkeys(TEST.models, "white-3"), tmp_path)
    assert all("0 of 0 right" in figure.alt for figure in found)


def test_where_guessing_is_always_right_the_heatmap_is_drawn_all_the_same():
    sure = StressTest(TEST.cells.assign(labels="a", predicted="a", right=1))
    assert chance_level(sure, 1) == 1.0
    assert "100" in accuracy_heatmap(sure, SUITE, 1.0).html()


class TestTidy:
    TABLE = tidy(TEST, SUITE, "mel", MET)

    def test_its_rows_are_the_figures(self):
        assert tuple(self.TABLE.columns) == COLUMNS
        for row in self.TABLE.itertuples(index=False):
            expected = {
                "overall accuracy": lambda m, _: TEST.overall(m),
                "retained accuracy": lambda m, _: TEST.retained(m),
                "mCE": lambda m, _: TEST.mce(m, "mel"),
                "relative mCE": lambda m, _: TEST.relative_mce(m, "mel"),
                "difference from the baseline": lambda m, _: TEST.difference(TEST.overall, m, "mel"),
                "CE": lambda m, c: TEST.corruption_error(m, "mel", c),
                "relative CE": lambda m, c: TEST.relative_corruption_error(m, "mel", c),
                "accuracy": lambda m, c: TEST.corrupted(m, c),
            }[row.measure]
            if not row.condition:
                own = interval(expected(row.model, row.corruption))
                np.testing.assert_array_equal([row.value, row.low, row.high], [own.value, own.low, own.high])
        cell = self.TABLE[(self.TABLE["condition"] == "gain, −24 dB") & (self.TABLE["model"] == "mel")].iloc[0]
        own = interval(TEST.accuracy("mel", "gain-2"))
        assert (cell["value"], cell["low"], cell["high"]) == (own.value, own.low, own.high)
        assert (cell["level"], cell["unit"], cell["in_training"]) == (-24.0, "dB", "not met")
        leaf = self.TABLE[(self.TABLE["model"] == "<b>leaf</b>") & (self.TABLE["corruption"] == "white")]
        assert set(leaf["in_training"]) == {"not known"}

    def test_csv_and_parquet_hold_the_same(self, tmp_path: Path):
        pytest.importorskip("pyarrow")
        write_tidy(tmp_path / "figures", self.TABLE)
        csv, parquet = pd.read_csv(tmp_path / "figures.csv"), pd.read_parquet(tmp_path / "figures.parquet")
        numbers = ["level", "value", "low", "high"]
        np.testing.assert_allclose(csv[numbers], parquet[numbers], rtol=1e-12)
        np.testing.assert_array_equal(parquet[numbers], self.TABLE[numbers])
        assert csv["model"].tolist() == parquet["model"].tolist() == self.TABLE["model"].tolist()
