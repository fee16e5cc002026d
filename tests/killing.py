"""Trainings that are killed at one of their writes: opening a file for writing, renaming, removing, making a folder."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auricle.__main__ import main
from auricle.runs.folder import FINISHED

_DATED = ("run.json", "README.md", "results.json")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.symlink", "os.link")


def forked(command: Sequence[str], folder: Path, kill_at: int = 0) -> tuple[int, int]:
    """Run a command in a child process that SIGKILL ends just before its write number `kill_at` within `folder`.

    Returns its exit code, negative for a signal, and the number of its writes (0 if it was killed).
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        writes = _Writes(folder, kill_at)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        code = 1
        try:
            sys.addaudithook(writes.see)
            main(command)
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            os.write(writing, str(writes.count).encode())
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        count = int(pipe.read() or 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), count


class _Writes:
    """Counts the writes of this process within `folder`."""

    def __init__(self, folder: Path, kill_at: int) -> None:
        self.folder = str(folder)
        self.kill_at = kill_at
        self.count = 0

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            counts = isinstance(arguments[2], int) and bool(arguments[2] & _WRITES)
        else:
            counts = event in _CHANGES
        named = counts and isinstance(arguments[0], str | bytes | os.PathLike)
        if named and os.fsdecode(arguments[0]).startswith(self.folder):
            self.count += 1
            if self.count == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


def left_in(folder: Path) -> list[str]:
    """Every file and folder in `folder`, by its relative path."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def fault_after_kill(command: Sequence[str], folder: Path, undisturbed: Path, kill_at: int) -> str:
    """Kill the training in `folder` at a write, give the command again, and compare with an undisturbed training.

    Returns what is wrong, or nothing.
    """
    code, _ = forked(command, folder, kill_at)
    if code != -signal.SIGKILL:
        return f"it ended with {code} instead of being killed"
    finished = (folder / FINISHED).exists()
    code, _ = forked(command, folder)
    if code != 0 and not (finished and code == 2):
        return f"the command given again ended with {code}"
    if left_in(folder) != left_in(undisturbed):
        return f"other files: {sorted(set(left_in(folder)) ^ set(left_in(undisturbed)))}"
    return ", ".join(f"another {name}" for name in left_in(folder) if _other(folder / name, undisturbed / name))


def _other(one: Path, other: Path) -> bool:
    """Whether two files differ; pictures, and what holds dates, are not compared."""
    if not one.is_file() or one.name in _DATED or one.suffix == ".png":
        return False
    return one.read_bytes() != other.read_bytes()
