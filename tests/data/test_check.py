from __future__ import annotations

import json
import os

import numpy as np
import pytest
import soundfile as sf

from auricle import audio
from auricle.data.check import check_data
from auricle.data.clips import Clip
from auricle.data.statistics import sound_statistics
from auricle.errors import AuricleError


def noise(seed, n_samples=4000):
    return 0.1 * np.random.default_rng(seed).standard_normal(n_samples).clip(-4, 4)


@pytest.fixture
def data(tmp_path):
    """Adds rows to a manifest: add(name, waveform, **cells); check() checks it."""

    class Data:
        path = tmp_path / "manifest.csv"
        columns = ("path", "label", "split", "fold", "group", "start", "end")

        def __init__(self):
            self.rows = []

        def add(self, name, waveform=None, rate=16000, **cells):
            if waveform is not None:
                sf.write(tmp_path / name, waveform, rate, subtype=cells.pop("subtype", None))
            self.rows.append({"path": name, "label": "x", **cells})

        def good(self):
            for i in range(4):
                self.add(f"good{i}.wav", noise(i), label="xy"[i % 2])

        def check(self, **options):
            lines = [",".join(str(row.get(column, "")) for column in self.columns) for row in self.rows]
            self.path.write_text("\n".join([",".join(self.columns), *lines]) + "\n", encoding="utf-8")
            return check_data(self.path, **options)

    return Data()


def by_code(report):
    assert len({(f.code, f.message) for f in report.findings}) == len(report.findings)
    return {finding.code: finding for finding in report.findings}


def test_clips_without_groups_are_pointed_out_where_test_clips_are_still_to_be_chosen(data):
    data.good()
    (found,) = data.check().findings
    assert "no-groups" not in by_code(data.check(group_column="none"))
    assert (found.severity, found.code) == ("note", "no-groups")
    data.rows[0]["group"] = "garden"
    assert data.check().findings == ()
    del data.rows[0]["group"]
    for kind in ("split", "fold"):
        for row, place in zip(data.rows, ("train", "train", "test", "test"), strict=True):
            row[kind] = place
        assert "no-groups" not in by_code(data.check())
        for row in data.rows:
            del row[kind]


def test_good_data_has_no_findings(data):
    data.good()
    for row in data.rows:
        row["group"] = row["path"]
    report = data.check()
    assert report.findings == ()
    assert report.ok
    assert report.summary == {
        "clips": 4,
        "skipped": 0,
        "left_out": 0,
        "negatives": 0,
        "hours": pytest.approx(4 * 0.25 / 3600),
        "classes": 2,
        "groups": 4,
        "rates": {"16000": 4},
        "channels": {"1": 4},
    }
    assert report.table.to_dict() == {"total": {"x": 2, "y": 2}}


def test_bad_files_do_not_stop_it(data, tmp_path):
    data.good()
    data.add("missing.wav")
    data.add("text.wav")
    (tmp_path / "text.wav").write_text("hello")
    data.add("nan.wav", np.full(100, np.nan), subtype="FLOAT")
    data.add("cut.flac", noise(9, 60_000))
    (tmp_path / "cut.flac").write_bytes((tmp_path / "cut.flac").read_bytes()[:60])
    data.add("good0.wav", start=3)
    report = data.check()
    found = by_code(report)
    assert not report.ok
    assert found["missing-file"].clips == ("missing.wav",)
    assert found["unreadable-file"].clips == ("text.wav", "cut.flac")
    assert "and 1 more" in found["unreadable-file"].message
    assert found["bad-times"].clips == ("good0.wav",)
    assert found["bad-samples"].clips == found["silent"].clips == ("nan.wav",)
    errors = {code for code, finding in found.items() if finding.severity == "error"}
    assert errors == {"missing-file", "unreadable-file", "bad-times", "bad-samples"}
    assert (report.summary["clips"], report.summary["skipped"]) == (5, 4)


