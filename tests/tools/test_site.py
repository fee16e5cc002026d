"""The site: contrast of its colours, and what its hooks do to pages."""

from __future__ import annotations

import colorsys
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
CSS = ROOT / "docs" / "assets" / "site.css"
AA = 4.5
pytestmark = pytest.mark.skipif(not CSS.is_file(), reason="the site is not in this copy")


def luminance(colour: str) -> float:
    """Relative luminance of #rgb or #rrggbb (WCAG 2)."""
    text = colour.lstrip("#")
    text = "".join(2 * c for c in text) if len(text) == 3 else text
    parts = [int(text[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def colours(selector: str) -> dict[str, str]:
    (block,) = re.findall(rf"^{re.escape(selector)} \{{(.*?)^\}}", CSS.read_text(encoding="utf-8"), re.M | re.S)
    return dict(re.findall(r"--md-([\w-]+): (#\w+|\d+);", block))


def test_the_measure_of_contrast_is_that_of_the_guidelines():
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", ["default", "slate"])
def test_text_and_code_have_contrast(scheme):
    own = colours(f'[data-md-color-scheme="{scheme}"]')
    page = "#ffffff"
    if scheme == "slate":  # the theme's background of that hue
        page = "#" + "".join(f"{round(255 * c):02x}" for c in colorsys.hls_to_rgb(int(own["hue"]) / 360, 0.14, 0.15))
    for name in ("typeset-a-color", "default-fg-color--light", "default-fg-color--lighter"):
        assert contrast(own[name], page) >= AA, name
    on_code = [name for name in own if name.startswith("code-") and name != "code-bg-color"]
    assert len(on_code) >= 13
    for name in on_code:
        assert contrast(own[name], own["code-bg-color"]) >= AA, name


def test_the_head_of_the_page_has_contrast():
    own = colours(":root > *")
    assert contrast(own["primary-bg-color"], own["primary-fg-color"]) >= AA
    assert contrast(own["primary-bg-color--light"], own["primary-fg-color"]) >= AA


@pytest.fixture
def hooks():
    pytest.importorskip("mkdocs")
    return runpy.run_path(str(ROOT / "tools" / "site" / "hooks.py"))


def test_commands_are_coloured_and_other_blocks_left_alone(hooks):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="a.md"))
    files = SimpleNamespace(get_file_from_path=lambda name: None)
    text = '```\nauricle list frontends\n```\n\n```\n0.0 1.0 robin\n```\n\n```python alt="A curve"\nplot()\n```\n'
    made = hooks["on_page_markdown"](text, page=page, files=files)
    assert made == "```sh\nauricle list frontends\n```\n\n```\n0.0 1.0 robin\n```\n\n```python\nplot()\n```\n"


def test_notebooks_that_ran_take_the_place_of_their_sources(hooks, tmp_path):
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import File, Files

    ran = tmp_path / "ran"
    (ran / "a_files").mkdir(parents=True)
    for name in ("a.md", "a.ipynb", "a_files/a_1_0.png", "gone.md", "gone.ipynb"):
        (ran / name).write_text(f"ran {name}", encoding="utf-8")
    hooks["on_files"].__globals__["RAN"] = ran
    config = MkDocsConfig()
    config.load_dict({"site_name": "x", "docs_dir": str(tmp_path), "site_dir": str(tmp_path / "site")})
    config.validate()
    config.plugins._current_plugin = "test"
    files = Files([File.generated(config, f"gallery/{name}.md", content="source") for name in ("a", "b")])
    made = hooks["on_files"](files, config)
    texts = {file.src_uri: file.content_string for file in made if file.src_uri.startswith("gallery/")}
    assert texts == {
        "gallery/a.md": "ran a.md",
        "gallery/a.ipynb": "ran a.ipynb",
        "gallery/a_files/a_1_0.png": "ran a_files/a_1_0.png",
        "gallery/b.md": "source",
    }
    assert made.get_file_from_path("reference/index.md") is not None


def test_every_example_of_the_gallery_is_in_the_navigation_and_on_its_page():
    names = {path.name for path in (ROOT / "docs" / "gallery").glob("*.md")}
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert names == set(re.findall(r"gallery/([\w-]+\.md)", navigation))
    listed = re.findall(
        r"^\| \[.*\]\(([\w-]+\.md)\)", (ROOT / "docs/gallery/index.md").read_text(encoding="utf-8"), re.M
    )
    assert set(listed) == names - {"index.md"}


def test_the_intervals_of_a_table_are_marked(hooks):
    text = "<p>97.7 (96.0–99.3)</p><td>97.7 (96.0–99.3)</td><td>−2.3 [−4.8, +0.0], not told apart (see below)</td>"
    assert hooks["on_page_content"](text) == (
        '<p>97.7 (96.0–99.3)</p><td>97.7 <span class="interval">(96.0–99.3)</span></td>'
        '<td>−2.3 <span class="interval">[−4.8, +0.0]</span>, not told apart (see below)</td>'
    )


def test_the_options_in_a_text_are_marked(hooks):
    html = "<p><code>--snr 20 -5 --a.b-c</code> and <code>a--b</code> --d</p><pre><code><span>x</span> --e</code></pre>"
    made = hooks["on_page_content"](html)
    assert re.findall(r'<span class="option">(.*?)</span>', made) == ["--snr", "--a.b-c"]
    assert re.sub(r'<span class="option">(.*?)</span>', r"\1", made) == html
