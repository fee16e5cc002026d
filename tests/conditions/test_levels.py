"""Levels in physical units, of every condition that there is."""

from __future__ import annotations

import pytest

from auricle.conditions import Cell, cell_text, cell_texts, create_suite, level, list_conditions, list_suites
from auricle.conditions.condition import CONDITIONS


@pytest.mark.parametrize(
    ("corruption", "condition", "parameters", "text", "value"),
    [
        ("babble", "babble", {"snr_db": 5.0, "talkers": 3}, "babble, 5 dB", 5.0),
        ("babble", "babble", {"snr_db": [0.0, 15.0]}, "babble, 0 to 15 dB", 7.5),
        ("gain", "gain", {"gain_db": -24.0}, "gain, −24 dB", -24.0),
        ("quiet", "gain-transition", {"gain_db": [-20, 0], "share": 0.5}, "quiet, −20 to 0 dB", -10.0),
        ("gain-steps", "gain-steps", {"step_s": 0.25, "gain_db": 8.0}, "gain-steps, ±8 dB", 8.0),
        ("hall", "reverberation", {"rt60_s": 0.8, "drr_db": 0.0}, "hall, 0.8 s", 0.8),
        ("clipping", "clipping", {"share": 0.05}, "clipping, 5 %", 5.0),
        ("low-pass", "low-pass", {"share": 0.125}, "low-pass, 12.5 %", 12.5),
        ("codec", "codec", {"codec": "opus", "kbps": 16.0}, "codec, opus 16 kbit/s", 16.0),
        ("codec", "codec", {"codec": "vorbis", "quality": 0.1}, "codec, vorbis 0.1", 0.1),
        ("codec", "codec", {"codec": "gsm"}, "codec, gsm", None),
        ("loss", "packet-loss", {"burst": 2.0, "rate": 0.3}, "loss, 30 %", 30.0),
        ("phone", "band-pass", {}, "phone, 300 to 3400 Hz", None),
        ("resampling", "resampling", {"rate_hz": 4000}, "resampling, 4000 Hz", 4000.0),
        ("room", "room", {}, "room", None),
        ("own", "my-own", {"depth_db": -3, "other": 1}, "own, −3 dB", -3.0),
        ("own", "my-own", {"kind": "x" * 99}, "own, Kind " + "x" * 35, None),
        ("clean", "clean", {}, "clean", None),
    ],
)
def test_a_cell_in_words(corruption, condition, parameters, text, value):
    cell = Cell(corruption, 3, condition, parameters)
    assert cell_text(cell) == text
    assert level(cell).value == pytest.approx(value)


def test_no_cell_of_a_suite_is_told_by_its_severity_alone():
    for name in list_suites():
        cells = create_suite(name).cells
        texts = cell_texts(cells)
        assert len(set(texts.values())) == len(cells)
        for cell in cells:
            assert cell.corruption == "clean" or level(cell).text, cell
            assert "-" not in texts[cell.name].removeprefix(cell.corruption), "a minus sign, no hyphen"


def test_cells_that_would_be_called_alike_are_told_apart():
    cells = [Cell("babble", k, "babble", {"snr_db": 5.0, "talkers": k}) for k in (1, 2)]
    assert list(cell_texts(cells).values()) == ["babble, 5 dB (babble-1)", "babble, 5 dB (babble-2)"]


def test_every_condition_that_needs_a_parameter_has_a_unit():
    needed = {"snr_db": 5.0, "gain_db": -6.0, "share": 0.5, "rate_hz": 4000, "rt60_s": 0.5, "rate": 0.1}
    for name in list_conditions():
        fields = CONDITIONS[name].__dataclass_fields__
        given = {field: needed[field] for field in fields if field in needed}
        if given:
            assert level(Cell("x", 1, name, given)).unit, name
