"""The review page: which windows it shows, what it saves in a browser, and that teaching learns from it."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import subprocess
import wave
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import auricle
from auricle import audio
from auricle.config import SplitOptions
from auricle.data.manifest import read_manifest
from auricle.data.splits import split_clips
from auricle.errors import AuricleError, AuricleWarning
from auricle.reports.detections import Detection, write_table
from auricle.reports.detections.reading import read_detections
from auricle.reports.review import Window, write_review
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.review import BESIDE, LIKELY, UNCERTAIN, chosen, with_reviewed
from browser import BROWSER
from sounds import RATE, tone_folder, tone_manifest, write_tone
from untrained import classifier_run, start_run

pytestmark = pytest.mark.figures("undrawn")
BANDS_HZ = np.linspace(100, 3900, 8)
HEADER = "path,start,end,label,verdict,predicted,probability\n"
STRANGE = '</script><script>document.title="run"</script>, "quoted"'


def detection(file: str, label: str, probability: float, start_s: float = 0.0) -> Detection:
    return Detection(file, "sounds", start_s, start_s + 1.0, label, probability)


def test_half_are_the_most_probable_and_half_the_least():
    found = [detection(f"{k}.wav", "bark", 0.01 * k) for k in range(50)] + [detection("x.wav", "howl", 0.5)]
    picked = chosen(found, 6)
    assert [(round(d.probability, 2), why) for d, why in picked] == [
        *((p, LIKELY) for p in (0.49, 0.48, 0.47)),
        *((p, UNCERTAIN) for p in (0.0, 0.01, 0.02)),
        (0.5, LIKELY),
    ]


def test_a_recording_gives_its_second_when_all_have_given_their_first():
    found = [detection("loud.wav", "bark", 0.99 - 0.001 * k, float(k)) for k in range(20)]
    found += [detection(f"{k}.wav", "bark", 0.3 + 0.01 * k) for k in range(3)]
    picked = [d.file for d, why in chosen(found, 10) if why == LIKELY]
    assert picked == ["loud.wav", "2.wav", "1.wav", "0.wav", "loud.wav"]
    keys = [(d.file, d.start_s) for d, _ in chosen(found, 10)]
    assert len(set(keys)) == len(keys) == 10


def test_other_labels_of_a_chosen_window_get_a_verdict_too():
    found = [detection("x.wav", "bark", 0.9), detection("x.wav", "howl", 0.5), detection("x.wav", "howl", 0.6, 1.0)]
    found += [detection(f"{k}.wav", "howl", p) for k, p in enumerate((0.8, 0.3))]
    picked = [(d.file, d.start_s, d.label, d.probability, why) for d, why in chosen(found, 2)]
    assert picked == [
        ("x.wav", 0.0, "bark", 0.9, LIKELY),
        ("x.wav", 0.0, "howl", 0.5, BESIDE),
        ("0.wav", 0.0, "howl", 0.8, LIKELY),
        ("1.wav", 0.0, "howl", 0.3, UNCERTAIN),
    ]


def test_other_events_within_what_is_heard_of_an_event_get_a_verdict_about_that():
    times = {"bark": (0.0, 14.0), "howl": (3.0, 5.0), "hiss": (11.0, 13.0)}
    events = [Detection("x.wav", "sounds", *time, label, 0.9) for label, time in times.items()]
    assert [(d.start_s, d.end_s, d.label) for d, _ in chosen(events, 1)] == [
        (0.0, 10.0, "bark"),
        (0.0, 10.0, "howl"),
        (11.0, 13.0, "hiss"),
        (11.0, 13.0, "bark"),
        (3.0, 5.0, "howl"),
        (3.0, 5.0, "bark"),
    ]


def test_of_windows_that_overlap_each_has_its_own_labels():
    found = [detection("x.wav", "bark", 0.9 - k / 10, k / 2) for k in range(3)]
    found += [detection("x.wav", "howl", 0.8, 0.5), detection("x.wav", "howl", 0.7, 1.5)]
    assert [(d.start_s, d.label) for d, _ in chosen(found, 1)] == [(0.0, "bark"), (0.5, "howl"), (0.5, "bark")]


@pytest.mark.parametrize("table_format", ["csv", "jsonl", "parquet"])
def test_tables_of_every_format_are_read(tmp_path: Path, table_format: str):
    if table_format == "parquet":
        pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
    for k in range(3):
        write_tone(tmp_path / "rec" / f"r{k}.wav", 300.0 + 300 * k, 1.0, seed=k)
    run = classifier_run(tmp_path / "run", _tones(tmp_path))
    auricle.predict(run, tmp_path / "rec", output=tmp_path / "out", format=table_format, quiet=True, top_k=3)
    auricle.predict(run, tmp_path / "rec", output=tmp_path / "csv", quiet=True, top_k=3)
    found = read_detections(tmp_path / "out")
    assert len(found) == 3 * 2 * 3
    key = lambda d: (d.file, d.start_s, d.label)  # noqa: E731
    assert sorted(found, key=key) == sorted(read_detections(tmp_path / "csv"), key=key)


def test_what_failed_at_the_top_is_no_table_and_a_recording_called_failed_has_one(tmp_path: Path):
    table = [Detection(f"a\u2028{k}.wav", "t", 0.0, 1.0, "x", 0.5) for k in range(2)]
    write_table(tmp_path / "csv" / "sub" / "failed.csv", table, "csv", 4000.0)
    (tmp_path / "csv" / "failed.csv").write_text("file,outcome,reason\n")
    write_table(tmp_path / "lines" / "a.detections.jsonl", table, "jsonl", 4000.0)
    for folder in ("csv", "lines"):
        assert [found.file for found in read_detections(tmp_path / folder)] == ["a\u20280.wav", "a\u20281.wav"]


def test_of_tables_of_several_formats_each_recording_is_read_once(tmp_path: Path):
    both, lines = (Detection(str(tmp_path / name), "t", 0.0, 1.0, "x", 0.5) for name in ("both.wav", "lines.wav"))
    write_table(tmp_path / "both.csv", [both], "csv", 4000.0)
    for found in (both, lines):
        name = f"{Path(found.file).stem}.detections.jsonl"
        write_table(tmp_path / name, [found], "jsonl", 4000.0)
    assert read_detections(tmp_path) == [both, lines]


def _tones(tmp_path: Path) -> Path:
    return tone_manifest(tmp_path / "tones", 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "has no column"),
        ("file,task,start_s,end_s,label,probability\nx,t,0,1,bark,2\n", "damaged"),
        ("file,task,start_s,end_s,label,probability\nx,t,1,1,bark,0.5\n", "damaged"),
        ("file,task,start_s,end_s,label,probability\nx,t,0,nan,bark,0.5\n", "end_s is|damaged"),
    ],
)
def test_tables_of_something_else_are_refused(tmp_path: Path, text: str, said: str):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(AuricleError, match=said):
        read_detections(tmp_path)


def test_a_folder_without_tables_is_refused(tmp_path: Path):
    with pytest.raises(AuricleError, match="no tables of auricle predict"):
        read_detections(tmp_path)
    with pytest.raises(AuricleError, match="no such folder"):
        read_detections(tmp_path / "nowhere")


@pytest.mark.parametrize("table_format", ["csv", "parquet"])
def test_recordings_whose_names_are_not_utf_8_are_heard_and_learnt_from(tmp_path: Path, table_format: str):
    if table_format == "parquet":
        pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
    write_tone(tmp_path / "a.wav", 440.0, 1.0, 0)
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    recording = folder / os.fsdecode(b"\xe9.wav")
    (tmp_path / "a.wav").rename(recording)
    suffix = {"csv": "a.csv", "parquet": "detections.parquet/part-0.parquet"}[table_format]
    write_table(folder / "pred" / suffix, [detection(str(recording), "bark", 0.9)], table_format, 4000.0)
    page = auricle.review(folder / "pred", output=folder / "review.html", quiet=True)
    (item,) = _listed(page, "items")
    assert item["path"] == rf"{tmp_path}/caf\xe9/\xe9.wav"
    (folder / "review.csv").write_text(HEADER + f"{item['path']},0,1,low,accepted,low,0.9\n")
    found = with_reviewed(read_manifest(_tones(tmp_path)), str(folder / "review.csv"))
    assert found.clips[-1].path == recording


def test_recordings_that_are_gone_are_warned_of(tmp_path: Path):
    write_tone(tmp_path / "a.wav", 440.0, 1.0, 0)
    table = [detection(str(tmp_path / "a.wav"), "bark", 0.9), detection(str(tmp_path / "gone.wav"), "bark", 0.8)]
    write_table(tmp_path / "pred" / "a.csv", table, "csv", 4000.0)
    with pytest.warns(AuricleWarning, match=r"1 window is left out: .*gone\.wav"):
        page = auricle.review(tmp_path / "pred", output=tmp_path / "review.html", quiet=True)
    assert page.read_text().count("data:audio/wav;base64,") == 1
    write_table(tmp_path / "none" / "a.csv", table[1:], "csv", 4000.0)
    with pytest.raises(AuricleError, match="none of the windows can be heard"):
        auricle.review(tmp_path / "none", output=tmp_path / "x.html", quiet=True)


def test_recordings_that_were_changed_after_the_prediction_are_warned_of(tmp_path: Path):
    files = [tmp_path / "rec" / f"r{k}.wav" for k in range(3)]
    for k, file in enumerate(files):
        write_tone(file, 300.0 + 300 * k, 1.0, seed=k)
    run = classifier_run(tmp_path / "run", _tones(tmp_path))
    auricle.predict(run, tmp_path / "rec", output=tmp_path / "out", quiet=True, top_k=1)
    write_tone(files[0], 1000.0, 1.0, seed=5)
    with pytest.warns(AuricleWarning, match=f"left out: {re.escape(str(files[0]))}: it was changed after"):
        page = auricle.review(tmp_path / "out", output=tmp_path / "review.html", quiet=True)
    assert {item["path"] for item in _listed(page, "items")} == {str(files[1]), str(files[2])}
    auricle.predict(run, tmp_path / "rec", output=tmp_path / "out", quiet=True, top_k=1)
    page = auricle.review(tmp_path / "out", output=tmp_path / "review.html", quiet=True)
    assert {item["path"] for item in _listed(page, "items")} == set(map(str, files))


def test_recordings_are_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = classifier_run(tmp_path / "run", _tones(tmp_path))
    for name, pitch_hz in (("rec/r.wav", 300.0), ("elsewhere/rec/r.wav", 900.0), ("rec/deep/r.wav", 1500.0)):
        write_tone(tmp_path / name, pitch_hz, 1.0, seed=1)
    monkeypatch.chdir(tmp_path)
    auricle.predict(run, "rec", output="out", quiet=True, top_k=1)
    monkeypatch.chdir(tmp_path / "elsewhere")
    page = auricle.review(tmp_path / "out", output=tmp_path / "review.html", quiet=True)
    rec = tmp_path / "rec"
    assert {item["path"] for item in _listed(page, "items")} == {str(rec / "r.wav"), str(rec / "deep" / "r.wav")}


def test_of_an_event_what_is_heard_is_what_the_verdict_is_about(tmp_path: Path):
    write_tone(tmp_path / "a.wav", 440.0, 14.0, 0)
    event = Detection(str(tmp_path / "a.wav"), "sounds", 1.0, 13.0, "bark", 0.9)
    write_table(tmp_path / "pred" / "a.csv", [event], "csv", 4000.0)
    page = auricle.review(tmp_path / "pred", output=tmp_path / "review.html", quiet=True)
    (item,), (heard,) = _listed(page, "items"), _listed(page, "heard")
    with wave.open(io.BytesIO(base64.b64decode(heard["sound"].partition(",")[2]))) as sound:
        assert sound.getnframes() / sound.getframerate() == item["end"] - item["start"] == 10.0


def test_a_window_of_several_labels_has_its_sound_once(tmp_path: Path):
    for name, pitch_hz in (("a", 440.0), ("b", 880.0)):
        write_tone(tmp_path / f"{name}.wav", pitch_hz, 1.0, 0)
        found = [detection(str(tmp_path / f"{name}.wav"), label, 0.9) for label in ("bark", "howl", "hiss")]
        write_table(tmp_path / "pred" / f"{name}.csv", found, "csv", 4000.0)
    page = auricle.review(tmp_path / "pred", output=tmp_path / "review.html", quiet=True)
    heard = {(item["path"], item["heard"]) for item in _listed(page, "items")}
    assert len(_listed(page, "items")) == 6
    assert len(heard) == len({number for _, number in heard}) == 2
    assert page.read_text().count("data:audio/wav;base64,") == 2


def _listed(page: Path, name: str) -> list[dict[str, Any]]:
    found = re.search(rf"const {name} = (.*);\n", page.read_text())
    assert found
    return json.loads(found[1])


def test_the_page_loads_nothing_and_labels_are_text(tmp_path: Path):
    page = _page(tmp_path).read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page
    assert STRANGE not in page


def _page(folder: Path) -> Path:
    tone = (0.3 * np.sin(np.arange(RATE) / 5)).astype(np.float32)
    picture = np.random.default_rng(0).random((8, 20))
    windows = [
        Window(f"/rec/{label[:4]}, {k}.wav", float(k), k + 0.5, label, 0.25 * (k + 1), LIKELY, tone, RATE, picture)
        for label in ("bark", STRANGE)
        for k in range(3)
    ]
    return write_review(folder / "review.html", "Review of tests", windows, ["bark", STRANGE], BANDS_HZ)


def _driven(page: Path, steps: str) -> dict[str, str]:
    """What a browser makes of the page after `steps` in its script: the table "out", and what is "shown"."""
    drive = """<script>
    const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    STEPS
    const out = document.createElement("pre");
    out.id = "out";
    out.textContent = table();
    document.body.append(out);
    const shown = document.createElement("pre");
    shown.id = "shown";
    shown.textContent = [at("label").textContent, at("progress").textContent, document.title].join("|");
    document.body.append(shown);
    </script></body>""".replace("STEPS", steps)
    page.write_text(page.read_text().replace("</body>", drive))
    profile = page.parent / "profile"
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command += ["--virtual-time-budget=2000", "--dump-dom", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = dict(re.findall(r'<pre id="(out|shown)">(.*?)</pre>', dom, re.DOTALL))
    assert set(found) == {"out", "shown"}, dom[-2000:]
    return {name: unescape(text) for name, text in found.items()}


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_in_a_browser_keys_give_verdicts_and_the_table_has_them(tmp_path: Path):
    made = _driven(
        _page(tmp_path),
        """press("a"); press("R"); press("c");
        at("right").value = 'howl, "long"'; at("correction").requestSubmit();
        press("n"); press("a"); press("u"); press("ArrowLeft"); press("ArrowRight");""",
    )
    rows = list(csv.DictReader(io.StringIO(made["out"])))
    assert [(row["label"], row["verdict"], row["start"]) for row in rows] == [
        ("bark", "accepted", "0"),
        ("", "rejected", "1"),
        ('howl, "long"', "corrected", "2"),
        ("", "none", "0"),
    ]
    assert rows[3]["predicted"] == STRANGE
    assert rows[0]["path"] == "/rec/bark, 0.wav"
    assert made["shown"] == f"{STRANGE}|4 of 6 windows reviewed|Review of tests"


def test_frequencies_stand_at_the_bands_that_show_them(tmp_path: Path):
    table = tmp_path / "predictions" / "table.csv"
    table.parent.mkdir()
    for hz in (500, 2000):
        write_tone(tmp_path / f"{hz}.wav", hz, 1.0, 0)
        table.write_text(f"file,task,start_s,end_s,label,probability\n{tmp_path / f'{hz}.wav'},x,0,1,bark,0.9\n")
        page = auricle.review(table.parent, output=tmp_path / "review.html", quiet=True).read_text()
        (heard,) = _listed(tmp_path / "review.html", "heard")
        content = base64.b64decode(heard["picture"].partition(",")[2])
        picture = np.asarray(Image.open(io.BytesIO(content)).convert("L"), dtype=float)
        loudest = 1 - (picture.mean(1).argmax() + 0.5) / len(picture)
        height = re.search(rf'bottom: ([0-9.]+)%">{"500 Hz" if hz < 1000 else "2 kHz"}<', page)
        assert height
        assert float(height[1]) / 100 == pytest.approx(loudest, abs=1 / len(picture))


def test_what_is_above_8_khz_is_heard_and_seen(tmp_path: Path):
    rates = {"low.wav": 22050, "cricket.wav": 44100, "bat.wav": 192000}
    for name, rate in rates.items():
        audio.write(tmp_path / name, 0.5 * np.sin(2 * np.pi * 10000 * np.arange(rate) / rate).astype(np.float32), rate)
    table = [detection(str(tmp_path / name), "chirp", 0.9) for name in rates]
    write_table(tmp_path / "pred" / "a.csv", table, "csv", 4000.0)
    page = auricle.review(tmp_path / "pred", output=tmp_path / "review.html", quiet=True)
    (at_8_khz,) = (float(height) / 100 for height in re.findall(r'bottom: ([0-9.]+)%">8 kHz<', page.read_text()))
    heard = _listed(page, "heard")
    for item in _listed(page, "items"):
        content = {kind: base64.b64decode(uri.partition(",")[2]) for kind, uri in heard[item["heard"]].items()}
        with wave.open(io.BytesIO(content["sound"])) as sound:
            rate = sound.getframerate()
            assert rate == min(32000, rates[Path(item["path"]).name])
            samples = np.frombuffer(sound.readframes(rate), "<i2")
        assert np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples) == pytest.approx(10000, abs=2)
        picture = np.asarray(Image.open(io.BytesIO(content["picture"])).convert("L"), dtype=float)
        loudest = 1 - (picture.mean(1).argmax() + 0.5) / len(picture)
        assert at_8_khz < loudest < at_8_khz + 0.15


def test_reasons_that_are_not_listed_are_counted_once(tmp_path: Path):
    write_tone(tmp_path / "a.wav", 440.0, 1.0, 0)
    table = [detection(str(tmp_path / "a.wav"), "bark", 0.9)]
    table += [detection(str(tmp_path / "gone.wav"), "bark", 0.8, float(k)) for k in range(8)]
    write_table(tmp_path / "pred" / "a.csv", table, "csv", 4000.0)
    with pytest.warns(AuricleWarning, match=r"^8 windows are left out: [^;]*gone\.wav[^;]*$"):
        auricle.review(tmp_path / "pred", output=tmp_path / "review.html", quiet=True)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_times_are_those_of_the_recording(tmp_path: Path):
    tone, picture = np.zeros(RATE, np.float32), np.zeros((8, 20))
    windows = [
        Window("/rec.wav", start, end, "bark", 0.5, LIKELY, tone, RATE, picture)
        for start, end in ((0.0, 7.0), (61.3, 63.3), (3600.0, 3600.25), (0.01, 0.015))
    ]
    page = write_review(tmp_path / "review.html", "Times", windows, ["bark"], BANDS_HZ)
    marks = "[...at('times').children].map((mark) => mark.textContent + ' ' + parseFloat(mark.style.left).toFixed(0))"
    made = _driven(page, f"const marks = []; for (let i = 0; i < 4; i++) {{ show(i); marks.push({marks}); }} "
        "document.title = JSON.stringify(marks);")  # fmt: skip
    assert json.loads(made["shown"].rpartition("|")[2]) == [
        ["0 s 0", "2 s 29", "4 s 57", "6 s 86", "7 s 100"],
        ["61.3 s 0", "62 s 35", "63 s 85", "63.3 s 100"],
        ["3600 s 0", "3600.1 s 40", "3600.2 s 80", "3600.25 s 100"],
        ["0.01 s 0", "0.012 s 40", "0.014 s 80", "0.015 s 100"],
    ]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_window_that_is_listed_under_two_labels_is_one_row(tmp_path: Path):
    tone, picture = np.zeros(RATE, np.float32), np.zeros((8, 20))
    windows = [
        Window(f"/rec/{k}.wav", 0.0, 1.0, label, 0.5, LIKELY, tone, RATE, picture)
        for label in ("bark", "howl")
        for k in range(4)
    ]
    page = write_review(tmp_path / "review.html", "Twice", windows, ["bark", "howl"], BANDS_HZ)
    keys = "".join(f'press("{key}");' for key in "aara" + "rarn")
    rows = list(csv.DictReader(io.StringIO(_driven(page, keys)["out"])))
    assert [(row["path"], row["label"], row["verdict"]) for row in rows] == [
        ("/rec/0.wav", "bark", "accepted"),
        ("/rec/1.wav", "bark;howl", "accepted"),
        ("/rec/2.wav", "", "rejected"),
        ("/rec/3.wav", "bark", "accepted"),
    ]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_window_is_saved_once_all_its_labels_have_a_verdict(tmp_path: Path):
    tone, picture = np.zeros(RATE, np.float32), np.zeros((8, 20))
    windows = [
        Window(f"/rec/{k}.wav", 0.0, 1.0, label, 0.5, LIKELY, tone, RATE, picture)
        for k in range(4)
        for label in ("bark", "howl")
    ]
    page = write_review(tmp_path / "review.html", "Open", windows, ["bark", "howl"], BANDS_HZ)
    keys = ["a", "ArrowRight", "r", "r", "n", "ArrowRight", "r"]
    made = _driven(page, "".join(f'press("{key}");' for key in keys))
    rows = list(csv.DictReader(io.StringIO(made["out"])))
    assert [(row["path"], row["label"], row["verdict"]) for row in rows] == [
        ("/rec/1.wav", "", "rejected"),
        ("/rec/2.wav", "", "none"),
    ]
    assert "|5 of 8 windows reviewed; not saved until their other labels have a verdict too: 2|" in made["shown"]


def test_accepted_and_corrected_windows_are_learnt_from(tmp_path: Path):
    data = tone_folder(tmp_path / "tones", 6)
    long = tmp_path / "long.wav"
    write_tone(long, 5.0 * RATE / 11, 3.0, 7)
    table = HEADER + f"{long},0,1,new,corrected,low,0.4\n{long},1,2,low,accepted,low,0.9\n"
    (tmp_path / "review.csv").write_text(table + f"{long},2,3,,rejected,low,0.3\n{long},0.5,1.5,,none,low,0.2\n")
    manifest = with_reviewed(read_manifest(data), str(tmp_path / "review.csv"))
    assert len(manifest) == 18 + 2
    added = manifest.clips[-2:]
    assert [(clip.labels, clip.start_s, clip.end_s, clip.split) for clip in added] == [
        (("new",), 0.0, 1.0, None),
        (("low",), 1.0, 2.0, None),
    ]
    assert len({clip.group for clip in added}) == 1
    several = with_reviewed(read_manifest(data, multi_label=True), str(tmp_path / "review.csv"))
    assert len(several) == 18 + 3
    assert several.clips[-1].labels == ()


def test_they_join_the_training_split(tmp_path: Path):
    manifest = read_manifest(_tones(tmp_path))
    long = tmp_path / "long.wav"
    write_tone(long, 900.0, 2.0, 7)
    (tmp_path / "review.csv").write_text(HEADER + f"{long},0,1,middle,accepted,middle,0.4\n")
    assert with_reviewed(manifest, str(tmp_path / "review.csv")).clips[-1].split == "train"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_they_may_have_been_in_a_spreadsheet(tmp_path: Path, separator: str):
    manifest = read_manifest(_tones(tmp_path))
    write_tone(tmp_path / "long.wav", 900.0, 2.0, 7)
    text = HEADER + "long.wav,0,1,middle,accepted,middle,0.4\n,,,,,,\n"
    (tmp_path / "review.csv").write_text("\ufeff" + text.replace(",", separator).replace("\n", "\r\n"), "utf-8")
    assert with_reviewed(manifest, str(tmp_path / "review.csv")).clips[-1].labels == ("middle",)


def _in_splits(folder: Path, splits: str, column: str = "split") -> Path:
    """A manifest of a recording of 0.3 s in each of `splits`, of which only the first 0.1 s are listed."""
    for k, split in enumerate(splits):
        write_tone(folder / f"{split}.wav", 400.0 + 200 * k, 0.3, k)
    rows = [f"{split}.wav,low,{split},0,0.1\n" for split in splits]
    (folder / "data.csv").write_text(f"path,label,{column},start,end\n" + "".join(rows))
    return folder / "data.csv"


def test_they_join_the_split_that_is_trained_on(tmp_path: Path):
    manifest = read_manifest(_in_splits(tmp_path, "AB"))
    write_tone(tmp_path / "new.wav", 900.0, 2.0, 7)
    (tmp_path / "review.csv").write_text(HEADER + "new.wav,0,1,low,accepted,low,0.4\n")
    options = SplitOptions(train_split="A", validation_share=0.5)
    train, valid, test = split_clips(with_reviewed(manifest, str(tmp_path / "review.csv"), options), options)
    assert sorted(clip.file for clip in (*train, *valid)) == ["A.wav", "new.wav"]
    assert [clip.file for clip in test or ()] == ["B.wav"]
    with pytest.raises(AuricleError, match="there is no split 'train'"):
        with_reviewed(manifest, str(tmp_path / "review.csv"))


@pytest.mark.parametrize(
    ("column", "options"),
    [("split", SplitOptions(train_split="A")), ("fold", SplitOptions(test_fold="B"))],
)
def test_windows_of_recordings_that_are_put_aside_are_left_out(tmp_path: Path, capsys, column, options):
    manifest = read_manifest(_in_splits(tmp_path, "AB", column))
    (tmp_path / "copy.wav").write_bytes((tmp_path / "B.wav").read_bytes())
    rows = [f"{name}.wav,0.2,0.3,low,accepted,low,0.4\n" for name in ("A", "B", "copy")]
    (tmp_path / "review.csv").write_text(HEADER + "".join(rows))
    found = with_reviewed(manifest, str(tmp_path / "review.csv"), options, progress=True)
    assert [clip.name for clip in found.clips[2:]] == ["A.wav@0.2-0.3"]
    said = capsys.readouterr().out
    assert "1 reviewed windows join the clips, of 3 verdicts" in said
    assert "2 reviewed windows are left out" in said
    (tmp_path / "review.csv").write_text(HEADER + "".join(rows[1:]))
    with pytest.raises(AuricleError, match=r"all 2 windows .* puts aside, first B\.wav@0\.2-0\.3"):
        with_reviewed(manifest, str(tmp_path / "review.csv"), options)


def test_a_clip_makes_way_for_a_window_with_another_label(tmp_path: Path, capsys):
    for k in range(3):
        write_tone(tmp_path / f"{k}.wav", 400.0 + 200 * k, 1.0, k)
    (tmp_path / "copy.wav").write_bytes((tmp_path / "1.wav").read_bytes())
    (tmp_path / "data.csv").write_text(
        "path,label,start,end\n0.wav,low,0,0.5\n0.wav,low,0.5,1\n1.wav,low,,\n2.wav,high,,\n"
    )
    rows = ("0.wav,0.4,0.5,high,corrected,low,0.4\n", "copy.wav,0,1,high,corrected,low,0.4\n")
    (tmp_path / "review.csv").write_text(HEADER + "".join(rows) + "2.wav,0,1,high,accepted,high,0.4\n")
    manifest = read_manifest(tmp_path / "data.csv")
    found = with_reviewed(manifest, str(tmp_path / "review.csv"), progress=True)
    assert [(clip.name, *clip.labels) for clip in found] == [
        ("0.wav@0.5-1", "low"),
        ("2.wav", "high"),
        ("0.wav@0.4-0.5", "high"),
        ("copy.wav@0-1", "high"),
        ("2.wav@0-1", "high"),
    ]
    assert "note: 2 clips are left out: a reviewed window of theirs has another label" in capsys.readouterr().out
    several = read_manifest(tmp_path / "data.csv", multi_label=True)
    assert len(with_reviewed(several, str(tmp_path / "review.csv"))) == 4 + 3
    assert "left out" not in capsys.readouterr().out


def test_teaching_with_them_knows_the_corrected_label(tmp_path: Path):
    start_run(tmp_path / "start")
    data = tone_folder(tmp_path / "tones", 6)
    rows = []
    for k in range(6):
        write_tone(tmp_path / "more" / f"{k}.wav", 1500.0, 0.5, 50 + k)
        rows.append(f"{tmp_path / 'more' / f'{k}.wav'},0,0.5,whistle,corrected,high,0.5\n")
    (tmp_path / "review.csv").write_text(HEADER + "".join(rows))
    reviewed = tmp_path / "review.csv"
    auricle.teach(model=tmp_path / "start", data=data, output=tmp_path / "run", reviewed=reviewed, quiet=True)
    assert "reviewed" in (tmp_path / "run" / "inputs.json").read_text()
    model = auricle.load(tmp_path / "run")
    assert isinstance(model, Classifier)
    assert model.task().labels == ("high", "low", "middle", "whistle")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("{long},0,1,,rejected,low,0.4\n", "no window is accepted or corrected"),
        ("{long},0,1,low,maybe,low,0.4\n", "unknown verdict 'maybe'"),
        ("{long},0,1,low;high,corrected,low,0.4\n", "a window has several labels"),
        ("{long},0,1,,accepted,low,0.4\n", r"long\.wav@0-1 is accepted or corrected, but has no label"),
        ("{long},0,1,,corrected,low,0.4\n", r"long\.wav@0-1 is accepted or corrected, but has no label"),
        (
            "{long},0,1,low,accepted,low,0.4\n{long},0.5,1.5,high,corrected,low,0.4\n",
            r"long\.wav@0-1 and .*long\.wav@0\.5-1\.5 overlap, and have different labels",
        ),
        ("{long},0,9,low,accepted,low,0.4\n", "ends at 9"),
        ("gone.wav,0,1,low,accepted,low,0.4\n", "gone.wav"),
        (
            "{long},0,1,low,accepted,low,0.4\ngone.wav,0,1,low,accepted,low,0.4\n",
            r"1 of 2 clips cannot be used; correct them, or leave their rows out:\n  gone\.wav",
        ),
    ],
)
def test_tables_that_cannot_be_learnt_from_are_said(tmp_path: Path, rows: str, said: str):
    data = tone_folder(tmp_path / "tones", 2)
    write_tone(tmp_path / "long.wav", 900.0, 2.0, 7)
    (tmp_path / "review.csv").write_text(HEADER + rows.format(long=tmp_path / "long.wav"))
    with pytest.raises(AuricleError, match=said):
        with_reviewed(read_manifest(data), str(tmp_path / "review.csv"))
    pd.DataFrame({"path": ["x"]}).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(AuricleError, match="not a table of a review page"):
        with_reviewed(read_manifest(data), str(tmp_path / "other.csv"))
    with pytest.raises(AuricleError, match=r"nowhere\.csv: there is no such file$"):
        with_reviewed(read_manifest(data), str(tmp_path / "nowhere.csv"))
