"""Properties of the readers for any content, searched by hypothesis: a plain value or one `AuricleError`."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from auricle.errors import AuricleError
from auricle.readers import json_value, read_arrays, read_rows, read_table, yaml_text, yaml_value

PLAIN = (dict, list, str, int, float, bool, type(None))
_FOLDER = Path(tempfile.gettempdir()) / "auricle-fuzz-properties"
_SYMBOLS = st.text(st.sampled_from("{}[]:,&*!-?|>#%@`\"'\\ \n\tab1.<=~"), max_size=60)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=12,
)


def _is_plain(value: Any) -> bool:
    if type(value) not in PLAIN:
        return False
    members = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return all(_is_plain(member) for member in members)


def _one_line(error: AuricleError) -> None:
    assert len(str(error).splitlines()) == 1, str(error)


@given(_SYMBOLS | st.text(max_size=80))
def yaml_is_plain_or_refused(text: str) -> None:
    try:
        value = yaml_value(text, "c.yaml")
    except AuricleError as error:
        _one_line(error)
    else:
        assert _is_plain(value)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), _values, max_size=4))
def yaml_written_is_yaml_read(values: dict[str, Any]) -> None:
    text = yaml_text(values)
    assert yaml_value(text, "c.yaml") == values, text


@given(_SYMBOLS | st.text(max_size=80) | st.binary(max_size=60))
def json_is_plain_or_refused(text: str | bytes) -> None:
    try:
        value = json_value(text, "x.json")
    except AuricleError as error:
        _one_line(error)
    else:
        assert _is_plain(value)


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=6),
                         min_size=3, max_size=3), max_size=5))  # fmt: skip
def rows_written_are_rows_read(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["a", "b", "c"], *rows])
    path = _file("t.csv", text.getvalue().encode())
    assert [list(row.values()) for row in read_rows(path, "abc")] == rows


@given(st.binary(max_size=80) | _SYMBOLS.map(str.encode))
def a_table_is_one_or_is_refused(data: bytes) -> None:
    path = _file("t.csv", b"a,b\n" + data)
    for read in (lambda: read_rows(path, "ab", ("a",)), lambda: read_table(path, {"a": float, "b": str})):
        try:
            read()
        except AuricleError as error:
            _one_line(error)


@given(st.integers(0, 2**16), st.integers(0, 10_000), st.binary(max_size=8))
def arrays_are_whole_or_refused(number: int, at: int, data: bytes) -> None:
    file = io.BytesIO()
    whole = np.arange(20, dtype=np.float32)
    np.savez_compressed(file, a=whole, b=np.array(["x", "yz"]))
    content = bytearray(file.getvalue())
    content[at % len(content) : at % len(content) + len(data)] = data
    try:
        arrays = read_arrays(_file("a.npz", bytes(content)), ["a"])
    except AuricleError as error:
        _one_line(error)
    else:
        assert all(array.dtype != object for array in arrays.values())


PROPERTIES: tuple[Callable[[], None], ...] = (
    yaml_is_plain_or_refused,
    yaml_written_is_yaml_read,
    json_is_plain_or_refused,
    rows_written_are_rows_read,
    a_table_is_one_or_is_refused,
    arrays_are_whole_or_refused,
)


def _file(name: str, data: bytes) -> Path:
    _FOLDER.mkdir(exist_ok=True)
    path = _FOLDER / name
    path.write_bytes(data)
    return path


def check(prop: Callable[[], None], examples: int, number: int) -> None:
    """Search for a counterexample among `examples`; raises what it raises."""
    quiet = list(HealthCheck)
    seed(number)(settings(max_examples=examples, deadline=None, database=None, suppress_health_check=quiet)(prop))()


def check_all(examples: int, number: int) -> int:
    """The number of properties that do not hold, which are printed."""
    broken = 0
    for prop in PROPERTIES:
        try:
            check(prop, examples, number)
            print(f"{prop.__name__}: {examples} examples")
        except BaseException as error:
            broken += 1
            print(f"{prop.__name__}: {type(error).__name__}: {error}")
    return broken
