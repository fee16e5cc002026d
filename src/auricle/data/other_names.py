"""Files that a manifest of another computer calls otherwise: by backslashes, by a drive, or in another case."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from auricle.errors import note, shown_path
from auricle.files import as_named

_DRIVE = re.compile(r"(^|/)[A-Za-z]:[\\/]")


def placed(source: Path, name: str) -> Path:
    """The file that the manifest `source` calls `name`; where there is none with backslashes, the one with slashes."""
    path = Path(as_named(source.parent / name))
    if "\\" in name and not os.path.lexists(path):
        slashed = Path(as_named(source.parent / name.replace("\\", "/")))
        if os.path.lexists(slashed):
            _say_backslashes(shown_path(source))
            return slashed
    return path


@cache
def _say_backslashes(where: str) -> None:
    note(f"{where}: backslashes in its paths are read as slashes")


def remedies(missing: Iterable[Path]) -> dict[Path, str]:
    """What may be meant by paths without a file, for those of which something is known."""

    @cache
    def in_folder(folder: Path) -> dict[str, Path]:
        try:
            return {name.casefold(): folder / name for name in sorted(os.listdir(folder), reverse=True)}
        except OSError:
            return {}

    def in_other_case(path: Path) -> Path | None:
        there = next(place for place in (path, *path.parents) if os.path.lexists(place))
        found: Path | None = there
        for part in path.relative_to(there).parts:
            found = found and in_folder(found).get(part.casefold())
        return found

    found = {}
    for path in missing:
        if not path.drive and _DRIVE.search(path.as_posix()):
            found[path] = "paths have to be relative to the CSV file"
        elif other := in_other_case(Path(str(path).replace("\\", "/"))):
            found[path] = f"is {shown_path(other)} meant?"
    return found
