"""Finding the sound files below a folder, and what looks like sound but cannot be used."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from auricle.audio.formats import READABLE_SUFFIXES, UNDECODABLE_SUFFIXES, PathLike
from auricle.errors import AuricleError, shown_path

_MOST_VISITS = 64  # of one folder, by different links


def find_audio(path: PathLike) -> list[Path]:
    """`[path]` if it is a file, else every sound file below that folder, sorted; hidden files and folders are skipped.

    Symbolic links to files and folders are followed; a link to a folder that contains it is not. `left_out` lists what
    is not used. Raises `AuricleError` if the path does not exist or has no sound file.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        kind = "not a file or folder" if os.path.lexists(path) else "there is no such file or folder"
        raise AuricleError(f"{shown_path(path)}: {kind}")
    found = sorted(file for file, reason in _sound_below(path) if not reason)
    if not found:
        suffixes = " ".join(READABLE_SUFFIXES)
        raise AuricleError(f"{shown_path(path)}: there are no sound files below this folder ({suffixes})")
    return found


def left_out(path: PathLike) -> list[tuple[Path, str]]:
    """What looks like sound below the folder `path` but is not used, sorted, each with the reason.

    Formats that cannot be decoded, links to nothing or to a folder around them, named pipes, sockets and devices, and
    folders that cannot be read. Empty for a path that is not a folder.
    """
    return sorted((file, reason) for file, reason in _sound_below(Path(path)) if reason)


def _sound_below(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each sound file or obstacle below `folder`, with the reason why it cannot be used (empty if it can)."""
    if not folder.is_dir():
        return
    pending: list[tuple[Path, frozenset[tuple[int, int]]]] = [(folder, frozenset())]
    visits: Counter[tuple[int, int]] = Counter()
    while pending:
        current, around = pending.pop()
        try:
            status = os.stat(current)
            names = sorted(os.listdir(current))
        except OSError as error:
            yield current, f"a folder that cannot be read ({error.strerror})"
            continue
        around |= {(status.st_dev, status.st_ino)}
        for name in names:
            if name.startswith("."):
                continue
            inner = current / name
            try:
                status = os.stat(inner)
            except OSError as error:
                suffix = inner.suffix.lower()
                if os.path.islink(inner) and (not suffix or suffix in {*READABLE_SUFFIXES, *UNDECODABLE_SUFFIXES}):
                    yield inner, str(error.strerror) if isinstance(error, PermissionError) else "a link to nothing"
                continue
            if not stat.S_ISDIR(status.st_mode):
                reason = _reason(inner.suffix.lower(), status.st_mode)
                if reason is not None:
                    yield inner, reason
                continue
            folder_id = (status.st_dev, status.st_ino)
            visits[folder_id] += 1
            if folder_id in around:
                yield inner, "a link to a folder that contains it"
            elif visits[folder_id] > _MOST_VISITS:
                yield inner, f"a folder that is found by {_MOST_VISITS} other names already"
            else:
                pending.append((inner, around))


def _reason(suffix: str, mode: int) -> str | None:
    """Why something with this suffix and mode is left out; empty if it is used, None if it does not look like sound."""
    if suffix in UNDECODABLE_SUFFIXES:
        return f"{suffix} cannot be decoded; convert it to WAV or FLAC"
    if suffix not in READABLE_SUFFIXES:
        return None
    return "" if stat.S_ISREG(mode) else "not a regular file (a named pipe, a socket or a device)"