def test_only_bad_files_still_give_a_report(data):
    data.add("missing.wav")
    report = data.check()
    assert [finding.code for finding in report.findings] == ["missing-file"]
    assert report.lines()[-1].startswith("not ok")
    assert report.lines().count("") == 1
    with pytest.raises(AuricleError):
        check_data(data.path.parent / "nowhere")


def test_duplicates(data):
    data.good()
    data.add("again.flac", sf.read(data.path.parent / "good0.wav", dtype="int16")[0], rate=22050)
    data.add("other.wav", noise(1), label="x")
    found = by_code(data.check())
    assert found["duplicates"].clips == ("good0.wav", "again.flac")
    assert found["duplicates"].severity == "warning"
    assert found["same-audio-other-label"].clips == ("good1.wav", "other.wav")
    assert found["same-audio-other-label"].severity == "error"
    assert "duplicates-across-splits" not in found


@pytest.mark.parametrize("kind", ["split", "fold"])
def test_duplicates_across_splits(data, kind):
    for i in range(6):
        data.add(f"{i}.wav", noise(i % 4), label="xy"[i % 2], **{kind: "train" if i < 4 else "test"})
    report = data.check()
    found = by_code(report)
    assert found["duplicates-across-splits"].clips == ("0.wav", "4.wav", "1.wav", "5.wav")
    assert found["duplicates-across-splits"].severity == "error"
    assert not report.ok


def test_almost_equal_is_not_equal(data):
    data.good()
    almost = noise(0)
    almost[-1] += 1 / 32768
    data.add("almost.wav", almost)
    data.add("two.wav", np.stack([noise(0), noise(1)], axis=1))
    data.add("silent.wav", np.zeros(4000))
    data.add("silent2.wav", np.zeros(4000))
    assert not {"duplicates", "same-audio-other-label"} & by_code(data.check()).keys()


@pytest.mark.parametrize("kind", ["split", "fold"])
def test_groups_in_two_splits(data, kind):
    for i in range(8):
        side = "12"[i % 4 > 1] if kind == "fold" else ("train", "test")[i % 4 > 1]
        data.add(f"{i}.wav", noise(i), label="xy"[i % 2], group="abcc"[i % 4], **{kind: side})
    found = by_code(data.check())
    assert "group-across-" + kind + "s" not in found
    data.rows[0]["group"] = "c"
    finding = by_code(data.check())["group-across-" + kind + "s"]
    assert finding.severity == "warning"
    assert finding.clips == ("0.wav", "2.wav", "3.wav", "6.wav", "7.wav")
    assert "1 of 3 groups" in finding.message


