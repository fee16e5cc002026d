from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from auricle import audio
from auricle.audio import writing
from auricle.errors import AuricleError
from mutations import noise


def noise_of(n_samples, channels=1):
    return noise(n_samples, channels, np.random.default_rng(0))


@pytest.mark.parametrize("rate", [11025, 22050, 44100])
@pytest.mark.parametrize("suffix", [".wav", ".FLAC"])
def test_written_back_at_the_original_rate(tmp_path, rate, suffix):
    """Read at 48 kHz, process nothing, write at the file's own rate: the same length and, to 16 bits, samples."""
    times_s = np.arange(rate) / rate
    original = (0.5 * np.sin(2 * np.pi * 440 * times_s) * np.hanning(rate)).astype(np.float32)
    sf.write(tmp_path / "in.wav", original, rate, subtype="FLOAT")
    waveform, _ = audio.read(tmp_path / "in.wav", sample_rate=48000)
    out = tmp_path / "deep" / "er" / f"out{suffix}"
    audio.write(out, waveform, 48000, target_rate=rate)
    again, again_rate = audio.read(out)
    assert again_rate == rate
    assert abs(len(again) - rate) <= 1
    np.testing.assert_allclose(again[:rate], original[: len(again)], atol=2e-4)
    assert [file.name for file in out.parent.iterdir()] == [out.name]


def test_write_keeps_channels_and_what_float_can_hold(tmp_path):
    waveform = 3 * noise_of(500, 3).T
    waveform[1, 7] = 2.5
    audio.write(tmp_path / "a.wav", waveform, 7919, subtype="FLOAT")
    again, rate = audio.read(tmp_path / "a.wav", mono=False)
    assert rate == 7919
    np.testing.assert_array_equal(again, waveform)
    audio.write(tmp_path / "a.wav", waveform, 7919)
    assert audio.read(tmp_path / "a.wav", mono=False)[0].max() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("suffix", audio.AUDIO_SUFFIXES)
