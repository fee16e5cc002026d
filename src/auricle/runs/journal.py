"""The journal of a folder: which output belongs to which input, model and options, and what failed.

A line tells of outputs before they take their names. So whatever a killed process leaves is known by its digest, and
what is not known by its digest is the user's and is neither removed nor replaced.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from auricle.errors import AuricleError
from auricle.files import replacing
from auricle.identity import file_digest, folded, remember_digest
from auricle.runs.entries import Entry, InputFile
from auricle.runs.locks import Locks

JOURNAL, SETTINGS, FAILED = "files.jsonl", "settings.json", "failed.csv"

_RESERVED = (JOURNAL, SETTINGS, FAILED)
_LONGEST_NAME = 255  # bytes
_LONGEST_LINE = 2**23
_BLOCK = 2**20


class Occupied(AuricleError):
    """A file that the journal does not know is where an output should be."""


class Journal:
    """The journal of `folder`, one line of JSON for each input file and outcome; the last line of a file counts.

    Outputs are listed by their paths within the folder, so the folder may be moved or copied. Lines with paths outside
    the folder are ignored. Several processes may have the journal open (see `locks`). Raises `AuricleError` if it is
    not a file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / JOURNAL
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            self._file = os.open(self.path, flags, 0o666)
        except OSError as error:
            raise AuricleError(f"{self.path}: cannot be opened ({error.strerror})") from None
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            os.close(self._file)
            raise AuricleError(f"{self.path}: not a file")
        self.locks = Locks(self._file, folder)
        self._forget()

    def _forget(self) -> None:
        self._read_to = 0
        self._entries: dict[str, Entry] = {}  # by output
        self._by_name: dict[tuple[str, str], dict[str, None]] = {}
        self._failures: dict[tuple[str, str], dict[str, Entry]] = {}
        self._new: dict[int, Entry] = {}
        self._taken: set[str] = set(_RESERVED)
        self._known: dict[str, set[str]] = {}  # all digests of each output
        self._versions: dict[str, set[str]] = {}  # all outputs that have been written with each main output

    def close(self) -> None:
        """Close the file, which gives up all locks."""
        os.close(self._file)

    def refresh(self) -> None:
        """Read the lines that this or another process has written since the last call."""
        with self.locks.writing():
            if os.fstat(self._file).st_size < self._read_to:
                self._forget()
            for line in self._lines():
                entry = Entry.read(line)
                if entry is not None and all(self._inside(name) for name in entry.outputs):
                    self._keep(entry)

    def begin(self) -> None:
        """Count only what is written from here on as new (see `is_new`)."""
        self._new.clear()

    def entry(self, recording: InputFile, kind: str = "") -> Entry | None:
        """The entry of the recording's outputs, or of those of the one at the same path before it was changed."""
        own = [self._entries[output] for output in self._by_name.get((recording.name, kind), ())]
        same = [entry for entry in own if entry.sha256 == recording.sha256]
        changed = [entry for entry in own if _lay_there_alone(entry, recording.place)]
        return next(iter([*same[::-1], *changed[::-1]]), None)

    def entry_of(self, output: str) -> Entry | None:
        """The entry of a main output."""
        return self._entries.get(output)

    def failure(self, recording: InputFile, kind: str = "") -> Entry | None:
        """The entry of the recording if it has failed since it was last done."""
        return self._failures.get((recording.name, kind), {}).get(recording.sha256)

    def has_failed(self, name: str, kind: str = "") -> bool:
        """Whether an input of this name has failed since it was last done."""
        return bool(self._failures.get((name, kind)))

    def is_new(self, entry: Entry) -> bool:
        """Whether any process has written the entry since `begin`."""
        return id(entry) in self._new

    def is_whole(self, entry: Entry) -> bool:
        """Whether all outputs of the entry exist unchanged; what an earlier version has left beside them is removed."""
        if not all(self._has(name, {digest}) for name, digest in entry.outputs.items()):
            return False
        self._remove(self._versions[entry.output].difference(entry.outputs))
        return True

    def target(
        self, recording: InputFile, place: str, suffix: str, kind: str, alone: bool, avoid: Iterable[str] = ()
    ) -> str:
        """The path within the folder for the output of `recording`.

        A recording that is known, or was changed in place, keeps its path. Otherwise it is `place` and `suffix`, with 8
        or more digits of the recording's digest between them if it is not `alone` in this, if the path is taken or in
        `avoid`, or if it would be too long.
        """
        entry = self.entry(recording, kind)
        if entry is not None and entry.output not in avoid and all(map(self._is_free, entry.outputs)):
            return entry.output
        beside = PurePosixPath(place)
        digests = [f"-{recording.sha256[:n]}" for n in range(8, len(recording.sha256) + 1)]
        plain = [""] if alone and _fits(f"{beside.name}{suffix}") else []
        for addition in [*plain, *digests]:
            path = beside.with_name(_shortened(beside.name, addition + suffix)).as_posix()
            if folded(path) not in self._taken and path not in avoid and not os.path.lexists(self.folder / path):
                return path
        raise AuricleError(f"{self.folder / beside}: every name for its output is taken")

    def found(self, entry: Entry, recording: InputFile) -> None:
        """Record the current path of a recording that was processed before."""
        if recording.place not in entry.places:
            self.write(replace(entry, places=entry.places | recording.places))

    def add(self, entry: Entry, finished: Path, *, in_place: bool = False) -> None:
        """Write the entry and move its outputs, which are in the folder `finished`, to their places.

        Earlier outputs that belonged to the same main output and are not among them are removed. Raises `Occupied` if
        a file that the journal does not know is in the way, unless outputs are written `in_place` of any file.
        """
        with self.locks.writing():
            self.refresh()
            for name in entry.outputs:
                path = self.folder / name
                if not self._inside(name):
                    raise AuricleError(f"{path}: it would be written outside of {self.folder}")
                if path.is_dir() or not (in_place or self._is_free(name)):
                    raise Occupied(f"{path} is in the way: it was not written by this command, or was changed since")
            self.write(entry)
            self._remove(self._versions[entry.output].difference(entry.outputs))
            for name in entry.outputs:
                _move(finished / name, self.folder / name)

    def write(self, entry: Entry) -> None:
        """Append a line, and read it."""
        with self.locks.writing():
            size = os.fstat(self._file).st_size
            cut_off = size and os.pread(self._file, 1, size - 1) != b"\n"
            line = (b"\n" if cut_off else b"") + entry.line()
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            self.refresh()

    def fail(self, entry: Entry, recording: InputFile) -> None:
        """Write the entry of a recording that failed; what was written of it before it was changed is removed."""
        with self.locks.writing():
            self.refresh()
            before = self.entry(recording, entry.kind)
            self.write(entry)
            if before is not None and before.sha256 != recording.sha256:
                self._remove(self._versions[before.output])

    def places(self) -> set[str]:
        """The absolute paths of the outputs, which are not recordings to process."""
        return {os.path.realpath(self.folder / name) for entry in self._entries.values() for name in entry.outputs}

    def unlike_done(self) -> list[Entry]:
        """The entries of inputs that failed or were damaged, by name."""
        damaged = [entry for entry in self._entries.values() if entry.outcome != "done"]
        failed = [entry for own in self._failures.values() for entry in own.values()]
        return sorted([*damaged, *failed], key=lambda entry: (entry.name, entry.kind, entry.output))

    def clear(self) -> None:
        """Remove all outputs that are known by their digest, and all lines; other files stay."""
        self._remove(self._known)
        os.ftruncate(self._file, 0)
        self._forget()

    def _lines(self) -> Iterator[bytes]:
        """The complete lines that were not read yet; one that is far too long is passed over."""
        line, too_long = b"", False
        position = self._read_to
        while block := os.pread(self._file, _BLOCK, position):
            position += len(block)
            *whole, rest = (line + block).split(b"\n")
            if whole:
                yield from whole[too_long:]
                too_long = False
                self._read_to = position - len(rest)
            too_long = too_long or len(rest) > _LONGEST_LINE
            line = b"" if too_long else rest

    def _keep(self, entry: Entry) -> None:
        self._new[id(entry)] = entry
        for place, state in entry.places.items():
            if state is not None:
                remember_digest(place, tuple(state), entry.sha256)
        failed = self._failures.setdefault((entry.name, entry.kind), {})
        for digest, other in [*failed.items()]:
            if digest == entry.sha256 or {*other.places} & {*entry.places}:
                del failed[digest]
        if not entry.outputs:
            failed[entry.sha256] = entry
            return
        before = self._entries.get(entry.output)
        if before is not None:
            self._by_name[before.name, before.kind].pop(entry.output)
        self._entries[entry.output] = entry
        self._by_name.setdefault((entry.name, entry.kind), {})[entry.output] = None
        self._taken.add(folded(entry.output))
        for name, digest in entry.outputs.items():
            self._known.setdefault(name, set()).add(digest)
            self._versions.setdefault(entry.output, set()).add(name)

    def _inside(self, name: str) -> bool:
        """Whether `name` is a path below the folder, also after resolving symbolic links."""
        path = Path(name)
        if not path.name or path.anchor or ".." in path.parts or "\0" in name:
            return False
        if folded(path.as_posix()) in _RESERVED:
            return False
        root = os.path.realpath(self.folder)
        return Path(os.path.realpath((self.folder / name).parent)).is_relative_to(root)

    def _has(self, name: str, digests: set[str]) -> bool:
        """Whether one of the folder's files is a file of one of these digests."""
        path = self.folder / name
        try:
            return self._inside(name) and not path.is_symlink() and path.is_file() and file_digest(path) in digests
        except AuricleError:
            return False

    def _is_free(self, name: str) -> bool:
        """Whether an output may be written to `name`: there is nothing, or what this journal has told of."""
        return not os.path.lexists(self.folder / name) or self._has(name, self._known.get(name, set()))

    def _remove(self, names: Iterable[str]) -> None:
        """Remove files that are known by their digest, and their folders if these are empty then."""
        for name in names:
            if self._has(name, self._known.get(name, set())):
                path = self.folder / name
                path.unlink()
                if path.parent != self.folder:
                    with suppress(OSError):
                        path.parent.rmdir()


