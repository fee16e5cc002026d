"""What became of the files of a batch, and `failed.csv`, the table of those that failed or were damaged."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from auricle.errors import shown_path, without_controls
from auricle.files import write_rows
from auricle.runs.entries import Entry
from auricle.runs.journal import FAILED, Journal

T = TypeVar("T")

_SHOWN = 3
_LINES = 20


@dataclass
class Outcome(Generic[T]):
    """Outcome of one file: its `output` and the `result` of the work, or the `error`.

    `damage` says what was wrong with a file that was used nevertheless. A file may have been `done_before`, or
    `by_another` process meanwhile; then there is no `result`.
    """

    file: str
    output: Path | None = None
    result: T | None = None
    error: str = ""
    damage: str = ""
    done_before: bool = False
    by_another: bool = False


@dataclass
class Batch(Generic[T]):
    """Outcomes of all files; `done` is the verb, as in "labelled", and `where` tells where the results are.

    `lines` are about single files; as text, the batch has the first of them.
    """

    outcomes: list[Outcome[T]]
    done: str
    where: str
    folder: str
    lines: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[Outcome[T]]:
        return [outcome for outcome in self.outcomes if outcome.error]

    @property
    def damaged(self) -> list[Outcome[T]]:
        return [outcome for outcome in self.outcomes if outcome.damage and not outcome.error]

    @property
    def complaint(self) -> str:
        """The first files that failed or were damaged, with the reasons; empty if there are none."""
        parts = []
        if self.failed:
            parts.append(f"{len(self.failed)} of {len(self.outcomes)} files could not be {self.done}")
        if self.damaged:
            are = "is" if len(self.damaged) == 1 else "are"
            parts.append(f"{len(self.damaged)} of {len(self.outcomes)} files {are} damaged")
        reasons = [outcome.error for outcome in self.failed]
        reasons += [f"{shown_path(outcome.file)}: {outcome.damage}" for outcome in self.damaged]
        if not reasons:
            return ""
        reasons = list(dict.fromkeys(reasons))
        shown = "; ".join(reasons[:_SHOWN])
        more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
        return f"{', '.join(parts)}: {shown}{more}; all are in {Path(self.folder) / FAILED}"

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 3 if files failed or were damaged."""
        return 3 if self.failed or self.damaged else 0

    def __str__(self) -> str:
        before = sum(outcome.done_before for outcome in self.outcomes if not outcome.error)
        another = sum(outcome.by_another for outcome in self.outcomes if not outcome.error)
        notes = [f"{before} of them before"] if before else []
        notes += [f"{another} of them by another process"] if another else []
        notes += [f"{len(self.damaged)} of them damaged"] if self.damaged else []
        noted = f" ({', '.join(notes)})" if notes else ""
        failed = f", {len(self.failed)} failed" if self.failed else ""
        count = f"{len(self.outcomes) - len(self.failed)} of {len(self.outcomes)} files {self.done}{noted}{failed}"
        more = len(self.lines) - _LINES
        lines = [*self.lines[:_LINES], *([f"… and {more} more"] if more > 0 else []), f"{count}, {self.where}"]
        return "\n".join(map(without_controls, lines))


def write_failed(journal: Journal, unreadable: Collection[tuple[str, str]], sharded: bool) -> None:
    """Write `failed.csv` anew: the files that failed or were damaged, in this process and others, and those left out.

    Beside its name within the folder that was given, each file has its absolute path. `unreadable` are the names and
    kinds of what could not be read now. Files that do not exist any more are not listed, nor those that could not be
    read earlier, unless the rest was the work of other shards (`sharded`). If no file is to be listed, there is no
    table.
    """
    with journal.locks.writing():
        journal.refresh()
        listed = [entry for entry in journal.unlike_done() if sharded or _is_current(entry, unreadable)]
        rows = dict.fromkeys((entry.name, entry.outcome, entry.reason, _path(entry)) for entry in listed)
        path = journal.folder / FAILED
        if not rows:
            with suppress(FileNotFoundError):
                path.unlink()
            return
        shown = ([shown_path(value) for value in row] for row in sorted(rows))
        write_rows(path, ("file", "outcome", "reason", "path"), shown)


def _path(entry: Entry) -> str:
    """Where the input is, or was found first."""
    return next(filter(os.path.lexists, entry.places), next(iter(entry.places), ""))


def _is_current(entry: Entry, unreadable: Collection[tuple[str, str]]) -> bool:
    if not entry.sha256:
        return (entry.name, entry.kind) in unreadable
    return any(map(os.path.lexists, entry.places))
