"""What the scripts of this folder share: tables in Markdown, and the command line that writes a page."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from auricle.metrics import Interval


def markdown(header: list[str], rows: list[list[str]]) -> str:
    rules = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rules, *rows))


def signed(value: Interval, decimals: int) -> str:
    """In bold where the interval excludes zero."""
    text = "{0:+.{3}f} ({1:+.{3}f} to {2:+.{3}f})".format(value.value, value.low, value.high, decimals)
    return f"**{text}**" if value.low > 0 or value.high < 0 else text


def write(script: str, description: str | None, page: Callable[[Path, str], str]) -> None:
    """`page` of the folder and the command that the command line gives, to the file that it names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    command = f"python results/{script} {arguments.folder} --output {arguments.output}"
    arguments.output.write_text(page(arguments.folder, command), encoding="utf-8")