def test_without_groups_there_are_none_in_two_splits(data):
    for i in range(4):
        data.add(f"{i}.wav", noise(i), label="xy"[i // 2], split=("train", "test")[i % 2], group="a")
    assert "group-across-splits" in by_code(data.check())
    assert "group-across-splits" not in by_code(data.check(group_column="none"))


def test_segments_of_one_file_in_two_splits(data):
    data.add("long.wav", noise(0, 32_000), start=0, end=1, split="train", label="x")
    data.add("long.wav", start=1, end=2, split="test", label="x")
    data.add("b.wav", noise(1), split="train", label="y")
    data.add("c.wav", noise(2), split="test", label="y")
    assert by_code(data.check())["file-across-splits"].clips == ("long.wav@0-1", "long.wav@1-2")


@pytest.mark.parametrize("kind", ["split", "fold"])
def test_overlapping_segments(data, kind):
    data.add("long.wav", noise(0, 64_000), start=0, end=2, group="g", **{kind: "1"})
    data.add("long.wav", start=0.5, end=1, group="g", **{kind: "1"})
    data.add("long.wav", start=1.5, end=2.5, group="g", **{kind: "2"})
    data.add("long.wav", start=2.5, end=3, group="g", **{kind: "1"}, label="y")
    found = by_code(data.check())
    assert found[f"overlap-across-{kind}s"].clips == ("long.wav@0-2", "long.wav@1.5-2.5")
    assert found[f"overlap-across-{kind}s"].severity == "error"


def test_levels(data):
    data.good()
    data.add("silent.wav", 0.00005 * np.sign(noise(10)), subtype="FLOAT")
    data.add("quiet.wav", np.concatenate([noise(11), np.zeros(20_000)]))
    data.add("clipped.wav", (20 * noise(12)).clip(-1, 1))
    data.add("offset.wav", noise(13) + 0.05)
    data.add("one-side.wav", np.stack([noise(14), noise(15) - 0.05], axis=1))
    data.add("integers.wav", 32768 * noise(16), subtype="FLOAT")
    found = by_code(data.check())
    assert found["silent"].clips == ("silent.wav",)
    assert found["mostly-silent"].clips == ("quiet.wav",)
    assert found["clipped"].clips == ("clipped.wav", "integers.wav")
    assert found["beyond-full-scale"].clips == ("integers.wav",)
    assert set(found["dc-offset"].clips) - {"integers.wav"} == {"offset.wav", "one-side.wav"}
    assert found["mostly-silent"].severity == "note"


def test_formats_and_lengths(data):
    data.good()
    data.add("slow.wav", noise(20, 2000), rate=4000)
    data.add("stereo.wav", np.stack([noise(21), noise(22)], axis=1))
    data.add("blip.wav", noise(23, 200))
    data.add("long.wav", noise(24, 50_000))
    report = data.check()
    found = by_code(report)
    assert found["low-rate"].clips == found["several-rates"].clips == ("slow.wav",)
    assert "4000 Hz (1), 16000 Hz (7)" in found["several-rates"].message
    assert found["several-channel-counts"].clips == ("stereo.wav",)
    assert "mono (7), stereo (1)" in found["several-channel-counts"].message
    assert found["very-short"].clips == ("blip.wav",)
    assert found["long"].clips == ("long.wav",)
    assert report.ok


def test_classes(data):
    counts = {"a": (20, 3), "b": (2, 0), "c": (0, 2), "d": (1, 1)}
    i = 0
    for label, (train, test) in counts.items():
        for split, n in (("train", train), ("test", test)):
            for _ in range(n):
                data.add(f"{i}.wav", noise(i), label=label, split=split)
                i += 1
    data.add("both.wav", noise(999), label="a;c")
    report = data.check()
    assert report.table.loc["a"].to_dict() == {"train": 20, "test": 3, "total": 24}
    assert report.table.loc["c"].to_dict() == {"train": 0, "test": 2, "total": 3}
    absent = {f.message: f.severity for f in report.findings if f.code == "class-absent-from-split"}
    assert absent == {
        "1 of 4 classes absent from the split 'train': c": "error",
        "1 of 4 classes absent from the split 'test': b": "warning",
    }
    found = by_code(report)
    assert found["imbalance"].message == "imbalance: 'a' has 20 clips, 'd' 1"
    assert "d" in found["one-clip"].message
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=("error", "warning", "note").index)


def test_one_class_only(data):
    data.add("a.wav", noise(0))
    data.add("b.wav", noise(1))
    assert by_code(data.check())["one-class"].severity == "error"


def test_the_report_as_text_and_json(data, tmp_path):
    data.good()
    data.add("missing.wav")
    report = data.check()
    report.to_json(tmp_path / "out" / "report.json")
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["ok"] is False
    assert content["summary"] == report.summary
    assert content["table"] == {"x": {"total": 2}, "y": {"total": 2}}
    assert content["findings"][0]["clips"] == ["missing.wav"]
    lines = report.lines()
    assert all("\n" not in line for line in lines)
    assert lines[0] == f"{data.path}: 4 clips, 1 s, 16000 Hz, mono"
    assert any(line.startswith("error: ") and line.endswith("[missing-file]") for line in lines)


def test_a_label_that_is_a_whole_text_does_not_fill_the_screen(data):
    data.good()
    data.rows[-1]["label"] = "z" * 5000
    lines = data.check().lines()
    assert max(map(len, lines)) < 300
    assert any("zzz…" in line and "single training clip" in line for line in lines)


def slow_twin(waveform):
    """Samples in runs of three or more at full scale of one sign, sample by sample."""
    counted = 0
    for channel in waveform:
        at = 0
        while at < len(channel):
            run = at
            while run < len(channel) and abs(channel[run]) >= 32766 / 32768 and channel[run] * channel[at] > 0:
                run += 1
            if run - at >= 3:
                counted += run - at
            at = max(run, at + 1)
    return counted


@pytest.mark.parametrize("rate", [100, 8000, 11025])
def test_statistics_against_a_slow_twin(tmp_path, rate):
    """Over several blocks of 10 s, where runs cross the border of a block (at 100 Hz: every 1000 samples)."""
    random = np.random.default_rng(rate)
    waveform = random.choice([-1.0, -0.3, 0.2, 1.0], size=(2, 3456), p=[0.3, 0.1, 0.2, 0.4])
    waveform[0, 990:1010] = 1.0
    waveform[1, 1999:2002] = -1.0
    waveform[0, 1990:2010] = 1.0
    waveform[0, 998:1000], waveform[1, 2998:3000] = -1.0, 1.0
    waveform[:, 2500:2900] = 0
    audio.write(tmp_path / "a.wav", waveform, rate, subtype="FLOAT")
    clip = Clip(file="a", path=tmp_path / "a.wav", labels=("x",), sample_rate=rate, duration_s=0.0, channels=2)
    sound = sound_statistics(clip)
    assert sound.clipped_share == pytest.approx(slow_twin(waveform) / waveform.size, abs=1e-9)
    mix = waveform.mean(axis=0)
    assert sound.offset == pytest.approx(mix.mean(), abs=1e-6)
    assert sound.peak == 1.0
    frame = round(0.05 * rate)
    frames = [slice(i, i + frame) for i in range(0, len(mix), frame)]
    assert sound.quiet_share == pytest.approx(np.mean([np.abs(mix[f]).max() < 1e-3 for f in frames]))
    energies = [((waveform[:, f] ** 2).sum() / 4, (mix[f] ** 2).sum()) for f in frames]
    apart, mixed = (sum(values) for values in zip(*energies, strict=True))
    assert sound.cancelled_db == pytest.approx(10 * np.log10(apart / mixed), abs=1e-5)
    cancelled = sum(a for a, m in energies if m <= a / 10**0.9)
    assert sound.cancelled_share == pytest.approx(cancelled / apart, abs=1e-6)


def stereo(left, right):
    return np.stack([left, right], axis=1)


def test_channels_that_cancel_in_the_mix_that_models_hear(data):
    data.good()
    one, other = noise(30), noise(31)
    silence = np.zeros(4000)
    data.add("opposite.wav", stereo(one, -one), subtype="FLOAT")
    data.add("nearly.wav", stereo(one, -0.7 * one), subtype="FLOAT")
    data.add("half.wav", stereo(one, np.where(np.arange(4000) < 1600, one, -one)), subtype="FLOAT")
    data.add("weaker.wav", stereo(one, -0.4 * one), subtype="FLOAT")
    data.add("start.wav", stereo(one, np.where(np.arange(4000) < 800, -one, one)), subtype="FLOAT")
    data.add("four.wav", np.stack([one, -one, other, -other], axis=1), subtype="FLOAT")
    data.add("equal.wav", stereo(other, other), subtype="FLOAT")
    data.add("unrelated.wav", stereo(noise(32), noise(33)), subtype="FLOAT")
    data.add("one-side.wav", stereo(noise(34), silence), subtype="FLOAT")
    data.add("eight.wav", np.stack([noise(35 + i) for i in range(8)], axis=1), subtype="FLOAT")
    data.add("one-of-eight.wav", np.stack([noise(50), *[silence] * 7], axis=1), subtype="FLOAT")
    found = by_code(data.check())
    assert found["cancels"].clips == ("opposite.wav", "nearly.wav", "half.wav", "four.wav")
    assert found["partly-cancels"].clips == ("weaker.wav", "start.wav")
    assert found["cancels"].severity == found["partly-cancels"].severity == "warning"
    assert "silent" not in found


def cancelled_db(folder, waveform):
    audio.write(folder / "a.wav", waveform, 16000, subtype="FLOAT")
    clip = Clip(file="a", path=folder / "a.wav", labels=(), sample_rate=16000, duration_s=1.0, channels=len(waveform))
    return sound_statistics(clip).cancelled_db


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0, -0.4, -0.7, -0.99])
def test_by_how_much_channels_cancel(tmp_path, share):
    """The mix of x and a·x has the power ((1 + a) / 2)², that of unrelated channels (1 + a²) / 4."""
    x = noise(0)
    expected = -10 * np.log10((1 + share) ** 2 / (1 + share**2))
    assert cancelled_db(tmp_path, np.stack([x, share * x])) == pytest.approx(expected, abs=1e-3)


