from __future__ import annotations

import dataclasses
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile

import auricle
from auricle.config import DataOptions, SplitOptions
from auricle.data.copies import sound_of, without_copies
from auricle.data.manifest import Manifest, read_manifest
from auricle.data.reading import data_name, read_data, read_unlabelled
from auricle.data.splits import Splits, advice, make_splits, split_clips, without_shared_recordings
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.runs.clips import RunClips, clip_table, refuse_trained_on, select_clips, write_clips
from sounds import tone_folder, write_tone


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return read_manifest(tone_folder(tmp_path_factory.mktemp("tones"), 12))


def placed(clips: Manifest, **columns) -> Manifest:
    """The clips with a split, fold or group each, given by their number within the class."""
    changed = [
        dataclasses.replace(clip, **{name: of(i % 12) for name, of in columns.items()})
        for i, clip in enumerate(clips.clips)
    ]
    return Manifest(clips.source, tuple(changed))


def names(manifest: Manifest | None) -> set[str]:
    return {clip.name for clip in manifest or ()}


class TestDivide:
    def check(self, parts, total):
        sets = [names(parts.train), names(parts.valid), names(parts.test)]
        assert not sets[0] & sets[1]
        assert not sets[0] & sets[2]
        assert not sets[1] & sets[2]
        assert sum(map(len, sets)) == total

    def test_without_splits_a_share_is_put_aside(self, clips):
        parts = make_splits(clips, "tones", SplitOptions())
        self.check(parts, 36)
        assert len(parts.test) == 7
        assert names(make_splits(clips, "tones", SplitOptions(seed=1)).test) != names(parts.test)

    def test_official_splits_stay_what_they_are(self, clips):
        data = placed(clips, split=lambda i: ("train", "train", "valid", "test")[i % 4])
        parts = make_splits(data, "tones", SplitOptions())
        self.check(parts, 36)
        assert {clip.split for clip in parts.train} == {"train"}
        assert {clip.split for clip in parts.valid} == {"valid"}
        assert {clip.split for clip in parts.test} == {"test"}

    def test_two_splits_are_training_and_test(self, clips):
        data = placed(clips, split=lambda i: ("train", "valid")[i % 3 == 0])
        parts = make_splits(data, "tones", SplitOptions())
        self.check(parts, 36)
        assert {clip.split for clip in parts.test} == {"valid"}
        assert {clip.split for clip in parts.valid} == {"train"}

    def test_a_fold_is_left_out_and_groups_stay_whole(self, clips):
        data = placed(clips, fold=lambda i: str(i % 3), group=lambda i: f"g{i % 6}")
        parts = make_splits(data, "tones", SplitOptions(test_fold="1", validation_share=0.3))
        self.check(parts, 36)
        assert {clip.fold for clip in parts.test} == {"1"}
        assert not {clip.group for clip in parts.train} & {clip.group for clip in parts.valid}

    def test_labels_that_training_lacks_are_named(self, clips):
        data = placed(clips, split=lambda i: "train")
        moved = [dataclasses.replace(c, split="test") if c.labels == ("low",) else c for c in data.clips]
        with pytest.raises(AuricleError, match="the test clips have: low"):
            make_splits(Manifest(clips.source, tuple(moved)), "tones", SplitOptions())

    def test_unknown_splits_and_folds_are_refused(self, clips):
        with pytest.raises(AuricleError, match="no fold '9'"):
            make_splits(placed(clips, fold=lambda i: str(i % 3)), "tones", SplitOptions(test_fold="9"))
        with pytest.raises(AuricleError, match="not a share"):
            SplitOptions(test_share=1.5)

    def test_advice_speaks_of_unused_folds_and_splits(self, clips):
        assert not advice(clips, SplitOptions())
        assert "--splits.test-fold" in advice(placed(clips, fold=lambda i: str(i % 3)), SplitOptions())[0]
        odd = placed(clips, split=lambda i: ("train", "test", "later")[i % 3])
        assert "later are not used" in advice(odd, SplitOptions())[0]
        some = placed(clips, split=lambda i: ("train", "test", None)[i % 3])
        assert advice(some, SplitOptions()) == ["12 clips are not used, without a split"]

    def test_the_training_split_may_be_called_as_in_the_data(self, clips):
        data = placed(clips, split=lambda i: ("train", "valid")[i % 2])
        parts = make_splits(data, "tones", SplitOptions(train_split="training"))
        self.check(parts, 36)
        assert {clip.split for clip in parts.test} == {"valid"}


