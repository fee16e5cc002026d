"""The served page: what programs get from it, what others are refused, and that nothing is fetched from elsewhere."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from importlib.util import find_spec
from pathlib import Path

import pytest

import auricle
from auricle.studies.studio.sounds import Shelf, Sound, cut
from browser import BROWSER, Tab, browsing

pytestmark = pytest.mark.skipif(find_spec("gradio") is None, reason="the extra [studio] is not installed")
REFUSING = """
import socket

looked_up, connected = socket.getaddrinfo, socket.socket.connect

def refuse(host):
    if host not in ("127.0.0.1", "localhost", "::1", b"127.0.0.1", None):
        with open({asked!r}, "a") as file:
            print(host, file=file)
        raise OSError("refused by the test")

def look_up(host, *rest, **options):
    refuse(host)
    return looked_up(host, *rest, **options)

def connect(self, address):
    if isinstance(address, tuple):
        refuse(address[0])
    return connected(self, address)

socket.getaddrinfo, socket.socket.connect = look_up, connect
from auricle.__main__ import main

main({arguments!r})
"""


@pytest.fixture(scope="module")
def served(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """`auricle studio` in a process that reaches no other host: its port, and the file of the hosts it asked for."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "asked").touch()
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(Path(auricle.__file__).parents[1])}
    code = REFUSING.format(asked=str(folder / "asked"), arguments=["studio", str(runs), "--no-browser", "--port", "0"])
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert process.stdout is not None
        said = re.match(r"auricle studio is at http://127\.0\.0\.1:(\d+);", process.stdout.readline())
        assert said is not None, (folder / "errors").read_text()
        yield int(said[1]), folder / "asked"
        process.kill()
        process.communicate()


def ask(port: int, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, headers=headers or {})
    return connection.getresponse()


def test_programs_get_what_the_page_shows(served, scene, shelf: Shelf, tmp_path) -> None:
    from gradio_client import Client, handle_file

    port, asked = served
    client = Client(f"http://127.0.0.1:{port}", verbose=False, analytics_enabled=False)
    with pytest.raises(Exception, match="drop or record a sound first"):
        client.predict("whole recording", "one", 0.1, 0, api_name="/label")
    card, *_ = client.predict(handle_file(scene), api_name="/take")
    assert "a scene.wav" in card
    values = [0.5, 1.5, "mel", "babble", 5, 0.2, "none", 0, "opus", 16, 0.3, 1]
    _, looked = client.predict(*values, api_name="/look")
    addresses = [unescape(address) for address in re.findall('src="(/sound/[^"]*)"', looked)]
    assert len(addresses) == 2
    answer = ask(port, addresses[0])
    (tmp_path / "got.wav").write_bytes(answer.read())
    stretch = cut(Sound(scene, "scene"), 0.5, 1.5, shelf)
    assert (tmp_path / "got.wav").read_bytes() == stretch.path.read_bytes()
    assert ask(port, addresses[0], {"Range": "bytes=0-99"}).status == 206
    labelled = client.predict("stretch in the condition", "one", 0.1, 0, api_name="/label")
    assert "data-seek" in labelled
    assert client.predict("stretch", "spectral-gating", api_name="/enhance").count("<figure") == 2
    assert client.predict("stretch", "separator", ["low"], 0.2, api_name="/separate").count("<figure") == 3
    both = client.predict("whole recording", "one", "deeper/several", 0.1, 0, api_name="/compare")
    assert "whose-1" in both
    with pytest.raises(Exception, match="choose two that do the same"):
        client.predict("stretch", "one", "separator", 0, 0, api_name="/compare")
    frame, _ = client.predict("report/index.html", api_name="/report")
    assert '<iframe src="/report/1/index.html"' in frame
    _, text = client.predict("card of one", api_name="/report")
    assert "/report/0/plots/training.png" in text
    assert asked.read_text() == ""


def test_sessions_do_not_share_their_sounds(served, scene) -> None:
    from gradio_client import Client, handle_file

    port, _ = served
    first, second = (Client(f"http://127.0.0.1:{port}", verbose=False, analytics_enabled=False) for _ in range(2))
    first.predict(handle_file(scene), api_name="/take")
    with pytest.raises(Exception, match="drop or record a sound first"):
        second.predict("whole recording", "one", 0.1, 0, api_name="/label")


