from __future__ import annotations

import csv
import dataclasses
import os
import tracemalloc
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.data.manifest import Clip, Manifest, read_manifest, scan_manifest
from auricle.errors import AuricleError, AuricleWarning
from sounds import tone_folder


def write_sound(path, duration_s=0.5, rate=8000, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, np.full((round(duration_s * rate), channels), 0.1), rate)


def write_manifest(folder, text, names=("a.wav", "b.wav", "c.wav"), encoding="utf-8"):
    for name in names:
        write_sound(folder / name)
    path = folder / "manifest.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_every_column_is_read(tmp_path):
    write_sound(tmp_path / "sub" / "a.flac", duration_s=2.0, rate=11025, channels=2)
    path = write_manifest(
        tmp_path,
        "path,label,split,fold,speaker,start,end,remark\n"
        'sub/a.flac,07; 1 ;07,validation,3,anna,0.25,1.5,"one, two"\n'
        "sub/a.flac,07,train,10,anna,1.5,,\n"
        "\n"
        "b.wav,NA,,,,,,\n",
    )
    manifest = read_manifest(path)
    first, second, third = manifest.clips
    assert first == Clip(
        file="sub/a.flac",
        path=tmp_path / "sub" / "a.flac",
        labels=("07", "1"),
        split="valid",
        fold="3",
        group="anna",
        start_s=0.25,
        end_s=1.5,
        sample_rate=11025,
        duration_s=1.25,
        channels=2,
    )
    assert first.name == "sub/a.flac@0.25-1.5"
    assert (second.name, second.end_s, second.duration_s) == ("sub/a.flac@1.5-", None, 0.5)
    assert (third.name, third.labels, third.split, third.fold, third.group) == ("b.wav", ("NA",), None, None, None)
    assert third.duration_s == 0.5
    assert manifest.label_names == ("1", "07", "NA")
    assert manifest.multi_label
    assert manifest.splits == ("train", "valid")
    assert manifest.folds == ("3", "10")
    assert manifest.skipped == ()
    assert not read_manifest(write_manifest(tmp_path, "path,label\na.wav,x\n")).multi_label


def test_columns_in_another_case_and_times_of_detections_are_read(tmp_path):
    write_sound(tmp_path / "a.wav", duration_s=2.0)
    path = write_manifest(tmp_path, "Path;Label;SPLIT;Fold;Speaker;start_s;End_s\na.wav;x;test;3;anna;0.5;1.5\n", [])
    (clip,) = read_manifest(path).clips
    assert (clip.labels, clip.split, clip.fold, clip.group) == (("x",), "test", "3", "anna")
    assert (clip.start_s, clip.end_s) == (0.5, 1.5)


@pytest.mark.parametrize("names", [("onset", "offset"), ("Begin Time (s)", "End Time (s)")])
def test_times_of_events_are_read_if_both_are_there(tmp_path, names):
    write_sound(tmp_path / "a.wav", duration_s=2.0)
    both = write_manifest(tmp_path, f"path,label,{','.join(names)}\na.wav,x,0.5,1.5\n", [])
    assert [(clip.start_s, clip.end_s) for clip in read_manifest(both)] == [(0.5, 1.5)]
    one = write_manifest(tmp_path, f"path,label,{names[1]}\na.wav,x,1.5\n", [])
    assert [(clip.start_s, clip.end_s) for clip in read_manifest(one)] == [(0.0, None)]


@pytest.mark.parametrize(
    ("names", "unread"),
    [
        (("begin", "end"), "begin"),
        (("start", "Duration"), "Duration"),
        (("start", "stop"), "stop"),
        (("start_time", "end_time"), "start_time"),
        (("start_ms", "end_ms"), "start_ms"),
        (("offset", "duration"), "offset"),
    ],
)
def test_times_of_which_one_is_not_read_are_refused(tmp_path, names, unread):
    write_sound(tmp_path / "a.wav", duration_s=2.0)
    path = write_manifest(tmp_path, f"path,label,{','.join(names)}\na.wav,x,0.5,1.5\n", [])
    with pytest.raises(AuricleError, match=f"the column '{unread}' is not read: .* the columns start and end"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("columns", "cells", "start_s"),
    [
        ("duration", "9", 0.0),
        ("begin", "0.5", 0.0),
        ("start,end,duration", "0.5,1.5,9", 0.5),
        ("Start,end_s,onset", "0.5,1.5,9", 0.5),
    ],
)
def test_other_times_that_change_nothing_are_not_refused(tmp_path, columns, cells, start_s):
    write_sound(tmp_path / "a.wav", duration_s=2.0)
    path = write_manifest(tmp_path, f"path,label,{columns}\na.wav,x,{cells}\n", [])
    assert [clip.start_s for clip in read_manifest(path)] == [start_s]


