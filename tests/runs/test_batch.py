"""Batches: what fails costs only itself, shards merge, formats share a folder, and nothing of the user's is touched."""

from __future__ import annotations

import csv
import errno
import os
import shutil
from pathlib import Path

import pytest

from auricle.errors import AuricleError
from auricle.files import naming, partial_folder, remove_partials, replacing
from auricle.identity import file_digest
from auricle.runs.batch import each_file
from auricle.runs.inputs import Shard
from auricle.runs.journal import FAILED, JOURNAL
from auricle.runs.journal import SETTINGS as SETTINGS_FILE
from auricle.runs.outcomes import Batch, Outcome

SETTINGS = {"weights": "abc"}


def record(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def copy(path: Path, target: Path) -> None:
    target.write_text(path.read_text())


def run(files, output, work=copy, settings=SETTINGS, suffix=".csv", **options):
    files = [files] if isinstance(files, Path) else files
    options = {"conflict": "tables of another model"} | options
    return each_file(map(str, files), Path(output), settings, work, suffix=suffix, **options)


def tree(folder: Path) -> dict[str, str]:
    """All files but the journal, whose lines are in the order of the work."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != JOURNAL
    }


def failed(folder: Path) -> list[list[str]]:
    with open(folder / FAILED, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "outcome", "reason", "path"]
    return [row[:3] for row in rows]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "a.flac", "b.wav", "deep/a.wav", "deep/c.ogg"):
        record(tmp_path / "rec" / name, f"sound {name}")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("0/4", "1 to n"), ("5/4", "1 to n"), ("1/0", "1 to n"), ("a/b", "1/4"), ("1", "1/4"), ("", "1/4"),
     ("-1/4", "1/4"), ("1/4/2", "1/4"), ("1.5/4", "1/4"), ("١/٤", "1/4"), ("9999999999/1", "1/4")],
)  # fmt: skip
def test_a_shard_is_i_of_n(text, wrong):
    with pytest.raises(AuricleError, match=wrong) as error:
        Shard.of(text)
    assert repr(text) in str(error.value)


def test_each_name_belongs_to_one_shard():
    names = [f"deep/r{k}\udce9.wav" for k in range(1000)]
    shares = [[name for name in names if Shard(i, 4).has(name)] for i in range(1, 5)]
    assert sorted(name for share in shares for name in share) == sorted(names)
    assert all(200 < len(share) < 300 for share in shares)
    assert all(Shard.of(None).has(name) for name in names)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_shards_merge_to_what_one_call_writes(folder: Path, order):
    """Also names that two recordings share, and files that fail."""

    def work(path: Path, target: Path) -> None:
        if path.name == "b.wav":
            raise AuricleError(f"{path}: is odd")
        copy(path, target)

    whole = run(folder / "rec", folder / "whole", work)
    parts = [outcome for i in order for outcome in run(folder / "rec", folder / "parts", work, shard=f"{i}/3")]
    assert sorted(outcome.file for outcome in parts) == sorted(outcome.file for outcome in whole)
    assert tree(folder / "parts") == tree(folder / "whole")
    lines = [sorted((folder / name / JOURNAL).read_text().splitlines()) for name in ("parts", "whole")]
    assert lines[0] == lines[1]
    assert failed(folder / "parts") == [["b.wav", "failed", "is odd"]]


def test_outputs_of_several_kinds_share_a_folder(folder: Path):
    run(folder / "rec", folder / "out", kind="csv")
    first = tree(folder / "out")
    assert not any(
        outcome.done_before for outcome in run(folder / "rec", folder / "out", kind="raven", suffix=".r.txt")
    )
    both = tree(folder / "out")
    assert first.items() <= both.items()
    assert len(both) == 2 * len(first) - 1  # settings.json
    for kind, suffix in (("csv", ".csv"), ("raven", ".r.txt")):
        assert all(o.done_before for o in run(folder / "rec", folder / "out", kind=kind, suffix=suffix))
    with pytest.raises(AuricleError, match="another model"):
        run(folder / "rec", folder / "out", settings={"weights": "x"}, kind="csv")
    run(folder / "rec", folder / "out", settings={"weights": "x"}, kind="csv", overwrite=True)
    assert set(tree(folder / "out")) == set(first)


def test_a_copied_folder_does_not_touch_the_original(folder: Path):
    run(folder / "rec", folder / "out")
    before = tree(folder / "out")
    shutil.copytree(folder / "out", folder / "copy")
    shutil.rmtree(folder / "rec" / "deep")
    run(folder / "rec", folder / "copy", settings={"weights": "x"}, overwrite=True)
    assert tree(folder / "out") == before
    assert not list((folder / "copy").rglob("c.csv"))


def test_what_was_changed_since_is_the_users(folder: Path):
    """Neither a new settings' clearing nor doing a file again removes or replaces it."""
    run(folder / "rec" / "b.wav", folder / "out")
    record(folder / "out" / "b.csv", "corrected by hand")
    (outcome,) = run(folder / "rec" / "b.wav", folder / "out")
    assert outcome.output is not None
    assert outcome.output.name == f"b-{file_digest(folder / 'rec' / 'b.wav')[:8]}.csv"
    (again,) = run(folder / "rec" / "b.wav", folder / "out")
    assert again.done_before
    for settings in (SETTINGS, {"weights": "x"}):
        run(folder / "rec" / "b.wav", folder / "out", settings=settings, overwrite=True)
        assert (folder / "out" / "b.csv").read_text() == "corrected by hand"


def test_a_users_file_beside_the_main_output_stays(folder: Path):
    """Outputs that are not known before the work: the whole set goes under another name."""

    def work(path: Path, target: Path) -> None:
        copy(path, target)
        record(target.with_suffix("") / "owl.wav", "source")

    record(folder / "out" / "b" / "owl.wav", "mine")
    for _ in range(2):
        (outcome,) = run(folder / "rec" / "b.wav", folder / "out", work, overwrite=True)
        assert outcome.error == ""
        assert outcome.output is not None
        assert (outcome.output.with_suffix("") / "owl.wav").read_text() == "source"
        assert (folder / "out" / "b" / "owl.wav").read_text() == "mine"
    assert len(tree(folder / "out")) == 4


@pytest.mark.parametrize("error", [
    AuricleError("is odd"), OSError(5, "Input/output error"), UnicodeEncodeError("utf-8", "\udce9", 0, 1, "no"),
    MemoryError(), RuntimeError("shape"), ZeroDivisionError("x"), RecursionError("deep"),
])  # fmt: skip
def test_any_error_costs_one_file_and_names_its_type(folder: Path, error: Exception):
    def work(path: Path, target: Path) -> None:
        record(target.with_name("half"), "unfinished")
        if path.name == "b.wav":
            raise error
        target.with_name("half").unlink()
        copy(path, target)

    outcomes = run(folder / "rec", folder / "out", work)
    assert [Path(o.file).name for o in outcomes if o.error] == ["b.wav"]
    ((name, outcome, reason),) = failed(folder / "out")
    assert (name, outcome) == ("b.wav", "failed")
    assert reason == str(error) if isinstance(error, AuricleError) else bool(reason)
    if not isinstance(error, (AuricleError, OSError)):
        assert reason.startswith(type(error).__name__)
    assert not [path for path in (folder / "out").rglob("*") if path.name == "half" or ".part" in path.name]
    batch = Batch(outcomes, "labelled", "tables in out", str(folder / "out"))
    assert batch.exit_code == 3
    assert "4 of 5 files labelled, 1 failed" in str(batch)
    run(folder / "rec", folder / "out")
    assert not (folder / "out" / FAILED).exists()


@pytest.mark.parametrize(("n_files", "last"), [(20, ""), (21, "… and 1 more"), (500, "… and 480 more")])
def test_of_many_files_the_first_lines_are_printed(n_files: int, last: str):
    batch = Batch([Outcome("a")], "labelled", "in out", "out", [f"f{k}" for k in range(n_files)])
    assert str(batch).splitlines() == [
        *(f"f{k}" for k in range(20)),
        *([last] if n_files > 20 else []),
        "1 of 1 files labelled, in out",
    ]
    assert len(batch.lines) == n_files


def test_a_table_of_failures_of_the_users_own_is_not_touched(folder: Path):
    record(folder / "out" / FAILED, "exam,mark\n")
    with pytest.raises(AuricleError, match=r"out holds a failed\.csv that was not written by this command"):
        run(folder / "rec", folder / "out", overwrite=True)
    assert [path.name for path in (folder / "out").iterdir()] == [FAILED]
    assert (folder / "out" / FAILED).read_text() == "exam,mark\n"


def test_failed_files_of_the_same_name_in_two_folders_can_be_found_again(folder: Path):
    def broken(path: Path, target: Path) -> None:
        raise AuricleError(f"{path}: is odd")

    record(folder / "more" / "deep" / "a.wav", "another sound")
    run([folder / "rec", folder / "more"], folder / "out", broken)
    with open(folder / "out" / FAILED, encoding="utf-8", newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file) if row["file"] == "deep/a.wav"]
    assert paths == [os.path.realpath(folder / root / "deep" / "a.wav") for root in ("more", "rec")]


