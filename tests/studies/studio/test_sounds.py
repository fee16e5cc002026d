"""What is dropped is kept as it is, and the shelf gives out its own files alone."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile as sf

from auricle import audio
from auricle.errors import AuricleError
from auricle.studies.studio import sounds
from auricle.studies.studio.sounds import Shelf, Sound, cut, take_in


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_the_kept_sound_has_the_samples_that_are_read(scene: Path, shelf: Shelf, tmp_path: Path, suffix: str) -> None:
    waveform, rate = audio.read(scene, mono=False)
    path = tmp_path / f"x.{suffix}"
    audio.write(path, waveform, rate)
    kept, damage = take_in(path, shelf)
    expected, _ = audio.read(path, mono=False)
    np.testing.assert_array_equal(audio.read(kept.path, mono=False)[0], expected)
    assert (audio.info(kept.path).sample_rate, kept.title, damage) == (rate, path.name, [])


def test_a_cut_file_is_kept_as_far_as_it_goes_and_that_is_said(scene: Path, shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(scene.read_bytes()[:20000])
    kept, damage = take_in(path, shelf)
    np.testing.assert_array_equal(
        audio.read(kept.path)[0], audio.read(scene, end_s=audio.info(kept.path).duration_s)[0]
    )
    assert len(damage) == 1
    assert "ends" in damage[0]


def test_what_is_no_sound_or_too_long_is_refused(scene: Path, shelf: Shelf, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "x.wav").write_text("not a sound")
    with pytest.raises(AuricleError, match=r"x\.wav"):
        take_in(tmp_path / "x.wav", shelf)
    monkeypatch.setattr(sounds, "LONGEST_S", 2.0)
    with pytest.raises(AuricleError, match=r"a scene\.wav lasts 0 minutes: cut it"):
        take_in(scene, shelf)


@pytest.mark.parametrize(
    ("start_s", "length_s", "first", "last"), [(0.5, 1.0, 0.5, 1.5), (9.0, 2.0, 1.0, 3.0), (0, 60, 0, 3)]
)
def test_a_stretch_is_that_part_of_the_recording(scene, shelf, start_s, length_s, first, last) -> None:
    stretch = cut(Sound(scene, "scene"), start_s, length_s, shelf)
    np.testing.assert_array_equal(audio.read(stretch.path)[0], audio.read(scene, start_s=first, end_s=last)[0])
    assert stretch.start_s == first
    assert stretch.title == f"scene, {first:g} to {last:g} s"


@pytest.mark.parametrize("length_s", [0.0, -1.0, 61.0, float("nan")])
def test_a_stretch_without_length_or_too_long_is_refused(scene, shelf, length_s) -> None:
    with pytest.raises(AuricleError, match="it should last up to 60 s"):
        cut(Sound(scene, "scene"), 0.0, length_s, shelf)


def test_an_address_leads_to_its_file_and_to_nothing_else(shelf: Shelf, tmp_path: Path) -> None:
    path = shelf.section().place("weiß & ../x.wav")
    path.write_bytes(b"sound")
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (path.parent / "link.wav").symlink_to(tmp_path / "secret.wav")
    address = shelf.address(path).removeprefix("/sound/")
    assert shelf.find(unquote(address)) == path
    inside = path.relative_to(shelf.root)
    for other in (
        "../secret.wav",
        str(tmp_path / "secret.wav"),
        str(inside.parent),
        "",
        str(inside.parent / "link.wav"),
        "\0",
        "a" * 5000,
    ):
        assert shelf.find(other) is None, other


def test_the_first_file_and_the_last_ones_stay(shelf: Shelf, monkeypatch) -> None:
    monkeypatch.setattr(sounds, "MOST_FILES", 3)
    section = shelf.section()
    paths = []
    for number in range(5):
        paths.append(section.place(f"{number}.wav"))
        sf.write(paths[-1], np.zeros(8), 8000)
    assert [path.exists() for path in paths] == [True, False, False, True, True]
    section.clear()
    assert not any(path.exists() for path in paths)
    assert shelf.root.is_dir()
