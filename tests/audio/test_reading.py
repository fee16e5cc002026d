from __future__ import annotations

import ctypes
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle import audio
from auricle.audio import parts
from auricle.audio.quiet import quiet
from auricle.errors import AuricleError, AuricleWarning

CODECS = {
    "wav": {"subtype": "PCM_16"},
    "float.wav": {"subtype": "FLOAT"},
    "flac": {},
    "ogg": {},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "constant.mp3": {"bitrate_mode": "CONSTANT"},
    "variable.mp3": {"bitrate_mode": "VARIABLE", "compression_level": 0.5},
    "aiff": {},
}


def swelling_noise(n_samples, channels=1, seed=0):
    """Noise whose level rises and falls, so that a variable bitrate varies."""
    noise = np.random.default_rng(seed).standard_normal((n_samples, channels))
    level = 0.15 * np.sin(np.linspace(0, 9, n_samples)) ** 4 + 0.001
    return (noise * level[:, None]).clip(-1, 1).astype(np.float32)


@pytest.fixture(scope="module", params=CODECS)
def coded(request, tmp_path_factory):
    """A file of 3 s in each codec, its decoded samples `(channels, time)` by one plain read, and its rate.

    Stereo, but for the MP3 of variable bitrate: at 16 kHz, mono, soundfile's own block-wise reading goes wrong.
    """
    rate = {"opus": 24000, "variable.mp3": 16000}.get(request.param, 22050)
    channels = 1 if request.param == "variable.mp3" else 2
    path = tmp_path_factory.mktemp("coded") / f"noise.{request.param}"
    sf.write(path, swelling_noise(3 * rate + 77, channels), rate, **CODECS[request.param])
    whole, _ = sf.read(path, dtype="float32", always_2d=True)
    return path, whole.T, rate


def test_whole_file(coded, monkeypatch):
    """However small the pieces in which it is decoded."""
    monkeypatch.setattr(parts, "CHUNK_VALUES", 5000)
    path, whole, rate = coded
    waveform, read_rate = audio.read(path, mono=False)
    assert read_rate == rate
    assert waveform.dtype == np.float32
    np.testing.assert_allclose(waveform, whole, atol=1e-6)
    mono, _ = audio.read(path)
    np.testing.assert_allclose(mono, whole.mean(axis=0), atol=1e-6)
    header = audio.info(path)
    assert (header.sample_rate, header.channels, header.n_samples) == (rate, *whole.shape)
    assert header.duration_s == pytest.approx(whole.shape[1] / rate)


def test_a_segment_is_a_slice_of_the_whole(coded):
    path, whole, rate = coded
    duration_s = whole.shape[1] / rate
    random = np.random.default_rng(1)
    spans = [sorted(random.uniform(0, duration_s, 2)) for _ in range(20)]
    spans += [
        (0.0, 0.01),
        (0.0, 99.0),
        (1.0, None),
        (1.3, 2.3),
        (duration_s - 5 / rate, None),
        (0.9, 0.9 + 1.01 / rate),
    ]
    for start_s, end_s in spans:
        part, _ = audio.read(path, start_s=start_s, end_s=end_s, mono=False)
        last = whole.shape[1] if end_s is None else min(round(end_s * rate), whole.shape[1])
        np.testing.assert_allclose(part, whole[:, round(start_s * rate) : last], atol=1e-6)


@pytest.mark.parametrize("sample_rate", [None, 16000, 44100])
def test_blocks_concatenate_to_the_whole(coded, sample_rate):
    path, _, _ = coded
    for mono in (True, False):
        expected, rate = audio.read(path, sample_rate=sample_rate, mono=mono)
        parts = list(audio.blocks(path, block_s=0.31, sample_rate=sample_rate, mono=mono))
        joined = np.concatenate([block for _, block in parts], axis=-1)
        assert joined.shape == expected.shape
        np.testing.assert_allclose(joined, expected, atol=1e-6)
        assert [start for start, _ in parts] == [k * round(0.31 * rate) / rate for k in range(len(parts))]
        assert {block.shape[-1] for _, block in parts[:-1]} == {round(0.31 * rate)}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 120), st.integers(1, 120), st.sampled_from([None, 80, 130]))
def test_overlapping_blocks_are_slices(tmp_path_factory, n_samples, size, hop, sample_rate):
    path = tmp_path_factory.getbasetemp() / "ramp.wav"
    hop = min(hop, size)
    rate = 100
    sf.write(path, swelling_noise(n_samples), rate, subtype="FLOAT")
    whole, out_rate = audio.read(path, sample_rate=sample_rate)
    parts = list(audio.blocks(path, block_s=size / rate, hop_s=hop / rate, sample_rate=sample_rate))
    size, hop = max(1, round(size / rate * out_rate)), max(1, round(hop / rate * out_rate))
    end = 0
    for k, (start_s, block) in enumerate(parts):
        start = k * hop
        assert start_s == start / out_rate
        np.testing.assert_allclose(block, whole[start : start + size], atol=1e-6)
        assert start + len(block) > end, "contained in the block before"
        assert len(block) == size or k == len(parts) - 1
        end = start + len(block)
    assert end == len(whole)


def test_blocks_of_a_segment(tmp_path):
    path = tmp_path / "noise.ogg"
    sf.write(path, swelling_noise(30000), 8000)
    joined = np.concatenate([b for _, b in audio.blocks(path, block_s=0.4, start_s=1.1, end_s=3.3)])
    np.testing.assert_allclose(joined, audio.read(path, start_s=1.1, end_s=3.3)[0], atol=1e-6)


