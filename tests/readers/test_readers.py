from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest

from auricle.errors import AuricleError
from auricle.files import write_arrays
from auricle.readers import (
    blaming,
    checked,
    json_value,
    read_arrays,
    read_bytes,
    read_json,
    read_rows,
    read_table,
    read_text,
    yaml_text,
    yaml_value,
)


def refusal(function, *arguments, **options):
    with pytest.raises(AuricleError) as raised:
        function(*arguments, **options)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


class TestFiles:
    def test_what_is_no_file_is_refused_without_waiting(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
            assert "not a file" in refusal(read_bytes, path)
        assert "no such file" in refusal(read_bytes, tmp_path / "none")

    def test_the_limit_is_of_bytes(self, tmp_path):
        (tmp_path / "f").write_bytes(b"12345")
        assert read_bytes(tmp_path / "f", 5) == b"12345"
        assert "MB" in refusal(read_bytes, tmp_path / "f", 4)

    def test_a_byte_order_mark_is_no_text(self, tmp_path):
        (tmp_path / "f").write_text("é", encoding="utf-8-sig")
        assert read_text(tmp_path / "f") == "é"
        for data in ("é".encode("utf-16"), b"\xe9", b"a\0"):
            (tmp_path / "f").write_bytes(data)
            refusal(read_text, tmp_path / "f")


class TestShapes:
    SHAPE = {"a": int, "b?": (str, None), "c": [{"d": float}], "e": {"*": bool}}  # noqa: RUF012

    def test_what_fits_is_returned(self):
        for value in (
            {"a": 1, "c": [], "e": {}},
            {"a": 0, "b": None, "c": [{"d": 1}, {"d": 0.5, "other": []}], "e": {"x": True}, "more": 1},
        ):
            assert checked(value, self.SHAPE, "f") is value

    @pytest.mark.parametrize(
        ("value", "place"),
        [
            ([], "the content"),
            ({"c": [], "e": {}}, "'a'"),
            ({"a": True, "c": [], "e": {}}, "a should be a whole number"),
            ({"a": 1.0, "c": [], "e": {}}, "a should be a whole number"),
            ({"a": 1, "b": 2, "c": [], "e": {}}, "b should be text or null"),
            ({"a": 1, "c": {}, "e": {}}, "c should be a list"),
            ({"a": 1, "c": [{"d": "1"}], "e": {}}, r"c[0].d should be a number"),
            ({"a": 1, "c": [], "e": {"x": 1}}, "e.x should be true or false"),
        ],
    )
    def test_what_does_not_is_named(self, value, place):
        assert place in refusal(checked, value, self.SHAPE, "f")


class TestJson:
    @pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "1" * 5000, '{"a": 1} x', "\ud800", "nan", '"\\ud800"'])
    def test_other_text_is_refused(self, text):
        assert refusal(json_value, text, "f.json").startswith("f.json: ")

    def test_a_file_is_of_its_shape(self, tmp_path):
        (tmp_path / "f").write_text('{"a": [1, 2]}')
        assert read_json(tmp_path / "f", {"a": [int]}) == {"a": [1, 2]}
        assert str(tmp_path / "f") in refusal(read_json, tmp_path / "f", {"a": [str]})


class TestYaml:
    @pytest.mark.parametrize(
        "value",
        ["1e3", "12", "0x1", "yes", "null", "~", "", " ", "2020-01-01", "1:30", "<<", "a\nb", "\x85", "- a", "é"],
    )
    def test_text_stays_text(self, value):
        values = {"a": value, "b": [value]}
        assert yaml_value(yaml_text(values), "f") == values

    def test_bytes_of_names_that_are_not_utf_8_stay(self):
        assert yaml_value(yaml_text({"a": "m\udce9"}).encode().decode(), "f") == {"a": "m\udce9"}

    def test_aliases_are_copies(self):
        value = yaml_value("a: &x [1]\nb: *x", "f")
        assert value == {"a": [1], "b": [1]}
        assert value["a"] is not value["b"]

    def test_numbers(self):
        read = yaml_value("[1, -2, 1_000, 0x1f, 1e3, 1.5, .5, -.inf, +3]", "f")
        assert read == [1, -2, 1000, 31, 1000.0, 1.5, 0.5, float("-inf"), 3]
        assert [type(number) for number in read] == [int] * 4 + [float] * 4 + [int]