def test_a_time_that_is_the_label_is_read_as_such(tmp_path):
    path = write_manifest(tmp_path, "path,start,duration\na.wav,0,short\n", ["a.wav"])
    assert read_manifest(path, label_column="duration").label_names == ("short",)


def test_a_column_that_is_given_keeps_its_case(tmp_path):
    path = write_manifest(tmp_path, "path,Label,Source,source,Split\na.wav,x,y,z,train\n", ["a.wav"])
    (clip,) = read_manifest(path, label_column="Label", group_column="Source").clips
    assert (clip.labels, clip.group, clip.split) == (("x",), "y", "train")
    (clip,) = read_manifest(path, label_column="Label").clips
    assert clip.group == "z"


def test_numeric_labels_are_in_numeric_order(tmp_path):
    rows = "".join(f"{n}.wav,{n}\n" for n in (10, 9, 2, -1))
    path = write_manifest(tmp_path, "path,label\n" + rows, [f"{n}.wav" for n in (10, 9, 2, -1)])
    assert read_manifest(path).label_names == ("-1", "2", "9", "10")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("column", ["path", "file", "filename", "filepath"])
def test_dialects(tmp_path, encoding, separator, newline, column):
    rows = [[column, "label"], ["ä b.wav", "grün"], ["c.wav", '"x;y"']]
    text = newline.join(separator.join(row) for row in rows) + newline
    manifest = read_manifest(write_manifest(tmp_path, text, ("ä b.wav", "c.wav"), encoding))
    assert [(clip.name, clip.labels) for clip in manifest] == [("ä b.wav", ("grün",)), ("c.wav", ("x", "y"))]


def test_class_folders_have_no_columns(tmp_path):
    tone_folder(tmp_path / "tones", 2)
    for options in ({"label_column": "species"}, {"group_column": "site"}):
        (column,) = options.values()
        with pytest.raises(AuricleError, match=f"a folder has no column '{column}'"):
            read_manifest(tmp_path / "tones", **options)
    assert len(read_manifest(tmp_path / "tones", label_column="label", group_column="none")) == 6


def test_the_group_column(tmp_path):
    path = write_manifest(tmp_path, "path,label,source,speaker\na.wav,x,s1,anna\nb.wav,y,s2,bert\n")
    assert [clip.group for clip in read_manifest(path)] == ["anna", "bert"]
    assert [clip.group for clip in read_manifest(path, group_column="source")] == ["s1", "s2"]
    by_speaker = read_manifest(path, label_column="speaker")
    assert [(clip.labels, clip.group) for clip in by_speaker] == [(("anna",), "s1"), (("bert",), "s2")]
    with pytest.raises(AuricleError, match=r"'singer'.*'path', 'label', 'source', 'speaker'"):
        read_manifest(path, group_column="singer")


def test_class_folders(tmp_path):
    for name in ("dog/1.wav", "dog/far/2.flac", "cat/1.WAV", "cat/.trash.wav"):
        write_sound(tmp_path / name)
    (tmp_path / "dog" / "readme.txt").write_text("no sound")
    manifest = read_manifest(tmp_path)
    assert [(clip.name, clip.labels, clip.split) for clip in manifest] == [
        ("cat/1.WAV", ("cat",), None),
        ("dog/1.wav", ("dog",), None),
        ("dog/far/2.flac", ("dog",), None),
    ]
    write_sound(tmp_path / "loose.wav")
    with pytest.raises(AuricleError, match=r"loose\.wav: is in no class folder"):
        read_manifest(tmp_path)
    assert len(read_manifest(tmp_path, skip_bad=True)) == 3
    with pytest.raises(AuricleError, match="'speaker'"):
        read_manifest(tmp_path, group_column="speaker")


def test_a_table_beside_loose_sounds_is_pointed_out(tmp_path):
    write_sound(tmp_path / "1.wav")
    (tmp_path / "labels.csv").write_text("path,label\n1.wav,dog\n", encoding="utf-8")
    with pytest.raises(AuricleError, match=r"or a manifest\.csv; if labels\.csv is one, give .*/labels\.csv$"):
        read_manifest(tmp_path)


