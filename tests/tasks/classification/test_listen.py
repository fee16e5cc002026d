"""`listen` with bad samples and absurd options; what it prints is tested with the command line."""

from __future__ import annotations

import re
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from auricle import audio
from auricle.audio.mpeg_frames import Header
from auricle.audio.resampling import resample_stream
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.systems.classifier.system import Classifier
from auricle.systems.streaming import Stream
from auricle.tasks.classification import listen
from auricle.tasks.classification.predict import predict_file
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier

RATE = 8000


@pytest.fixture(autouse=True)
def model(monkeypatch):
    made = built(name="leaf", n_filters=16)
    monkeypatch.setattr(listen, "load_classifier", lambda *_: made)
    return made


def built(**frontend):
    torch.manual_seed(0)
    return Classifier.build(
        sample_rate=RATE,
        window_s=0.5,
        tasks=[Task("", ("a", "b", "c"), False)],
        frontend=frontend,
        backbone={"name": "cnn-small"},
    ).eval()


def heard(folder, samples, **options):
    (folder / "pcm").write_bytes(samples.astype("<f4").tobytes())
    with open(folder / "pcm", "rb") as source:
        listen.listen_to("run", sample_format="f32le", source=source, output=folder / "heard.csv", **options)
    table = pd.read_csv(folder / "heard.csv").drop(columns="latency_ms")
    (folder / "heard.csv").rename(folder / "before.csv")
    return table


def test_the_folder_of_the_table_is_made(tmp_path):
    (tmp_path / "pcm").write_bytes(np.zeros(12_000, "<f4").tobytes())
    with open(tmp_path / "pcm", "rb") as source:
        listen.listen_to("run", sample_format="f32le", source=source, output=tmp_path / "new" / "heard.csv")
    assert len(pd.read_csv(tmp_path / "new" / "heard.csv")) > 0


def test_listening_ends_when_nobody_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.stdout, "unread", True, raising=False)
    with pytest.raises(BrokenPipeError):
        heard(tmp_path, np.zeros(12_000))


def test_what_was_heard_is_not_written_over(tmp_path, capsys):
    heard(tmp_path, np.zeros(12_000))
    kept = (tmp_path / "before.csv").read_bytes()
    (tmp_path / "heard.csv").write_bytes(kept)
    with pytest.raises(AuricleError, match=r"heard\.csv exists, .* give another --output"):
        heard(tmp_path, np.zeros(12_000))
    assert (tmp_path / "heard.csv").read_bytes() == kept
    (tmp_path / "heard.csv").write_bytes(kept.splitlines(keepends=True)[0])
    heard(tmp_path, np.zeros(12_000))
    assert (tmp_path / "before.csv").read_bytes().count(b"\n") == kept.count(b"\n") > 1


@pytest.mark.parametrize("options", [{}, {"input_rate": 16_000}, {"hop_s": 0.25}])
def test_bad_samples_are_heard_as_zeros(tmp_path, capsys, options):
    rng = np.random.default_rng(0)
    good = (0.1 * rng.standard_normal((60_000, 2))).astype(np.float32)
    bad = good.copy()
    for place, channel, value in [(24_001, 0, np.nan), (24_002, 1, 1e20), (24_003, 0, np.inf), (50_000, 1, -2e4)]:
        bad[place, channel], good[place, channel] = value, 0.0
    with audio.noticing() as damage:
        table = heard(tmp_path, bad, channels=2, **options)
    rate = options.get("input_rate", RATE)
    assert [str(d) for d in damage] == [
        f"standard input: samples that are not finite or beyond ±10000, the first at {24_001 / rate:g} s; read as 0"
    ]
    assert "read as 0: 4" in capsys.readouterr().err
    with audio.noticing() as damage:
        expected = heard(tmp_path, good, channels=2, **options)
    assert damage == []
    assert "read as 0" not in capsys.readouterr().err
    pd.testing.assert_frame_equal(table, expected)
    assert len(table) >= 7


