from __future__ import annotations

import base64
import io
import re
import subprocess
import wave
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auricle.audio.embedded import wav_bytes
from auricle.errors import AuricleError
from auricle.metrics import Interval
from auricle.reports.page import CaptionedFigure, Section, SoundPlayer, Table, refuse_other_page, write_page
from auricle.reports.plots import training_curves
from browser import BROWSER

HOSTILE = '<script>alert("x")</script>'
VOID = {"meta", "img", "br", "hr", "link", "input"}
TONE = (0.5 * np.sin(np.arange(800) / 5)).astype(np.float32)


class Reader(HTMLParser):
    """Elements in order, and whether every one is closed by its own end tag."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text.setdefault(self.open[-1], []).append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "front-end": ["mel", HOSTILE, "leaf"],
            "accuracy": [Interval(0.91, 0.9, 0.92), Interval(float("nan"), float("nan"), float("nan")), 0.5],
            "parameters": [0, 32120, 240],
        }
    )


@pytest.fixture
def page(tmp_path: Path, frame: pd.DataFrame) -> Path:
    figure = training_curves([{"epoch": "0", "train_loss": "1"}, {"epoch": "1", "train_loss": "0.5"}])
    sections = [
        Section("First & foremost", ["It is `auricle`."], tables=[Table(frame, f"Scores {HOSTILE}"), frame]),
        Section("Seen", figures=[CaptionedFigure(figure, "Loss", alt=HOSTILE), (figure, "Again")]),
        Section("Heard", audio=[SoundPlayer(HOSTILE, TONE, 8000)], commands=["auricle train --data 'a<b'"]),
    ]
    return write_page(tmp_path / "new" / "page.html", f"Results {HOSTILE}", sections)


@pytest.fixture
def read(page: Path) -> Reader:
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_is_well_formed_and_complete(read: Reader) -> None:
    assert len(read.of("table")) == 2
    assert len(read.of("tr")) == 2 * 4
    assert [section["id"] for section in read.of("section")] == ["section-0", "section-1", "section-2"]
    assert [link["href"] for link in read.of("a")] == ["#section-0", "#section-1", "#section-2"]
    assert "width=device-width" in next(str(m["content"]) for m in read.of("meta") if m.get("name") == "viewport")
    assert "First & foremost" in read.text["h2"]
    assert "auricle" in read.text["code"]


def test_the_page_needs_nothing_but_itself(page: Path, read: Reader) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|//[a-z]+\.[a-z]|@import|url\(", re.sub(r"data:[^\"]+", "", text))
    for tag, attributes in read.elements:
        for name in ("src", "href", "srcset", "action", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    assert not read.of("link")
    assert len(read.of("script")) == 1


def test_all_text_is_escaped(read: Reader) -> None:
    assert HOSTILE in read.text["th"]
    assert f"Scores {HOSTILE}" in read.text["p"]
    assert HOSTILE in read.text["span"]
    assert f"Results {HOSTILE}" in read.text["title"]
    assert read.of("img")[0]["alt"] == HOSTILE
    assert "auricle train --data 'a<b'" in read.text["code"]


def test_figures_and_sounds_are_inside(read: Reader) -> None:
    image = read.of("img")[1]
    assert image["alt"] == "Again"
    svg = base64.b64decode(str(image["src"]).removeprefix("data:image/svg+xml;base64,")).decode()
    assert "prefers-color-scheme: dark" in svg
    sound = base64.b64decode(str(read.of("audio")[0]["src"]).removeprefix("data:audio/wav;base64,"))
    with wave.open(io.BytesIO(sound)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (8000, 2, 1)
        samples = np.frombuffer(file.readframes(-1), "<i2") / 32767
    np.testing.assert_allclose(samples, TONE, atol=0.51 / 32767)


def test_sort_keys_are_the_numbers(read: Reader) -> None:
    assert [cell.get("data-key") for cell in read.of("td")[:6]] == ["0.91", "0.0", None, "32120.0", "0.5", "240.0"]


def test_wav_bytes() -> None:
    stereo = np.stack([TONE, -TONE])
    with wave.open(io.BytesIO(wav_bytes(4 * stereo, 16000))) as file:
        assert file.getnchannels() == 2
        samples = np.frombuffer(file.readframes(-1), "<i2").reshape(-1, 2).T / 32767
    np.testing.assert_allclose(samples, stereo / np.abs(stereo).max(), atol=0.51 / 32767)
    for bad in (np.zeros(0), np.array([0.0, np.nan]), np.zeros((1, 2, 3))):
        with pytest.raises(AuricleError, match=re.escape(str(bad.shape))):
            wav_bytes(bad, 8000)


def test_it_opens_and_sorts_in_a_browser(page: Path, tmp_path: Path) -> None:
    if BROWSER is None:
        pytest.skip("no chromium on PATH to open the page in")
    text = page.read_text(encoding="utf-8")
    click = '<script>document.querySelectorAll("thead button")[2].click();</script></body>'
    page.write_text(text.replace("</body>", click), encoding="utf-8")
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --dump-dom"
    )
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [BROWSER, *flags.split(), profile, page.as_uri()]
    document = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    body = document.split("<tbody>")[1].split("</tbody>")[0]
    assert body.count("<tr>") == 3
    assert re.findall(r'data-key="(0.0|240.0|32120.0)"', body) == ["0.0", "240.0", "32120.0"]
    assert 'aria-sort="ascending"' in document


def test_a_page_of_someone_else_is_told_from_one_of_auricle(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    refuse_other_page(page)
    write_page(page, "Own", [])
    refuse_other_page(page)
    page.write_bytes(b"")
    refuse_other_page(page)
    for other in (b"<!DOCTYPE html>\n<title>mine</title>", b"\xff\x00"):
        page.write_bytes(other)
        with pytest.raises(AuricleError, match=r"index\.html: a page that auricle did not write"):
            refuse_other_page(page)
