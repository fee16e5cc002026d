"""Which output belongs to which recording: folders that move, recordings that change, files of the user."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.errors import AuricleError
from auricle.identity import file_digest
from auricle.runs.batch import each_file
from auricle.runs.journal import JOURNAL, Journal

SETTINGS = {"weights": "abc", "hop_s": None}


def record(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run(files, output, settings=SETTINGS, suffix=".csv", **options):
    """What was worked on, by the input's and the output's name."""
    done = []

    def work(path: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
        done.append((path.name, target.name))

    files = [files] if isinstance(files, Path) else files
    options = {"conflict": "tables of another model", "suffix": suffix} | options
    outcomes = each_file(map(str, files), Path(output), settings, work, **options)
    assert not [outcome.error for outcome in outcomes if outcome.error]
    return done


def tables(output: Path) -> dict[str, str]:
    return {
        path.relative_to(output).as_posix(): path.read_text()
        for path in sorted(output.rglob("*"))
        if path.is_file() and path.name not in ("settings.json", JOURNAL)
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "deep/a"):
        record(tmp_path / "rec" / f"{name}.wav", f"sound {name}")
    return tmp_path


def test_the_same_folder_however_it_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(run(folder / "rec", folder / "out")) == 3
    before = tables(folder / "out")
    assert list(before) == ["a.csv", "b.csv", "deep/a.csv"]
    monkeypatch.chdir(folder)
    assert run(Path("rec"), "out") == []
    assert run(folder / "rec" / ".." / "rec", folder / "." / "out") == []
    monkeypatch.chdir(folder / "rec")
    assert run(Path("."), "../out") == []
    (folder / "link").symlink_to(folder / "out")
    assert run(folder / "rec", folder / "link") == []
    assert tables(folder / "out") == before


def test_a_folder_that_was_moved_with_its_recordings(folder: Path) -> None:
    run(folder / "rec", folder / "out")
    (folder / "new").mkdir()
    shutil.move(folder / "rec", folder / "new" / "sounds")
    shutil.move(folder / "out", folder / "new" / "tables")
    before = tables(folder / "new" / "tables")
    assert run(folder / "new" / "sounds", folder / "new" / "tables") == []
    record(folder / "new" / "sounds" / "a.wav", "changed")
    assert run(folder / "new" / "sounds", folder / "new" / "tables") == [("a.wav", "a.csv")]
    assert tables(folder / "new" / "tables") == before | {"a.csv": "changed"}


def test_a_recording_that_was_changed_is_done_again_in_place(folder: Path) -> None:
    run(folder / "rec", folder / "out")
    path = folder / "rec" / "a.wav"
    stat = path.stat()
    path.write_text("SOUND a")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert run(folder / "rec", folder / "out") == [("a.wav", "a.csv")]
    assert tables(folder / "out")["a.csv"] == "SOUND a"
    assert run(folder / "rec", folder / "out") == []


def test_another_recording_of_the_same_name_gets_a_name_of_its_own(folder: Path) -> None:
    run(folder / "rec", folder / "out")
    record(folder / "other" / "a.wav", "another")
    record(folder / "other" / "b.wav", "sound b")
    ((_, name),) = run(folder / "other", folder / "out")
    assert name == f"a-{file_digest(folder / 'other' / 'a.wav')[:8]}.csv"
    assert tables(folder / "out")["a.csv"] == "sound a"
    assert run(folder / "other", folder / "out") == run(folder / "rec", folder / "out") == []
    record(folder / "other" / "a.wav", "another one")
    assert run(folder / "other", folder / "out") == [("a.wav", name)]
    assert tables(folder / "out")["a.csv"] == "sound a"


def test_a_table_that_two_folders_share_is_not_written_over_for_one(folder: Path) -> None:
    shutil.copytree(folder / "rec", folder / "copy")
    run(folder / "rec", folder / "out")
    assert run(folder / "copy", folder / "out") == []
    record(folder / "copy" / "a.wav", "changed")
    ((_, name),) = run(folder / "copy", folder / "out")
    assert name != "a.csv"
    assert run(folder / "rec", folder / "out") == []


def test_suffixes_do_not_take_each_others_table(folder: Path) -> None:
    record(folder / "rec" / "a.flac", "flac a")
    record(folder / "rec" / "A.WAV", "upper a")
    shutil.rmtree(folder / "rec" / "deep")
    done = dict(run(folder / "rec", folder / "out"))
    assert len({name.casefold() for name in done.values()}) == len(done) == 4
    assert run(folder / "rec", folder / "out") == []
    (folder / "rec" / "a.wav").unlink()
    assert run(folder / "rec", folder / "out") == []
    contents = tables(folder / "out")
    assert contents[done["a.flac"]] == "flac a"


def test_files_of_the_user_are_neither_taken_nor_removed(folder: Path) -> None:
    record(folder / "out" / "a.csv", "mine")
    record(folder / "out" / "deep" / "notes.txt", "mine")
    done = dict(run(folder / "rec", folder / "out"))
    assert done["b.wav"] == "b.csv"
    other = {"weights": "other"}
    with pytest.raises(AuricleError, match="tables of another model"):
        run(folder / "rec", folder / "out", other)
    assert len(run(folder / "rec" / "b.wav", folder / "out", other, overwrite=True)) == 1
    assert tables(folder / "out") == {"a.csv": "mine", "b.csv": "sound b", "deep/notes.txt": "mine"}


def test_lines_that_point_elsewhere_or_are_none_are_passed_over(folder: Path) -> None:
    """Nothing outside is removed, and nothing whose digest differs from the one in the line."""
    record(folder / "precious.csv", "mine")
    record(folder / "out" / "kept.csv", "mine")
    (folder / "out" / "way").symlink_to(folder)
    mine = file_digest(folder / "precious.csv")
    entry = {"name": "a.wav", "sha256": "0" * 64, "key": "k", "output": "", "outputs": {}, "places": {}}
    outside = ["../precious.csv", str(folder / "precious.csv"), "way/precious.csv", "x/../../precious.csv", "", "."]
    lines = [entry | {"output": name, "outputs": {name: mine}} for name in outside]
    lines += [entry | {"output": "b.csv", "outputs": {"b.csv": mine, "../precious.csv": mine}}]
    lines += [entry | {"output": "kept.csv", "outputs": {"kept.csv": "0" * 64}}]
    for wrong in (
        {"outputs": "ab"},
        {"outputs": {"x.csv": mine}},
        {"outputs": {"kept.csv": [mine]}},
        {"places": 3},
        {"places": {"x": ["y"]}},
        {"key": None},
        {"output": 5},
        {"outcome": "well"},
        {"more": 1},
    ):
        lines.append(entry | {"output": "kept.csv", "outputs": {"kept.csv": mine}} | wrong)
    for name in ("files.jsonl", "settings.json", "SETTINGS.json", "failed.csv"):
        lines.append(entry | {"output": name, "outputs": {name: mine}})
    texts = [json.dumps(line).encode() for line in lines]
    texts += [b"[1, 2]", b"5", b"null", b'"text"', b"{", b"", b"{}", b'{"output": "kept.csv"', b"\xff\xfe\0"]
    texts += [b"[" * 100_000, b"9" * 10_000, b"1e999999", b'{"name": "' + b"x" * 2**24 + b'"}']
    (folder / "out" / JOURNAL).write_bytes(b"\n".join(texts))
    journal = Journal(folder / "out")
    journal.refresh()
    assert journal.places() == {os.path.realpath(folder / "out" / "kept.csv")}
    journal.clear()
    journal.close()
    (folder / "out" / JOURNAL).write_bytes(b"\n".join(texts))
    assert len(run(folder / "rec", folder / "out", overwrite=True)) == 3
    assert len(run(folder / "rec", folder / "out", {"weights": "x"}, overwrite=True)) == 3
    assert run(folder / "rec", folder / "out", {"weights": "x"}) == []
    assert (folder / "precious.csv").read_text() == (folder / "out" / "kept.csv").read_text() == "mine"


def test_a_line_that_was_cut_off_is_done_again(folder: Path) -> None:
    run(folder / "rec", folder / "out")
    path = folder / "out" / JOURNAL
    path.write_text(path.read_text()[:-40])
    (folder / "out" / "deep" / "a.csv").unlink()
    assert run(folder / "rec", folder / "out") == [("a.wav", "a.csv")]
    assert run(folder / "rec", folder / "out") == []


def test_an_output_that_is_gone_is_made_again(folder: Path) -> None:
    run(folder / "rec", folder / "out")
    (folder / "out" / "b.csv").unlink()
    assert run(folder / "rec", folder / "out") == [("b.wav", "b.csv")]


def test_another_version_makes_all_anew_in_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(folder / "rec", folder / "out")
    before = tables(folder / "out")
    monkeypatch.setattr("auricle.identity.__version__", "9.9")
    assert len(run(folder / "rec", folder / "out")) == 3
    assert tables(folder / "out") == before


def test_what_belongs_to_an_output_goes_with_it(folder: Path) -> None:
    """Files beside the main output are removed when they are not made any more, and nothing else beside them."""

    def parts(names: str):
        def work(path: Path, target: Path) -> None:
            for name in names:
                record(target.with_suffix("") / f"{name}.wav", "part")
            target.write_text(names)

        options = {"conflict": "x", "suffix": ".csv", "overwrite": True}
        each_file([str(folder / "rec" / "b.wav")], folder / "out", {"names": len(names)}, work, **options)

    parts("xy")
    record(folder / "out" / "b" / "mine.wav", "mine")
    parts("yz")
    assert set(tables(folder / "out")) == {"b.csv", "b/mine.wav", "b/y.wav", "b/z.wav"}
    parts("z")
    assert set(tables(folder / "out")) == {"b.csv", "b/mine.wav", "b/z.wav"}


def test_outputs_among_the_recordings_are_not_worked_on(folder: Path) -> None:
    output = folder / "rec" / "out"
    assert len(run(folder / "rec", output, suffix="")) == 3
    assert run(folder / "rec", output, suffix="") == []
    with pytest.raises(AuricleError, match="where the recordings are"):
        run(folder / "rec", folder / "rec", suffix="")


def test_odd_names(folder: Path) -> None:
    names = ["ü\u2028x.wav", "x\x85y.wav", 'q"\n.wav', "a.b.wav", "@0-1.wav"]
    for name in names:
        record(folder / "odd" / name, name)
    assert len(run(folder / "odd", folder / "out")) == len(names)
    assert run(folder / "odd", folder / "out") == []


FILES = st.dictionaries(
    st.sampled_from(["a.wav", "b.wav", "a.flac", "d/a.wav"]), st.sampled_from(["1", "2", "3"]), max_size=4
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["x", "y"]), FILES), max_size=5))
def test_every_table_is_that_of_its_recording_whatever_happens(tmp_path_factory, steps):
    """Folders change as they like, between calls: afterwards each recording has a table made of its content."""
    root = tmp_path_factory.mktemp("steps")
    for folder, files in steps:
        shutil.rmtree(root / folder, ignore_errors=True)
        for name, text in files.items():
            record(root / folder / name, text)
        if not files:
            continue
        outcomes = each_file(
            [str(root / folder)],
            root / "out",
            SETTINGS,
            lambda path, target: record(target, path.read_text()),
            conflict="x",
            suffix=".csv",
        )
        found = {Path(outcome.file).relative_to(root / folder).as_posix(): outcome.output for outcome in outcomes}
        assert {name: path.read_text() for name, path in found.items()} == files
        assert len(set(found.values())) == len(files)