def test_blocks_hold_little_of_a_long_file(tmp_path):
    path = tmp_path / "long.flac"
    sf.write(path, np.zeros(8000 * 1200, dtype=np.int16), 8000)
    tracemalloc.start()
    n_samples = sum(len(block) for _, block in audio.blocks(path, block_s=2.0, hop_s=2.0, sample_rate=4000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_samples == 4000 * 1200
    assert peak < 4e6 < 4 * n_samples


def test_errors_name_the_file_that_cannot_be_read(tmp_path):
    (tmp_path / "text.wav").write_text("hello")
    (tmp_path / "text.mp3").write_text("hello")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "noise.raw").write_bytes(bytes(range(200)))
    sf.write(tmp_path / "header.wav", np.zeros(0), 8000)
    for name, words in [
        ("missing.wav", "no such file"),
        (".", "a folder"),
        ("text.wav", "not a sound file"),
        ("text.mp3", "not a sound file that can be read$"),
        ("noise.raw", "not a sound file"),
        ("empty.wav", "0 bytes"),
        ("header.wav", "0 samples"),
    ]:
        path = tmp_path / name
        for call in (audio.info, audio.read, lambda p: list(audio.blocks(p, block_s=1))):
            with pytest.raises(AuricleError, match=words) as error:
                call(path)
            assert str(error.value).startswith(f"{path}: ")
            assert "\n" not in str(error.value)


def test_segments_beyond_the_end_are_refused(tmp_path):
    path = tmp_path / "a.wav"
    audio.write(path, np.zeros(800), 8000)
    for span, words in [
        ({"start_s": -1.0}, "-1.0"),
        ({"start_s": 0.1}, r"ends at 0\.1 s"),
        ({"start_s": 0.05, "end_s": 0.05}, "after start_s"),
        ({"start_s": 0.05, "end_s": 0.01}, "after start_s"),
        ({"start_s": 0.05, "end_s": 0.05 + 1e-6}, "no sample"),
        ({"sample_rate": 0}, "0"),
        ({"sample_rate": 8000.5}, r"8000\.5"),
    ]:
        with pytest.raises(AuricleError, match=words):
            audio.read(path, **span)
    for step, words in [({"block_s": 0}, "block_s"), ({"block_s": 1.0, "hop_s": 2.0}, "hop_s")]:
        with pytest.raises(AuricleError, match=words):
            audio.blocks(path, **step)


def test_bad_samples_are_read_as_zero_and_counted(tmp_path):
    waveform = swelling_noise(100_000, 2)
    good = waveform.copy()
    for place, channel, value in [(80_000, 1, np.nan), (80_001, 0, 1e20), (80_002, 0, -np.inf), (90_000, 1, -10001)]:
        waveform[place, channel] = value
        good[place, channel] = 0
    path = tmp_path / "bad.wav"
    sf.write(path, waveform, 8000, subtype="FLOAT")
    with audio.noticing() as damage:
        whole, _ = audio.read(path, mono=False)
        audio.read(path)
    np.testing.assert_array_equal(whole, good.T)
    assert [(d.path, d.kind) for d in damage] == [(str(path), "bad-samples")]
    assert str(damage[0]) == f"{path}: 4 samples are not finite or beyond ±10000, from 10 s on; read as 0"
    with audio.noticing() as damage:
        assert len(audio.read(path, end_s=9.9)[0]) == 79_200
        audio.info(path)
    assert damage == []
    with pytest.warns(AuricleWarning, match=r"bad\.wav: 1 sample is not finite"):
        resampled, _ = audio.read(path, start_s=11.0, end_s=12.0, sample_rate=4000)
    np.testing.assert_array_equal(resampled, audio.resample(good.mean(axis=1)[88_000:96_000], 8000, 4000))


def test_the_length_of_a_truncated_mp3(tmp_path):
    path = tmp_path / "a.mp3"
    audio.write(path, swelling_noise(100_000)[:, 0], 16000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    waveform, _ = audio.read(path)
    assert audio.info(path).n_samples == len(waveform) < 60_000
    with pytest.raises(AuricleError, match=r"a\.mp3: "):
        audio.read(path, start_s=5.0)


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="elsewhere decoders are not silenced")
@pytest.mark.parametrize("kind", ["tag", "lost", "cut"])
def test_decoders_print_nothing_and_others_still_can(tmp_path, capfd, kind):
    path = tmp_path / "a.mp3"
    audio.write(path, swelling_noise(30_000)[:, 0], 16000)
    content = path.read_bytes()
    no_comment = b"ID3\x03" + bytes(5) + b"\x0bCOMM" + bytes(3) + b"\x01" + bytes(3)
    changed = {"tag": no_comment + content, "lost": content[:3000] + content[3500:], "cut": content[:-100]}
    path.write_bytes(changed[kind])
    with audio.noticing():
        audio.info(path)
        audio.read(path, start_s=0.5)
    assert capfd.readouterr().err == ""
    with quiet():
        with quiet():
            pass
        print("said", file=sys.stderr)
        ctypes.CDLL(None).perror(b"swallowed")
    ctypes.CDLL(None).perror(b"heard")
    assert capfd.readouterr().err.startswith("said\nheard: ")


def test_a_flac_that_does_not_state_its_length(tmp_path):
    """As a recorder writes that streams: the number of samples in the header is 0."""
    path = tmp_path / "a.flac"
    audio.write(path, swelling_noise(30_000)[:, 0], 16000)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert audio.info(path).n_samples == 30_000
    assert len(audio.read(path)[0]) == 30_000
    assert len(audio.read(path, start_s=1.0, end_s=99.0)[0]) == 14_000