def test_folders_of_folds_are_no_classes(tmp_path):
    for name in ("fold1/1.wav", "fold2/2.wav", "Fold 10/3.wav"):
        write_sound(tmp_path / name)
    with pytest.raises(AuricleError, match="Fold 10 and fold1 look like folds"):
        read_manifest(tmp_path)
    write_sound(tmp_path / "foldable" / "4.wav")
    assert "foldable" in read_manifest(tmp_path).label_names


def test_split_folders(tmp_path):
    for name in ("Training/dog/1.wav", "val/dog/x/1.wav", "dev/cat/1.wav", "eval/cat/1.wav"):
        write_sound(tmp_path / name)
    found = {(clip.name, clip.labels[0], clip.split) for clip in read_manifest(tmp_path)}
    assert found == {
        ("Training/dog/1.wav", "dog", "train"),
        ("val/dog/x/1.wav", "dog", "valid"),
        ("dev/cat/1.wav", "cat", "valid"),
        ("eval/cat/1.wav", "cat", "test"),
    }
    write_sound(tmp_path / "dog" / "1.wav")
    with pytest.raises(AuricleError, match="'Training' looks like a split and 'dog' does not"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("folder", ["a;b", "train/a;b"])
def test_a_class_folder_named_as_two_labels(tmp_path, folder):
    write_sound(tmp_path / folder / "1.wav")
    with pytest.raises(AuricleError, match=r"class folder 'a;b' has a ';'") as raised:
        read_manifest(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_folder_with_a_manifest(tmp_path):
    path = write_manifest(tmp_path, "path,label\naudio/a.wav,x\n", ["audio/a.wav"])
    assert read_manifest(tmp_path) == read_manifest(path)


def test_a_time_with_an_underscore_is_no_number(tmp_path):
    path = write_manifest(tmp_path, "path,label,start\na.wav,dog,0_0\n", ["a.wav"])
    with pytest.raises(AuricleError, match=r"a\.wav: its start is '0_0', not a number of seconds"):
        read_manifest(path)


def test_every_bad_row_is_named_at_once(tmp_path):
    (tmp_path / "text.wav").write_text("hello")
    (tmp_path / "empty.wav").touch()
    path = write_manifest(
        tmp_path,
        "path,label,start,end\n"
        "a.wav,dog,,\n"
        "missing.wav,dog,,\n"
        "text.wav,dog,,\n"
        "empty.wav,dog,,\n"
        "b.wav,,,\n"
        "b.wav,dgo,,\n"
        "b.wav,dog,0.3,0.3\n"
        "b.wav,dog,0.3,0.6\n"
        "b.wav,dog,0.5,\n"
        "b.wav,dog,-1,\n"
        "b.wav,dog,x,\n"
        "b.wav,dog,nan,\n"
        "./a.wav,cat,,\n"
        ",dog,,\n"
        "b.wav,dog,,,,\n"
        "c.wav,cat,0.1,0.5001\n",
    )
    with pytest.raises(AuricleError) as error:
        read_manifest(path, labels=["dog", "cat"])
    lines = str(error.value).splitlines()
    assert lines[0].startswith(f"{path}: 14 of 16 clips cannot be used")
    expected = [
        ("line 16: has 6 cells for 4 columns"),
        ("missing.wav: there is no such file"),
        ("text.wav: not a sound file"),
        ("empty.wav: an empty file (0 bytes)"),
        ("b.wav: has no label"),
        ("b.wav: the label 'dgo' is none of: dog, cat"),
        ("b.wav: ends at 0.3 s, not after its start at 0.3 s"),
        ("b.wav: ends at 0.6 s, beyond the file's 0.5 s"),
        ("b.wav: starts at 0.5 s, beyond the file's 0.5 s"),
        ("b.wav: starts at -1 s, before 0"),
        ("b.wav: its start is 'x', not a number of seconds"),
        ("b.wav: its start is 'nan', not a number of seconds"),
        ("./a.wav: is listed before, in line 2"),
        ("line 15: has no path"),
    ]
    assert len(lines) == 1 + len(expected)
    for line, start in zip(lines[1:], expected, strict=True):
        assert line.strip().startswith(start)

    manifest = read_manifest(path, labels=["dog", "cat"], skip_bad=True)
    assert [clip.name for clip in manifest] == ["a.wav", "c.wav@0.1-0.5001"]
    assert [f"{p.name}: {p.reason}" for p in manifest.skipped] == [line.strip() for line in lines[1:]]
    assert len({problem.code for problem in manifest.skipped}) == 8


def test_the_list_of_bad_rows_is_cut(tmp_path):
    path = write_manifest(tmp_path, "path,label\na.wav,x\n" + "".join(f"no{n}.wav,x\n" for n in range(30)))
    with pytest.raises(AuricleError, match="… and 10 more") as error:
        read_manifest(path)
    assert len(str(error.value).splitlines()) == 22


def test_all_bad_is_an_error_even_if_skipped(tmp_path):
    path = write_manifest(tmp_path, "path,label\nno.wav,x\n")
    with pytest.raises(AuricleError, match=r"1 of 1 clips cannot be used:\n  no\.wav"):
        read_manifest(path, skip_bad=True)
    assert len(scan_manifest(path).skipped) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty manifest"),
        ("path,label\n", "empty manifest"),
        ("path,class\na.wav,x\n", r"no column 'label'.*--label-column.*'path', 'class'"),
        ("sound,label\na.wav,x\n", r"no column of paths.*'sound', 'label'"),
        ('path,label\n"a.wav,x\n', "cannot be read|can be read"),
    ],
)
def test_what_is_no_manifest(tmp_path, text, words):
    with pytest.raises(AuricleError, match=words) as error:
        read_manifest(write_manifest(tmp_path, text))
    assert "\n" not in str(error.value)