def test_of_a_recording_that_was_changed_and_fails_no_earlier_output_is_left(folder: Path):
    """They are of another sound; those of a recording that fails as it is stay."""

    def broken(path: Path, target: Path) -> None:
        raise AuricleError(f"{path}: is odd")

    run(folder / "rec", folder / "out")
    before = tree(folder / "out")
    run(folder / "rec", folder / "out", broken, overwrite=True)
    assert {name: text for name, text in tree(folder / "out").items() if name != FAILED} == before
    record(folder / "rec" / "b.wav", "another sound")
    run(folder / "rec", folder / "out", broken)
    assert tree(folder / "out").keys() - {FAILED} == before.keys() - {"b.csv"}
    record(folder / "rec" / "b.wav", "sound b.wav")
    run(folder / "rec" / "b.wav", folder / "out")
    assert tree(folder / "out")["b.csv"] == "sound b.wav"


def test_recordings_that_change_places_are_done_again(folder: Path):
    """Outputs may name the path of their recording; a recording that was only moved is done before."""

    def work(path: Path, target: Path) -> None:
        target.write_text(f"{path}: {path.read_text()}")

    places = [folder / site / "x.wav" for site in ("one", "two")]
    for place in places:
        record(place, f"sound of {place.parent.name}")
    run([place.parent for place in places], folder / "out", work)
    places[0].rename(folder / "aside")
    places[1].rename(places[0])
    (folder / "aside").rename(places[1])
    for done_before in (False, True):
        outcomes = run([place.parent for place in places], folder / "out", work)
        assert [outcome.done_before for outcome in outcomes] == [done_before] * 2
        told = {text for name, text in tree(folder / "out").items() if name.endswith(".csv")}
        assert told == {f"{places[0]}: sound of two", f"{places[1]}: sound of one"}
    places[0].parent.rename(folder / "three")
    assert all(outcome.done_before for outcome in run(folder / "three", folder / "out", work))


