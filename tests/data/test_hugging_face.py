"""Folders in the layouts of Hugging Face's data sets are read like manifests of the same clips."""

from __future__ import annotations

import io
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile

from auricle import audio
from auricle.data.clip_store import ClipStore
from auricle.data.manifest import read_manifest
from auricle.errors import AuricleError
from auricle.files import write_tidy
from sounds import RATE, tone_folder


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("AURICLE_HOME", str(tmp_path / "home"))


@pytest.fixture
def plain(tmp_path):
    """Class folders, and what is in them."""
    return tone_folder(tmp_path / "plain", per_class=2, duration_s=0.25)


def described(manifest):
    """Labels and samples of each clip, in the order of the labels."""
    store = ClipStore(manifest.clips, RATE)
    clips = [(clip.labels, store.read(index).tobytes()) for index, clip in enumerate(manifest)]
    return sorted(clips)


def audio_folder(plain, root, kind, split="train"):
    rows = []
    (root / split).mkdir(parents=True)
    for path in sorted(plain.rglob("*.wav")):
        (root / split / path.name).write_bytes(path.read_bytes())
        rows.append({"file_name": path.name, "label": path.parent.name, "speaker": path.stem})
    if kind == "csv":
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    (root / split / f"metadata.{kind}").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_folder_of_sounds_with_metadata(plain, tmp_path, kind):
    found = read_manifest(audio_folder(plain, tmp_path / "set", kind))
    assert described(found) == described(read_manifest(plain))
    assert found.splits == ("train",)
    assert {clip.group for clip in found} == {path.stem for path in plain.rglob("*.wav")}
    assert found.clips[0].file.startswith("train/")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_columns_may_be_in_another_case(plain, tmp_path, kind):
    root = audio_folder(plain, tmp_path / "set", kind)
    table = root / "train" / f"metadata.{kind}"
    text = table.read_text()
    for name, other in (("file_name", "File_Name"), ("label", "Label"), ("speaker", "Speaker")):
        text = text.replace(name, other)
    table.write_text(text)
    found = read_manifest(root)
    assert described(found) == described(read_manifest(plain))
    assert {clip.group for clip in found} == {path.stem for path in plain.rglob("*.wav")}


def test_two_columns_of_one_name_are_refused(plain, tmp_path):
    root = audio_folder(plain, tmp_path / "set", "csv")
    table = root / "train" / "metadata.csv"
    table.write_text(table.read_text().replace("speaker", "LABEL").replace(",label,", ",Label,"))
    with pytest.raises(AuricleError, match="line 2: of the columns 'file_name', 'Label', 'LABEL' two differ in case"):
        read_manifest(root)


def test_splits_of_folders_and_a_list_of_labels(plain, tmp_path):
    root = audio_folder(plain, tmp_path / "set", "jsonl", "data/train")
    audio_folder(plain, tmp_path / "set", "jsonl", "data/validation")
    path = root / "data" / "validation" / "metadata.jsonl"
    rows = [json.loads(line) | {"label": ["a", "b"]} for line in path.read_text().splitlines()]
    path.write_text("\n".join(map(json.dumps, rows)))
    found = read_manifest(root)
    assert found.splits == ("train", "valid")
    assert {clip.labels for clip in found.select(split="valid")} == {("a", "b")}


@pytest.mark.parametrize("column", [False, True])
def test_splits_are_those_of_the_sounds_where_one_table_lies_above(plain, tmp_path, column):
    rows = ["file_name,label" + ",split" * column]
    for k, path in enumerate(sorted(plain.rglob("*.wav"))):
        name = f"{('train', 'test')[k % 2]}/{path.name}"
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "set" / name)
        rows.append(f"{name},{path.parent.name}" + f",{('valid', 'train')[k % 2]}" * column)
    (tmp_path / "set" / "metadata.csv").write_text("\n".join(rows))
    splits = {"train": "valid", "test": "train"} if column else {"train": "train", "test": "test"}
    found = read_manifest(tmp_path / "set")
    assert len(found) == 6
    assert all(clip.split == splits[clip.file.split("/")[0]] for clip in found)


def test_metadata_of_another_kind_is_none(plain, tmp_path):
    """A table that is not of Hugging Face beside class folders changes nothing."""
    (plain / "metadata.csv").write_text("title,year\nx,1999\n")
    assert len(read_manifest(plain)) == 6


def test_a_missing_label_column_names_those_that_there_are(plain, tmp_path):
    root = audio_folder(plain, tmp_path / "set", "csv")
    with pytest.raises(AuricleError, match=r"no column 'class'.*'file_name', 'label', 'speaker'"):
        read_manifest(root, label_column="class")
    assert len(read_manifest(root, label_column="speaker")) == 6