def test_silence_cancels_nothing_and_opposites_cancel_wholly(tmp_path):
    assert cancelled_db(tmp_path, np.zeros((2, 100))) == 0
    assert cancelled_db(tmp_path, np.stack([noise(0), -noise(0)])) == np.inf
    assert cancelled_db(tmp_path, noise(0)[None]) == pytest.approx(0, abs=1e-6)


def test_levels_and_duplicates_are_those_of_the_mix(data):
    data.good()
    data.add("both.wav", stereo(noise(0), noise(0)), label="x", subtype="FLOAT")
    data.add("mono.wav", noise(0), label="x", subtype="FLOAT")
    data.add("offset.wav", stereo(noise(41) + 0.05, noise(42) - 0.05))
    data.add("soft.wav", stereo(1e-6 * noise(43), 1e-6 * noise(44)), subtype="FLOAT")
    found = by_code(data.check())
    assert found["duplicates"].clips == ("both.wav", "mono.wav")
    assert "dc-offset" not in found
    assert found["silent"].clips == ("soft.wav",)


@pytest.mark.parametrize("other", ["X", "x\u00a0y", "x\u200b"])
def test_labels_that_look_alike(data, other):
    first = "x y" if " " in other or "\u00a0" in other else "x"
    for i, label in enumerate([first, first, other, "z"]):
        data.add(f"{i}.wav", noise(i), label=label)
    report = data.check()
    found = by_code(report)
    assert found["lookalike-labels"].severity == "error"
    assert found["lookalike-labels"].clips == ("0.wav", "1.wav", "2.wav")
    assert repr(other) in found["lookalike-labels"].message
    assert report.exit_code == 2
    assert ("strange-label" in found) == other.endswith("\u200b")


