"""`auricle corrupt`: what it writes, that it goes on after a kill, that bad input gets one line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from auricle import audio, corrupt
from auricle.__main__ import main
from auricle.conditions import SYNTHETIC, create_suite, suite_from_spec
from auricle.config import SplitOptions
from auricle.data.clips import Original
from auricle.data.manifest import read_manifest
from auricle.data.splits import make_splits
from auricle.errors import AuricleError
from auricle.identity import file_digest
from auricle.runs.clips import RunClips, clip_table, refuse_trained_on, select_clips
from sounds import RATE, tone_folder, tone_manifest, write_tone


@pytest.fixture
def data(tmp_path):
    return tone_folder(tmp_path / "data", per_class=4, duration_s=0.25)


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in audio.find_audio(folder)}


def fails(capsys, *arguments):
    """The single line of a command that has to fail with a bad input."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["corrupt", *map(str, arguments)])
    assert ended.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("auricle: ")
    return lines[0]


def test_every_clip_under_every_cell(data, tmp_path):
    written = corrupt(str(data), suite="robuser", output=str(tmp_path / "out"), seed=4)
    suite = create_suite("robuser", seed=4)
    assert suite.digest in str(written)
    table = pd.read_csv(tmp_path / "out" / "manifest.csv")
    assert written.n_files == len(table)
    assert list(table.columns) == ["path", "label", "group", "condition", "severity", "source_file",
                                   "source_sha256"]  # fmt: skip
    assert len(table) == 12 * len(suite.cells)
    for row in table.itertuples():
        cell = next(c for c in suite.cells if (c.corruption, c.severity) == (row.condition, row.severity))
        clip, rate = audio.read(data / row.source_file)
        written, written_rate = sf.read(tmp_path / "out" / row.path, dtype="float32")
        assert written_rate == rate
        np.testing.assert_array_equal(written, suite.apply(cell, clip, rate, row.source_file))
        assert row.source_file.startswith(row.label)
        assert row.group == row.source_file
    assert sf.info(tmp_path / "out" / table.path[0]).subtype == "FLOAT"
    manifest = read_manifest(tmp_path / "out")
    assert manifest.label_names == ("high", "low", "middle")


def test_shares_are_files_of_one_condition_each(data, tmp_path):
    corrupt(str(data), suite="complex", output=str(tmp_path / "out"))
    table = pd.read_csv(tmp_path / "out" / "manifest.csv")
    assert len(table) == 12 == table.source_file.nunique()
    assert (table.groupby(["label", "condition"]).size() == 1).all()


def test_a_spec_writes_the_same_again(data, tmp_path):
    corrupt(str(data), suite="snr-ladder", output=str(tmp_path / "a"), seed=9, material_split="train")
    record = json.loads((tmp_path / "a" / "suite.json").read_text())
    assert suite_from_spec(record) == create_suite("snr-ladder", seed=9, split="train")
    assert record["digest"] == suite_from_spec(record).digest
    corrupt(str(data), suite=str(tmp_path / "a" / "suite.json"), output=str(tmp_path / "b"))
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert (tmp_path / "a" / "manifest.csv").read_bytes() == (tmp_path / "b" / "manifest.csv").read_bytes()