def test_the_last_window_ends_with_the_input(tmp_path, capsys):
    assert list(heard(tmp_path, np.zeros(7200)).end_s) == [0.5, 0.9]
    assert list(heard(tmp_path, np.zeros(7200), hop_s=0.25).end_s) == [0.5, 0.75, 0.9]
    assert list(heard(tmp_path, np.zeros(100), input_rate=4000).end_s) == [0.025]


@pytest.mark.parametrize("rate", [RATE, 16_000])
def test_the_sound_that_a_window_waits_for_is_said(tmp_path, capsys, model, rate):
    """The longest wait in a stream of chunks of 5 ms is what is printed, with the resampler's share."""
    chunk, n_chunks, waits_ms = np.zeros(rate // 200, np.float32), 0, []
    stream = Stream(model)

    def chunks():
        nonlocal n_chunks
        for n_chunks in range(1, 601):  # noqa: B007
            yield chunk

    n_windows = 0
    for part in chunks() if rate == RATE else resample_stream(chunks(), rate, RATE):
        for _ in stream.push(part):
            n_windows += 1
            waits_ms.append(5 * n_chunks - 500 * n_windows)
    heard(tmp_path, np.zeros(3 * rate), input_rate=rate)
    said = re.findall(r"after (?:the|up to) (\d+) ms of sound that follow it", capsys.readouterr().err)
    assert len(said) == 2
    assert len(waits_ms) == 5
    assert len(set(said)) == 1
    assert max(waits_ms) - 5 <= int(said[0]) <= max(waits_ms) + 70


@pytest.mark.parametrize("frontend", [{"name": "mel-efficientat", "variant": "published"}, {"name": "degram"}])
@pytest.mark.parametrize(("n_samples", "hop_s"), [(14_500, None), (13_500, None), (12_000, 0.25), (900, None)])
def test_a_front_end_that_cannot_stream_hears_window_by_window(tmp_path, monkeypatch, frontend, n_samples, hop_s):
    made = built(**frontend)
    with pytest.raises(AuricleError):
        Stream(made).push(np.zeros(RATE, np.float32))
    monkeypatch.setattr(listen, "load_classifier", lambda *_: made)
    samples = (0.1 * np.random.default_rng(0).standard_normal(n_samples)).astype(np.float32)
    table = heard(tmp_path, samples, hop_s=hop_s, top_k=3)
    audio.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    model = TorchWindowClassifier(made)
    expected, _, _ = predict_file(model, tmp_path / "a.wav", Selection.for_model(model, top_k=3), hop_s)
    assert len(expected) == 3 * len({found.start_s for found in expected})
    table = table[: len(expected)]  # with a hop, predict has no further window after the first that reaches the end
    assert list(table.label) == [found.label for found in expected]
    numbers = [[found.start_s, found.end_s, found.probability] for found in expected]
    np.testing.assert_allclose(table[["start_s", "end_s", "probability"]], numbers, atol=1e-4)


def test_latencies_of_days_take_no_memory():
    latencies, each_ms = listen.Latencies(), np.random.default_rng(0).lognormal(2, 0.3, 100_001)
    assert latencies.quantile(0.5) == 0
    tracemalloc.start()
    for latency_ms in each_ms:
        latencies.add(latency_ms)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100_000
    for share in (0.05, 0.5, 0.95):
        assert latencies.quantile(share) == pytest.approx(np.quantile(each_ms, share), abs=0.06)


def test_an_interruption_before_the_first_sample_is_one(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(listen, "microphone_chunks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        listen.listen_to("run", microphone=True)


@pytest.mark.parametrize("lost", [False, True])
def test_samples_that_the_microphone_loses_are_told_of(tmp_path, monkeypatch, lost):
    class Device:
        def __init__(self, samplerate, channels, dtype):
            self.blocks = [np.zeros((samplerate // 10, channels), dtype)] * 12

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self, n_samples):
            if not self.blocks:
                raise KeyboardInterrupt
            return self.blocks.pop()[:n_samples], lost and len(self.blocks) == 5

    monkeypatch.setitem(
        sys.modules, "sounddevice", SimpleNamespace(InputStream=Device, PortAudioError=type("", (Exception,), {}))
    )
    with audio.noticing() as damage:
        listen.listen_to("run", microphone=True, channels=2, output=tmp_path / "heard.csv")
    assert [str(found).partition(" were")[0] for found in damage] == ["the microphone: samples"] * lost
    assert list(pd.read_csv(tmp_path / "heard.csv").end_s) == [0.5, 1.0]


@pytest.mark.parametrize("suffix", [".wav", ".w64", ".aiff", ".au", ".caf", ".flac", ".ogg", ".mp3"])
def test_a_sound_file_is_no_raw_pcm(tmp_path, suffix):
    """Its sample rate, in a header, would have been ignored: here it is not the model's."""
    audio.write(tmp_path / f"a{suffix}", 0.1 * np.ones(48_000, np.float32), 48_000)
    with (
        open(tmp_path / f"a{suffix}", "rb") as source,
        pytest.raises(AuricleError, match=r"sound file.*arecord -t raw"),
    ):
        listen.listen_to("run", source=source)


def test_samples_that_resemble_two_frames_of_mp3_are_heard(tmp_path):
    frame = b"\xff\xfb\x90\x00"
    header = Header.of(frame)
    assert header is not None
    pcm = bytearray(2 * RATE)
    for start in (0, header.length):
        pcm[start : start + 4] = frame
    (tmp_path / "pcm").write_bytes(pcm)
    with open(tmp_path / "pcm", "rb") as source:
        listen.listen_to("run", source=source, output=tmp_path / "heard.csv")
    assert list(pd.read_csv(tmp_path / "heard.csv").end_s) == [0.5, 1.0]


@pytest.mark.parametrize("rate", [RATE, 16_000])
def test_an_input_without_a_sample_is_refused(tmp_path, rate):
    with pytest.raises(AuricleError, match="ended before the first sample"):
        heard(tmp_path, np.zeros(0), input_rate=rate)


@pytest.mark.parametrize(("n_bytes", "channels", "left"), [(16_000, 1, 0), (16_003, 1, 1), (16_006, 2, 2)])
def test_an_input_that_ends_within_a_sample_gets_a_note(tmp_path, capsys, n_bytes, channels, left):
    (tmp_path / "pcm").write_bytes(bytes(n_bytes))
    with open(tmp_path / "pcm", "rb") as source, audio.noticing() as damage:
        listen.listen_to("run", source=source, channels=channels)
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert len(notes) == (left > 0)
    assert all(f"within a sample: {left} of {2 * channels} bytes are not heard; check" in note for note in notes)
    assert damage == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channels": 10**9}, "channels=1000000000: there should be from 1 to 1024"),
        ({"channels": 0}, "channels=0"),
        ({"input_rate": 10**12}, "1000000000000.*from 50 to 10000000"),
        ({"input_rate": 1}, "from 50"),
        ({"input_rate": -8000}, "-8000"),
        ({"hop_s": float("inf")}, "hop_s=inf"),
        ({"hop_s": float("nan")}, "hop_s=nan"),
        ({"hop_s": 1e9}, "up to a window"),
        ({"hop_s": -0.5}, "hop_s=-0.5"),
        ({"hop_s": 0.0}, "hop_s=0.0"),
    ],
)
def test_absurd_options_are_refused(tmp_path, options, words):
    with pytest.raises(AuricleError, match=words):
        heard(tmp_path, np.zeros(100), **options)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_any_bytes_are_samples(tmp_path):
    """Also those of signalling NaN, of which NumPy warns in a calculation."""
    samples = np.full(8000, 0x7F800001, "<u4").view("<f4")
    with audio.noticing() as damage:
        table = heard(tmp_path, samples)
        expected = heard(tmp_path, np.zeros(8000))
    assert [found.kind for found in damage] == ["bad-samples"]
    pd.testing.assert_frame_equal(table, expected)