class TestTables:
    def write(self, tmp_path, text):
        (tmp_path / "t.csv").write_text(text)
        return tmp_path / "t.csv"

    def test_digits_with_an_underscore_are_no_number(self, tmp_path):
        path = self.write(tmp_path, "a\n1_0\n")
        assert refusal(read_rows, path, ["a"], ["a"]).endswith("in row 2 a is '1_0' and should be a number")

    def test_rows_are_those_of_the_csv_module(self, tmp_path):
        path = self.write(tmp_path, 'a,b\n1,"x, ""y""\nz"\n2,\n')
        assert read_rows(path, "ab", ("a", "b?")[:1]) == [{"a": "1", "b": 'x, "y"\nz'}, {"a": "2", "b": ""}]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("a\n1\n", "no column b"),
            ("a,b\n1\n", "row 2"),
            ("a,b\n1,2,3\n", "row 2"),
            ("a,b\nx,2\n", "a is 'x'"),
            ("a,b\n,2\n", "a is ''"),
            ("a,b\n1,x\n", "b is 'x'"),
            ("", "no column"),
            ("a,b\n1," + "2" * 200_000, "field larger"),
        ],
    )
    def test_damaged_rows(self, tmp_path, text, reason):
        assert reason in refusal(read_rows, self.write(tmp_path, text), "ab", ("a", "b?"))

    def test_a_table_is_that_of_pandas(self, tmp_path):
        path = self.write(tmp_path, "a,b\n1.5,001\n2,NA\n")
        pd.testing.assert_frame_equal(
            read_table(path, {"a": float, "b": str}), pd.DataFrame({"a": [1.5, 2.0], "b": ["001", "NA"]})
        )
        path = self.write(tmp_path, "a,b\nx,1\n")
        assert "t.csv" in refusal(read_table, path, {"a": float, "b": str})
        assert "no column c" in refusal(read_table, path, {"c": str})

    def test_packed_tables(self, tmp_path):
        text = "a,b\n" + "1,2\n" * 100
        (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
        assert len(read_rows(tmp_path / "t.csv.gz", "ab")) == 100
        (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode())[:-9])
        assert "damaged" in refusal(read_rows, tmp_path / "t.csv.gz", "ab")
        (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 5_000_000))
        assert "unpacks to more than" in refusal(read_rows, tmp_path / "t.csv.gz", "ab")


class TestArrays:
    def test_what_is_written_is_read(self, tmp_path):
        arrays = {"x": np.arange(6.0).reshape(2, 3), "y": np.array(["a", "é"]), "z": np.asfortranarray(np.eye(3, 2))}
        arrays |= {"empty": np.zeros((0, 4), np.float16), "one": np.array(3)}
        write_arrays(tmp_path / "a.npz", **arrays)
        read = read_arrays(tmp_path / "a.npz", arrays)
        for name, value in arrays.items():
            np.testing.assert_array_equal(read[name], value)
            assert read[name].dtype == value.dtype
        assert "no array w" in refusal(read_arrays, tmp_path / "a.npz", ["w"])

    def test_a_pickle_does_not_run(self, tmp_path):
        class Payload:
            def __reduce__(self):
                return os.system, (f"touch {tmp_path}/ran",)

        np.savez(tmp_path / "a.npz", x=np.array([Payload()], dtype=object))
        refusal(read_arrays, tmp_path / "a.npz")
        (tmp_path / "b.npz").write_bytes(pickle.dumps(Payload()))
        refusal(read_arrays, tmp_path / "b.npz")
        assert not (tmp_path / "ran").exists()

    def member(self, header, data=b""):
        text = repr(header).encode().ljust(117) + b"\n"
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data

    @pytest.mark.parametrize("shape", [(10**12,), (2**62, 4), (3,), (-1,), (1, -4)])
    def test_a_header_that_lies(self, tmp_path, shape):
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("x.npy", self.member(header, bytes(16)))
        refusal(read_arrays, tmp_path / "a.npz")

    def test_a_bomb_is_refused_before_it_is_unpacked(self, tmp_path):
        header = {"descr": "<f4", "fortran_order": False, "shape": (75 * 2**20,)}
        packed = zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        with packed as archive, archive.open("x.npy", "w") as member:
            member.write(self.member(header))
            for _ in range(300):
                member.write(bytes(2**20))
        assert os.path.getsize(tmp_path / "a.npz") < 2**21
        assert "unpacks to" in refusal(read_arrays, tmp_path / "a.npz")

    def test_damage(self, tmp_path):
        file = io.BytesIO()
        np.savez_compressed(file, x=np.arange(1000.0))
        data = file.getvalue()
        for damaged in (b"", b"x", data[:-1], data[:100], b"PK" + data[5:]):
            (tmp_path / "a.npz").write_bytes(damaged)
            refusal(read_arrays, tmp_path / "a.npz")


def test_what_a_file_causes_is_blamed_on_it():
    for cause in (lambda: {}["x"], lambda: [][1], lambda: int("x"), lambda: 1 / 0, lambda: None.x, lambda: len(3)):
        with pytest.raises(AuricleError, match=r"f\.json: damaged, or not a model"), blaming("f.json", "a model"):
            cause()
    with pytest.raises(AuricleError, match=r"^as it was$"), blaming("f.json", "a model"):
        raise AuricleError("as it was")
    with pytest.raises(KeyboardInterrupt), blaming("f.json", "a model"):
        raise KeyboardInterrupt
    assert json.loads("1") == 1
