"""Resumable batch processing: which output belongs to which input, model and options."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

from auricle import audio
from auricle.errors import AuricleError
from auricle.files import append_line, json_text, write_json
from auricle.identity import file_digest, file_state, folded, key_of, remember_digest
from auricle.progress import track

T = TypeVar("T")

SETTINGS, JOURNAL = "settings.json", "files.jsonl"


@dataclass
class Outcome(Generic[T]):
    """Outcome of one file: its `output` and the `result` of the work, or the `error`."""

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
    conflict: str,
    suffix: str = "",
    further: Callable[[Path], Sequence[Path]] = lambda target: (),
    caption: str = "",
    overwrite: bool = False,
    progress: bool = True,
) -> list[Outcome[T]]:
    """Call `work(path, target)` for every sound file in `files`, which may be folders; errors affect only their file.

    Targets are below `output`, with `suffix` if one is given; `further(target)` are the other files that `work` writes
    for a target. When called again, files whose targets exist already are skipped. Raises `AuricleError` if `output`
    holds outputs of other `settings`, unless `overwrite`; `conflict` describes them, as in "tables of another model".
    Progress is shown under `caption`, if there is one.
    """
    outcomes: list[Outcome[T]] = []
    paths: list[tuple[Path, Path]] = []
    looked_for: set[Path] = set()
    for name in files:
        try:
            root = Path(name) if Path(name).is_dir() else Path(name).parent
            found = audio.find_audio(name)
            paths += [(path, path.relative_to(root)) for path in found]
            looked_for.update(found if Path(name).is_dir() else ())
        except AuricleError as error:
            outcomes.append(Outcome(name, error=str(error)))
    if any(
        path.resolve() == (output / relative).with_suffix(suffix or path.suffix).resolve() for path, relative in paths
    ):
        raise AuricleError(f"{output} is where the recordings are: give another --output, so that none is overwritten")
    journal = open_journal(output, settings, conflict, overwrite)
    places = journal.places()
    written = {path for path in looked_for if os.path.realpath(path) in places}
    paths = [(path, relative) for path, relative in paths if path not in written]
    for path, relative in track(paths, caption, total=len(paths), show=progress and bool(caption)):
        try:
            recording = InputFile.of(path, relative)
            target = output / journal.target(recording, suffix or path.suffix)
            outcome: Outcome[T] = Outcome(str(path), target)
            if not overwrite and journal.has(recording):
                journal.found(recording)
                outcome.done_before = True
            else:
                outcome.result = work(path, target)
                journal.add(recording, target, further(target))
        except (AuricleError, OSError) as error:
            named = str(error) if str(path) in str(error) else f"{path}: {error}"
            outcome = Outcome(str(path), error=named)
        outcomes.append(outcome)
    return outcomes


def open_journal(output: Path, settings: dict[str, Any], conflict: str, overwrite: bool) -> Journal:
    """Open the journal of `output`; raises `AuricleError` if it holds outputs of other `settings`.

    With `overwrite` these are removed instead. `conflict` describes them, as in "tables of another model".
    """
    path = output / SETTINGS
    if output.exists() and not output.is_dir():
        raise AuricleError(f"{output} is a file: give a folder")
    text = json_text(settings)
    journal = Journal(output, key_of("journal", json.loads(text)))
    if path.exists() and path.read_text(encoding="utf-8", errors="surrogateescape") != text:
        if not overwrite:
            raise AuricleError(f"{output} holds {conflict}: give another --output, or --overwrite")
        journal.clear()
    write_json(path, settings)
    return journal


@dataclass(frozen=True)
class InputFile:
    """An input file: its path relative to the given folder, the digest of its content, and its absolute path.

    `place`, the absolute path, distinguishes a recording that was changed from another one of the same name. `state`
    (see `file_state`) avoids reading an unchanged file again.
    """

    name: str
    sha256: str
    place: str
    state: tuple[int, ...] | None = None

    @classmethod
    def of(cls, path: Path, relative: Path) -> InputFile:
        before, digest = file_state(path), file_digest(path)
        state = before if file_state(path) == before else None
        return cls(relative.as_posix(), digest, os.path.realpath(path), state)

    @property
    def places(self) -> dict[str, list[int] | None]:
        """The file's `place` and `state`, as in `Entry.places`."""
        return {self.place: None if self.state is None else list(self.state)}


@dataclass(frozen=True)
class Entry:
    """A finished output: its path within the folder, the recording it was made from, and the key of the settings.

    `further` are other files written with it; `places` are the paths at which the recording was found, with the state
    of the file.
    """

    output: str
    name: str
    sha256: str
    key: str
    further: tuple[str, ...] = ()
    places: dict[str, list[int] | None] = field(default_factory=dict)

    @classmethod
    def read(cls, line: str) -> Entry | None:
        """Parse a line of the journal; None for an invalid line, such as one that was cut off."""
        try:
            values = json.loads(line)
            entry = cls(**values)
        except (ValueError, TypeError):
            return None
        if not isinstance(entry.further, list) or not isinstance(entry.places, dict):
            return None
        texts = (entry.output, entry.name, entry.sha256, entry.key, *entry.further)
        states = [state for state in entry.places.values() if state is not None]
        numbers = (number for state in states for number in (state if isinstance(state, list) else [state]))
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in numbers):
            return None
        return replace(entry, further=tuple(entry.further))


