"""Who tests, who validates, and who is learnt from."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from auricle.config import DataOptions
from auricle.errors import AuricleError
from auricle.tasks.emotion.folds import partners, plan_folds, read_speakers, sessions_of


def manifest(folder: Path, speakers: dict[str, str], labels: str = "ab", session: bool = True) -> Path:
    """Two clips, one of each label, of every speaker; `speakers` gives their sessions."""
    rows: list[str] = []
    for speaker in speakers:
        for label in labels:
            name = f"{speaker}-{label}.wav"
            sf.write(folder / name, np.full(800, 0.01 + 0.001 * len(rows)), 16000)
            rows.append(f"{name},{label},{speaker}" + (f",{speakers[speaker]}" if session else ""))
    path = folder / "m.csv"
    path.write_text("\n".join(["path,label,speaker" + ",session" * session, *rows]) + "\n", encoding="utf-8")
    return path


def test_the_other_speaker_of_the_session_validates(tmp_path):
    data = read_speakers(str(manifest(tmp_path, {"b": "1", "d": "2", "a": "1", "c": "2"})))
    assert sessions_of(data) == {"a": "1", "b": "1", "c": "2", "d": "2"}
    folds = plan_folds(data)
    assert [(fold.test, fold.valid, fold.train) for fold in folds] == [
        ("a", "b", ("c", "d")),
        ("b", "a", ("c", "d")),
        ("c", "d", ("a", "b")),
        ("d", "c", ("a", "b")),
    ]
    for fold in folds:
        parts = [{clip.name for clip in fold.clips(data, name)} for name in ("train", "valid", "test")]
        assert [len(part) for part in parts] == [4, 2, 2]
        assert len(set.union(*parts)) == 8


def test_copies_of_a_later_splits_recordings_are_left_out(tmp_path):
    path = manifest(tmp_path, {"a": "1", "b": "1", "c": "2", "d": "2"}, labels="ab")
    for copy, original in (("c-a", "a-a"), ("d-b", "b-b"), ("b-a", "a-b")):
        shutil.copy(tmp_path / f"{original}.wav", tmp_path / f"{copy}.wav")
    data = read_speakers(str(path))
    (fold,) = plan_folds(data, only=["a"])
    found = {name: {Path(clip.file).stem for clip in fold.clips(data, name)} for name in ("train", "valid", "test")}
    assert found == {"test": {"a-a", "a-b"}, "valid": {"b-b"}, "train": {"c-b", "d-a"}}


def test_pairs_come_before_sessions_and_speakers_can_be_chosen(tmp_path):
    data = read_speakers(str(manifest(tmp_path, {"a": "1", "b": "1", "c": "2", "d": "2"})))
    folds = plan_folds(data, ["a-d", "c-b"], ["d", "b"])
    assert [(fold.test, fold.valid, fold.train) for fold in folds] == [
        ("d", "a", ("b", "c")),
        ("b", "c", ("a", "d")),
    ]


def test_sessions_of_a_manifest_separated_by_semicolons(tmp_path):
    path = manifest(tmp_path, {"b": "1", "d": "2", "a": "1", "c": "2"})
    path.write_text(path.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")
    assert sessions_of(read_speakers(str(path))) == {"a": "1", "b": "1", "c": "2", "d": "2"}


def test_without_sessions_neighbours_are_partners(tmp_path):
    data = read_speakers(str(manifest(tmp_path, dict.fromkeys("abc", ""), session=False)))
    assert sessions_of(data) == {}
    assert [(fold.test, fold.valid) for fold in plan_folds(data)] == [("a", "b"), ("b", "a"), ("c", "a")]


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["a-x"], "'x'"),
        (["a-b", "b-c"], "more than one"),
        (["a-b"], "no partner for c, d"),
        (["a-b-c"], "a b c"),
        (["a-a"], "a a"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(pairs, said):
    with pytest.raises(AuricleError, match=said):
        partners("abcd", {}, pairs)


def test_what_cannot_be_folded_is_refused(tmp_path):
    with pytest.raises(AuricleError, match="a b c"):
        partners("abc", dict.fromkeys("abc", "1"))
    data = read_speakers(str(manifest(tmp_path, dict.fromkeys("ab", "1"))))
    with pytest.raises(AuricleError, match="2 speakers"):
        plan_folds(data)
    data = read_speakers(str(manifest(tmp_path, {"a": "1", "b": "1", "c": "2", "d": "2"})))
    with pytest.raises(AuricleError, match="'x'"):
        plan_folds(data, (), ["x"])
    with pytest.raises(AuricleError, match="speakers c a c: 'c' is there 2 times, name it once"):
        plan_folds(data, (), ["c", "a", "c"])
    (tmp_path / "n.csv").write_text("path,label\na-a.wav,a\n", encoding="utf-8")
    with pytest.raises(AuricleError, match="no column 'speaker'"):
        read_speakers(str(tmp_path / "n.csv"))


def test_an_emotion_that_only_the_pair_has_is_refused(tmp_path):
    path = manifest(tmp_path, {"a": "1", "b": "1", "c": "2", "d": "2"})
    path.write_text(path.read_text().replace("a-b.wav,b,a", "a-b.wav,z,a"), encoding="utf-8")
    with pytest.raises(AuricleError, match="without a and b nobody is 'z'"):
        plan_folds(read_speakers(str(path), DataOptions()))