def test_the_complaint_counts_damaged_files():
    def complaint(*outcomes: Outcome[None]) -> str:
        return Batch([*outcomes, Outcome("c")], "labelled", "tables in out", "out").complaint

    one, two = Outcome("a", damage="cut"), Outcome("b", damage="cut")
    assert complaint() == ""
    assert complaint(one) == "1 of 2 files is damaged: a: cut; all are in out/failed.csv"
    assert complaint(one, two) == "2 of 3 files are damaged: a: cut; b: cut; all are in out/failed.csv"


def test_each_file_is_told_of_in_one_line():
    batch = Batch([Outcome("a\nb")], "labelled", "tables in o\x1b", "o", ["a\nb: low", "c: high"])
    assert str(batch).split("\n") == [r"a\nb: low", "c: high", r"1 of 1 files labelled, tables in o\x1b"]


def test_the_complaint_names_the_first_files(folder: Path):
    for k in range(50):
        record(folder / "many" / f"r{k:02}.wav", f"{k}")

    def work(path: Path, target: Path) -> None:
        raise AuricleError(f"{path}: is odd")

    batch = Batch(run(folder / "many", folder / "out", work), "labelled", "tables in out", str(folder / "out"))
    assert batch.complaint.startswith("50 of 50 files could not be labelled: ")
    assert "and 47 more" in batch.complaint
    assert str(folder / "out" / FAILED) in batch.complaint
    assert len(failed(folder / "out")) == 50


