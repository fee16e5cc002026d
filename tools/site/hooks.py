"""What `mkdocs build` does beside rendering docs/: adds the reference, and the gallery as it ran if it did."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))
import reference

ROOT = Path(__file__).parents[2]
RAN = ROOT / ".gallery"
"""Where `make gallery` leaves the notebooks of docs/gallery with their outputs."""

_COMMAND = re.compile(r"^```\n(?=(?:auricle|make|pip|source|python|torchrun|ffmpeg|heareval|git) )", re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    for name, text in reference.pages().items():
        files.append(File.generated(config, name, content=text))
    for path in sorted(file for file in RAN.rglob("*") if file.is_file()):
        name = f"gallery/{path.relative_to(RAN).as_posix()}"
        source = files.get_file_from_path(name)
        if source is not None:
            files.remove(source)
        if source is not None or path.suffix != ".md":
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Colour a fenced block without a language as shell where it begins with a command."""
    return _COMMAND.sub("```sh\n", markdown)
