"""The windows that are most like an example, against an exhaustive comparison; and tables that cannot be searched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import auricle
from auricle.errors import AuricleError
from auricle.readers import read_rows
from auricle.tasks.embedding import table as tables
from auricle.tasks.embedding.search import nearest
from auricle.tasks.embedding.table import Embeddings, Facts, merge, write_part
from sounds import tone_folder

pyarrow = pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")

FACTS = Facts("mel", "digest", 8000, 0.5, {})


@pytest.fixture(scope="module")
def tones(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tones")
    tone_folder(folder / "sounds", 4)
    options = {"sample_rate": 8000, "n_filters": 16}
    auricle.embed(
        "mel",
        folder / "sounds",
        output=folder / "e.parquet",
        window_s=0.5,
        frontend_options=options,
        quiet=True,
    )
    return folder


def test_tones_of_the_same_pitch_come_first(tones: Path):
    for label in ("low", "middle", "high"):
        example = tones / "sounds" / label / f"{label}-0.wav"
        found = auricle.search(tones / "e.parquet", like=example, top=4)
        assert [Path(match.file).parent.name for match in found] == [label] * 4
        assert found[0].file == str(example)
        assert found[0].similarity == pytest.approx(1.0, abs=1e-5)
        heads, first, *_ = str(found).splitlines()
        assert heads.split() == ["similarity", "start_s", "end_s", "file"]
        assert first.split(maxsplit=3) == ["1.000", "0.00", "0.50", str(example)]


def test_several_examples_count_by_the_nearest(tones: Path):
    examples = [tones / "sounds" / label / f"{label}-0.wav" for label in ("low", "high")]
    found = auricle.search(tones / "e.parquet", like=examples, top=8)
    assert {Path(match.file).parent.name for match in found} == {"low", "high"}


def test_files_with_strange_names_are_found_again_in_the_table(tones: Path, tmp_path: Path):
    sound = tmp_path / "a\rb.wav"
    sound.write_bytes((tones / "sounds" / "low" / "low-0.wav").read_bytes())
    options = {"sample_rate": 8000, "n_filters": 16}
    auricle.embed("mel", sound, output=tmp_path / "e.parquet", frontend_options=options, quiet=True)
    auricle.search(tmp_path / "e.parquet", like=sound, top=1, output=tmp_path / "near.csv")
    assert [row["file"] for row in read_rows(tmp_path / "near.csv", ["file"])] == [str(sound)]


@pytest.mark.parametrize("per_file", [False, True])
def test_nearest_is_the_cosine_without_the_tables_mean(tmp_path: Path, monkeypatch, per_file: bool):
    """Against all pairs at once, with the table read a few rows at a time."""
    monkeypatch.setattr(tables, "_ROWS", 7)
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((40, 5)) + 3.0).astype(np.float32)
    vectors[11] = vectors[30]
    for number, rows in enumerate(np.split(vectors, 4)):
        starts = 0.5 * np.arange(10.0)
        write_part(tmp_path / f"{number}.parquet", f"{number}.wav", (starts, starts + 0.5, rows), FACTS)
    merge(sorted(tmp_path.glob("*.parquet")), tmp_path / "all.parquet")
    examples = rng.standard_normal((3, 5)) + 3.0
    mean = vectors.astype(np.float64).mean(0)
    centred, wanted = vectors - mean, examples - mean
    cosines = centred @ wanted.T / np.outer(np.linalg.norm(centred, axis=1), np.linalg.norm(wanted, axis=1))
    best = cosines.max(1)
    order = np.argsort(-best, kind="stable")
    if per_file:
        order = np.array([next(row for row in order if row // 10 == file) for file in dict.fromkeys(order // 10)])
    found = nearest(Embeddings(tmp_path / "all.parquet"), examples, 12, per_file=per_file)
    assert [(match.file, match.start_s) for match in found] == [(f"{k // 10}.wav", 0.5 * (k % 10)) for k in order[:12]]
    np.testing.assert_allclose([match.similarity for match in found], best[order[:12]], atol=1e-6)


def test_the_list_is_written_as_a_table(tones: Path, tmp_path: Path):
    example = tones / "sounds" / "low" / "low-0.wav"
    found = auricle.search(tones / "e.parquet", like=example, top=3, output=tmp_path / "near.csv")
    written = pd.read_csv(tmp_path / "near.csv")
    assert list(written["file"]) == [match.file for match in found]
    np.testing.assert_allclose(written["similarity"], [match.similarity for match in found], atol=1e-6)


def _with_metadata(source: Path, target: Path, **changes) -> None:
    table = pyarrow.parquet.read_table(source)
    told = json.loads(table.schema.metadata[b"auricle.embeddings"]) | changes
    metadata = {b"auricle.embeddings": json.dumps(told).encode()}
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), target)


def test_what_cannot_be_searched_is_said_in_one_line(tones: Path, tmp_path: Path):
    example = tones / "sounds" / "low" / "low-0.wav"
    (tmp_path / "text.parquet").write_text("nothing")
    pd.DataFrame({"file": ["a"]}).to_parquet(tmp_path / "other.parquet")
    _with_metadata(tones / "e.parquet", tmp_path / "later.parquet", schema=99)
    _with_metadata(tones / "e.parquet", tmp_path / "moved.parquet", model=str(tmp_path / "gone"))
    _with_metadata(tones / "e.parquet", tmp_path / "changed.parquet", digest="0")
    _with_metadata(tones / "e.parquet", tmp_path / "strange.parquet", window_s="long")
    damaged = (tones / "e.parquet").read_bytes()
    middle = len(damaged) // 3
    (tmp_path / "damaged.parquet").write_bytes(damaged[:middle] + bytes(200) + damaged[middle + 200 :])
    expected = {
        "missing": "no such file",
        "text": "not a Parquet file",
        "other": "not a table that auricle embed wrote",
        "later": "another version",
        "moved": "which is not there: give its place by --run",
        "changed": "embed the recordings again",
        "strange": "not a table that auricle embed wrote",
        "damaged": "damaged|not a Parquet file",
    }
    for name, said in expected.items():
        with pytest.raises(AuricleError, match=said) as caught:
            auricle.search(tmp_path / f"{name}.parquet", like=example)
        assert "\n" not in str(caught.value)
    with pytest.raises(AuricleError, match="top=0"):
        auricle.search(tones / "e.parquet", like=example, top=0)


@pytest.mark.parametrize(
    ("column", "kind", "value", "said"),
    [
        (3, pyarrow.list_(pyarrow.float32()), None, "no fixed size"),
        (3, pyarrow.list_(pyarrow.float64(), 32), None, "vector is fixed_size_list"),
        (3, pyarrow.list_(pyarrow.float32(), 1), None, "its vectors have 1 numbers, those of its model 32"),
        (3, pyarrow.list_(pyarrow.float32(), 16), None, "its vectors have 16 numbers, those of its model 32"),
        (0, pyarrow.string(), [None], "a value is missing"),
        (0, pyarrow.int64(), [1], "file is int64, not string"),
        (0, pyarrow.large_string(), None, "file is large_string, not string"),
        (1, pyarrow.float64(), [float("nan")], "impossible times"),
        (1, pyarrow.float64(), [None], "a value is missing"),
        (1, pyarrow.float64(), [-1.0], "impossible times"),
        (1, pyarrow.float64(), [2.0], "impossible times"),
        (1, pyarrow.string(), ["x"], "start_s is string, not double"),
        (2, pyarrow.float64(), [float("inf")], "impossible times"),
        (3, pyarrow.list_(pyarrow.float32(), 32), [[3e38] * 32], "not finite, or too long"),
    ],
)
def test_tables_of_other_columns_are_refused(tones: Path, tmp_path: Path, column, kind, value, said):
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tones / "e.parquet")
    values = table.column(column).to_pylist() if value is None else value * len(table)
    values = [row[: kind.list_size] for row in values] if pyarrow.types.is_fixed_size_list(kind) else values
    changed = table.set_column(column, table.schema.names[column], pyarrow.array(values, kind))
    pyarrow.parquet.write_table(changed, tmp_path / "e.parquet")
    with pytest.raises(AuricleError, match=said) as caught:
        auricle.search(tmp_path / "e.parquet", like=tones / "sounds" / "low" / "low-0.wav")
    assert str(caught.value).count("e.parquet") == 1
    assert "\n" not in str(caught.value)


def test_entries_that_are_not_known_do_not_matter(tones: Path, tmp_path: Path):
    _with_metadata(tones / "e.parquet", tmp_path / "more.parquet", more=1)
    assert Embeddings(tmp_path / "more.parquet").facts == Embeddings(tones / "e.parquet").facts


def test_a_single_window_is_as_similar_as_it_is(tmp_path: Path):
    write_part(tmp_path / "e.parquet", "a.wav", (np.zeros(1), np.ones(1), np.array([[3.0, 4.0]])), FACTS)
    table = Embeddings(tmp_path / "e.parquet")
    for example, similarity in (([3.0, 4.0], 1.0), ([0.5, 0.0], 0.6), ([-6.0, -8.0], -1.0)):
        (found,) = nearest(table, np.array([example]), 3)
        assert found.similarity == pytest.approx(similarity, abs=1e-6)


def test_the_table_of_a_recording_of_one_sample_can_be_searched(tmp_path: Path):
    """Its only window ends where it begins, as times are written with four digits."""
    sound = tmp_path / "one.wav"
    soundfile.write(sound, np.full(1, 0.1), 48000)
    options = {"sample_rate": 48000}
    auricle.embed("mel", sound, output=tmp_path / "e.parquet", frontend_options=options, quiet=True)
    assert [match.file for match in auricle.search(tmp_path / "e.parquet", like=sound)] == [str(sound)]


def test_a_vector_that_is_not_finite_is_refused(tmp_path: Path):
    rows = (np.zeros(2), np.ones(2), np.array([[1.0, 2.0], [np.nan, 0.0]]))
    write_part(tmp_path / "e.parquet", "a.wav", rows, FACTS)
    with pytest.raises(AuricleError, match="a vector is not finite"):
        nearest(Embeddings(tmp_path / "e.parquet"), np.ones((1, 2)), 3)
