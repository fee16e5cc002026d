"""The command line of this folder's scripts."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def write(script: str, description: str | None, page: Callable[[Path, str], str]) -> None:
    """Read FOLDER and --output from the command line; write `page(folder, command)` to the output file."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    command = f"python results/{script} {arguments.folder} --output {arguments.output}"
    arguments.output.write_text(page(arguments.folder, command), encoding="utf-8")