@pytest.mark.parametrize("missing", ["nan", "NaN", "<NA>", "None", "?", "--"])
def test_labels_that_may_stand_for_none_are_pointed_out(data, missing):
    data.good()
    data.add("4.wav", noise(4), label=missing)
    data.add("5.wav", noise(5), label="nanny")
    report = data.check()
    found = by_code(report)["missing-value"]
    assert (found.severity, found.clips, report.exit_code) == ("warning", ("4.wav",), 0)
    assert f"the label {missing!r} may stand for a missing one" in found.message
    assert "missing-value" not in by_code(data.check(negative_label=missing))


def test_few_clips_with_several_labels_are_pointed_out(data):
    for i in range(20):
        data.add(f"{i}.wav", noise(i), label="xy"[i % 2])
    data.add("20.wav", noise(20), label="x;y")
    found = by_code(data.check())["few-several-labels"]
    assert (found.severity, found.clips) == ("warning", ("20.wav",))
    assert found.message.startswith("only 1 of 21 clips with several labels")
    assert "few-several-labels" not in by_code(data.check(multi_label=True))
    for row in data.rows[:4]:
        row["label"] = "x;y"
    found = by_code(data.check())
    assert found["several-labels"].message.startswith("5 of 21 clips with several labels")
    assert "few-several-labels" not in found


