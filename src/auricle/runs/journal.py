"""File after file into an output folder, and what it holds of which file, of which model with which options."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from auricle import audio
from auricle.errors import AuricleError
from auricle.progress import track
from auricle.runs.folder import json_text, write_json

T = TypeVar("T")

SETTINGS, JOURNAL = "settings.json", "files.jsonl"


@dataclass
class Outcome(Generic[T]):
    """What became of one file: its output, or why there is none; `told` is what the work on it gave."""

    file: str
    output: Path | None = None
    result: T | None = None
    error: str = ""
    done_before: bool = False


def each_file(
    files: Iterable[str],
    output: Path,
    settings: dict[str, Any],
    work: Callable[[Path, Path], T],
    *,
    of_another: str,
    suffix: str = "",
    caption: str = "",
    overwrite: bool = False,
    progress: bool = True,
) -> list[Outcome[T]]:
    """`work(path, target)` for every sound file of `files`, which may be folders; one that fails stops nobody else.

    Targets are below `output`, with another `suffix` if one is given. Called again after an interruption, files whose
    targets are there are left out. What was made with other `settings` is an `AuricleError` unless `overwrite`;
    `of_another` says what it is, "tables of another model". Progress is shown under `caption`, if there is one.
    """
    outcomes: list[Outcome[T]] = []
    paths: list[tuple[Path, Path]] = []
    for given in files:
        try:
            root = Path(given) if Path(given).is_dir() else Path(given).parent
            paths += [(path, path.relative_to(root)) for path in audio.find_audio(given)]
        except AuricleError as error:
            outcomes.append(Outcome(given, error=str(error)))
    if any(
        path.resolve() == (output / relative).with_suffix(suffix or path.suffix).resolve() for path, relative in paths
    ):
        raise AuricleError(f"{output} is where the recordings are: give another --output, so that none is written over")
    journal = same_output(output, settings, of_another, overwrite)
    for path, relative in track(paths, caption, total=len(paths), show=progress and bool(caption)):
        target = journal.table_of(path, output / relative, suffix or path.suffix)
        outcome: Outcome[T] = Outcome(str(path), target)
        if not overwrite and journal.has(path, target):
            outcome.done_before = True
        else:
            try:
                outcome.result = work(path, target)
                journal.add(path, target)
            except (AuricleError, OSError) as error:
                named = str(error) if str(path) in str(error) else f"{path}: {error}"
                outcome = Outcome(str(path), error=named)
        outcomes.append(outcome)
    return outcomes


def same_output(output: Path, settings: dict[str, Any], of_another: str, overwrite: bool) -> Journal:
    """The journal of `output`, where what was made with other `settings` is refused.

    With `overwrite` that is removed before anything is new. `of_another` says what it is, "tables of another model".
    """
    path = output / SETTINGS
    journal = Journal(output / JOURNAL)
    if output.exists() and not output.is_dir():
        raise AuricleError(f"{output} is a file: give a folder")
    if path.exists() and path.read_text(encoding="utf-8") != json_text(settings):
        if not overwrite:
            raise AuricleError(f"{output} holds {of_another}: give another --output, or --overwrite")
        journal.clear()
    write_json(path, settings)
    return journal


class Journal:
    """Which table is whose: a line of JSON per finished file, so that no file takes another's table for its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[str, tuple[str, int, int]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:  # cut off by a kill: its file is labelled again
                    continue
                self._files[entry["table"]] = entry["file"], entry["bytes"], entry["modified_ns"]

    def table_of(self, path: Path, beside: Path, suffix: str) -> Path:
        """`beside` with another suffix; with a hash of the file's path too if another file has that table."""
        plain = beside.with_name(beside.stem + suffix)
        owner = self._files.get(str(plain), (str(path.resolve()),))[0]
        if owner == str(path.resolve()) and (str(plain) in self._files or not plain.exists()):
            return plain
        digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
        return beside.with_name(f"{beside.stem}-{digest}{suffix}")

    def has(self, path: Path, table: Path) -> bool:
        """Whether the table of this very file, as it is now, has been written."""
        return table.exists() and self._files.get(str(table)) == self._state(path)

    def add(self, path: Path, table: Path) -> None:
        name, size, modified_ns = self._files[str(table)] = self._state(path)
        entry = {"table": str(table), "file": name, "bytes": size, "modified_ns": modified_ns}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def clear(self) -> None:
        """Remove the tables, and that they were written."""
        for table in self._files:
            Path(table).unlink(missing_ok=True)
        self._files.clear()
        self.path.unlink(missing_ok=True)

    @staticmethod
    def _state(path: Path) -> tuple[str, int, int]:
        stat = path.stat()
        return str(path.resolve()), stat.st_size, stat.st_mtime_ns


@dataclass
class Batch(Generic[T]):
    """What became of all files: `done` says what was done to them, "labelled", and `where` the results are."""

    outcomes: list[Outcome[T]]
    done: str
    where: str
    lines: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[Outcome[T]]:
        return [outcome for outcome in self.outcomes if outcome.error]

    @property
    def complaint(self) -> str:
        """Names the files that failed, and why; empty if none did."""
        if not self.failed:
            return ""
        reasons = "; ".join(outcome.error for outcome in self.failed)
        return f"{len(self.failed)} of {len(self.outcomes)} files could not be {self.done}: {reasons}"

    def __str__(self) -> str:
        before = sum(outcome.done_before for outcome in self.outcomes)
        earlier = f" ({before} of them before)" if before else ""
        count = f"{len(self.outcomes) - len(self.failed)} of {len(self.outcomes)} files"
        return "\n".join([*self.lines, f"{count} {self.done}{earlier}, {self.where}"])