def test_what_is_no_data(tmp_path):
    for folder, name, words in [
        ("none", None, "no sound files"),
        ("loose", "1.wav", "no class folders.*dog/1.wav"),
    ]:
        (tmp_path / folder).mkdir()
        if name:
            write_sound(tmp_path / folder / name)
        with pytest.raises(AuricleError, match=words):
            read_manifest(tmp_path / folder)
    with pytest.raises(AuricleError, match=r"nowhere\.csv: there is no such"):
        read_manifest(tmp_path / "nowhere.csv")
    (tmp_path / "latin.csv").write_bytes("path,label\nä.wav,x\n".encode("latin-1"))
    with pytest.raises(AuricleError, match="UTF-8"):
        read_manifest(tmp_path / "latin.csv")


def test_written_and_read_again(tmp_path):
    text = "path,label,split,fold,group,start,end\na.wav,1;2,train,1,g,0.1,0.2\nb.wav,2,,,,,\na.wav,2,test,2,h,0.2,\n"
    manifest = read_manifest(write_manifest(tmp_path, text))
    manifest.to_csv(tmp_path / "again.csv")
    assert read_manifest(tmp_path / "again.csv").clips == manifest.clips
    manifest.to_csv(tmp_path / "below" / "again.csv")
    moved = read_manifest(tmp_path / "below" / "again.csv")
    assert [c.path.resolve() for c in moved] == [c.path.resolve() for c in manifest]
    manifest.select(split="test").to_csv(tmp_path / "one.csv")
    with open(tmp_path / "one.csv", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [
            {"path": "a.wav", "label": "2", "split": "test", "fold": "2", "group": "h", "start": "0.2"}
        ]


def test_names_with_line_breaks_are_written_and_read_again(tmp_path):
    for name in ("a\rb", "a\nb"):
        write_sound(tmp_path / "data" / "x\ry" / f"{name}.wav")
    manifest = read_manifest(tmp_path / "data")
    manifest.to_csv(tmp_path / "again.csv")
    again = read_manifest(tmp_path / "again.csv")
    assert [(clip.path, clip.labels) for clip in again] == [(clip.path, clip.labels) for clip in manifest]


def a_manifest(clips):
    """A `Manifest` of (label(s), group or None) without files."""
    made = []
    for i, (labels, group) in enumerate(clips):
        labels = (labels,) if isinstance(labels, str) else labels
        made.append(
            Clip(
                file=f"{i}.wav",
                path=Path(f"{i}.wav"),
                labels=labels,
                group=group,
                fold=str(i % 3),
                split="train" if i % 2 else "test",
                sample_rate=8000,
                duration_s=1.0,
                channels=1,
            )
        )
    return Manifest(Path("made"), tuple(made))


def test_select():
    manifest = a_manifest([("x", None)] * 12)
    assert [c.name for c in manifest.select(split="training")] == [f"{i}.wav" for i in range(1, 12, 2)]
    assert [c.name for c in manifest.select(fold=2)] == [f"{i}.wav" for i in range(2, 12, 3)]
    assert {c.fold for c in manifest.select(without_fold="2")} == {"0", "1"}
    assert [c.name for c in manifest.select(split="train", fold=1)] == ["1.wav", "7.wav"]
    with pytest.raises(AuricleError, match="no split 'valid'; there are 'train', 'test'"):
        manifest.select(split="validation")
    with pytest.raises(AuricleError, match="no fold '3'; there are '0', '1', '2'"):
        manifest.select(fold=3)
    with pytest.raises(AuricleError, match="no fold '5'"):
        manifest.select(without_fold=5)
    with pytest.raises(AuricleError, match="no clip is left"):
        manifest.select(fold=1, without_fold=1)
    with pytest.raises(AuricleError, match="no clip has a split"):
        Manifest(Path("made"), ()).select(split="train")


MANY = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d", ("a", "b"), ("c", "d")]),
        st.one_of(st.none(), st.sampled_from("ABCDEFGH"), st.integers(0, 40).map(str)),
    ),
    min_size=2,
    max_size=80,
)


