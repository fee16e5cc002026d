"""Tables are read back as other programs read them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auricle.errors import AuricleError
from auricle.reports.detections import COLUMNS, FORMATS, SCHEMA, Detection, check_format, write_table
from auricle.reports.detections.formats import RAVEN_COLUMNS

PAGE = Path(__file__).parents[3] / "docs" / "tables.md"
ODD = [
    "owl",
    "a, b",
    'the "q"',
    "two\nlines",
    "one\rreturn",
    "=1+1",
    "NA",
    "07",
    "tab\there",
    " spaced ",
    "Käuzchen",
    "$x$",
]
ODD_FILE = os.fsdecode(b"rec/m\xe9sange.wav")
FILES = ["rec/a.wav", 'rec/it "q".wav', "rec/a,b.wav", "rec/a\tb\nc.wav", ODD_FILE]


@pytest.fixture
def detections():
    rng = np.random.default_rng(0)
    made = []
    for k, label in enumerate(ODD):
        start_s = float(rng.uniform(0, 100))
        made.append(Detection(FILES[k % 5], "birds", start_s, start_s + 1, label, float(rng.random())))
    return made


def written(tmp_path, detections, name):
    path = tmp_path / f"table{FORMATS[name].suffix}"
    write_table(path, detections, name, 8000.0)
    return path


def wanted(detections):
    """The rows that every format of data should give."""
    rows = [dataclasses.asdict(d) for d in detections]
    for row in rows:
        row["file"] = row["file"].replace("\udce9", "\\xe9")
        row |= {name: round(row[name], 4) for name in ("start_s", "end_s")}
        row["probability"] = round(row["probability"], 6)
    return rows


def test_csv_with_any_text(tmp_path, detections):
    table = pd.read_csv(written(tmp_path, detections, "csv"), dtype={"label": str}, keep_default_na=False)
    expected = [{name: v for name, v in row.items() if name != "coefficient"} for row in wanted(detections)]
    assert table.to_dict("records") == expected


def test_csv_has_the_coefficient_of_models_that_estimate_one(tmp_path, detections):
    own = [dataclasses.replace(d, coefficient=0.123456) for d in detections]
    table = pd.read_csv(written(tmp_path, own, "csv"))
    assert list(table) == list(COLUMNS)
    assert set(table["coefficient"]) == {0.1235}


def test_json_lines_with_any_text(tmp_path, detections):
    lines = written(tmp_path, detections, "jsonl").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    expected = [{"schema": SCHEMA} | {k: v for k, v in row.items() if v is not None} for row in wanted(detections)]
    assert [json.loads(line) for line in lines] == expected


def test_parquet_parts_are_one_table(tmp_path, detections):
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "detections.parquet"
    halves = [detections[:5], [], detections[5:]]
    for name, half in zip(("a.wav", "site=x/_b.wav", ".c.wav"), halves, strict=True):
        place = FORMATS["parquet"].place(Path(name))
        assert place.parts[0] == folder.name
        write_table(tmp_path / f"{place}.parquet", half, "parquet", 8000.0)
    table = pd.read_parquet(folder)
    assert list(table) == list(COLUMNS)
    table = table.sort_values("label").reset_index(drop=True)
    expected = pd.DataFrame(wanted(detections)).sort_values("label").reset_index(drop=True)
    expected["coefficient"] = expected["coefficient"].astype(float)
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    schema = parquet.read_schema(next(folder.iterdir()))
    assert schema.metadata[b"auricle.schema"] == str(SCHEMA).encode()
    kinds = {"string": "string", "double": "double"}
    assert {field.name: str(field.type) for field in schema} == {n: kinds[c.kind] for n, c in COLUMNS.items()}


def test_raven_divides_at_tabs_alone(tmp_path, detections):
    lines = written(tmp_path, detections, "raven").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    rows = [dict(zip(RAVEN_COLUMNS, line.split("\t"), strict=True)) for line in lines]
    assert list(rows.pop(0)) == RAVEN_COLUMNS
    for number, (row, detection) in enumerate(zip(rows, detections, strict=True), start=1):
        name = detection.file.replace("\t", " ").replace("\n", " ").replace("\udce9", "\\xe9")
        assert row["Selection"] == str(number)
        assert row["Begin Path"] == os.path.join(os.getcwd(), name)
        assert row["Begin File"] == os.path.basename(name)
        assert row["Label"] == re.sub(r"[\t\n\r]", " ", detection.label)
        assert float(row["Begin Time (s)"]) == float(row["File Offset (s)"]) == round(detection.start_s, 4)
        assert float(row["End Time (s)"]) == round(detection.end_s, 4)
        assert (row["Low Freq (Hz)"], row["High Freq (Hz)"]) == ("0", "8000")


def test_audacity_has_a_line_for_each(tmp_path, detections):
    lines = written(tmp_path, detections, "audacity").read_text(encoding="utf-8").split("\n")[:-1]
    assert len(lines) == len(detections)
    for line, detection in zip(lines, detections, strict=True):
        start, end, text = line.split("\t")
        assert (float(start), float(end)) == pytest.approx((detection.start_s, detection.end_s), abs=1e-6)
        assert text == f"{re.sub(chr(9), ' ', ' '.join(detection.label.splitlines()))} {detection.probability:.3f}"


@pytest.mark.parametrize("name", FORMATS)
def test_no_detections(tmp_path, name):
    if name == "parquet":
        pytest.importorskip("pyarrow")
    path = written(tmp_path, [], name)
    if name == "parquet":
        assert list(pd.read_parquet(path)) == list(COLUMNS)
    elif name == "csv":
        assert list(pd.read_csv(path)) == [column for column in COLUMNS if column != "coefficient"]
    else:
        assert path.read_text() == ("\t".join(RAVEN_COLUMNS) + "\n" if name == "raven" else "")


def test_the_page_lists_the_columns_and_the_version():
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (string|double) \|", page, re.MULTILINE)
    assert rows == [(name, column.kind) for name, column in COLUMNS.items()]
    assert [field.name for field in dataclasses.fields(Detection)] == list(COLUMNS)
    assert re.findall(r"version (\d+) of the schema", page) == [str(SCHEMA)]
    assert re.findall(r"^\| `([A-Z][\w ()]+)` \|", page, re.MULTILINE) == RAVEN_COLUMNS
    for name, own in FORMATS.items():
        assert re.search(rf"^\| `{name}` \| .*`\S*{re.escape(own.suffix)}`", page, re.MULTILINE), name


def test_what_cannot_be_written_is_said(monkeypatch):
    with pytest.raises(AuricleError, match="did you mean 'csv'"):
        check_format("cvs")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(AuricleError, match=r"pip install 'auricle\[parquet\]'"):
        check_format("parquet")
