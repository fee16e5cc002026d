"""Saving what was tried and what held, for the page on reliability (tools/pages/reliability.py)."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def save(path: Path | None, rows: Sequence[tuple[str, int, int]], failures: Sequence[Any], **further: Any) -> None:
    """Write a JSON file, if there is a `path`: `rows` of what was tried, how often, and how often it held.

    The command is told without its `--output`.
    """
    from auricle import __version__
    from auricle.files import write_json
    from auricle.runs.provenance import processor

    if path is None:
        return
    called = os.path.relpath(sys.argv[0], ROOT).removesuffix("/__main__.py")
    arguments = list(sys.argv[1:])
    if "--output" in arguments:
        at = arguments.index("--output")
        del arguments[at : at + 2]
    write_json(path, {
        "command": shlex.join(["python", called, *arguments]),
        "version": __version__,
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "rows": [{"what": what, "tried": tried, "held": held} for what, tried, held in rows],
        "failures": list(failures),
        **further,
    })  # fmt: skip
