"""What the scripts of this folder share: reading texts, tables in Markdown, and the command line that writes a page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from auricle.metrics import Interval
from auricle.studies.stress.statistics import excludes_zero

#: Makes a page's text from the folder of its data and the command that writes it.
Page = Callable[[Path, str], str]


def read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def data_sets(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each data set's folder, in the order of their names, and the start of its section: heading and about.md."""
    for data in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield data, [f"## {data.name}", read_text(data / "about.md")]


def join_sections(folder: Path, sections: Iterable[str], command: str) -> str:
    """A page: preface.md of `folder`, the sections, and the command that wrote it."""
    return "\n\n".join([read_text(folder / "preface.md"), *sections, f"Written by `{command}`."]) + "\n"


def markdown_table(header: list[str], rows: list[list[str]], text_columns: int = 1) -> str:
    """A Markdown table; the first `text_columns` are aligned to the left, the others to the right."""
    rules = ["---"] * text_columns + ["---:"] * (len(header) - text_columns)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rules, *rows))


def difference_text(difference: Interval, decimals: int) -> str:
    """'+0.50 (+0.31 to +0.72)', in bold where the interval excludes zero."""
    value, low, high = (f"{x:+.{decimals}f}" for x in (difference.value, difference.low, difference.high))
    text = f"{value} ({low} to {high})"
    return f"**{text}**" if excludes_zero(difference) else text


def write_page(page: Page, description: str | None) -> None:
    """The scripts' command line: read the folder, write the page."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of saved results")
    parser.add_argument("--output", type=Path, required=True, help="the page to write")
    arguments = parser.parse_args()
    command = f"python tools/pages/{Path(sys.argv[0]).name} {arguments.folder} --output {arguments.output}"
    arguments.output.write_text(page(arguments.folder, command), encoding="utf-8")
