"""Damaged sound files: every sample that can be decoded is read, at its place, and the rest is said."""

from __future__ import annotations

import os
import struct
import time

import numpy as np
import pytest
import soundfile as sf

from auricle import audio
from auricle.audio import flac_frames, mpeg
from auricle.errors import AuricleError, AuricleWarning
from mutations import noise

RATE = 16_000
N = 3 * RATE
CONTAINERS = {
    "wav": {},
    "rf64.wav": {"format": "RF64"},
    "wavex.wav": {"format": "WAVEX"},
    "unsigned.wav": {"subtype": "PCM_U8"},
    "float.wav": {"subtype": "FLOAT"},
    "ima.wav": {"subtype": "IMA_ADPCM"},
    "aiff": {},
    "float.aiff": {"subtype": "FLOAT"},
    "au": {},
    "little.au": {"endian": "LITTLE"},
    "caf": {},
    "w64": {},
}
CODED = {"flac": {}, "ogg": {}, "opus": {"format": "OGG", "subtype": "OPUS"}, "mp3": {}}
LOSSLESS = [name for name in CONTAINERS if "ima" not in name]
RARE = {
    "alac.caf": {"subtype": "ALAC_16"},
    "nist": {"format": "NIST"},
    "svx": {"format": "SVX"},
    "voc": {"format": "VOC"},
}
TAG = b"ID3\3\0\0\0\0\2\1" + bytes(257)
TAG_WITH_END = b"ID3\4\0\x10\0\0\0\7" + bytes(7) + b"3DI\4\0\x10\0\0\0\7"


@pytest.fixture
def sound(tmp_path):
    """A function that writes `n` samples of noise in a format; returns the path and what is decoded `(time,)`."""

    def write(name, n=N, rate=RATE, channels=1, seed=0):
        path = tmp_path / f"{seed}-{n}-{rate}.{name}"
        options = (CONTAINERS | CODED | RARE)[name]
        sf.write(path, noise(n, channels, np.random.default_rng(seed)), rate, **options)
        return path, sf.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)

    return write


def read(path):
    """The samples and the kinds of damage; `info` and `blocks` agree with `read`."""
    with audio.noticing() as damage:
        samples, _ = audio.read(path)
    with audio.noticing() as noticed:
        n_samples = audio.info(path).n_samples
        joined = np.concatenate([block for _, block in audio.blocks(path, block_s=0.7)])
    assert n_samples == len(samples)
    np.testing.assert_array_equal(joined, samples)
    assert {d.kind for d in noticed} == {d.kind for d in damage}
    assert all(d.path == str(path) and str(d).startswith(f"{path}: ") and "\n" not in str(d) for d in damage)
    return samples, {d.kind: d.reason for d in damage}


def rewrite(path, data):
    """Another content for `path`, under another name since its time may be the same."""
    new = path.with_name(f"{len(list(path.parent.iterdir()))}-{path.name}")
    new.write_bytes(data)
    return new


