from __future__ import annotations

import dataclasses

import pytest

from auricle.config import DataOptions, SplitOptions
from auricle.data.manifest import Manifest, read_manifest
from auricle.data.reading import data_name, read_data
from auricle.data.splits import advice, divide
from auricle.errors import AuricleError
from auricle.runs.clips import KnownClips, clip_table
from sounds import tone_folder


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
        sets = [names(parts.train), names(parts.validation), names(parts.test)]
        assert not sets[0] & sets[1]
        assert not sets[0] & sets[2]
        assert not sets[1] & sets[2]
        assert sum(map(len, sets)) == total

    def test_without_splits_a_share_is_put_aside(self, clips):
        parts = divide(clips, "tones", SplitOptions())
        self.check(parts, 36)
        assert len(parts.test) == 7
        assert names(divide(clips, "tones", SplitOptions(seed=1)).test) != names(parts.test)

    def test_official_splits_stay_what_they_are(self, clips):
        data = placed(clips, split=lambda i: ("train", "train", "valid", "test")[i % 4])
        parts = divide(data, "tones", SplitOptions())
        self.check(parts, 36)
        assert {clip.split for clip in parts.train} == {"train"}
        assert {clip.split for clip in parts.validation} == {"valid"}
        assert {clip.split for clip in parts.test} == {"test"}

    def test_two_splits_are_training_and_test(self, clips):
        data = placed(clips, split=lambda i: ("train", "valid")[i % 3 == 0])
        parts = divide(data, "tones", SplitOptions())
        self.check(parts, 36)
        assert {clip.split for clip in parts.test} == {"valid"}
        assert {clip.split for clip in parts.validation} == {"train"}

    def test_a_fold_is_left_out_and_groups_stay_whole(self, clips):
        data = placed(clips, fold=lambda i: str(i % 3), group=lambda i: f"g{i % 6}")
        parts = divide(data, "tones", SplitOptions(test_fold="1", validation_share=0.3))
        self.check(parts, 36)
        assert {clip.fold for clip in parts.test} == {"1"}
        assert not {clip.group for clip in parts.train} & {clip.group for clip in parts.validation}

    def test_labels_that_training_lacks_are_named(self, clips):
        data = placed(clips, split=lambda i: "train")
        moved = [dataclasses.replace(c, split="test") if c.labels == ("low",) else c for c in data.clips]
        with pytest.raises(AuricleError, match="the test part has: low"):
            divide(Manifest(clips.source, tuple(moved)), "tones", SplitOptions())

    def test_unknown_splits_and_folds_are_refused(self, clips):
        with pytest.raises(AuricleError, match="no fold '9'"):
            divide(placed(clips, fold=lambda i: str(i % 3)), "tones", SplitOptions(test_fold="9"))
        with pytest.raises(AuricleError, match="not a share"):
            SplitOptions(test_share=1.5)

    def test_advice_speaks_of_unused_folds_and_splits(self, clips):
        assert not advice(clips, SplitOptions())
        assert "--splits.test-fold" in advice(placed(clips, fold=lambda i: str(i % 3)), SplitOptions())[0]
        odd = placed(clips, split=lambda i: ("train", "test", "later")[i % 3])
        assert "later are not used" in advice(odd, SplitOptions())[0]


class TestKnownClips:
    def test_clips_are_known_by_path_and_when_moved_by_name_and_size(self, clips, tmp_path):
        parts = divide(clips, "tones", SplitOptions())
        (tmp_path / "clips.csv").write_text(clip_table([parts]))
        known = KnownClips(tmp_path, "tones")
        for name in ("train", "validation", "test"):
            assert {known.part(clip) for clip in getattr(parts, name)} == {name}
        first = parts.train.clips[0]
        copy = tmp_path / first.path.name
        copy.write_bytes(first.path.read_bytes())
        assert known.part(dataclasses.replace(first, path=copy)) == "train"
        copy.write_bytes(first.path.read_bytes() + b"x")
        assert known.part(dataclasses.replace(first, path=copy)) == ""
        assert KnownClips(tmp_path, "others").part(first) == ""


def test_bad_files_are_found_by_decoding_them(tmp_path):
    folder = tone_folder(tmp_path, 3)
    victim = folder / "low" / "low-0.wav"
    victim.write_text("no sound")
    with pytest.raises(AuricleError, match=r"low-0\.wav"):
        read_data(str(folder), DataOptions())
    manifest = read_data(str(folder), DataOptions(skip_bad=True))
    assert len(manifest) == 8
    assert [problem.name for problem in manifest.skipped] == ["low/low-0.wav"]


def test_names_of_data_sets(tmp_path):
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "manifest.csv").touch()
    assert data_name(f"owls={tmp_path}/x.csv") == ("owls", f"{tmp_path}/x.csv")
    assert data_name(f"{tmp_path}/birds")[0] == "birds"
    assert data_name(f"{tmp_path}/birds/manifest.csv")[0] == "birds"