def input_digests(folder: Path) -> dict[str, str]:
    """The digest of each input's content by its absolute path, as the journal of `folder` has it; empty without one."""
    digests: dict[str, str] = {}
    if not (folder / JOURNAL).is_file():
        return digests
    for line in (folder / JOURNAL).read_bytes().split(b"\n"):
        entry = Entry.read(line)
        if entry is None:
            continue
        for place, state in entry.places.items():
            digests[place] = entry.sha256
            if state is not None:
                remember_digest(place, tuple(state), entry.sha256)
    return digests


def names_another(entry: Entry) -> bool:
    """Whether the path that the entry's recording had at first, which its outputs may name, is now another one's."""
    try:
        first = next(iter(entry.places), None)
        return first is not None and file_digest(first) != entry.sha256
    except (AuricleError, OSError):
        return False


def _lay_there_alone(entry: Entry, place: str) -> bool:
    """Whether `place` is a path of the entry's recording, and the only one that may still exist."""
    return place in entry.places and not any(os.path.exists(other) for other in {*entry.places} - {place})


def _fits(name: str) -> bool:
    return len(os.fsencode(name)) <= _LONGEST_NAME


def _shortened(stem: str, rest: str) -> str:
    """`stem` and `rest` as the name of a file, with the stem cut if necessary."""
    while stem and not _fits(stem + rest):
        stem = stem[:-1]
    return stem + rest


def _move(path: Path, target: Path) -> None:
    """Give a finished file its name, also on another file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(path, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with replacing(target) as partial:
            shutil.copyfile(path, partial)