class Journal:
    """Record of finished outputs and their recordings, one line of JSON per output.

    Outputs are listed by their path within the folder, so the folder may be moved. Lines with paths outside the folder
    are ignored. `key` identifies the model, the options and the version that outputs are made with.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key
        self.path = folder / JOURNAL
        self._entries: dict[str, Entry] = {}
        self._by_name: dict[str, dict[str, None]] = {}
        self._taken: set[str] = set()
        for entry in self._read():
            self._keep(entry)
            for place, state in entry.places.items():
                if isinstance(state, list):
                    remember_digest(place, tuple(state), entry.sha256)

    def target(self, recording: InputFile, suffix: str) -> str:
        """The path within the folder for the output of `recording`, with `suffix`.

        A recording that is known, or was changed in place, keeps its path. Otherwise the output is named like the
        recording, with 8 or more digits of its digest appended if that path is taken.
        """
        entry = self._entry(recording)
        if entry is not None:
            return entry.output
        beside = PurePosixPath(recording.name)
        digests = [f"-{recording.sha256[:n]}" for n in range(8, len(recording.sha256) + 1)]
        for addition in ["", *digests]:
            name = beside.with_name(f"{beside.stem}{addition}{suffix}").as_posix()
            if folded(name) not in self._taken and not os.path.lexists(self.folder / name):
                return name
        raise AuricleError(f"{self.folder / beside}: every name for its output is taken")

    def has(self, recording: InputFile) -> bool:
        """Whether the output of this recording exists and was made with the same settings."""
        entry = self._entry(recording)
        same = entry is not None and (entry.sha256, entry.key) == (recording.sha256, self.key)
        return entry is not None and same and (self.folder / entry.output).is_file()

    def found(self, recording: InputFile) -> None:
        """Record the current path of a recording that was processed before."""
        entry = self._entry(recording)
        if entry is not None and recording.place not in entry.places:
            self._write(replace(entry, places=entry.places | recording.places))

    def add(self, recording: InputFile, target: Path, further: Sequence[Path] = ()) -> None:
        """Record that `target` is finished; its earlier `further` files that were not written again are removed."""
        output, *others = (path.relative_to(self.folder).as_posix() for path in (target, *further))
        before = self._entries.get(output)
        self._write(Entry(output, recording.name, recording.sha256, self.key, tuple(others), recording.places))
        for name in set(before.further if before else ()).difference(others):
            self._remove(name)

    def places(self) -> set[str]:
        """The absolute paths of the finished outputs, which are not recordings to process."""
        names = (name for entry in self._entries.values() for name in (entry.output, *entry.further))
        return {os.path.realpath(self.folder / name) for name in names}

    def clear(self) -> None:
        """Remove the listed outputs and the journal; other files stay."""
        for entry in self._entries.values():
            for name in (entry.output, *entry.further):
                self._remove(name)
        self._entries.clear()
        self._by_name.clear()
        self._taken.clear()
        self.path.unlink(missing_ok=True)

    def _entry(self, recording: InputFile) -> Entry | None:
        """The entry of the recording, or of the one at the same path before it was changed."""
        own = [self._entries[output] for output in self._by_name.get(recording.name, ())]
        same = [entry for entry in own if entry.sha256 == recording.sha256]
        changed = [entry for entry in own if self._lay_there_alone(entry, recording.place)]
        return next(iter([*same, *changed]), None)

    @staticmethod
    def _lay_there_alone(entry: Entry, place: str) -> bool:
        """Whether `place` is a path of the entry's recording, and the only one that may still exist."""
        return place in entry.places and not any(os.path.exists(other) for other in {*entry.places} - {place})

    def _read(self) -> Iterator[Entry]:
        if not self.path.is_file():
            return
        for line in self.path.read_text(encoding="utf-8", errors="surrogateescape").split("\n"):
            entry = Entry.read(line)
            if entry is not None and all(self._inside(name) for name in (entry.output, *entry.further)):
                yield entry

    def _inside(self, name: str) -> bool:
        """Whether `name` is a path below the folder, also after resolving symbolic links."""
        path = PurePosixPath(name)
        if not path.name or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
            return False
        root = os.path.realpath(self.folder)
        return Path(os.path.realpath((self.folder / name).parent)).is_relative_to(root)

    def _keep(self, entry: Entry) -> None:
        before = self._entries.get(entry.output)
        if before is not None:
            self._by_name[before.name].pop(entry.output)
        self._entries[entry.output] = entry
        self._taken.add(folded(entry.output))
        self._by_name.setdefault(entry.name, {})[entry.output] = None

    def _write(self, entry: Entry) -> None:
        self._keep(entry)
        append_line(self.path, json.dumps(asdict(entry), ensure_ascii=False))

    def _remove(self, name: str) -> None:
        """Remove a file, and its folder if that is empty then."""
        path = self.folder / name
        if self._inside(name) and (path.is_file() or path.is_symlink()):
            path.unlink()
            if path.parent != self.folder:
                with suppress(OSError):
                    path.parent.rmdir()


@dataclass
class Batch(Generic[T]):
    """Outcomes of all files; `done` is the verb, as in "labelled", and `where` tells where the results are."""

    outcomes: list[Outcome[T]]
    done: str
    where: str
    lines: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[Outcome[T]]:
        return [outcome for outcome in self.outcomes if outcome.error]

    @property
    def complaint(self) -> str:
        """Message with the files that failed and the reasons; empty if none failed."""
        if not self.failed:
            return ""
        reasons = "; ".join(outcome.error for outcome in self.failed)
        return f"{len(self.failed)} of {len(self.outcomes)} files could not be {self.done}: {reasons}"

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 3 if files failed."""
        return 3 if self.failed else 0

    def __str__(self) -> str:
        before = sum(outcome.done_before for outcome in self.outcomes)
        earlier = f" ({before} of them before)" if before else ""
        count = f"{len(self.outcomes) - len(self.failed)} of {len(self.outcomes)} files"
        return "\n".join([*self.lines, f"{count} {self.done}{earlier}, {self.where}"])
