from __future__ import annotations

import os

import pytest
import soundfile

import auricle
from auricle import audio
from auricle.errors import AuricleError


def test_find_audio(tmp_path):
    for name in ("b.wav", "a/x.FLAC", "a/.hidden.wav", ".git/c.wav", "notes.txt", "a/._x.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [p.relative_to(tmp_path).as_posix() for p in audio.find_audio(tmp_path)] == ["a/x.FLAC", "b.wav"]
    assert audio.find_audio(tmp_path / "b.wav") == [tmp_path / "b.wav"]
    (tmp_path / "none").mkdir()
    with pytest.raises(AuricleError, match="none"):
        audio.find_audio(tmp_path / "none")
    with pytest.raises(AuricleError, match="missing"):
        audio.find_audio(tmp_path / "missing")


@pytest.mark.parametrize(("suffix", "form"), [(".sph", "NIST"), (".VOC", "VOC"), (".8svx", "SVX"), (".paf", "PAF")])
def test_rare_formats_are_found_and_enhanced_to_wav(tmp_path, suffix, form):
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / f"1{suffix}"
    soundfile.write(path, [0.1] * 8000, 8000, "PCM_16", format=form)
    assert audio.find_audio(tmp_path) == [path]
    assert not auricle.enhance("identity", [str(tmp_path)], output=str(tmp_path / "out")).failed
    assert audio.info(tmp_path / "out" / "a" / "1.wav").n_samples == 8000


def names(folder, paths):
    return [path.relative_to(folder).as_posix() for path in paths]


def test_links_are_followed_and_loops_are_not(tmp_path):
    store, data = tmp_path / "store", tmp_path / "data"
    for name in ("hiss/h.wav", "one.wav"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).touch()
    (data / "low").mkdir(parents=True)
    (data / "low" / "l.wav").touch()
    (data / "hiss").symlink_to(store / "hiss")
    (data / "low" / "linked.wav").symlink_to(store / "one.wav")
    (data / "low" / "up").symlink_to(data)
    (data / "self").symlink_to("self")
    (data / "gone.wav").symlink_to(store / "nothing.wav")
    (data / "day2").symlink_to("../nowhere")
    (data / "notes.txt").symlink_to("../nowhere")
    assert names(data, audio.find_audio(data)) == ["hiss/h.wav", "low/l.wav", "low/linked.wav"]
    reasons = {path.relative_to(data).as_posix(): reason for path, reason in audio.left_out(data)}
    assert reasons == {
        "low/up": "a link to a folder that contains it",
        "self": "a link to nothing",
        "gone.wav": "a link to nothing",
        "day2": "a link to nothing",
    }


def test_links_that_multiply_end(tmp_path):
    """Twenty folders, each with two links to the next: a million ways to the last."""
    for k in range(20):
        (tmp_path / "all" / str(k)).mkdir(parents=True)
        if k:
            for name in "ab":
                (tmp_path / "all" / str(k - 1) / name).symlink_to(tmp_path / "all" / str(k))
    (tmp_path / "all" / "19" / "x.wav").touch()
    assert 1 < len(audio.find_audio(tmp_path / "all" / "0")) <= 64
    assert "found by 64 other names already" in audio.left_out(tmp_path / "all" / "0")[0][1]


@pytest.mark.parametrize("suffix", [".m4a", ".AAC", ".wma", ".amr", ".webm", ".mka", ".ac3", ".mp4", ".pcm"])
def test_sound_that_cannot_be_decoded_is_left_out_with_the_reason(tmp_path, suffix):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / f"1{suffix}").touch()
    (tmp_path / "cat" / "cover.jpg").touch()
    assert audio.left_out(tmp_path) == [
        (tmp_path / "cat" / f"1{suffix}", f"{suffix.lower()} cannot be decoded; convert it to WAV or FLAC")
    ]
    with pytest.raises(AuricleError, match="no sound files below"):
        audio.find_audio(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_named_pipes_are_left_out_and_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "a.wav").touch()
    reason = "not a regular file (a named pipe, a socket or a device)"
    assert audio.left_out(tmp_path) == [(tmp_path / "pipe.wav", reason)]
    assert audio.find_audio(tmp_path) == [tmp_path / "a.wav"]
    for call in (audio.info, audio.read, lambda path: list(audio.blocks(path, block_s=1.0))):
        with pytest.raises(AuricleError, match=r"pipe\.wav: not a regular file"):
            call(tmp_path / "pipe.wav")
    with pytest.raises(AuricleError, match="not a file or folder"):
        audio.find_audio(tmp_path / "pipe.wav")


def test_a_folder_that_cannot_be_read_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    (tmp_path / "a.wav").touch()
    listdir = os.listdir

    def refuse(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert audio.left_out(tmp_path) == [(tmp_path / "locked", "a folder that cannot be read (Permission denied)")]
    assert audio.find_audio(tmp_path) == [tmp_path / "a.wav"]