def units(manifest):
    found = {}
    for clip in manifest:
        found.setdefault(clip.group or clip.name, set()).update(clip.labels)
    return found


@settings(max_examples=200, deadline=None)
@given(MANY, st.floats(0.05, 0.95), st.integers(0, 5), st.randoms())
def test_hold_out_keeps_its_promises(clips, share, seed, random):
    manifest = a_manifest(clips)
    groups = units(manifest)
    if len(groups) < 2:
        with pytest.raises(AuricleError, match="one group"):
            manifest.hold_out(share, seed=seed)
        return
    rest, held = manifest.hold_out(share, seed=seed)
    assert len(rest) > 0
    assert len(held) > 0
    assert sorted([*rest.clips, *held.clips], key=lambda c: int(c.name[:-4])) == list(manifest.clips)
    assert not units(rest).keys() & units(held).keys(), "a group is torn"

    lost = set(manifest.label_names) - set(rest.label_names)
    could_hold = [g for g in groups if all(any(x in groups[h] for h in groups if h != g) for x in groups[g])]
    if could_hold:
        assert not lost
    else:
        fewest = min(len(groups[g] - set().union(*(groups[h] for h in groups if h != g))) for g in groups)
        assert len(lost) == fewest

    shuffled = list(manifest.clips)
    random.shuffle(shuffled)
    again_rest, again_held = Manifest(manifest.source, tuple(shuffled)).hold_out(share, seed=seed)
    assert set(again_held) == set(held)
    assert set(again_rest) == set(rest)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=7), st.sampled_from([0.1, 0.2, 0.5]))
def test_with_few_groups_the_share_is_the_nearest(sizes, share):
    manifest = a_manifest([("x", f"g{i}") for i, size in enumerate(sizes) for _ in range(size)])
    _, held = manifest.hold_out(share)
    total = sum(sizes)
    possible = {sum(chosen) for n in range(1, len(sizes)) for chosen in combinations(sizes, n)}
    nearest = min(abs(size / total - share) for size in possible)
    assert abs(len(held) / total - share) == pytest.approx(nearest)


def test_many_groups_are_stratified_and_seeded():
    manifest = a_manifest([(f"c{i % 7}", None) for i in range(700)])
    _, held = manifest.hold_out(0.2, seed=1)
    assert {name: sum(name in c.labels for c in held) for name in held.label_names} == dict.fromkeys(
        manifest.label_names, 20
    )
    assert set(held) == set(manifest.hold_out(0.2, seed=1)[1])
    assert set(held) != set(manifest.hold_out(0.2, seed=2)[1])


def test_a_large_group_does_not_spoil_the_share():
    sizes = [30] + [7] * 20
    manifest = a_manifest([("x", f"g{i}") for i, size in enumerate(sizes) for _ in range(size)])
    for seed in range(5):
        _, held = manifest.hold_out(0.1, seed=seed)
        assert len(held) / len(manifest) == pytest.approx(0.1, abs=0.03)


def test_segments_of_one_file_stay_together(tmp_path):
    rows = [f"{name},{label},{at},{at + 0.1}" for name in ("a.wav", "b.wav") for at, label in [(0, "x"), (0.1, "y")]]
    path = write_manifest(tmp_path, "path,label,start,end\n" + "\n".join(rows))
    sf.write(tmp_path / "b.wav", np.full(4000, 0.2), 8000)
    manifest = read_manifest(path)
    rest, held = manifest.hold_out(0.3)
    assert len(rest) == len(held) == 2
    assert len({clip.path for clip in held}) == 1
    with pytest.raises(AuricleError, match="one file"):
        held.hold_out(0.5)