def test_every_suffix_can_be_written_and_read(tmp_path, suffix):
    waveform = noise_of(200_000)[:, 0]
    audio.write(tmp_path / f"a{suffix}", waveform, 24000)
    again, rate = audio.read(tmp_path / f"a{suffix}")
    assert rate == 24000
    assert len(again) == pytest.approx(len(waveform), abs=2400)
    assert np.corrcoef(again[: len(waveform)], waveform[: len(again)])[0, 1] > 0.5
    assert audio.find_audio(tmp_path) == [tmp_path / f"a{suffix}"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.flac"
    audio.write(path, np.zeros(10), 8000)
    before = path.read_bytes()
    for waveform, options, words in [
        (np.full(10, np.nan), {}, "NaN"),
        (np.zeros((3, 4, 5)), {}, r"\(3, 4, 5\)"),
        (np.zeros((5000, 2)), {}, r"\(5000, 2\)"),
        (np.zeros(10, np.int16), {}, "int16"),
        (np.zeros(10), {"subtype": "FLOAT"}, "FLAC FLOAT"),
        (np.zeros(10), {"subtype": "NONSENSE"}, "NONSENSE"),
        (np.zeros(10), {"target_rate": 0}, "0"),
    ]:
        with pytest.raises(AuricleError, match=words):
            audio.write(path, waveform, 8000, **options)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(AuricleError, match=r"a\.txt.*\.wav"):
        audio.write(tmp_path / "a.txt", np.zeros(10), 8000)
    with pytest.raises(AuricleError, match=r"a\.mp3.*8001 Hz"):
        audio.write(tmp_path / "a.mp3", np.zeros(10), 8001)
    with pytest.raises(AuricleError, match=r"b\.wav"):
        audio.write(path / "b.wav", np.zeros(10), 8000)


def test_one_sample_silence_and_full_scale(tmp_path):
    for waveform in (np.ones(1), np.zeros(50), np.tile([-1.0, 1.0], 25)):
        audio.write(tmp_path / "a.wav", waveform, 11025)
        again, _ = audio.read(tmp_path / "a.wav")
        np.testing.assert_allclose(again, waveform, atol=1 / 32768)
        assert audio.info(tmp_path / "a.wav").n_samples == len(waveform)
        assert len(audio.read(tmp_path / "a.wav", sample_rate=8000)[0]) == -(-len(waveform) * 8000 // 11025)
        assert len(list(audio.blocks(tmp_path / "a.wav", block_s=1.0))) == 1


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".caf"])
def test_a_file_of_floats_has_no_time_of_day_in_it(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    audio.write(path, np.linspace(-2, 2, 100, dtype=np.float32), 8000, subtype="FLOAT")
    assert b"peak" not in path.read_bytes().lower()
    np.testing.assert_array_equal(audio.read(path)[0], np.linspace(-2, 2, 100, dtype=np.float32))


@pytest.mark.parametrize("target_rate", [None, 11025])
def test_blocks_are_written_as_the_whole_is(tmp_path, target_rate):
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 5000)).astype(np.float32)
    audio.write(tmp_path / "whole.wav", waveform, 16000, target_rate=target_rate)
    parts = iter(np.split(waveform, [1, 700, 4999], axis=1))
    n_samples = audio.info(tmp_path / "whole.wav").n_samples
    audio.write_blocks(tmp_path / "parts.wav", parts, 16000, channels=2, target_rate=target_rate, n_samples=n_samples)
    assert (tmp_path / "parts.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()


def test_no_more_blocks_are_written_than_wanted(tmp_path):
    audio.write_blocks(tmp_path / "a.wav", [np.zeros(100), np.ones(100) / 2], 8000, channels=1, n_samples=150)
    assert audio.read(tmp_path / "a.wav")[0].tolist() == [0.0] * 100 + [0.5] * 50


def test_blocks_that_break_off_leave_no_file(tmp_path):
    def broken():
        yield np.zeros(100)
        raise AuricleError("the source broke off")

    with pytest.raises(AuricleError, match="broke off"):
        audio.write_blocks(tmp_path / "a.wav", broken(), 8000, channels=1)
    with pytest.raises(AuricleError, match="NaN"):
        audio.write_blocks(tmp_path / "a.wav", [np.full(10, np.nan)], 8000, channels=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("container", ["RF64", "W64"])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_a_file_made_from_rf64_or_wave64_is_one(tmp_path, container, subtype):
    waveform = noise_of(5000, 2).T
    options = {"channels": 2, "subtype": subtype, "container": container}
    audio.write_blocks(tmp_path / "a.wav", [waveform], 8000, **options)
    info = audio.info(tmp_path / "a.wav")
    assert (info.format, info.subtype, info.n_samples) == (container, subtype, 5000)
    np.testing.assert_allclose(audio.read(tmp_path / "a.wav", mono=False)[0], waveform, atol=1 / 32768)
    audio.write_blocks(tmp_path / "a.flac", [waveform], 8000, channels=2, container=container)
    assert audio.info(tmp_path / "a.flac").format == "FLAC"


@pytest.mark.parametrize(
    ("n_samples", "container", "expected"),
    [(999, None, "WAV"), (999, "WAV", "WAV"), (1001, None, "RF64"), (1001, "WAV", "RF64"), (None, None, "RF64")],
)
def test_wav_beyond_its_largest_size_is_rf64(tmp_path, monkeypatch, n_samples, container, expected):
    """With a largest size of 2000 bytes; a file of unknown length that stays below 4 GiB becomes WAV when closed."""
    monkeypatch.setattr(writing, "_LARGEST_WAV", 2000)
    written = []
    monkeypatch.setattr(writing._SoundFile, "omit_peak_chunk", lambda file: written.append(file.format))
    monkeypatch.setattr(writing._SoundFile, "become_wav_if_small", lambda _: written.append("may become WAV"))
    waveform = noise_of(n_samples or 500)[:, 0]
    options = {"channels": 1, "n_samples": n_samples, "container": container}
    audio.write_blocks(tmp_path / "a.wav", [waveform], 8000, **options)
    assert written[0] == expected
    np.testing.assert_allclose(audio.read(tmp_path / "a.wav")[0], waveform, atol=1 / 32768)


def test_a_wav_of_unknown_length_is_a_wav(tmp_path):
    waveform = noise_of(500)[:, 0]
    audio.write_blocks(tmp_path / "a.wav", iter(np.split(waveform, 5)), 8000, channels=1)
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RIFF"
    assert audio.info(tmp_path / "a.wav").format == "WAVEX"
    np.testing.assert_allclose(audio.read(tmp_path / "a.wav")[0], waveform, atol=1 / 32768)


FULL_DISK = """
import resource, sys
import numpy as np
from auricle import audio
from auricle.errors import AuricleError
folder, shares = sys.argv[1], [float(share) for share in sys.argv[2:]]
for suffix in audio.AUDIO_SUFFIXES:
    waveform = 0.2 * np.random.default_rng(0).standard_normal(30_000)
    path = f"{folder}/a{suffix}"
    audio.write(path, waveform, 16000)
    whole = open(path, "rb").read()
    audio.write(path, np.zeros(10), 16000)
    before = open(path, "rb").read()
    for share in shares:
        limit = int(share * len(whole)) if share < 1 else len(whole) - int(share)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            audio.write(path, waveform, 16000)
            print("written", suffix, share)
        except AuricleError as error:
            assert str(error).startswith(path + ": cannot be written"), error
            assert str(error).count(chr(10)) == 0, error
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert open(path, "rb").read() == before, (suffix, share)
"""


@pytest.mark.skipif(os.name == "nt", reason="no limits of files")
def test_a_disk_that_is_full_before_the_end_is_noticed(tmp_path):
    """At a third, near the end, and at the last bytes, which are written when the file is closed."""
    shares = [0.34, 0.9, 2000, 100, 1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path), *map(str, shares)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"a{suffix}" for suffix in audio.AUDIO_SUFFIXES)


def test_blocks_in_double_precision_are_resampled(tmp_path):
    block = np.sin(np.arange(8000) / 10)
    for name, samples in (("double.wav", block), ("single.wav", block.astype(np.float32))):
        audio.write_blocks(tmp_path / name, [samples], 8000, channels=1, target_rate=16000)
    assert (tmp_path / "double.wav").read_bytes() == (tmp_path / "single.wav").read_bytes()
    with pytest.raises(AuricleError, match="NaN or infinite"):
        audio.write_blocks(tmp_path / "a.wav", [np.full(10, 1e300)], 8000, channels=1)


def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "other").write_text("mine")
    (tmp_path / "a.wav").symlink_to(tmp_path / "other")
    audio.write(tmp_path / "a.wav", np.zeros(10), 8000)
    assert (tmp_path / "other").read_text() == "mine"
    assert audio.info(tmp_path / "a.wav").n_samples == 10
    assert not (tmp_path / "a.wav").is_symlink()