def test_labels_that_are_one_number_are_pointed_out(data):
    for i, label in enumerate(["1", "01", "1.0", "10", "1.1", "1.10", "00", "0"]):
        data.add(f"{i}.wav", noise(i), label=label)
    found = [finding for finding in data.check().findings if finding.code == "same-number"]
    assert [(f.severity, f.clips) for f in found] == [
        ("warning", ("6.wav", "7.wav")),
        ("warning", ("0.wav", "1.wav", "2.wav")),
    ]
    assert (
        found[1].message == "labels that are one number: '01', '1', '1.0'; if they are one class, write it in one way"
    )


def test_labels_separated_by_commas_are_pointed_out(tmp_path):
    labels = ["engine", "vacuum_cleaner", "engine, vacuum_cleaner", "rain, heavy", "rain"]
    for i in range(len(labels)):
        sf.write(tmp_path / f"{i}.wav", noise(i), 16000)
    rows = "".join(f"{i}.wav;{label}\n" for i, label in enumerate(labels))
    (tmp_path / "m.csv").write_text(f"path;label\n{rows}")
    found = by_code(check_data(tmp_path / "m.csv"))
    assert (found["combined-labels"].severity, found["combined-labels"].clips) == ("warning", ("2.wav",))
    made = "1 label made of other labels and commas, as 'engine, vacuum_cleaner'"
    assert found["combined-labels"].message == f"{made}: several labels of a clip are separated by ;"
    listed = "engine, 'engine, vacuum_cleaner', rain, 'rain, heavy', vacuum_cleaner"
    assert found["one-clip"].message == f"5 classes with a single training clip: {listed}"


def test_clips_without_a_label_are_counted(data):
    for i, label in enumerate(["x", "y", "x;y", "", "", "x"]):
        data.add(f"{i}.wav", noise(i), label=label, split="test" if i in (2, 4, 5) else "train")
    report = data.check()
    assert report.ok
    assert report.summary["negatives"] == 2
    assert report.table.to_dict("index") == {
        "x": {"train": 1, "test": 2, "total": 3},
        "y": {"train": 1, "test": 1, "total": 2},
        "(none)": {"train": 1, "test": 1, "total": 2},
    }
    data.rows[2]["label"] = "x"
    found = by_code(data.check())
    assert found["missing-label"].clips == ("3.wav", "4.wav")
    assert "--multi-label" in found["missing-label"].message
    assert data.check(multi_label=True).summary["negatives"] == 2
    data.rows[3]["label"] = data.rows[4]["label"] = "y"
    assert data.check(negative_label="y").table.loc["(none)", "total"] == 3


def test_one_class_with_negatives_can_be_learnt_and_negatives_alone_cannot(data):
    for i, label in enumerate(["x", "x", "", ""]):
        data.add(f"{i}.wav", noise(i), label=label)
    assert data.check(multi_label=True).ok
    for row in data.rows:
        row["label"] = ""
    assert by_code(data.check(multi_label=True))["no-class"].severity == "error"


def test_damage_is_found_and_ends_with_code_3(data, tmp_path):
    data.good()
    data.add("cut.wav", noise(9, 16_000))
    (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[:20_000])
    report = data.check()
    found = by_code(report)["damaged"]
    assert (found.severity, found.clips) == ("warning", ("cut.wav",))
    assert (report.ok, report.exit_code) == (True, 3)
    assert report.complaint.endswith("some files are damaged or left out")
    data.rows[-1] |= {"start": 0, "end": 0.5}
    assert data.check().exit_code == 0
    bad = noise(10)
    bad[17] = 1e20
    data.add("bad.wav", bad, subtype="FLOAT")
    report = data.check()
    assert by_code(report)["bad-samples"].clips == ("bad.wav",)
    assert "1 sample" in by_code(report)["bad-samples"].message
    assert (report.ok, report.exit_code) == (False, 2)


@pytest.fixture
def folders(tmp_path):
    for label in ("x", "y"):
        for i in range(2):
            audio.write(tmp_path / "data" / label / f"{i}.wav", noise(10 * ord(label) + i), 16000)
    return tmp_path / "data"