@pytest.mark.parametrize("share", [0, 1, -0.1, 2.0, float("nan")])
def test_a_share_that_is_none(share):
    with pytest.raises(AuricleError, match="share"):
        a_manifest([("x", None)] * 3).hold_out(share)


class TestClipsWithoutALabel:
    def read(self, folder, rows, **options):
        return read_manifest(write_manifest(folder, "path,label\n" + "\n".join(rows) + "\n"), **options)

    def test_they_are_clips_if_another_has_several_labels(self, tmp_path):
        manifest = self.read(tmp_path, ["a.wav,x;y", "b.wav,x", "c.wav, ; "])
        assert [clip.labels for clip in manifest] == [("x", "y"), ("x",), ()]
        assert manifest.multi_label
        assert not manifest.declared_multi_label
        assert [clip.name for clip in manifest.negatives] == ["c.wav"]
        assert manifest.label_names == ("x", "y")

    def test_otherwise_they_have_to_be_declared(self, tmp_path):
        rows = ["a.wav,y", "b.wav,x", "c.wav,"]
        with pytest.raises(AuricleError, match=r"c\.wav: has no label \(if it has none of the sounds: --multi-label\)"):
            self.read(tmp_path, rows)
        manifest = self.read(tmp_path, rows, multi_label=True)
        assert manifest.multi_label
        assert manifest.clips[2].labels == ()
        assert self.read(tmp_path, rows[:2], multi_label=True).multi_label
        assert not self.read(tmp_path, rows[:2]).multi_label

    def test_a_label_may_stand_for_none(self, tmp_path):
        manifest = self.read(tmp_path, ["a.wav,x", "b.wav,background", "c.wav,y"], negative_label="background")
        assert [clip.labels for clip in manifest] == [("x",), (), ("y",)]
        assert manifest.multi_label
        assert manifest.label_names == ("x", "y")
        with pytest.raises(AuricleError, match=r"b\.wav: has none of the sounds \('background'\) and 'x'"):
            self.read(tmp_path, ["a.wav,x", "b.wav,background;x"], negative_label="background")
        with pytest.raises(AuricleError, match=r"unknown negative label 'backgroud'.*background"):
            self.read(tmp_path, ["a.wav,x", "b.wav,background"], negative_label="backgroud")
        with pytest.raises(AuricleError, match=r"look alike: 'none' and 'None'"):
            self.read(tmp_path, ["a.wav,x", "b.wav,none", "c.wav,None"], negative_label="none")

    def test_a_class_folder_may_stand_for_none(self, tmp_path):
        for name in ("dog/1.wav", "cat/1.wav", "background/1.wav"):
            write_sound(tmp_path / name)
        manifest = read_manifest(tmp_path, negative_label="background")
        assert {clip.name: clip.labels for clip in manifest} == {
            "dog/1.wav": ("dog",),
            "cat/1.wav": ("cat",),
            "background/1.wav": (),
        }

    def test_a_part_of_a_multi_label_data_set_is_multi_label(self, tmp_path):
        rows = ["a.wav,x;y,train", "b.wav,x,test", "c.wav,,test"]
        manifest = read_manifest(write_manifest(tmp_path, "path,label,split\n" + "\n".join(rows)))
        test = manifest.select(split="test")
        assert test.multi_label
        test.to_csv(tmp_path / "test.csv")
        assert read_manifest(tmp_path / "test.csv", multi_label=True).clips == test.clips


def test_half_of_the_clips_without_a_label_are_held_out_as_half_of_each_class_is():
    labels = [("x",), ("y",), (), ("x", "y")]
    manifest = a_manifest([(labels[i % 4], None) for i in range(80)])
    _, held = manifest.hold_out(0.25, seed=3)
    assert {each: sum(clip.labels == each for clip in held) for each in labels} == pytest.approx(
        dict.fromkeys(labels, 5), abs=1
    )
    assert len(held.negatives) == 5


