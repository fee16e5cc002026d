"""Digests, keys, names of files and titles: any change is seen, and no two things share one."""

from __future__ import annotations

import copy
import math
import os
import time
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from auricle import identity
from auricle.errors import AuricleError
from auricle.files import json_text, replacing, write_bytes, write_json, write_text
from auricle.identity import (
    Store,
    digest_of,
    display_names,
    file_digest,
    file_digests,
    file_names,
    joined,
    key_of,
    read_array,
    same_contents,
    seal,
    write_array,
)

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.binary(max_size=6))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=8,
)


def same(a, b) -> bool:
    """Whether two plain values are the same thing: of one type, and equal, NaN and the sign of zero counted in."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


class TestKeys:
    @settings(max_examples=500)
    @given(VALUES, VALUES)
    @example(1, True)
    @example(1, 1.0)
    @example(0.0, -0.0)
    @example("1", 1)
    @example(b"a", "a")
    @example([1, 2], (1, 2))
    @example([[1], 2], [1, [2]])
    @example(["a", "b"], ["ab"])
    @example(["a:1", "b"], ["a", "1:b"])
    @example({"a": 1}, [("a", 1)])
    @example({"1": 2}, {1: 2})
    @example({}, [])
    @example(None, "")
    @example(float("inf"), float("-inf"))
    def test_two_values_share_one_only_if_they_are_the_same(self, a, b):
        assert (key_of(a) == key_of(b)) == same(a, b)

    @given(st.lists(VALUES, max_size=3), st.lists(VALUES, max_size=3))
    def test_so_do_several_values(self, a, b):
        assert (key_of(*a) == key_of(*b)) == same(a, b)

    @given(VALUES)
    def test_it_is_the_same_every_time(self, value):
        assert key_of(value) == key_of(copy.deepcopy(value))
        assert key_of(float("nan")) == key_of(-float("nan"))
        assert len(key_of(value)) == 64

    def test_the_order_of_a_dictionary_does_not_count(self):
        assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})

    def test_the_version_counts_in_keys_and_not_in_digests(self, monkeypatch):
        before = key_of("x"), digest_of("x")
        monkeypatch.setattr("auricle.identity.__version__", "9.9")
        assert key_of("x") != before[0]
        assert digest_of("x") == before[1]

    @pytest.mark.parametrize("value", [{1, 2}, object(), np.float32(1), np.float64(1), np.ones(2), 1j, os.curdir.join])
    def test_other_types_are_refused(self, value):
        with pytest.raises(TypeError, match="plain values"):
            key_of(value)
        with pytest.raises(TypeError, match="plain values"):
            key_of([{"a": (value,)}])


def interrupted(path):
    with replacing(path) as partial:
        assert partial.parent == path.parent
        assert partial.suffix == ".csv"
        partial.write_text("tw")
        raise KeyboardInterrupt


class TestFiles:
    def test_the_digest_is_of_the_content(self, tmp_path):
        (tmp_path / "a").write_bytes(b"one")
        (tmp_path / "b").write_bytes(b"one")
        (tmp_path / "c").write_bytes(b"two")
        assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b") != file_digest(tmp_path / "c")
        digests = file_digests([tmp_path / "a", tmp_path / "c", tmp_path / "a"])
        assert digests == {tmp_path / name: file_digest(tmp_path / name) for name in "ac"}

    @pytest.mark.parametrize("settled", [False, True])
    @pytest.mark.parametrize("replace", [False, True])
    def test_a_file_that_was_changed_is_read_again_though_size_and_date_stay(
        self, tmp_path, monkeypatch, settled, replace
    ):
        path = tmp_path / "a"
        path.write_bytes(b"one")
        if settled:
            monkeypatch.setattr(identity, "_SETTLED_NS", 0)
            time.sleep(0.02)
        stat, before = path.stat(), file_digest(path)
        if settled:
            time.sleep(0.02)
        if replace:
            write_bytes(path, b"two")
        else:
            path.write_bytes(b"two")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
        assert file_digest(path) != before

    def test_a_file_that_is_as_it_was_is_not_read_again(self, tmp_path, monkeypatch):
        monkeypatch.setattr(identity, "_SETTLED_NS", 0)
        path = tmp_path / "a"
        path.write_bytes(b"one")
        time.sleep(0.02)
        before = file_digest(path)
        monkeypatch.setattr(identity.hashlib, "sha256", None)
        assert file_digest(path) == before

    def test_what_cannot_be_read_is_said(self, tmp_path):
        for path in (tmp_path / "none", tmp_path):
            with pytest.raises(AuricleError, match=str(path)):
                file_digest(path)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(AuricleError, match="not a file"):
            file_digest(tmp_path / "pipe")

    def test_files_of_the_same_content_are_found(self, tmp_path):
        for name, text in {"a": "1", "b": "1", "c": "2", "d": "22"}.items():
            (tmp_path / name).write_text(text)
        (tmp_path / "e").symlink_to(tmp_path / "d")
        paths = [tmp_path / name for name in "abcde"] + [tmp_path / "gone", None, None]
        found = same_contents(paths)
        assert [[i for i, other in enumerate(found) if other == text] for text in dict.fromkeys(found)] == [
            [0, 1], [2], [3, 4], [5], [6], [7],
        ]  # fmt: skip

    @given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 6)), max_size=12))
    def test_names_that_share_a_content_are_joined(self, pairs):
        names, contents = [name for name, _ in pairs], [str(content) for _, content in pairs]
        found = joined(names, contents)
        groups = {name: {name} for name in names}
        for _ in names:  # the slow twin: unite until nothing changes
            for a, x in pairs:
                for b, y in pairs:
                    if x == y or a == b:
                        groups[a] = groups[b] = groups[a] | groups[b]
        assert found == [min(groups[name]) for name in names]

    def test_a_file_appears_whole_or_not_at_all(self, tmp_path):
        path = tmp_path / "deep" / "a.csv"
        write_text(path, "one\r\n")
        with pytest.raises(KeyboardInterrupt):
            interrupted(path)
        assert path.read_bytes() == b"one\r\n"
        assert [entry.name for entry in path.parent.iterdir()] == ["a.csv"]
        names = set()
        for _ in range(3):
            with replacing(path) as partial:
                names.add(partial.name)
        assert len(names) == 3

    def test_a_link_is_replaced_and_not_followed(self, tmp_path):
        (tmp_path / "target").write_text("mine")
        (tmp_path / "link").symlink_to(tmp_path / "target")
        write_text(tmp_path / "link", "new")
        assert (tmp_path / "target").read_text() == "mine"
        assert not (tmp_path / "link").is_symlink()

    def test_json_has_no_nan_and_names_keep_their_bytes(self, tmp_path):
        value = {"a": [1.5, float("nan")], "b": (float("inf"), "ü")}
        write_json(tmp_path / "a.json", value)
        assert (tmp_path / "a.json").read_text(encoding="utf-8") == json_text({"a": [1.5, None], "b": [None, "ü"]})
        write_text(tmp_path / "b", os.fsdecode(b"\xff.wav"))
        assert (tmp_path / "b").read_bytes() == b"\xff.wav"


LABELS = st.one_of(
    st.text(max_size=8),
    st.text(alphabet="aAäÄ_ (ß.-/\\\0\u0301\u212b", max_size=6),
    st.sampled_from(["", ".", "..", "con", "NUL", "residual", "Residual", "a" * 300, "a" * 301, "ö" * 200, "\ud800"]),
)


class TestFileNames:
    @settings(max_examples=500)
    @given(st.lists(LABELS, unique=True, max_size=8), st.lists(LABELS, max_size=3))
    @example(["owl (male)", "owl [male]", "owl__male_"], [])
    @example(["é", "e\u0301", "É"], [])
    @example(["a b", "a_b-" + "0" * 8], [])
    def test_no_two_labels_share_one(self, labels, reserved):
        names = file_names(labels, reserved)
        assert list(names) == labels
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            folded = [unicodedata.normalize(form, name).casefold() for name in names.values()]
            assert len(set(folded)) == len(labels)
            forbidden = {unicodedata.normalize(form, name).casefold() for name in reserved}
            assert not forbidden & set(folded)
        for name in names.values():
            assert name
            assert not name.startswith((".", "-"))
            assert all(c.isalnum() or c in "-+_" for c in name)
            assert len(name.encode()) <= 225
            assert name.casefold() not in {"con", "prn", "aux", "nul", "com1", "lpt9"}

    def test_they_stay_readable(self):
        labels = ["dog", "Grüne Eule", "owl (male)", "07", "leaf-apcen"]
        assert list(file_names(labels).values()) == ["dog", "Grüne_Eule", "owl__male_", "07", "leaf-apcen"]
        names = file_names(["owl (male)", "owl [male]", "owl__male_", "residual", "x"], reserved=["residual"])
        assert names["owl__male_"] == "owl__male_"
        assert names["owl (male)"].startswith("owl__male_-")
        assert names["residual"].startswith("residual-")
        assert names["x"] == "x"

    def test_the_order_of_labels_does_not_count(self):
        labels = ["A", "a", "a b", "a_b", "b", "ä"]
        assert file_names(labels) == file_names(labels[::-1])


class TestTitles:
    def test_as_much_of_the_folders_as_is_needed(self, tmp_path):
        assert display_names(["mel", "leaf"], ["x/best", "y/best"]) == ["mel", "leaf"]
        assert display_names(["mel", "mel"], ["x/one", "x/two"]) == ["mel, one", "mel, two"]
        assert display_names(["mel", "mel", "leaf"], ["exp1/best", "exp2/best", "z"]) == [
            "mel, exp1/best", "mel, exp2/best", "leaf",
        ]  # fmt: skip

    def test_a_number_where_the_folders_are_one(self, tmp_path):
        assert display_names(["m", "m"], [tmp_path / "r", tmp_path / "r"]) == ["m, r (1)", "m, r (2)"]

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["m", "m, a", "m, a (1)", "n"]), st.sampled_from(["/a", "/b/a", "/c/a", "/a/a", "/"])
            )
        )
    )
    def test_no_two_are_the_same(self, things):
        shown = display_names([title for title, _ in things], [folder for _, folder in things])
        assert len(set(shown)) == len(things)
        assert all(name.startswith(title) for name, (title, _) in zip(shown, things, strict=True))


class TestStore:
    @pytest.mark.parametrize("mmap", [False, True])
    def test_an_array_is_made_once_and_anew_when_it_is_damaged(self, tmp_path, mmap):
        store, calls = Store(tmp_path, ".npy"), []
        array = np.arange(1000, dtype=np.float32)

        def make():
            calls.append(1)
            return array

        def get():
            return store.get("ab" * 32, make, write_array, lambda path: read_array(path, mmap))

        path = store.path("ab" * 32)
        assert np.array_equal(get(), array)
        assert np.array_equal(get(), array)
        assert len(calls) == 1
        whole = path.read_bytes()
        for damaged in (whole[:-1], whole[:40], b"", whole + b"x", whole[:200] + b"?" + whole[201:], b"x" * 4000):
            path.write_bytes(damaged)
            calls.clear()
            assert np.array_equal(get(), array)
            assert calls == [1]
            assert path.read_bytes() == whole
        assert [entry.name for entry in path.parent.iterdir()] == [path.name]
        assert np.array_equal(np.load(path), array)

    def test_a_failure_leaves_nothing(self, tmp_path):
        store = Store(tmp_path, ".npy")

        def die():
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.get("abc", die, write_array, read_array)
        with pytest.raises(AttributeError):
            store.get("abc", lambda: None, lambda path, _: path.nothing, read_array)
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]

    def test_a_link_is_not_read(self, tmp_path):
        store = Store(tmp_path / "store", ".npy")
        write_array(tmp_path / "other.npy", np.zeros(3))
        store.path("abc").parent.mkdir(parents=True)
        store.path("abc").symlink_to(tmp_path / "other.npy")
        assert store.get("abc", lambda: np.ones(3), write_array, read_array).tolist() == [1, 1, 1]
        assert read_array(tmp_path / "other.npy").tolist() == [0, 0, 0]

    def test_a_file_that_others_wrote_is_sealed(self, tmp_path):
        np.save(tmp_path / "a.npy", np.arange(3))
        with pytest.raises(ValueError, match="damaged"):
            read_array(tmp_path / "a.npy")
        seal(tmp_path / "a.npy")
        assert read_array(tmp_path / "a.npy").tolist() == [0, 1, 2]