def test_failures_of_files_that_are_gone_or_were_not_asked_for(folder: Path):
    def work(path: Path, target: Path) -> None:
        raise AuricleError("is odd")

    run(folder / "rec", folder / "out", work)
    (folder / "rec" / "b.wav").unlink()
    run([folder / "rec" / "a.wav"], folder / "out")
    assert [row[0] for row in failed(folder / "out")] == ["a.flac", "deep/a.wav", "deep/c.ogg"]


def test_nothing_to_do_is_an_error(folder: Path):
    with pytest.raises(AuricleError, match="nowhere"):
        run(folder / "nowhere.wav", folder / "out")
    outcomes = run([folder / "nowhere.wav", folder / "rec" / "a.wav"], folder / "out")
    assert [bool(outcome.error) for outcome in outcomes] == [False, True]
    assert [row[0] for row in failed(folder / "out")] == ["nowhere.wav"]


@pytest.mark.parametrize("name", ["x" * 251 + ".wav", "ü" * 125 + ".wav", "x" * 200 + "/" + "y" * 251 + ".wav"])
@pytest.mark.parametrize("suffix", [".csv", ".selections.txt", ".detections.jsonl", ""])
def test_names_of_any_length(tmp_path: Path, name: str, suffix: str):
    record(tmp_path / "rec" / name, "sound")
    record(tmp_path / "rec" / f"{name[:-5]}z.wav", "another")
    outcomes = run(tmp_path / "rec", tmp_path / "out", suffix=suffix)
    assert [outcome.error for outcome in outcomes] == ["", ""]
    outputs = [outcome.output for outcome in outcomes if outcome.output]
    assert len(set(outputs)) == 2
    assert all(len(os.fsencode(output.name)) <= 255 and output.name.endswith(suffix or ".wav") for output in outputs)
    assert all(outcome.done_before for outcome in run(tmp_path / "rec", tmp_path / "out", suffix=suffix))


def test_names_that_are_not_utf_8(tmp_path: Path):
    name = os.fsdecode(b"m\xe9sange.wav")
    record(tmp_path / "rec" / name, "sound")

    def work(path: Path, target: Path) -> None:
        raise ValueError(f"no {path.name}")

    run(tmp_path / "rec", tmp_path / "out", work)
    ((file, _, reason),) = failed(tmp_path / "out")
    assert file == "m\\xe9sange.wav"
    assert reason == "ValueError: no m\\xe9sange.wav"
    (outcome,) = run(tmp_path / "rec", tmp_path / "out")
    assert outcome.output == tmp_path / "out" / os.fsdecode(b"m\xe9sange.csv")
    assert run(tmp_path / "rec", tmp_path / "out")[0].done_before


def test_a_recording_named_as_a_file_of_the_folder(tmp_path: Path):
    for name in ("failed", "settings", "files"):
        record(tmp_path / "rec" / f"{name}.wav", name)
    for suffix in (".csv", ".json", ".jsonl"):
        outcomes = run(tmp_path / "rec", tmp_path / "out", kind=suffix, suffix=suffix)
        assert [o.output.read_text() for o in outcomes if o.output] == ["failed", "files", "settings"]
        assert all(o.done_before for o in run(tmp_path / "rec", tmp_path / "out", kind=suffix, suffix=suffix))


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_stays(folder: Path):
    out = folder / "out"
    record(out / ".0123456789abcdef.part" / "0" / "b.csv", "left")
    record(out / ".0123456789abcdef.part.json", "left")
    kept = [".0123456789abcdef.partial", ".0123456789ABCDEF.part", ".x.part", "0123456789abcdef.part", ".part"]
    for name in kept:
        record(out / name, "mine")
    (out / ".aaaaaaaaaaaaaaaa.part").symlink_to(folder / "rec")
    os.mkfifo(out / ".bbbbbbbbbbbbbbbb.part")
    with partial_folder(out) as living, replacing(out / "x.txt") as partial:
        run(folder / "rec", out)
        remove_partials(out)
        assert living.is_dir()
        assert partial.is_file()
    left = {path.name for path in out.iterdir() if path.name.startswith(".")} | {"0123456789abcdef.part"}
    assert left == {*kept, ".aaaaaaaaaaaaaaaa.part", ".bbbbbbbbbbbbbbbb.part"}
    assert len(list((folder / "rec").rglob("*.*"))) == 5