def test_files_that_are_not_read(folders, tmp_path):
    assert check_data(folders).exit_code == 0
    (folders / "x" / "2.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    (folders / "notes.txt").write_text("no sound")
    report = check_data(folders)
    found = by_code(report)
    assert (found["left-out"].severity, found["left-out"].clips) == ("warning", ("x/2.m4a",))
    assert (report.ok, report.exit_code, report.summary["left_out"]) == (True, 3, 1)
    (folders / "z").mkdir()
    (folders / "z" / "1.m4a").write_bytes(b"")
    (folders / "gone").symlink_to(tmp_path / "nowhere")
    report = check_data(folders)
    assert by_code(report)["left-out"].clips == ("gone", "x/2.m4a", "z/1.m4a")
    assert by_code(report)["lost-class"].clips == ("gone", "z")
    assert report.exit_code == 2


def test_a_class_folder_behind_a_link_is_a_class(folders, tmp_path):
    (folders / "y").rename(tmp_path / "elsewhere")
    (folders / "y").symlink_to(tmp_path / "elsewhere")
    report = check_data(folders)
    assert report.table["total"].to_dict() == {"x": 2, "y": 2}
    assert report.exit_code == 0


def test_names_that_are_not_utf8(folders, tmp_path):
    os.rename(folders / "x" / "0.wav", os.fsencode(folders / "x") + b"/m\xe9sange.wav")
    report = check_data(folders)
    assert report.ok
    assert report.table["total"].to_dict() == {"x": 2, "y": 2}
    os.rename(folders / "y", os.fsencode(folders) + b"/\xe9t\xe9")
    report = check_data(folders)
    found = by_code(report)["label-not-unicode"]
    assert found.clips == (r"\xe9t\xe9/0.wav", r"\xe9t\xe9/1.wav")
    assert r"(\xe9t\xe9)" in found.message
    report.to_json(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["findings"][0]["clips"][0] == r"\xe9t\xe9/0.wav"
    str(report).encode()


def test_names_with_control_characters_are_shown_with_escapes(folders):
    for name in ("a\x1b[2J", "a\nb", "a\x9b"):
        (folders / "x" / f"{name}.wav").write_bytes(b"no sound")
    report = check_data(folders)
    assert set(by_code(report)["unreadable-file"].clips) == {r"x/a\x1b[2J.wav", r"x/a\nb.wav", r"x/a\x9b.wav"}
    assert all(line.isprintable() for line in report.lines())


def test_a_data_set_whose_own_name_is_not_utf8(folders, tmp_path):
    os.rename(folders, os.fsencode(tmp_path) + b"/d\xe9")
    report = check_data(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9"))
    assert report.lines()[0].startswith(f"{tmp_path}/d\\xe9: 4 clips")
    str(report).encode()
    report.to_json(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["source"] == f"{tmp_path}/d\\xe9"


def test_columns_that_are_not_read_are_named(data):
    data.good()
    data.columns = (*data.columns, "subset", "start_time", "Species")
    found = by_code(data.check(group_column="Species"))["unread-columns"]
    assert found.severity == "note"
    assert found.message.endswith("does not read: 'group', 'subset', 'start_time'")


def test_a_split_named_total(data):
    for i in range(4):
        data.add(f"{i}.wav", noise(i), label="xy"[i % 2], split="total" if i < 3 else "train")
    assert data.check().table.loc["x"].to_dict() == {"train": 0, "total": 2, "all clips": 2}


def test_what_cannot_be_seen_is_shown(data):
    for i, label in enumerate(["x y", "x\u00a0y", "z\u200b", "z\x1b[2J"]):
        data.add(f"{i}.wav", noise(i), label=label)
    lines = data.check().lines()
    assert [line.split("  ")[0] for line in lines[4:8]] == ["x y", r"x\xa0y", r"z\x1b[2J", r"z\u200b"]
    assert all(line.isprintable() for line in lines)