@pytest.mark.parametrize("name", [*CONTAINERS, *CODED])
def test_good_files_have_no_damage(sound, name):
    path, whole = sound(name)
    samples, damage = read(path)
    assert damage == {}
    np.testing.assert_allclose(samples, whole, atol=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("name", [*CONTAINERS, *CODED])
def test_a_cut_file_is_used_up_to_the_cut(sound, name, share):
    path, whole = sound(name)
    data = path.read_bytes()
    samples, damage = read(rewrite(path, data[: int(share * len(data))]))
    assert set(damage) == {"cut"}
    assert damage["cut"].startswith(f"ends at {len(samples) / RATE:g} s")
    if name not in ("ogg", "opus", "ima.wav"):
        assert "its header promises 3 s" in damage["cut"]
    np.testing.assert_allclose(samples, whole[: len(samples)], atol=1e-6)
    least = {"flac": 4096, "mp3": 4000, "ogg": 8000, "opus": 6000, "caf": 4096}.get(name, 2100)
    assert share * N - least <= len(samples) <= share * N + least


def test_a_cut_outside_the_segment_is_not_reported(sound):
    path, whole = sound("wav")
    path = rewrite(path, path.read_bytes()[:N])
    with audio.noticing() as damage:
        samples, _ = audio.read(path, end_s=1.0)
    assert damage == []
    np.testing.assert_array_equal(samples, whole[:RATE])
    with audio.noticing() as damage:
        audio.read(path, end_s=2.9)
        audio.read(path)
    assert [d.kind for d in damage] == ["cut"]
    with pytest.warns(AuricleWarning, match=r"\.wav: ends at 1\.49"):
        audio.read(path)
    with pytest.raises(AuricleError, match=r"ends at 1\.49"):
        audio.read(path, start_s=2.0)


def sizes(name, data):
    """Place and struct of the size of the samples in the header."""
    if name == "w64":
        return data.index(b"data\xf3\xac\xd3\x11") + 16, "<Q", 24
    if name.endswith("au"):
        return (8, ">I", 0) if data[0:1] == b"." else (8, "<I", 0)
    if name.endswith("aiff"):
        return data.index(b"SSND") + 4, ">I", 8
    if name == "caf":
        return data.index(b"data") + 4, ">q", 4
    if name == "rf64.wav":
        return data.index(b"ds64") + 16, "<Q", 0
    return data.index(b"data") + 4, "<I", 0


def with_size(name, data, n_bytes):
    place, kind, extra = sizes(name, data)
    changed = bytearray(data)
    struct.pack_into(kind, changed, place, n_bytes + extra)
    return bytes(changed)


@pytest.mark.parametrize("n_bytes", [0, 4096])
@pytest.mark.parametrize("name", LOSSLESS)
def test_a_size_that_was_never_updated(sound, name, n_bytes):
    path, whole = sound(name)
    samples, damage = read(rewrite(path, with_size(name, path.read_bytes(), n_bytes)))
    np.testing.assert_array_equal(samples, whole)
    assert set(damage) == {"beyond-header"}
    assert damage["beyond-header"].startswith("has 3 s, its header promises ")


@pytest.mark.parametrize("name", ["wav", "float.wav", "ima.wav"])
@pytest.mark.parametrize("riff", [0, 0xFFFFFFFF])
def test_a_wav_without_sizes(sound, name, riff):
    """As a recorder leaves it that lost power, or a program that writes into a pipe."""
    path, whole = sound(name)
    data = bytearray(with_size(name, path.read_bytes(), riff))
    struct.pack_into("<I", data, 4, riff)
    samples, damage = read(rewrite(path, bytes(data)))
    np.testing.assert_array_equal(samples[: len(whole)], whole)
    assert len(samples) <= len(whole) + 2000
    assert set(damage) == {"beyond-header"}


@pytest.mark.parametrize("name", ["au", "caf", "aiff"])
def test_a_size_that_means_until_the_end(sound, name):
    path, whole = sound(name)
    data = path.read_bytes()
    unknown = {"au": 0xFFFFFFFF, "caf": -1 - 4, "aiff": 0xFFFFFFFF - 8}[name]
    samples, damage = read(rewrite(path, with_size(name, data, unknown)))
    np.testing.assert_array_equal(samples, whole)
    assert damage == {"beyond-header": "its header states no length; all of its 3 s are used"}


@pytest.mark.parametrize("stated", [0, 0xFFFFFFFF, 0x7FFFFFFF, 5000])
def test_a_wav_beyond_4_gib_without_its_size(tmp_path, stated):
    """5 GB, nearly all of it a hole in the file."""
    head = header(16_000, 1, 0)
    ramp = np.arange(1, 16_001, dtype="<i2")
    with open(tmp_path / "a.wav", "wb") as file:
        file.write(head[:40] + struct.pack("<I", stated))
        file.seek(44 + 2 * 2_500_000_000)
        file.write(ramp.tobytes())
    with audio.noticing() as damage:
        assert audio.info(tmp_path / "a.wav").n_samples == 2_500_016_000
        samples, _ = audio.read(tmp_path / "a.wav", start_s=2_500_000_000 / 16_000)
    assert [d.kind for d in damage] == ["beyond-header"]
    np.testing.assert_array_equal(samples, ramp.astype(np.float32) / 32768)


def test_a_whole_wav_of_2_gib_is_not_taken_for_one_without_a_size(tmp_path):
    with open(tmp_path / "a.wav", "wb") as file:
        file.write(header(16_000, 1, 2**31 - 2))
        file.truncate(44 + 2**31 - 2)
    with audio.noticing() as damage:
        assert audio.info(tmp_path / "a.wav").n_samples == 2**30 - 1
    assert damage == []


def test_a_wav_of_silence_without_a_size(tmp_path):
    sf.write(tmp_path / "a.wav", np.zeros(8000), 8000)
    samples, damage = read(rewrite(tmp_path / "a.wav", with_size("wav", (tmp_path / "a.wav").read_bytes(), 0)))
    assert (len(samples), set(damage)) == (8000, {"beyond-header"})


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("stated", [None, 0, 400])
@pytest.mark.parametrize(
    "trailing",
    [
        [(b"LIST", b"INFOISFT\x05\0\0\0Lavf\0\0")],
        [(b"id3 ", b"ID3\x03\0\0\0\0\0\0")],
        [(b"bext", bytes(602)), (b"cue ", bytes(28)), (b"junk", bytes(1001)), (b"LIST", b"adtl")],
        [(b"PAD ", bytes(5000))],
    ],
)
def test_chunks_after_the_samples_are_not_sound(tmp_path, trailing, stated, order):
    """Where the size of the samples is right: else they cannot be told from sound, and nothing is left out."""
    values = (np.arange(1, 1001) * 30).astype(order + "i2")
    chunks = b"".join(n + struct.pack(order + "I", len(d)) + d + b"\0" * (len(d) % 2) for n, d in trailing)
    form = struct.pack(order + "HHIIHH", 1, 1, 8000, 16000, 2, 16)
    size = 2000 if stated is None else stated
    body = b"WAVEfmt " + struct.pack(order + "I", 16) + form + b"data" + struct.pack(order + "I", size)
    data = (b"RIFF" if order == "<" else b"RIFX") + struct.pack(order + "I", 36 + 2000 + len(chunks)) + body
    (tmp_path / "a.wav").write_bytes(data + values.tobytes() + chunks)
    samples, damage = read(tmp_path / "a.wav")
    np.testing.assert_array_equal(samples[:1000], values.astype(np.float32) / 32768)
    assert (len(samples) == 1000) == (stated is None)
    assert set(damage) == (set() if stated is None else {"beyond-header"})


@pytest.mark.parametrize("name", ["wav", "aiff", "w64", "caf", "au"])
@pytest.mark.parametrize(
    "trailing",
    [TAG, b"APETAGEX\xd0\x07" + bytes(range(50)), b"LIST\x20\0\0\0INFOISFT", b"LIST\4\0\0\0adtl\1\2\3\4"],
    ids=["ID3", "APE", "cut", "followed by bytes"],
)
def test_tags_and_broken_chunks_at_the_end_are_not_sound(sound, name, trailing):
    path, whole = sound(name)
    samples, damage = read(rewrite(path, path.read_bytes() + trailing))
    np.testing.assert_array_equal(samples, whole)
    assert damage == {}


def test_a_chunk_after_an_odd_number_of_bytes_is_not_sound(tmp_path):
    """The byte that should stand between is missing."""
    form = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", 999) + bytes(range(3, 12)) * 111
    body += b"LIST\x12\0\0\0INFOISFT\6\0\0\0Lavf60"
    (tmp_path / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    samples, damage = read(tmp_path / "a.wav")
    assert (len(samples), damage) == (999, {})


@pytest.mark.parametrize("name", ["wav", "mp3", "flac"])
@pytest.mark.parametrize("tag", [b"TAG" + b"title".ljust(125, b"\0"), bytes(20)])
def test_tags_and_padding_at_the_end_are_not_sound(sound, name, tag):
    path, whole = sound(name)
    samples, damage = read(rewrite(path, path.read_bytes() + tag))
    assert damage == {}
    np.testing.assert_allclose(samples, whole, atol=1e-6)


@pytest.mark.parametrize("name", [*LOSSLESS, *CODED])
def test_joined_files_are_used_whole(sound, name):
    (first, one), (second, two), (third, three) = sound(name), sound(name, N // 2, seed=1), sound(name, N, seed=2)
    samples, damage = read(rewrite(first, first.read_bytes() + second.read_bytes() + third.read_bytes()))
    np.testing.assert_allclose(samples, np.concatenate([one, two, three]), atol=1e-6)
    assert damage == {"beyond-header": "has 7.5 s, its first header promises 3 s"}


@pytest.mark.parametrize("name", ["wav", "aiff", "flac", "ogg", "opus", "mp3"])
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (RATE, 2)])
def test_what_is_joined_at_another_rate_cannot_be_used(sound, name, rate, channels):
    (first, whole), (second, other) = sound(name), sound(name, N, rate, channels, seed=1)
    samples, damage = read(rewrite(first, first.read_bytes() + second.read_bytes()))
    np.testing.assert_allclose(samples, whole, atol=1e-6)
    words = f"{len(other) / rate:g} s at {rate} Hz with {channels} channel(s) cannot be used"
    assert damage == {"beyond-header": f"after that, {words}"}


def flac_total(data, n_samples):
    changed = bytearray(data)
    changed[21:26] = (changed[21] & 0xF0 | n_samples >> 32).to_bytes(1, "big") + (n_samples % 2**32).to_bytes(4, "big")
    return bytes(changed)


@pytest.mark.parametrize(
    ("total", "kind", "words"),
    [
        (0, "beyond-header", "its header states no length"),
        (1000, "beyond-header", "has 3 s, its header promises 0.0625 s"),
        (2 * N, "cut", "ends at 3 s, its header promises 6 s"),
        (2**36 - 1, "cut", "ends at 3 s, its header promises"),
    ],
)
def test_a_flac_with_a_wrong_total(sound, total, kind, words):
    path, whole = sound("flac")
    samples, damage = read(rewrite(path, flac_total(path.read_bytes(), total)))
    np.testing.assert_array_equal(samples, whole)
    assert set(damage) == {kind}
    assert damage[kind].startswith(words)


def stating(name, data, n):
    """The file with n for the bytes (FLAC: samples, MP3: frames) that its header states; None for other formats."""
    if name in CONTAINERS:
        return with_size(name, data, n)
    if name == "mp3":
        place = data.index(b"Xing") + 8
        return data[:place] + n.to_bytes(4, "big") + data[place + 4 :]
    return flac_total(data, n) if name == "flac" else None


@pytest.mark.parametrize("n", [20, 40, 80])
def test_an_mp3_whose_first_frame_counts_too_few(sound, n):
    path, whole = sound("mp3")
    samples, damage = read(rewrite(path, stating("mp3", path.read_bytes(), n)))
    np.testing.assert_allclose(samples, whole, atol=1e-6)
    assert set(damage) == {"beyond-header"}
    assert damage["beyond-header"].startswith("has 3 s, its header promises")


def contents(name, data):
    """A file of a format in good order, and changed in every way in which its header is wrong."""
    yield data
    yield data[: len(data) // 2]
    yield data[:30]
    yield data + data
    yield from (changed for changed in (stating(name, data, 0), stating(name, data, 40)) if changed)


def outcome(path):
    """All that is read of a file, or why it is refused."""
    try:
        samples, damage = read(path)
    except AuricleError as error:
        return str(error).removeprefix(f"{path}: ")
    with audio.noticing():
        middle, rate = audio.read(path, start_s=0.3 * len(samples) / RATE, end_s=0.6 * len(samples) / RATE)
        return audio.info(path), rate, samples.tobytes(), middle.tobytes(), damage


@pytest.mark.parametrize("tags", [TAG, TAG + TAG, TAG_WITH_END], ids=["tag", "tags", "tag with an end"])
@pytest.mark.parametrize("name", [*CONTAINERS, *CODED, *RARE])
def test_a_tag_in_front_changes_nothing(sound, name, tags):
    path, _ = sound(name)
    for data in contents(name, path.read_bytes()):
        assert outcome(rewrite(path, tags + data)) == outcome(rewrite(path, data))


@pytest.mark.parametrize("name", [*CONTAINERS, "ogg", "opus", "mp3"])
def test_a_tag_before_each_joined_file_changes_nothing(sound, name):
    (first, _), (second, _) = sound(name), sound(name, N // 2, seed=1)
    one, two = first.read_bytes(), second.read_bytes()
    assert outcome(rewrite(first, TAG + one + TAG + two)) == outcome(rewrite(first, one + two))


def test_what_a_tag_states_beyond_the_end_of_the_file_is_refused(sound):
    path, _ = sound("wav")
    assert outcome(rewrite(path, TAG[:6] + b"\x7f" * 4 + path.read_bytes())).startswith("not a sound file")


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("places", [[0.2], [0.5, 0.52], [0.3, 0.8], [0.995]])
def test_every_good_frame_of_a_flac_is_used(sound, places, channels):
    path, whole = sound("flac", channels=channels)
    data = bytearray(path.read_bytes())
    bad = set()
    for place in places:
        start = int(place * len(data))
        data[start : start + 20] = bytes(range(20))
    path = rewrite(path, bytes(data))
    with audio.noticing() as damage:
        samples, _ = audio.read(path)
    bad = {k // 4096 for k in np.flatnonzero(samples != whole)}
    assert len(samples) == N
    assert 1 <= len(bad) <= len(places), "a damaged stretch is one frame"
    for frame in bad:
        assert not samples[4096 * frame : 4096 * (frame + 1)].any(), "and read as silence"
    assert [d.kind for d in damage] == ["broken"]
    first = min(bad) * 4096 / RATE
    assert damage[0].reason.startswith(f"cannot be decoded from {first:.3f} to ")
    before = audio.read(path, end_s=first)[0] if first else np.zeros(0)
    with audio.noticing() as damage:
        np.testing.assert_array_equal(before, whole[: len(before)])
    assert damage == []


def test_a_damaged_frame_of_a_long_flac_is_the_only_one_lost(sound, monkeypatch):
    path, whole = sound("flac")
    monkeypatch.setattr(flac_frames, "_WINDOW", path.stat().st_size // 4)
    data = bytearray(path.read_bytes())
    start = len(data) // 10
    data[start : start + 20] = bytes(range(20))
    with audio.noticing() as damage:
        samples, _ = audio.read(rewrite(path, bytes(data)))
    assert [d.kind for d in damage] == ["broken"]
    assert len({k // 4096 for k in np.flatnonzero(samples != whole)}) == 1


@pytest.mark.parametrize("place", [0.2, 0.6])
@pytest.mark.parametrize("name", ["ogg", "opus"])
def test_pages_after_a_damaged_one_stay_at_their_place(sound, name, place):
    path, whole = sound(name, 10 * RATE)
    data = bytearray(path.read_bytes())
    start = int(place * len(data))
    data[start : start + 5] = bytes(5)
    with audio.noticing() as damage:
        samples, _ = audio.read(rewrite(path, bytes(data)))
    assert [d.kind for d in damage] == ["broken"]
    assert len(samples) == len(whole)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], samples == 0, [0]]))).reshape(-1, 2)
    first, last = edges[np.argmax(edges[:, 1] - edges[:, 0])]
    assert abs((first + last) / 2 / len(whole) - place) < 0.15
    assert last - first < 1.2 * RATE
    np.testing.assert_allclose(samples[:first], whole[:first], atol=1e-6)
    converged = last + (RATE if name == "opus" else 0)
    assert np.abs(samples[converged:] - whole[converged:]).max() < (0.05 if name == "opus" else 1e-6)


@pytest.mark.parametrize("options", [{"bitrate_mode": "CONSTANT"}, {"bitrate_mode": "VARIABLE"}])
@pytest.mark.parametrize("n_bytes", [4, 700])
def test_frames_of_an_mp3_after_damaged_ones_stay_at_their_place(tmp_path, options, n_bytes):
    path = tmp_path / "a.mp3"
    sf.write(path, noise(5 * RATE, 1, np.random.default_rng(0)), RATE, **options)
    whole = sf.read(path, dtype="float32")[0]
    data = bytearray(path.read_bytes())
    start = data.find(data[:2], len(data) // 2)  # the header of a frame
    data[start : start + n_bytes] = bytes(n_bytes)
    path = rewrite(path, bytes(data))
    with audio.noticing() as damage:
        samples, _ = audio.read(path)
    assert [d.kind for d in damage] == ["broken"]
    assert len(samples) == audio.info(path).n_samples == len(whole)
    differ = np.flatnonzero(np.abs(samples - whole) > 1e-4)
    assert abs(differ[0] / len(whole) - 0.5) < 0.1
    assert differ[-1] - differ[0] < 12 * 576


@pytest.mark.parametrize("fill", [0, 0xFF])
@pytest.mark.parametrize(("place", "share"), [(300, 0.2), (0.3, 0.3), (0.5, 0.1), (0.8, 0.2), (0.3, 0.7)])
def test_an_mp3_with_a_gap_over_which_libsndfile_decodes_nothing(sound, place, share, fill):
    path, whole = sound("mp3")
    data = bytearray(path.read_bytes())
    start = int(place * len(data)) if place < 1 else place
    n_bytes = int(share * len(data))
    data[start : start + n_bytes] = bytes([fill]) * len(data[start : start + n_bytes])
    samples, damage = read(rewrite(path, bytes(data)))
    assert set(damage) <= {"broken", "cut"}
    assert damage
    assert len(samples) <= len(whole)
    good = np.abs(samples - whole[: len(samples)]) < 1e-4
    assert good.sum() > (1 - share) * len(whole) - 12 * 576


@pytest.mark.parametrize("junk", [b"\xff", b"\xff\xfb"])
def test_bytes_like_headers_of_mp3_frames_cost_no_time(tmp_path, junk):
    path = tmp_path / "junk.mp3"
    path.write_bytes(junk * (2**22 // len(junk)))
    start = time.monotonic()
    with pytest.raises(AuricleError, match=r"not a sound file that can be read$"):
        audio.info(path)
    assert time.monotonic() - start < 10


def test_a_wav_without_a_sample_rate(sound):
    path, _ = sound("wav")
    data = path.read_bytes()
    with pytest.raises(AuricleError, match=r"not a sound file that can be read$"):
        audio.info(rewrite(path, data[:24] + bytes(4) + data[28:]))


def test_the_frames_of_an_mp3_are_looked_for_once(sound, monkeypatch):
    searches = []

    def find_streams(*given):
        searches.append(given)
        return found_before(*given)

    found_before = mpeg.find_streams
    monkeypatch.setattr(mpeg, "find_streams", find_streams)
    path, _ = sound("mp3")
    read(rewrite(path, path.read_bytes()[:-700]))
    assert len(searches) == 1


def test_an_mp3_whose_frames_are_not_counted(tmp_path):
    """Without the first frame, which has no sound but the number of frames."""
    path = tmp_path / "a.mp3"
    sf.write(path, noise(2 * RATE, 1, np.random.default_rng(0)), RATE, bitrate_mode="VARIABLE")
    whole = sf.read(path, dtype="float32")[0]
    data = path.read_bytes()
    second = data.index(data[:2], 100)
    samples, damage = read(rewrite(path, data[second:]))
    assert damage == {}
    np.testing.assert_allclose(samples[576 : 576 + len(whole)], whole[: len(samples) - 576], atol=1e-6)


def test_a_file_that_shrinks_or_vanishes_is_an_error_of_that_file(sound):
    path, whole = sound("wav", 40 * RATE)
    reader = audio.blocks(path, block_s=1.0)
    next(reader)
    os.truncate(path, 20 * RATE)
    with audio.noticing() as damage:
        rest = list(reader)
    assert [d.kind for d in damage] == ["broken"]
    np.testing.assert_array_equal(rest[0][1], whole[RATE : 2 * RATE])
    path.unlink()
    with pytest.raises(AuricleError, match="there is no such file"):
        audio.read(path)


@pytest.mark.skipif(os.name == "nt", reason="names are text")
@pytest.mark.parametrize("name", ["wav", "flac", "mp3"])
def test_a_name_that_is_not_utf_8(sound, name):
    path, whole = sound(name)
    odd = os.path.join(os.fsencode(path.parent), b"caf\xe9." + name.encode())
    os.rename(path, odd)
    found = next(file for file in audio.find_audio(path.parent) if os.fsencode(file) == odd)
    np.testing.assert_allclose(audio.read(found)[0], whole, atol=1e-6)
    with audio.isolated():
        np.testing.assert_allclose(audio.read(found)[0], whole, atol=1e-6)
    os.truncate(odd, 20)
    with pytest.raises(AuricleError, match=r"caf\\xe9"):
        audio.read(found)
    audio.write(found, whole, RATE)
    assert audio.info(found).n_samples == len(whole)


def header(rate, channels, n_bytes, bits=16):
    width = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * width % 2**32, width % 2**16, bits)
    return (
        b"RIFF" + struct.pack("<I", 36 + n_bytes) + b"WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", n_bytes)
    )


@pytest.mark.parametrize(
    ("rate", "channels", "words"),
    [
        (1, 1, "states a sample rate of 1 Hz: it should be from 50"),
        (4_000_000_000, 1, "4000000000 Hz|not a sound file"),
        (2**32 - 1, 1, "Hz|not a sound file"),
        (0, 1, "Hz|not a sound file"),
        (16_000, 65_535, "not a sound file"),
        (16_000, 0, "not a sound file"),
    ],
)
def test_headers_that_lie_about_rate_or_channels_are_refused(tmp_path, rate, channels, words):
    (tmp_path / "a.wav").write_bytes(header(rate, channels, 960_000) + bytes(960_000))
    for call in (audio.info, audio.read, lambda path: list(audio.blocks(path, block_s=1.0))):
        with pytest.raises(AuricleError, match=rf"a\.wav: .*({words})"):
            call(tmp_path / "a.wav")


def test_a_small_file_cannot_ask_for_much_memory(tmp_path):
    """Minutes of silence in a few kilobytes: block by block, but not at once."""
    sf.write(tmp_path / "a.flac", np.zeros(800 * 48_000, np.int16), 48_000)
    with pytest.raises(AuricleError, match=r"a\.flac: 800 s at 48000 Hz are too much to read at once"):
        audio.read(tmp_path / "a.flac")
    assert len(audio.read(tmp_path / "a.flac", end_s=60.0)[0]) == 60 * 48_000
    (tmp_path / "a.wav").write_bytes(header(50, 1, 960_000) + bytes(960_000))
    with pytest.raises(AuricleError, match="too much to read at once"):
        audio.read(tmp_path / "a.wav", sample_rate=16_000)


def test_without_bad_samples():
    values = np.array([0.5, np.nan, np.inf, -np.inf, 1e4, -1e4, 10001.0, 1e20, -0.25])
    for kind in (np.float32, np.float64):
        cleaned, n_replaced = audio.without_bad_samples(values.astype(kind))
        np.testing.assert_array_equal(cleaned, [0.5, 0, 0, 0, 1e4, -1e4, 0, 0, -0.25])
        assert (cleaned.dtype, n_replaced) == (kind, 5)
    good = values[:1]
    assert audio.without_bad_samples(good)[0] is good