class TestHeardClips:
    @pytest.fixture
    def splits(self, clips, tmp_path):
        splits = make_splits(clips, "tones", SplitOptions())
        (tmp_path / "clips.csv").write_text(clip_table([splits]))
        return splits

    def test_clips_are_known_by_their_content_wherever_they_lie(self, splits, tmp_path):
        heard = RunClips(tmp_path)
        for name in ("train", "valid", "test"):
            assert {heard.split_of(clip, "tones") for clip in getattr(splits, name)} == {name}
        first = splits.train.clips[0]
        copy = tmp_path / "elsewhere" / "other name.wav"
        copy.parent.mkdir()
        copy.write_bytes(first.path.read_bytes())
        assert heard.split_of(dataclasses.replace(first, path=copy, file="x")) == "train"
        assert heard.split_of(first, "others") == ""
        assert RunClips(tmp_path / "elsewhere").split_of(first) == ""
        assert RunClips(None).split_of(first) == ""

    def test_another_recording_of_the_same_name_size_and_date_is_another(self, clips, tmp_path):
        folder = tone_folder(tmp_path / "tones", 4)
        splits = make_splits(read_manifest(folder), "tones", SplitOptions())
        (tmp_path / "clips.csv").write_text(clip_table([splits]))
        first, other = splits.train.clips[:2]
        before = first.path.stat()
        first.path.write_bytes(other.path.read_bytes()[:-2] + b"\x01\x02")
        os.utime(first.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert first.path.stat().st_size == before.st_size
        assert RunClips(tmp_path).split_of(first) == ""

    @pytest.mark.parametrize(
        ("start_s", "end_s", "split"),
        [
            (0.0, None, "train"),
            (0.1, 0.2, "train"),
            (0.19, 0.3, "train"),
            (0.2, 0.3, ""),
            (0.3, 0.4, "test"),
            (0.35, None, "test"),
            (0.4, 0.5, ""),
            (0.05, 0.35, "train"),
        ],
    )
    def test_a_segment_was_heard_if_it_overlaps_one_that_was(self, clips, tmp_path, start_s, end_s, split):
        clip = clips.clips[0]

        def segment(start_s, end_s):
            return dataclasses.replace(clip, start_s=start_s, end_s=end_s, duration_s=(end_s or 0.5) - start_s)

        listed = Manifest(clips.source, (segment(0.1, 0.2),)), Manifest(clips.source, (segment(0.3, 0.4),))
        table = clip_table([Splits(Task("t", ("a", "b")), listed[0], Manifest(clips.source, ()), listed[1])])
        (tmp_path / "clips.csv").write_text(table)
        assert RunClips(tmp_path).split_of(segment(start_s, end_s)) == split

    def test_a_name_with_an_at_sign_is_a_name(self, clips, tmp_path):
        named = [dataclasses.replace(clip, file=f"{i}@0-1.wav") for i, clip in enumerate(clips)]
        splits = make_splits(Manifest(clips.source, tuple(named)), "tones", SplitOptions())
        (tmp_path / "clips.csv").write_text(clip_table([splits]))
        heard = RunClips(tmp_path)
        assert {heard.split_of(clip) for clip in splits.train} == {"train"}
        assert select_clips(Manifest(clips.source, tuple(named)), "", "", heard) == (
            Manifest(clips.source, tuple(clip for clip in named if clip in splits.test.clips)),
            "test",
        )

    def test_clips_that_were_heard_are_refused(self, splits, tmp_path):
        refuse_trained_on(tmp_path, splits.test)
        mixed = [*splits.test, *splits.valid, splits.train.clips[0]]
        named = rf"trained on {len(splits.valid) + 1} of these {len(mixed)} clips, first {splits.valid.clips[0].name}"
        with pytest.raises(AuricleError, match=f"{named}.*--split"):
            refuse_trained_on(tmp_path, mixed)

    def test_what_a_run_starts_from_has_heard_it_has_heard(self, splits, tmp_path):
        """The second run of three learns nothing of its own but starts from the first; the third from the second."""
        none = Manifest(splits.train.source, ())
        (tmp_path / "second").mkdir()
        (tmp_path / "third").mkdir()
        own = dataclasses.replace(splits, train=none, valid=none)
        (tmp_path / "second" / "clips.csv").write_text(clip_table([own], tmp_path))
        (tmp_path / "third" / "clips.csv").write_text(clip_table([own], tmp_path / "second"))
        for run in (tmp_path / "second", tmp_path / "third"):
            heard = RunClips(run)
            for name in ("train", "valid", "test"):
                assert set(heard.splits_of(getattr(splits, name).clips)) == {name}
            with pytest.raises(AuricleError, match=f"{run} was trained on 1 of these 1 clips"):
                refuse_trained_on(run, splits.train.clips[:1])
        assert clip_table([splits], tmp_path / "nowhere") == clip_table([splits])

    def test_an_interrupted_run_goes_on_with_moved_clips_and_not_with_others(self, clips, tmp_path):
        folder = tone_folder(tmp_path / "a", 4)
        table = clip_table([make_splits(read_manifest(folder), "t", SplitOptions())])
        run = tmp_path / "run"
        (run / "checkpoints").mkdir(parents=True)
        (run / "checkpoints" / "last.ckpt").touch()
        write_clips(run, table)
        folder.rename(tmp_path / "b")
        write_clips(run, clip_table([make_splits(read_manifest(tmp_path / "b"), "t", SplitOptions())]))
        write_tone(tmp_path / "b" / "low" / "low-0.wav", 500.0, 0.5, seed=77)
        with pytest.raises(AuricleError, match="clips were others"):
            write_clips(run, clip_table([make_splits(read_manifest(tmp_path / "b"), "t", SplitOptions())]))

    def test_another_table_is_none(self, clips, tmp_path):
        (tmp_path / "clips.csv").write_text("task,clip\nx,y\n")
        with pytest.raises(AuricleError, match="not the clips of a run"):
            RunClips(tmp_path)

    @pytest.mark.parametrize(("start", "end"), [("nan", "1"), ("inf", ""), ("1", "nan"), ("2", "1")])
    def test_times_that_are_none_are_damage(self, splits, tmp_path, start, end):
        run = tmp_path / "run"
        run.mkdir()
        write_clips(run, clip_table([splits]))
        table = pd.read_csv(run / "clips.csv", dtype=str, keep_default_na=False)
        table.loc[0, ["start_s", "end_s"]] = [start, end]
        table.to_csv(run / "clips.csv", index=False)
        with pytest.raises(AuricleError, match="damaged"):
            RunClips(run)


class TestCopies:
    """Recordings of the same content are never in two splits."""

    @pytest.fixture
    def copied(self, tmp_path):
        folder = tone_folder(tmp_path / "data", 8)
        for k in range(4):
            shutil.copy(folder / "low" / f"low-{k}.wav", folder / "low" / f"copy-{k}.wav")
        return read_manifest(folder)

    @pytest.mark.parametrize("seed", range(5))
    def test_a_share_that_is_cut_off(self, copied, seed):
        splits = make_splits(copied, "t", SplitOptions(seed=seed, test_share=0.3, validation_share=0.3))
        contents = [{clip.recording for clip in split} for split in (splits.train, splits.valid, splits.test)]
        assert sum(map(len, contents)) == len(set.union(*contents)) == 24

    def test_groups_that_share_a_recording_are_one(self, copied):
        grouped = [
            dataclasses.replace(clip, group=f"g{clip.path.stem[-1]}{'c' if 'copy' in clip.file else ''}")
            for clip in copied
            if clip.labels == ("low",)
        ]
        rest, held = Manifest(copied.source, tuple(grouped)).hold_out(0.4)
        assert not {clip.recording for clip in rest} & {clip.recording for clip in held}
        assert not {clip.group for clip in rest} & {clip.group for clip in held}

    def test_a_corrupted_version_stays_with_its_original(self, clips, tmp_path):
        auricle.corrupt(clips.source, suite="snr-ladder", output=tmp_path / "noisy", quiet=True)
        noisy = read_manifest(tmp_path / "noisy" / "manifest.csv")
        both = Manifest(clips.source, tuple(dataclasses.replace(c, group=None) for c in (*clips, *noisy)))
        rest, held = both.hold_out(0.3)
        original = lambda clip: clip.original.recording if clip.original else clip.recording  # noqa: E731
        assert not {original(clip) for clip in rest} & {original(clip) for clip in held}

    def test_of_the_datas_own_splits_training_gives_way(self, copied):
        data = Manifest(
            copied.source,
            tuple(
                dataclasses.replace(
                    clip,
                    split="test"
                    if clip.file == "low/low-0.wav"
                    else "valid"
                    if clip.file == "low/low-1.wav"
                    else "train",
                )
                for clip in copied
            ),
        )
        splits = make_splits(data, "t", SplitOptions())
        assert {clip.file for clip in splits.test} == {"low/low-0.wav"}
        assert {clip.file for clip in splits.valid} == {"low/low-1.wav"}
        left = {clip.file for clip in copied} - {clip.file for clip in splits.train}
        assert left == {"low/low-0.wav", "low/low-1.wav", "low/copy-0.wav", "low/copy-1.wav"}
        assert "2 clips are left out of training" in advice(data, SplitOptions())[0]

    def test_of_a_fold_that_is_left_out_too(self, copied):
        data = placed(copied, fold=lambda i: str(i % 2))
        splits = make_splits(data, "t", SplitOptions(test_fold="0"))
        heard = {clip.recording for clip in (*splits.train, *splits.valid)}
        assert not heard & {clip.recording for clip in splits.test}

    def test_segments_that_a_manifest_puts_apart_stay_if_they_do_not_overlap(self, tmp_path):
        write_tone(tmp_path / "a.wav", 300.0, 1.0, seed=1)
        shutil.copy(tmp_path / "a.wav", tmp_path / "copy.wav")
        rows = ["a.wav,x,train,0,0.3", "a.wav,y,train,0.3,0.5", "a.wav,x,train,0.4,0.6"]
        rows += ["copy.wav,x,train,0,0.3", "copy.wav,y,train,0.4,0.7"]
        (tmp_path / "m.csv").write_text("\n".join(["path,label,split,start,end", *rows, "a.wav,x,test,0.5,1.0"]))
        manifest = read_manifest(tmp_path / "m.csv")
        kept = without_copies(manifest.select(split="train"), manifest.select(split="test"))
        assert [clip.name for clip in kept] == ["a.wav@0-0.3", "a.wav@0.3-0.5", "copy.wav@0-0.3"]

    def test_nothing_left_is_an_error(self, copied):
        pair = [dataclasses.replace(c, split="train" if "copy" in c.file else "test") for c in copied if "-0" in c.file]
        low = tuple(clip for clip in pair if clip.labels == ("low",))
        with pytest.raises(AuricleError, match="copies of clips put aside"):
            split_clips(Manifest(copied.source, low), SplitOptions())


def test_bad_files_are_found_by_decoding_them(tmp_path):
    folder = tone_folder(tmp_path, 3)
    victim = folder / "low" / "low-0.wav"
    victim.write_text("no sound")
    with pytest.raises(AuricleError, match=r"low-0\.wav"):
        read_data(str(folder), DataOptions())
    manifest = read_data(str(folder), DataOptions(skip_bad=True))
    assert len(manifest) == 8
    assert [problem.name for problem in manifest.skipped] == ["low/low-0.wav"]


def test_bad_files_of_a_folder_without_labels_are_left_out_too(tmp_path):
    folder = tone_folder(tmp_path / "data", 3)
    (folder / "bad.wav").write_bytes(b"RIFF" + bytes(50))
    with pytest.raises(AuricleError, match=r"bad\.wav"):
        read_unlabelled(str(folder), "speech")
    manifest = read_unlabelled(str(folder), "speech", DataOptions(skip_bad=True))
    assert (len(manifest), [problem.name for problem in manifest.skipped]) == (9, ["bad.wav"])


def test_names_of_data_sets(tmp_path):
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "manifest.csv").touch()
    assert data_name(f"owls={tmp_path}/x.csv") == ("owls", f"{tmp_path}/x.csv")
    assert data_name(f"{tmp_path}/birds")[0] == "birds"
    assert data_name(f"{tmp_path}/birds/manifest.csv")[0] == "birds"
    (tmp_path / "birds" / "owls.csv").touch()
    assert data_name(f"{tmp_path}/birds/owls.csv")[0] == "owls"