HOSTILE = {
    "NUL bytes": (b"path,label\na.wav,x\0\n", "NUL bytes"),
    "UTF-16": ("path,label\na.wav,x\n".encode("utf-16"), "UTF-8"),
    "UTF-16 of the other order": (
        b"\xfe\xff" + "path,label\na.wav,x\n".encode("utf-16-be"),
        "it is UTF-16; .*'CSV UTF-8'",
    ),
    "UTF-16 without a mark": ("path,label\na.wav,x\n".encode("utf-16-le"), "NUL bytes"),
    "a label in Latin-1": (b"path,label\na.wav,gr\xfcn\n", r"UTF-8, and line 2 is not \('gr\\\\xfcn'\)"),
    "an advice for Excel": (b"path;label\na.wav;W\xe4sche\n", "line 2 is not .*: save it as .*in Excel: 'CSV UTF-8'"),
    "a column in Latin-1": (b"path,label,gr\xf6\xdfe\na.wav,x,1\n", "UTF-8, and line 1 is not"),
    "a missing file in Latin-1": (b"path,label\nm\xe9.wav,x\n", "UTF-8, and line 2 is not"),
    "a huge cell": (b"path,label\na.wav," + b"x" * 200_000 + b"\n", "field larger than field limit"),
    "a million columns": (
        b"sound," * 10**6 + b"label\na.wav,x\n",
        "no column of paths.* and 999989 more must be named",
    ),
    "two columns of labels": (b"path,label,label\na.wav,x,y\n", "2 columns are named 'label'"),
    "two columns of starts": (b"path,label,start,start\na.wav,x,0,1\n", "2 columns are named 'start'"),
    "an open quotation mark": (b'path,label\n"a.wav,x\n', "can be read"),
    "binary": (bytes(range(1, 256)) * 10, "manifest"),
}


@pytest.mark.parametrize(("content", "words"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_manifests_are_one_line(tmp_path, content, words):
    write_sound(tmp_path / "a.wav")
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(AuricleError, match=words) as error:
        read_manifest(tmp_path / "m.csv")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


def test_many_columns_and_short_rows_take_little_memory(tmp_path):
    write_sound(tmp_path / "a.wav")
    columns = "path,label" + "," * 200_000
    rows = "".join("a.wav,x\n" for _ in range(2000))
    (tmp_path / "m.csv").write_text(f"{columns}\n{rows}")
    tracemalloc.start()
    manifest = read_manifest(tmp_path / "m.csv", skip_bad=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(manifest), len(manifest.skipped)) == (1, 1999)
    assert peak < 100e6


@pytest.mark.parametrize("times", ["1e308,", "0,1e308", "-1e308,", "nan,", "0,inf", "1e400,", "0,0.1;"])
def test_times_that_cannot_be(tmp_path, times):
    path = write_manifest(tmp_path, f"path,label,start,end\na.wav,x,{times}\nb.wav,y,,\n")
    manifest = read_manifest(path, skip_bad=True)
    assert [(problem.name, problem.code) for problem in manifest.skipped] == [("a.wav", "bad-times")]


@pytest.mark.parametrize("segment", ["1e308,", "0,1e308", "-1,", "2,1", "nan,"])
def test_segments_of_originals_that_cannot_be(tmp_path, segment):
    columns = "path,label,source_sha256,source_start,source_end"
    path = write_manifest(tmp_path, f"{columns}\na.wav,x,{'0' * 64},{segment}\nb.wav,y,,,\n")
    assert [problem.code for problem in read_manifest(path, skip_bad=True).skipped] == ["bad-times"]


def test_names_too_long_for_a_file(tmp_path):
    path = write_manifest(tmp_path, f"path,label\n{'a' * 5000}.wav,x\nb.wav,y\n")
    assert [problem.code for problem in read_manifest(path, skip_bad=True).skipped] == ["missing-file"]


def test_what_is_neither_file_nor_folder(tmp_path):
    os.mkfifo(tmp_path / "m.csv")
    with pytest.raises(AuricleError, match=r"m\.csv: neither a file nor a folder"):
        read_manifest(tmp_path / "m.csv")
    (tmp_path / "n.csv").mkdir()
    with pytest.raises(AuricleError, match="no sound files"):
        read_manifest(tmp_path / "n.csv")


def test_names_that_are_not_utf8_are_found_by_a_manifest(tmp_path):
    write_sound(tmp_path / "a.wav")
    os.rename(tmp_path / "a.wav", os.fsencode(tmp_path) + b"/m\xe9.wav")
    (tmp_path / "m.csv").write_bytes(b"path,label\nm\xe9.wav,x\n")
    manifest = read_manifest(tmp_path / "m.csv")
    assert [clip.name for clip in manifest] == [r"m\xe9.wav"]
    manifest.to_csv(tmp_path / "again.csv")
    assert read_manifest(tmp_path / "again.csv") == dataclasses.replace(manifest, source=tmp_path / "again.csv")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_line_that_names_the_separator_is_skipped(tmp_path, mark):
    path = write_manifest(tmp_path, f"{mark}sep=;\r\npath;label\r\na.wav;x\r\nb.wav;y\r\ngone.wav;y;;\r\n")
    manifest = read_manifest(path, skip_bad=True)
    assert [(clip.file, clip.labels) for clip in manifest] == [("a.wav", ("x",)), ("b.wav", ("y",))]
    assert [problem.name for problem in manifest.skipped] == ["line 5"]


def test_backslashes_of_paths_are_read_as_slashes_with_one_note(tmp_path, capsys):
    path = write_manifest(tmp_path, "path,label\nsub\\a.wav,x\nsub\\b.wav,y\n", ["sub/a.wav", "sub/b.wav"])
    for _ in range(2):
        assert [clip.path for clip in read_manifest(path)] == [tmp_path / "sub" / name for name in ("a.wav", "b.wav")]
    assert capsys.readouterr().err == f"note: {path}: backslashes in its paths are read as slashes\n"


def test_a_file_with_a_backslash_in_its_name_comes_first(tmp_path, capsys):
    path = write_manifest(tmp_path, "path,label\nsub\\a.wav,x\n", ["sub\\a.wav", "sub/a.wav"])
    assert [clip.path for clip in read_manifest(path)] == [tmp_path / "sub\\a.wav"]
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("C:\\sounds\\a.wav", r"no such file: paths have to be relative to the CSV file"),
        ("d:/sounds/a.wav", r"no such file: paths have to be relative to the CSV file"),
        ("Sub/A.WAV", r"no such file: is .*/sub/a\.wav meant\?"),
        ("SUB\\a.wav", r"no such file: is .*/sub/a\.wav meant\?"),
        ("sub/c.wav", r"no such file$"),
        ("x/" * 3000 + "a.wav", r"a\.wav: .*File name too long"),
    ],
)
def test_what_is_meant_by_a_missing_file_is_said(tmp_path, name, said):
    path = write_manifest(tmp_path, f"path,label\nsub/b.wav,y\n{name},x\n", ["sub/a.wav", "sub/b.wav"])
    with pytest.raises(AuricleError, match=said):
        read_manifest(path)


