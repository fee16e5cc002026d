"""What `mkdocs build` does beside rendering docs/: adds the reference, and the gallery as it ran if it did."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))
import reference_pages

ROOT = Path(__file__).parents[2]
RAN = ROOT / ".gallery"
"""Where `make docs` leaves the notebooks of docs/gallery with their outputs."""

_COMMAND = re.compile(r"^```\n(?=(?:auricle|make|pip|source|python|torchrun|ffmpeg|heareval|git) )", re.MULTILINE)

_ALT = re.compile(r"^```python alt=.*\n", re.MULTILINE)
"""A cell whose picture has a text of its own."""

_CELL = re.compile(r"<td[^>]*>.*?</td>", re.DOTALL)
_INTERVAL = re.compile(r"[(\[][+−]?[\d∞][^()\[\]<>\n]{0,24}[)\]]")
"""An interval in brackets: "(91.2–95.1)", "[−4.8, +0.0]"."""

_IN_LINE = re.compile(r"<code>[^<\n]*</code>")
_OPTION = re.compile(r"(?<!\S)--\w[\w.-]*|(?<=<code>)--\w[\w.-]*")
"""An option in a line of text, which browsers would break after its hyphens."""


def on_files(files: Files, config: Any) -> Files:
    for name, text in reference_pages.pages().items():
        files.append(File.generated(config, name, content=text))
    for ran in sorted(RAN.glob("*.md")):
        source = files.get_file_from_path(f"gallery/{ran.name}")
        if source is not None:
            files.remove(source)
            for path in (ran, ran.with_suffix(".ipynb"), *sorted(Path(f"{ran.with_suffix('')}_files").glob("*"))):
                name = f"gallery/{path.relative_to(RAN).as_posix()}"
                files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Colour a fenced block without a language as shell where it begins with a command; offer notebooks."""
    notebook = page.file.src_uri.replace(".md", ".ipynb")
    if files.get_file_from_path(notebook) is not None:
        markdown += f"\n\n[Download this page as a notebook]({Path(notebook).name}){{ .md-button download }}\n"
    return _COMMAND.sub("```sh\n", _ALT.sub("```python\n", markdown))


def on_page_content(html: str, **_: Any) -> str:
    """Mark each interval in a table and each option in a text, which the style keeps on one line."""
    html = _CELL.sub(lambda cell: _INTERVAL.sub(r'<span class="interval">\g<0></span>', cell[0]), html)
    return _IN_LINE.sub(lambda code: _OPTION.sub(r'<span class="option">\g<0></span>', code[0]), html)