class TestDataSetsThatShareRecordings:
    """Two data sets of one training: what one of them puts aside is learnt from in neither."""

    @pytest.fixture
    def pair(self, clips, tmp_path):
        """The same recordings twice, in another folder and under another split."""
        shutil.copytree(clips.clips[0].path.parents[1], tmp_path / "copy")
        places = ("train", "train", "train", "valid", "valid", "test")
        one = placed(clips, split=lambda i: places[i % 6])
        copies = read_manifest(tmp_path / "copy")
        other = placed(copies, split=lambda i: places[(i + 1) % 6])
        return [make_splits(one, "one", SplitOptions()), make_splits(other, "other", SplitOptions())]

    def test_what_one_puts_aside_the_other_does_not_learn(self, pair):
        apart = without_shared_recordings(pair)
        for splits, before in zip(apart, pair, strict=True):
            aside = {name for each in pair for name in names(each.valid) | names(each.test)}
            tested = {name for each in pair for name in names(each.test)}
            assert names(splits.train) == names(before.train) - aside
            assert names(splits.valid) == names(before.valid) - tested
            assert splits.test == before.test
            assert names(splits.train) < names(before.train)

    def test_nor_does_it_learn_corrupted_versions_of_it(self, clips, tmp_path):
        auricle.corrupt(clips.source, suite="complex", output=tmp_path / "noisy", quiet=True)
        places = ("train", "train", "train", "valid", "valid", "test")
        noisy = read_manifest(tmp_path / "noisy")
        one, other = (placed(data, split=lambda i, k=k: places[(i + k) % 6]) for k, data in enumerate((clips, noisy)))
        before = [make_splits(one, "one", SplitOptions()), make_splits(other, "other", SplitOptions())]
        apart = without_shared_recordings(before)

        def made_of(*splits):
            return {clip.original.recording if clip.original else clip.recording for split in splits for clip in split}

        aside = made_of(*(split for each in before for split in (each.valid, each.test)))
        for splits, whole in zip(apart, before, strict=True):
            assert set() < made_of(splits.train) == made_of(whole.train) - aside < made_of(whole.train)

    def test_one_data_set_stays_as_it_is(self, pair):
        assert without_shared_recordings(pair[:1]) == pair[:1]

    def test_a_label_that_is_lost_is_refused_in_one_line(self, clips, pair):
        one = pair[0]
        aside = Manifest(one.train.source, tuple(clip for clip in clips if clip.labels == ("low",)))
        other = dataclasses.replace(one, test=aside)
        with pytest.raises(AuricleError, match="all training clips of low are copies of clips put aside in other data"):
            without_shared_recordings([one, other])