class TestParquet:
    @pytest.fixture
    def data_set(self, plain, tmp_path):
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        names = sorted(path.name for path in plain.iterdir())
        features = {
            "audio": {"sampling_rate": RATE, "_type": "Audio"},
            "label": {"names": names, "_type": "ClassLabel"},
        }
        metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        (tmp_path / "set" / "data").mkdir(parents=True)
        for split in ("train", "test"):
            rows = []
            for path in sorted(plain.rglob("*.wav")):
                waveform, rate = audio.read(path)
                if split == "test":
                    waveform = -waveform
                content = io.BytesIO()
                soundfile.write(content, waveform, rate, format="FLAC", subtype="PCM_24")
                own = {"bytes": content.getvalue(), "path": f"../../{path.stem}.flac"}
                rows.append({"audio": own, "label": names.index(path.parent.name)})
            table = pyarrow.Table.from_pylist(rows)
            name = f"{split}-00000-of-00001.parquet"
            parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "set" / "data" / name)
        return tmp_path / "set"

    def test_sounds_are_unpacked_once_and_numbers_become_names(self, data_set, plain, tmp_path):
        found = read_manifest(data_set)
        assert found.splits == ("train", "test")
        for split in ("train", "test"):
            own, expected = described(found.select(split=split)), described(read_manifest(plain))
            assert sorted(labels for labels, _ in own) == sorted(labels for labels, _ in expected)
        train = ClipStore(found.select(split="train").clips, RATE).read(0)
        test = ClipStore(found.select(split="test").clips, RATE).read(0)
        np.testing.assert_allclose(train, -test, atol=1e-6)
        home = (tmp_path / "home" / "data-sets").resolve()
        files = sorted(home.rglob("*.flac"))
        assert len(files) == 12
        before = [path.stat().st_mtime_ns for path in files]
        assert read_manifest(data_set) == found
        assert [path.stat().st_mtime_ns for path in files] == before
        assert all(home in clip.path.resolve().parents for clip in found), "a hostile path leads nowhere else"
        assert [path.name for path in home.iterdir() if path.name.startswith(".")] == []

    def test_other_content_of_the_same_name_is_unpacked_anew(self, data_set, tmp_path):
        first = read_manifest(data_set)
        train, test = sorted((data_set / "data").iterdir())[::-1]
        train.write_bytes(test.read_bytes())
        second = read_manifest(data_set)
        assert len(list((tmp_path / "home" / "data-sets").iterdir())) == 2
        assert first.clips[-1].recording != second.clips[-1].recording

    def test_shards_of_one_name_in_several_folders_are_several(self, data_set, tmp_path):
        train, test = sorted((data_set / "data").iterdir())[::-1]
        for split, path in (("train", train), ("test", test)):
            (tmp_path / "hub" / split).mkdir(parents=True)
            path.rename(tmp_path / "hub" / split / "0000.parquet")
        found = read_manifest(tmp_path / "hub")
        first = [ClipStore(found.select(split=split).clips, RATE).read(0) for split in ("train", "test")]
        np.testing.assert_allclose(first[0], -first[1], atol=1e-6)

    def test_parquet_beside_class_folders_is_none(self, data_set, plain):
        (plain / "embeddings.parquet").write_bytes(next((data_set / "data").iterdir()).read_bytes())
        assert len(read_manifest(plain)) == 6

    @pytest.mark.parametrize("place", ["figures", "stress/figures"])
    def test_tables_of_results_are_no_part_of_it(self, data_set, place):
        before = read_manifest(data_set)
        write_tidy(data_set / place, pd.DataFrame({"condition": ["noise"], "value": [0.5]}))
        assert read_manifest(data_set) == before

    def test_tables_of_results_beside_sounds_with_metadata_change_nothing(self, plain, tmp_path):
        root = audio_folder(plain, tmp_path / "set", "csv")
        before = read_manifest(root)
        write_tidy(root / "figures", pd.DataFrame({"condition": ["noise"], "value": [0.5]}))
        assert read_manifest(root) == before

    def test_tables_without_sounds_are_none(self, tmp_path):
        pytest.importorskip("pyarrow")
        write_tidy(tmp_path / "set" / "figures", pd.DataFrame({"condition": ["noise"], "value": [0.5]}))
        with pytest.raises(AuricleError, match="set: no parquet file in it has a column of sounds"):
            read_manifest(tmp_path / "set")

    def test_a_folder_whose_name_is_not_utf_8_is_read(self, data_set):
        other = data_set.rename(data_set.parent / os.fsdecode(b"caf\xe9"))
        assert len(read_manifest(other)) == 12

    def test_a_damaged_file_is_one_line(self, data_set):
        path = next((data_set / "data").iterdir())
        path.write_bytes(path.read_bytes()[:-50])
        with pytest.raises(AuricleError, match="not a parquet file") as error:
            read_manifest(data_set)
        assert "\n" not in str(error.value)