def test_an_output_folder_that_is_none(folder: Path):
    (folder / "file").write_text("mine")
    (folder / "nowhere").symlink_to("gone")
    (folder / "loop").symlink_to("loop")
    for name, what in [("file", "a file"), ("nowhere", "a symbolic link"), ("loop", "a symbolic link")]:
        with pytest.raises(AuricleError, match=f"{name} is {what}.*: give a folder"):
            run(folder, folder / name)
    assert (folder / "file").read_text() == "mine"
    assert not (folder / "gone").exists()


@pytest.mark.skipif(os.name == "nt", reason="a backslash separates folders there")
def test_a_backslash_is_a_character_of_a_name(folder: Path):
    record(folder / "rec" / "a\\b" / "c\\..\\d.wav", "odd")
    outcomes = run(folder / "rec", folder / "out")
    assert [outcome.error for outcome in outcomes] == [""] * len(outcomes)
    assert (folder / "out" / "a\\b" / "c\\..\\d.csv").read_text() == "odd"


def test_settings_that_are_a_pipe_are_not_waited_for(folder: Path):
    (folder / "out").mkdir()
    os.mkfifo(folder / "out" / SETTINGS_FILE)
    with pytest.raises(AuricleError, match="tables of another model"):
        run(folder, folder / "out")


def test_a_temporary_file_that_cannot_be_opened_again_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    opened = os.open

    def without_descriptors(path: str, flags: int, *mode: int) -> int:
        if not flags & os.O_CREAT:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", without_descriptors)
    with pytest.raises(OSError, match="Too many open files"), replacing(tmp_path / "a.csv"):
        pass
    with pytest.raises(OSError, match="Too many open files"), partial_folder(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_outputs_in_a_folder_that_is_a_link(folder: Path):
    """Nothing is written outside, also where a link in the output folder points there."""
    (folder / "elsewhere").mkdir()
    (folder / "out").mkdir()
    (folder / "out" / "deep").symlink_to(folder / "elsewhere")
    outcomes = run(folder / "rec", folder / "out")
    assert [Path(o.file).parent.name for o in outcomes if o.error] == ["deep", "deep"]
    assert list((folder / "elsewhere").iterdir()) == []


def test_without_locks_it_works_and_says_so_once(folder: Path, monkeypatch, capsys):
    import fcntl

    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    assert len(run(folder / "rec", folder / "out")) == 5
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "one process at a time" in lines[0]
    assert all(outcome.done_before for outcome in run(folder / "rec", folder / "out"))


def test_errors_name_the_file_that_the_user_knows(tmp_path: Path, monkeypatch):
    """Neither the hidden file that is written at first, nor none, nor the source of a copy; other errors stay."""

    def fail(code: int, *names: str | None) -> None:
        with replacing(tmp_path / "x.bin") as partial:
            first, second = (str(partial) if name == "partial" else name for name in names)
            raise OSError(code, os.strerror(code), first, None, second)

    def said(code: int, name: str | None = None, second: str | None = None) -> str | None:
        with pytest.raises(OSError, match=os.strerror(code)) as raised:
            fail(code, name, second)
        return raised.value.filename

    known = str(tmp_path / "x.bin")
    assert said(errno.ENOSPC) == said(errno.ENOSPC, "partial") == said(errno.EACCES, "partial") == known
    assert said(errno.ENOSPC, "source", "partial") == known
    assert said(errno.EACCES, "source", "partial") == "source"
    assert said(errno.ENOSPC, "journal") == "journal"
    assert said(errno.ECONNRESET) is None
    with pytest.raises(OSError, match="full") as raised, partial_folder(tmp_path) as folder, naming(tmp_path / "model"):
        raise OSError(errno.ENOSPC, "full", str(folder / "model" / "config.json"))
    assert raised.value.filename == str(tmp_path / "model")

    def refuse(path, *_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError) as raised, replacing(known):
        pytest.fail("it was opened")
    assert raised.value.filename == known
    assert list(tmp_path.iterdir()) == []