def test_manifests_segments_rates_and_flat_folders(tmp_path):
    data = tone_manifest(tmp_path / "data", per_class=4)
    corrupt(str(data), suite="complex", output=str(tmp_path / "a"), rate=4000)
    table = pd.read_csv(tmp_path / "a" / "manifest.csv")
    assert {"split", "group"} <= set(table.columns)
    assert set(table.group) == {"s0", "s1", "s2", "s3"}
    assert {sf.info(tmp_path / "a" / path).samplerate for path in table.path} == {4000}

    rows = ["path,label,start,end"] + [f"../data/low/low-0.wav,low,{k / 10},{k / 10 + 0.1}" for k in range(4)]
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "parts.csv").write_text("\n".join(rows))
    corrupt(str(tmp_path / "lists" / "parts.csv"), suite="complex", output=str(tmp_path / "b"))
    table = pd.read_csv(tmp_path / "b" / "manifest.csv")
    assert sorted(table.condition) == ["babble", "clean", "gain-steps", "music"]
    assert {sf.info(tmp_path / "b" / path).frames for path in table.path} == {RATE // 10}
    assert table.group.nunique() == 1
    assert all((tmp_path / "b" / path).resolve().is_relative_to(tmp_path / "b") for path in table.path)

    corrupt(str(tmp_path / "data" / "low"), suite="complex", output=str(tmp_path / "c"))
    assert "label" not in pd.read_csv(tmp_path / "c" / "manifest.csv").columns


@pytest.mark.skipif(os.name == "nt", reason="a backslash separates folders there")
@pytest.mark.parametrize(
    ("name", "written"), [(r"a\b.wav", r"a\b.wav"), ("a\nb.wav", r"a\nb.wav"), (os.fsdecode(b"\xff.wav"), r"\xff.wav")]
)
def test_a_backslash_is_a_character_of_a_name(tmp_path, name, written):
    audio.write(tmp_path / "data" / name, 0.1 * np.ones(RATE), RATE)
    corrupt(str(tmp_path / "data"), suite="complex", output=str(tmp_path / "out"))
    (clip,) = read_manifest(tmp_path / "out", label_column="condition")
    assert clip.path.name == written
    assert clip.path.parent.parent == tmp_path / "out"


def test_a_stray_file_beside_class_folders_does_not_cost_the_labels(tmp_path):
    data = tmp_path / "data"
    for seed, name in enumerate(("stray.wav", "train/low/a.wav", "test/low/b.wav", "test/high/c.wav")):
        write_tone(data / name, 440.0, 0.25, seed)
    with pytest.raises(AuricleError, match=r"(?s)1 of 4 clips cannot be used.*stray\.wav: is in no class folder"):
        corrupt(str(data), suite="complex", output=str(tmp_path / "out"))
    corrupt(str(data), suite="complex", output=str(tmp_path / "out"), skip_bad=True)
    table = pd.read_csv(tmp_path / "out" / "manifest.csv")
    assert sorted(zip(table.source_file, table.label, table.split, strict=True)) == [
        ("test/high/c.wav", "high", "test"),
        ("test/low/b.wav", "low", "test"),
        ("train/low/a.wav", "low", "train"),
    ]


def test_copies_are_in_one_group(data, tmp_path):
    for name in ("low-9.wav", "low-8.wav"):
        (data / "low" / name).write_bytes((data / "low" / "low-1.wav").read_bytes())
    corrupt(str(data), suite="complex", output=str(tmp_path / "out"))
    table = pd.read_csv(tmp_path / "out" / "manifest.csv").set_index("source_file")
    copies = table.group[["low/low-1.wav", "low/low-8.wav", "low/low-9.wav"]]
    assert set(copies) == {"low/low-1.wav"}
    others = table.group.drop(copies.index)
    assert (others == others.index).all()

    rows = ["path,label,group", "low/low-1.wav,low,ann", "low/low-9.wav,low,", "low/low-2.wav,low,"]
    (data / "groups.csv").write_text("\n".join(rows))
    corrupt(str(data / "groups.csv"), suite="complex", output=str(tmp_path / "groups"))
    table = pd.read_csv(tmp_path / "groups" / "manifest.csv").set_index("source_file")
    assert dict(table.group) == {"low/low-1.wav": "ann", "low/low-9.wav": "ann", "low/low-2.wav": "low/low-2.wav"}


def test_copies_across_splits_are_left_out(tmp_path):
    manifest = tone_manifest(tmp_path / "data", per_class=4)
    (tmp_path / "data" / "copy.wav").write_bytes((tmp_path / "data" / "low" / "low-3.wav").read_bytes())
    manifest.write_text(manifest.read_text() + "\ncopy.wav,low,s0,train\n")
    written = corrupt(str(manifest), suite="complex", output=str(tmp_path / "out"))
    table = pd.read_csv(tmp_path / "out" / "manifest.csv")
    assert "copy.wav" not in set(table.source_file)
    assert len(table) == written.n_files == 12
    assert set(table.split[table.source_file == "low/low-3.wav"]) == {"test"}
    assert written.n_copies == 1
    assert "1 clip is left out" in str(written)


def test_corrupted_versions_of_heard_clips_are_heard(data, tmp_path):
    manifest = read_manifest(data)
    corrupt(str(data), suite="complex", output=str(tmp_path / "out"))
    corrupted = read_manifest(tmp_path / "out")
    assert {clip.original for clip in corrupted} == {Original(file_digest(clip.path)) for clip in manifest}
    corrupted.to_csv(tmp_path / "out" / "again.csv")
    assert read_manifest(tmp_path / "out" / "again.csv").clips == corrupted.clips
    corrupt(str(tmp_path / "out"), suite="snr-ladder", output=str(tmp_path / "twice"))
    twice = read_manifest(tmp_path / "twice")
    assert {clip.original for clip in twice} == {clip.original for clip in corrupted}

    for heard, others in ((manifest, corrupted), (corrupted, manifest), (corrupted, twice)):
        splits = make_splits(heard, "tones", SplitOptions())
        (tmp_path / "clips.csv").write_text(clip_table([splits]))
        (tmp_path / "next").mkdir(exist_ok=True)
        (tmp_path / "next" / "clips.csv").write_text(clip_table([], tmp_path))
        for run in (tmp_path, tmp_path / "next"):
            with pytest.raises(AuricleError, match="was trained on"):
                refuse_trained_on(run, others)
        aside, name = select_clips(others, "", "", RunClips(tmp_path))
        assert name == "test"
        recordings = {clip.original.recording if clip.original else clip.recording for clip in aside}
        assert recordings == {clip.original.recording if clip.original else clip.recording for clip in splits.test}
        refuse_trained_on(tmp_path, aside)


def test_corrupted_segments_are_known_by_their_segment(tmp_path):
    data = tone_folder(tmp_path / "data", per_class=1, duration_s=1.0)
    parts = {"train": "0,0.4", "valid": "0.4,0.7", "test": "0.7,"}
    rows = [f"{x}/{x}-0.wav,{x},{part},{split}" for split, part in parts.items() for x in ("low", "high")]
    (data / "parts.csv").write_text("\n".join(["path,label,start,end,split", *rows]))
    splits = make_splits(read_manifest(data / "parts.csv"), "tones", SplitOptions())
    (tmp_path / "clips.csv").write_text(clip_table([splits]))
    corrupt(str(data / "parts.csv"), suite="complex", output=str(tmp_path / "out"), rate=4000)
    corrupted = read_manifest(tmp_path / "out")
    assert {clip.original[1:] for clip in corrupted} == {(0.0, 0.4), (0.4, 0.7), (0.7, None)}
    listed = RunClips(tmp_path)
    assert [listed.split_of(clip) for clip in corrupted] == [clip.split for clip in corrupted]


def test_versions_of_one_recording_are_held_out_together(data, tmp_path):
    corrupt(str(data), suite="snr-ladder", output=str(tmp_path / "out"))
    corrupted = read_manifest(tmp_path / "out", group_column="path")
    rest, held = corrupted.hold_out(0.3)
    assert not {clip.original for clip in rest} & {clip.original for clip in held}


def test_material_that_is_given_is_what_sounds(data, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for k in range(12):
        tone = np.sin(2 * np.pi * 3500 * np.arange(RATE) / RATE + rng.uniform(0, 6))
        audio.write(tmp_path / "material" / "noise" / f"n{k}.wav", 0.2 * tone, RATE)
    written = corrupt(
        str(data), suite="snr-ladder", output=str(tmp_path / "out"), material=[str(tmp_path / "material")]
    )
    assert "synthetic, where they are mixed in: music, room, speech" in str(written)
    clean, _ = sf.read(tmp_path / "out" / "clean" / "low" / "low-0.wav")
    noisy, _ = sf.read(tmp_path / "out" / "noise-5" / "low" / "low-0.wav")
    assert np.abs(np.fft.rfft(noisy - clean)).argmax() == 3500 * clean.size // RATE
    line = fails(capsys, data, "--suite", tmp_path / "out" / "suite.json", "--output", tmp_path / "again")
    assert "other material" in line


def test_a_folder_with_a_suite_that_is_none_stays_as_it_is(data, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "suite.json").write_text("my own")
    assert "not the spec of a suite" in fails(capsys, data, "--output", tmp_path / "mine", "--quiet")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["suite.json"]
    assert (tmp_path / "mine" / "suite.json").read_text() == "my own"


def test_it_goes_on_where_it_was(data, tmp_path):
    corrupt(str(data), suite="complex", output=str(tmp_path / "whole"))
    corrupt(str(data), suite="complex", output=str(tmp_path / "out"))
    paths = audio.find_audio(tmp_path / "out")
    for path in paths[::2]:
        path.unlink()
    (tmp_path / "out" / "manifest.csv").unlink()
    (paths[0].parent / f".{paths[0].name}.1234abcd.part").write_bytes(b"cut off")
    before = {path: path.stat().st_mtime_ns for path in paths[1::2]}
    assert "12 of 12 files written (6 of them before)" in str(
        corrupt(str(data), suite="complex", output=str(tmp_path / "out"))
    )
    assert before == {path: path.stat().st_mtime_ns for path in paths[1::2]}
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert len(pd.read_csv(tmp_path / "out" / "manifest.csv")) == 12


@pytest.mark.slow
def test_a_kill_leaves_whole_files(data, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "auricle", "corrupt", str(data), "--output", str(out)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 60
    while process.poll() is None and time.time() < deadline and len(list(out.glob("*/*/*.wav"))) < 30:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "manifest.csv").exists(), "it was too quick to be killed"
    left = files_of(out)
    assert corrupt(str(data), suite="full", output=str(out)).n_files > 0
    after = files_of(out)
    assert left.items() <= after.items()
    assert len(after) == 12 * len(create_suite("full").cells)


def test_bad_input_gets_one_line(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert "did you mean 'full'" in fails(capsys, data, "--suite", "ful", "--output", out)
    assert "no such" in fails(capsys, tmp_path / "nothing", "--suite", "full", "--output", out)
    assert "no such file" in fails(capsys, data, "--suite", tmp_path / "none.json", "--output", out)
    (tmp_path / "bad.json").write_text("[1, 2")
    assert "not the spec" in fails(capsys, data, "--suite", tmp_path / "bad.json", "--output", out)
    (tmp_path / "bad.json").write_text("[1, 2]")
    assert "not the spec" in fails(capsys, data, "--suite", tmp_path / "bad.json", "--output", out)
    assert "unknown --material-split 'dev'" in fails(capsys, data, "--output", out, "--material-split", "dev")
    assert "no such file" in fails(capsys, data, "--output", out, "--material", f"noise={tmp_path / 'none'}")
    assert "outside" in fails(capsys, data, "--suite", "full", "--output", data / "out")
    assert "rate" in fails(capsys, data, "--suite", "complex", "--output", out, "--rate", "-1")
    assert "from 50 to" in fails(capsys, data, "--suite", "complex", "--output", out, "--rate", "1")
    assert not out.exists()
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    assert "not from a suite" in fails(capsys, data, "--suite", "full", "--output", out)
    other = tmp_path / "other"
    corrupt(str(data), suite="complex", output=str(other))
    assert "another suite" in fails(capsys, data, "--suite", "complex", "--output", other, "--seed", "1")
    assert "another sample rate" in fails(capsys, data, "--suite", "complex", "--output", other, "--rate", "4000")
    (data / "low" / "broken.wav").write_bytes(b"no sound")
    with pytest.raises(AuricleError, match="unknown material_split 'dev'"):
        corrupt(str(data), suite="full", output=str(tmp_path / "x"), material_split="dev")
    with pytest.raises(AuricleError, match=r"broken\.wav"):
        corrupt(str(data), suite="complex", output=str(tmp_path / "x"))
    assert corrupt(str(data), suite="complex", output=str(tmp_path / "x"), skip_bad=True).n_files > 0


def test_real_speech_in_noise(shared, tmp_path):
    """The ratio on recordings: what is added, against the clip's active level."""
    from auricle.conditions import active_power, create_condition, mean_power

    files = audio.find_audio(shared / "data" / "speech")[:3]
    for path in files:
        clip, rate = audio.read(path, sample_rate=16_000, end_s=5.0)
        clip = clip.astype(np.float64)
        added = create_condition("babble", snr_db=5.0)(clip, rate, 0, SYNTHETIC) - clip
        ratio_db = 10 * np.log10(active_power(clip, rate) / mean_power(added))
        assert ratio_db == pytest.approx(5.0, abs=0.01)
        assert active_power(clip, rate) > mean_power(clip)


def test_what_is_stale_or_not_its_own_is_made_anew(data, tmp_path):
    out = tmp_path / "out"
    corrupt(str(data), suite="complex", output=str(out))
    whole = files_of(out)
    replaced = data / "low" / "low-0.wav"
    before = replaced.stat()
    replaced.write_bytes((data / "high" / "high-0.wav").read_bytes())
    os.utime(replaced, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "12 of 12 files written (11 of them before)" in str(corrupt(str(data), suite="complex", output=str(out)))
    changed = {path for path, content in files_of(out).items() if content != whole[path]}
    assert [path.split("/", 1)[1] for path in changed] == ["low/low-0.wav"]
    corrupt(str(data), suite="complex", output=str(tmp_path / "fresh"))
    assert files_of(tmp_path / "fresh") == files_of(out)

    first, second, third = sorted(files_of(out))[:3]
    (out / first).write_bytes((out / second).read_bytes())
    (out / second).write_bytes((out / second).read_bytes()[:-4])
    (out / third).unlink()
    (out / third).symlink_to(replaced)
    assert "12 of 12 files written (9 of them before)" in str(corrupt(str(data), suite="complex", output=str(out)))
    assert files_of(out) == files_of(tmp_path / "fresh")
    assert replaced.read_bytes() == (data / "high" / "high-0.wav").read_bytes()


def test_files_that_no_clip_has_any_more_are_counted(data, tmp_path):
    """They stay, as the recordings may be gone, but whoever reads the folder without its manifest should know."""
    out = tmp_path / "out"
    assert "earlier calls" not in str(corrupt(str(data), suite="snr-ladder", output=str(out)))
    (data / "low" / "low-0.wav").unlink()
    assert "\n6 files of earlier calls are not in manifest.csv" in str(
        corrupt(str(data), suite="snr-ladder", output=str(out))
    )


def test_another_data_set_has_its_own_folder(data, tmp_path):
    """Its files may have the same names, so that those of the first would be lost."""
    corrupt(str(data), suite="complex", output=str(tmp_path / "out"))
    before = files_of(tmp_path / "out")
    shutil.copytree(data, tmp_path / "others")
    write_tone(tmp_path / "others" / "low" / "low-0.wav", 1234.0, 0.5, seed=5)
    with pytest.raises(AuricleError, match="written with another data set"):
        corrupt(str(tmp_path / "others"), suite="complex", output=str(tmp_path / "out"))
    assert files_of(tmp_path / "out") == before


def test_labels_and_splits_of_a_metadata_table_are_kept(data, tmp_path):
    rows = ["file_name,label,split"]
    (tmp_path / "flat").mkdir()
    for k, path in enumerate(sorted(data.rglob("*.wav"))):
        shutil.copy(path, tmp_path / "flat" / path.name)
        rows.append(f"{path.name},{path.parent.name},{('train', 'test')[k % 2]}")
    (tmp_path / "flat" / "metadata.csv").write_text("\n".join(rows))
    corrupt(str(tmp_path / "flat"), suite="complex", output=str(tmp_path / "out"))
    found = read_manifest(tmp_path / "out")
    expected = {clip.file: (clip.labels, clip.split) for clip in read_manifest(tmp_path / "flat")}
    assert {Path(clip.file).name: (clip.labels, clip.split) for clip in found} == expected


def test_the_same_recordings_elsewhere_are_the_same(data, tmp_path, capsys, monkeypatch):
    corrupt(str(data), suite="complex", output=str(tmp_path / "out"))
    data.rename(tmp_path / "moved")
    (tmp_path / "out").rename(tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["corrupt", "moved", "--suite", "complex", "--output", "there"])
    assert ended.value.code == 0
    assert "12 of 12 files written (12 of them before)" in capsys.readouterr().out