def as_flac(path, to):
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(to, samples, rate)


def as_stereo(path, to):
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(to, np.stack([samples, samples], 1), rate)


def with_a_tag(path, to):
    data = path.read_bytes() + b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    to.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:])


@pytest.mark.parametrize(
    ("make", "suffix"), [(as_flac, ".flac"), (as_stereo, ".wav"), (with_a_tag, ".wav")], ids=["flac", "stereo", "tag"]
)
class TestLosslessCopies:
    def test_they_are_in_one_split(self, tmp_path, make, suffix):
        folder = tone_folder(tmp_path, 8)
        for path in sorted(folder.rglob("*.wav")):
            make(path, path.with_name(f"{path.stem}-copy{suffix}"))
        parts = split_clips(read_manifest(folder), SplitOptions())
        stems = [{clip.path.stem.removesuffix("-copy") for clip in part} for part in parts]
        assert sum(map(len, stems)) == 24
        assert sum(map(len, parts)) == 48

    def test_they_are_known_to_a_run(self, tmp_path, make, suffix):
        manifest = read_manifest(tone_folder(tmp_path, 4))
        parts = make_splits(manifest, "tones", SplitOptions())
        write_clips(tmp_path, clip_table([parts]))
        for clip, split in [(parts.train.clips[0], "train"), (parts.test.clips[0], "test")]:
            copy = tmp_path / f"{split}{suffix}"
            make(clip.path, copy)
            assert RunClips(tmp_path).split_of(dataclasses.replace(clip, path=copy, file="x")) == split


def test_silent_recordings_are_not_copies(tmp_path):
    for name, rate in (("a.wav", 8000), ("b.wav", 8000)):
        soundfile.write(tmp_path / name, np.zeros(4000), rate, "PCM_16" if name == "a.wav" else "FLOAT")
    assert sound_of(tmp_path / "a.wav") == sound_of(tmp_path / "b.wav") == ""
