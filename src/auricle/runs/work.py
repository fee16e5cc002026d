"""The work of a batch: inputs are claimed, and what becomes of them is noted, while other processes do the same."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from auricle.errors import shown_path
from auricle.files import flush
from auricle.identity import file_digest, folded
from auricle.runs.entries import Entry, InputFile
from auricle.runs.inputs import reason_of
from auricle.runs.journal import Journal, names_another
from auricle.runs.outcomes import Outcome

T = TypeVar("T")

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_LONGEST_PAUSE_S = 0.5


@dataclass(frozen=True)
class Item:
    """One piece of work: an input file, its name, and the key of model, options and version.

    The output is at `place` with `suffix` added; an item that is not `alone` shares that with others before it. With
    `output` it is written there in place of any file. `kind` is as in `Entry`.
    """

    path: Path
    name: str
    key: str
    place: str = ""
    suffix: str = ""
    kind: str = ""
    alone: bool = True
    output: str = ""


@dataclass
class Job:
    """An item that this process has claimed: `target`, below a folder of unfinished files, is where to write."""

    item: Item
    recording: InputFile
    output: str
    folder: Path
    claims: tuple[str, ...]
    avoid: tuple[str, ...] = ()

    @property
    def target(self) -> Path:
        return self.folder / self.output


class Work(Generic[T]):
    """The work on `items` in the folder of `journal`, whose outcomes it collects.

    `jobs` may be iterated in another thread than the one that calls `finish` and `fail`. With `overwrite` only what is
    written from here on counts as done.
    """

    def __init__(self, items: Sequence[Item], journal: Journal, unfinished: Path, overwrite: bool = False) -> None:
        self.items = items
        self.journal = journal
        self.overwrite = overwrite
        self.outcomes: dict[int, Outcome[T]] = {}
        self.unreadable: set[tuple[str, str]] = set()
        self._numbers = {id(item): number for number, item in enumerate(items)}
        self._unfinished = unfinished
        self._own: set[tuple[str, str, str]] = set()
        self._free_folders: list[Path] = []
        self._n_folders = 0
        self._lock = threading.RLock()

    def jobs(self) -> Iterator[Job | None]:
        """Claim one item after the other; those that another process works on are waited for at the end.

        None tells that there is nothing to do for the moment, so that the jobs at hand should be finished.
        """
        waiting: Sequence[Item] = self.items
        pause_s = 0.01
        while waiting:
            busy: list[Item] = []
            for item in waiting:
                try:
                    job = self._claim(item)
                except Exception as error:
                    self._note_failure(item, None, error)
                    continue
                if job is not None:
                    yield job
                elif self._numbers[id(item)] not in self.outcomes:
                    busy.append(item)
            if len(busy) == len(waiting):
                yield None
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            waiting = busy

    def finish(self, job: Job, result: T, damage: Sequence[str] = ()) -> None:
        """Put what was written for a job in its place, and note it; raises `Occupied` if a file is in the way."""
        paths = sorted(path for path in job.folder.rglob("*") if path.is_file())
        for path in paths:
            flush(path)
        outputs = {path.relative_to(job.folder).as_posix(): file_digest(path) for path in paths}
        item, recording = job.item, job.recording
        reason = "; ".join(damage)
        outcome = "damaged" if damage else "done"
        entry = Entry(
            item.name, recording.sha256, item.key, outcome, reason, item.kind, job.output, outputs, recording.places
        )
        with self._lock:
            self.journal.add(entry, job.folder, in_place=bool(item.output))
            self._own.add((item.name, recording.sha256, item.kind))
            self._note(item, Outcome(str(item.path), self.journal.folder / job.output, result, damage=reason))
        self._leave(job)

    def fail(self, job: Job, error: Exception) -> None:
        """Note that a job failed."""
        self._note_failure(job.item, job.recording, error, job)
        self._leave(job)

    def renamed(self, job: Job) -> Job | None:
        """The job under another name, because its output's is taken; None if another process has that."""
        self._leave(job)
        return self._claim(job.item, (*job.avoid, job.output))

    def _claim(self, item: Item, avoid: tuple[str, ...] = ()) -> Job | None:
        """Claim an item; None if its outcome is noted now, or another process works on it."""
        recording = InputFile.of(item.path, item.name)
        while True:
            with self._lock:
                self.journal.refresh()
                if self._is_settled(item, recording):
                    return None
                output = self._output(item, recording, avoid)
                claims = (f"output {folded(output)}", "\n".join(["input", item.name, recording.sha256, item.kind]))
                if not self.journal.locks.claim(*claims):
                    return None
                job: Job | None = None
                try:
                    self.journal.refresh()
                    if not self._is_settled(item, recording) and self._output(item, recording, avoid) == output:
                        folder = self._free_folder()
                        (folder / output).parent.mkdir(parents=True, exist_ok=True)
                        job = Job(item, recording, output, folder, claims, avoid)
                        return job
                finally:
                    if job is None:
                        self.journal.locks.release(*claims)

    def _output(self, item: Item, recording: InputFile, avoid: Sequence[str]) -> str:
        if item.output:
            return item.output
        return self.journal.target(recording, item.place, item.suffix, item.kind, item.alone, avoid)

    def _is_settled(self, item: Item, recording: InputFile) -> bool:
        """Whether the item is done, or has failed in another process; its outcome is noted then."""
        journal = self.journal
        entry = journal.entry_of(item.output) if item.output else journal.entry(recording, item.kind)
        by_us = (item.name, recording.sha256, item.kind) in self._own
        if entry is not None and (entry.sha256, entry.key, entry.name) == (recording.sha256, item.key, item.name):
            new = journal.is_new(entry)
            if (new or not (self.overwrite or names_another(entry))) and journal.is_whole(entry):
                outcome: Outcome[T] = Outcome(str(item.path), journal.folder / entry.output, damage=entry.reason)
                outcome.done_before, outcome.by_another = by_us or not new, new and not by_us
                journal.found(entry, recording)
                self._note(item, outcome)
                return True
        failure = journal.failure(recording, item.kind)
        if failure is not None and journal.is_new(failure) and failure.key == item.key:
            self._note(
                item, Outcome(str(item.path), error=f"{shown_path(item.path)}: {failure.reason}", by_another=not by_us)
            )
            return True
        return False

    def _note(self, item: Item, outcome: Outcome[T]) -> None:
        self.outcomes[self._numbers[id(item)]] = outcome

    def leave_out(self, path: Path, name: str, reason: str, kind: str = "") -> Outcome[T]:
        """Note that something was given that cannot be read; returns its outcome."""
        recording = InputFile(name, "", os.path.abspath(path))
        entry = Entry(name, "", "", "failed", reason, kind, places=recording.places)
        with self._lock:
            before = self.journal.failure(recording, kind)
            if before is None or (before.reason, before.places) != (reason, entry.places):
                self.journal.write(entry)
            self.unreadable.add((name, kind))
        return Outcome(str(path), error=f"{shown_path(path)}: {reason}")

    def _note_failure(self, item: Item, recording: InputFile | None, error: Exception, job: Job | None = None) -> None:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise error
        reason = reason_of(error, item.path)
        if job is not None:
            reason = reason.removeprefix(f"{shown_path(job.target)}: ")
            reason = reason.replace(f"{shown_path(job.folder)}{os.sep}", "")
        if recording is None:
            self._note(item, self.leave_out(item.path, item.name, reason, item.kind))
            return
        entry = Entry(item.name, recording.sha256, item.key, "failed", reason, item.kind, places=recording.places)
        with self._lock:
            self.journal.fail(entry, recording)
            self._own.add((item.name, recording.sha256, item.kind))
            self._note(item, Outcome(str(item.path), error=f"{shown_path(item.path)}: {reason}"))

    def _free_folder(self) -> Path:
        """A folder for one job's unfinished files: one that an earlier job has left, or a new one."""
        if self._free_folders:
            return self._free_folders.pop()
        self._n_folders += 1
        return self._unfinished / str(self._n_folders)

    def _leave(self, job: Job) -> None:
        """Remove what is left of a job's unfinished files, and give up its claims."""
        for path in job.folder.rglob("*"):
            if not path.is_dir() or path.is_symlink():
                path.unlink()
        with self._lock:
            self._free_folders.append(job.folder)
        self.journal.locks.release(*job.claims)
