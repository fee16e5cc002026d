"""Sound files that are found but not read are said."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from auricle import audio
from auricle.data.clips import Problem
from auricle.errors import AuricleWarning, shown_path, those_counted


def found_audio(path: str | os.PathLike[str]) -> list[Path]:
    """`audio.find_audio`, with an `AuricleWarning` about sound files that are not read."""
    root = Path(path)
    left_out = [(file.relative_to(root), reason) for file, reason in audio.left_out(root)]
    warn_left_out(root, [Problem(shown_path(name), "left-out", reason) for name, reason in left_out])
    return audio.find_audio(root)


def warn_left_out(source: str | os.PathLike[str], left_out: Sequence[Problem]) -> None:
    """Give an `AuricleWarning` with the number of sound files that are not read and the first of them, if any."""
    if left_out:
        listed = "; ".join(f"{problem.name}: {problem.reason}" for problem in left_out[:3])
        more = f"; and {len(left_out) - 3} more" if len(left_out) > 3 else ""
        files = those_counted(len(left_out), "file")
        warnings.warn(f"{shown_path(source)}: {files} left out: {listed}{more}", AuricleWarning, stacklevel=3)