def test_what_is_left_out_is_a_warning(tmp_path):
    for name in ("x/1.wav", "y/1.wav"):
        write_sound(tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_manifest(tmp_path).left_out == ()
    for i in range(5):
        (tmp_path / "x" / f"{i}.m4a").touch()
    with pytest.warns(AuricleWarning, match=r"5 files are left out: x/0\.m4a: \.m4a cannot.*; and 2 more$") as warned:
        manifest = read_manifest(tmp_path)
    assert len(warned) == 1
    assert len(manifest.left_out) == 5
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "1.wma").touch()
    with (
        pytest.warns(AuricleWarning),
        pytest.raises(AuricleError, match=r"1 of 3 clips cannot be used.*\n  z: nothing of this class can be read"),
    ):
        read_manifest(tmp_path)


@pytest.fixture
def grouped(tmp_path):
    """24 clips of the labels a and b in turn: five groups of four, and four alone, of which the last two are copies."""
    rng = np.random.default_rng(0)
    for k in range(23):
        sf.write(tmp_path / f"{k}.wav", 0.1 * rng.standard_normal(4000), 8000)
    (tmp_path / "23.wav").write_bytes((tmp_path / "22.wav").read_bytes())
    rows = [f"{k}.wav,{'ab'[k % 2]},{f'g{k // 4}' if k < 20 else ''}" for k in range(24)]
    (tmp_path / "manifest.csv").write_text("\n".join(["path,label,group", *rows]))
    return tmp_path


def test_folds_of_cross_validation_divide_neither_groups_nor_copies(grouped):
    manifest = read_manifest(grouped)
    folds = manifest.cross_folds(3)
    assert folds == manifest.cross_folds(3)
    assert set(folds) == {0, 1, 2}
    assert all(len(set(folds[first : first + 4])) == 1 for first in range(0, 20, 4))
    assert folds[22] == folds[23]


def test_folds_of_cross_validation_have_every_label_as_often(grouped):
    manifest = read_manifest(grouped, group_column="none")
    manifest = manifest.only(manifest.clips[:22])
    for seed in range(3):
        folds = np.array(manifest.cross_folds(5, seed=seed))
        for label in "ab":
            counts = np.bincount(folds[[clip.labels == (label,) for clip in manifest]], minlength=5)
            assert sorted(counts) == [2, 2, 2, 2, 3]