def test_the_page_names_no_other_site_and_may_load_from_none(served) -> None:
    port, asked = served
    answer = ask(port, "/")
    page = answer.read().decode()
    assert answer.status == 200
    loaded = re.findall(r"""(?:src|href|content|action)\s*=\s*["']?\s*((?:https?:)?//[^"'\s>]+)""", page)
    assert [address for address in loaded if not address.startswith(f"http://127.0.0.1:{port}")] == []
    assert not re.search("googleapis|gstatic|cdnjs|unpkg|jsdelivr|huggingface", page)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    style = ask(port, "/theme.css").read().decode()
    assert "system-ui" in style
    assert "url(http" not in style
    assert '"analytics_enabled":false' in page.replace(" ", "")
    assert asked.read_text() == ""


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "example.org"},
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://[::1"},
    ],
)
def test_other_sites_are_refused(served, headers) -> None:
    port, _ = served
    assert ask(port, "/config", headers).status in (400, 403)
    assert ask(port, "/config", {"Origin": f"http://127.0.0.1:{port}"}).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://example.org/x",
        "/gradio_api/file=https://example.org/x",
        "/gradio_api/proxy=http://example.org/x",
        "/gradio_api/file=/etc/hosts",
        "/sound/../../etc/hosts",
        "/sound/%2e%2e/%2e%2e/etc/hosts",
        "/sound//etc/hosts",
        "/report/1/secret.txt",
        "/report/1/..%2fone%2fREADME.md",
        "/report/9/index.html",
        "/report/0/%00.png",
        "/sound/%00",
        f"/sound/{'a' * 5000}",
    ],
)
def test_other_files_and_sites_are_not_given(served, path) -> None:
    port, asked = served
    assert ask(port, path).status in (403, 404)
    assert asked.read_text() == ""


def test_a_report_is_a_stranger_to_the_page(served) -> None:
    port, _ = served
    answer = ask(port, "/report/1/index.html")
    assert answer.read() == b"<p>the report</p>"
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
    assert answer.headers["content-type"].startswith("text/html")


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    if BROWSER is None:
        pytest.skip("no Chromium is installed")
    with browsing(tmp_path / "profile") as opened:
        yield opened


def focus(tab: Tab, selector: str, name: str = "") -> None:
    """Give the visible element that `selector` finds, of that name, the focus."""
    found = (
        f"[...document.querySelectorAll({selector!r})].find(e => e.checkVisibility({{visibilityProperty: true}}) && "
        f"(!{name!r} || e.textContent.trim() === {name!r}))"
    )
    tab.wait(f"(() => {{ const e = {found}; if (e) e.focus(); return !!e && document.activeElement === e; }})()")


SHOWN = "[...document.querySelectorAll('figure.sound')].filter(f => f.checkVisibility())"


@pytest.mark.slow
def test_in_a_browser_it_works_by_keyboard_and_loads_nothing_from_elsewhere(served, scene, tab: Tab) -> None:
    port, _ = served
    tab.open(f"http://127.0.0.1:{port}/")
    tab.wait("document.querySelector('input[type=file]') !== null")
    tab.wait("document.querySelector('.upload-container') !== null")
    assert tab.run("document.querySelector('.upload-container[aria-label]')") is None, "its text is its name"
    tab.give("input[type=file]", scene)
    tab.wait(f"{SHOWN}.length === 3")
    focus(tab, "button[role=tab]", "Label")
    tab.press("Enter", 13, "\r")
    focus(tab, "input[type=range]")
    for _ in range(2):
        tab.press("ArrowRight", 39)
    focus(tab, "button.primary", "Label")
    tab.press("Enter", 13, "\r")
    tab.wait("document.querySelectorAll('.events button').length > 0")
    tab.run("document.querySelector('.events button').focus()")
    tab.press("Enter", 13, "\r")
    tab.wait("[...document.querySelectorAll('audio')].some(a => a.currentTime > 0)")
    assert tab.run("document.querySelector('.events button').closest('figure').querySelector('audio').duration") > 0
    assert tab.run("[...document.querySelectorAll('.playhead')].some(h => h.style.display === 'block')")
    own = (f"http://127.0.0.1:{port}/", "data:", "blob:")
    assert [address for address in tab.requested if not address.startswith(own)] == []
    assert tab.errors == []


@pytest.mark.slow
def test_in_a_browser_errors_are_said_in_words(served, tmp_path, tab: Tab) -> None:
    port, _ = served
    tab.open(f"http://127.0.0.1:{port}/")
    focus(tab, "button.primary", "Show")
    tab.press("Enter", 13, "\r")
    tab.wait("document.body.innerText.includes('drop or record a sound first')")
    (tmp_path / "x.wav").write_text("not a sound")
    tab.wait("document.querySelector('input[type=file]') !== null")
    tab.give("input[type=file]", tmp_path / "x.wav")
    tab.wait("/x\\.wav: [^\\n]+/.test(document.body.innerText)")
    assert "/uploads/" not in tab.run("document.body.innerText")


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_in_a_browser_nothing_is_cut_off_and_the_colours_differ(served, tab: Tab, width: int, dark: bool) -> None:
    port, _ = served
    tab.open(f"http://127.0.0.1:{port}/", width=width, dark=dark)
    tab.wait("document.querySelector('input[type=file]') !== null")
    assert tab.run("document.documentElement.scrollWidth") == width
    background = tab.run("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", background)[:3])) > 3 * 128
    assert light != dark
