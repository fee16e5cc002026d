"""Texts of the data, such as labels, are drawn as they are and never stop a plot."""

from __future__ import annotations

import warnings

import matplotlib
import matplotlib.image
import numpy as np
import pytest

from auricle.metrics import Interval
from auricle.reports import plots
from auricle.reports.plots import style as style_module
from auricle.reports.plots.style import DPI, MAX_TEXT, _Literal, draw_svg, drawable

TEXTS = (
    "Ba$$",
    "$5 $^",
    "A$$AP",
    r"\$x",
    r"$\frac{",
    "m$1_{$",
    "{",
    "a\nb",
    "\t",
    "\0",
    "\ud800",
    "🦉",
    "x" * 5000,
    " ",
    "_",
)


def image(figure, path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return matplotlib.image.imread(plots.save(figure, path))


@pytest.mark.parametrize("text", TEXTS)
def test_no_label_stops_a_plot(text, tmp_path):
    labels = [text, "plain", f"{text} {text}"]
    image(plots.confusion(np.eye(3), labels), tmp_path / "c.png")
    image(
        plots.accuracy_against_snr({text: [(0.0, Interval(0.1, 0.0, 0.2)), (None, Interval(0.5, 0.4, 0.6))]}),
        tmp_path / "s.png",
    )


def test_a_dollar_is_drawn_as_a_dollar(tmp_path):
    """As matplotlib draws it with formulas turned off."""
    labels = ["$a^b$", "c$", r"\$d"]
    with matplotlib.rc_context({"text.parse_math": False}):
        plots.confusion(np.eye(3), labels).savefig(tmp_path / "right.png", dpi=DPI)
    made = image(plots.confusion(np.eye(3), labels), tmp_path / "made.png")
    np.testing.assert_array_equal(made, matplotlib.image.imread(tmp_path / "right.png"))


def test_a_long_text_is_cut():
    assert drawable("x" * MAX_TEXT) == "x" * MAX_TEXT
    assert drawable("x" * (MAX_TEXT + 1)) == "x" * (MAX_TEXT - 1) + "…"
    assert drawable("a\nb\tc\0\ud800\u00a0d") == "a\nb c?? d"


def test_an_svg_has_the_colours_of_both_themes():
    text = draw_svg(plots.confusion(np.eye(2), ["a$b", "c"]))
    light, dark = text.split("@media screen and (prefers-color-scheme: dark)")
    for color, other in style_module._DARK.items():
        assert other in dark.partition("</style>")[0]
        if color != style_module.PAPER:
            assert light.count(color) == 1, "only where the theme says what it is"
    assert "#000000" not in text
    assert "var(--c0)" in text


def test_negative_ticks_have_a_minus_sign():
    levels = [(snr, Interval(0.5, 0.4, 0.6)) for snr in (-5.0, -10.0)]
    figure = plots.accuracy_against_level({"m": levels}, {"m": Interval(0.9, 0.8, 1.0)}, "SNR (dB)")
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["clean", "−5", "−10"]
    formatter = _Literal(lambda value, _: f"{value:g} a-b")
    assert formatter(-3.0, 0) == "−3 a-b"
