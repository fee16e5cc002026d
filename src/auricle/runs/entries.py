"""Lines of a journal: an input file, and what became of it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

from auricle.identity import file_digest, file_state

Result = Literal["done", "damaged", "failed"]


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
    def of(cls, path: Path, name: str) -> InputFile:
        before, digest = file_state(path), file_digest(path)
        state = before if file_state(path) == before else None
        return cls(name, digest, os.path.realpath(path), state)

    @property
    def places(self) -> dict[str, list[int] | None]:
        """The file's `place` and `state`, as in `Entry.places`."""
        return {self.place: None if self.state is None else list(self.state)}


@dataclass(frozen=True)
class Entry:
    """What became of an input file: its name and digest, the key of model, options and version, and the reason.

    `output` is the main output and `outputs` all of them with their digests, by their paths within the folder; a failed
    input has none. Outputs of several kinds, such as formats of tables, may belong to one input. `places` are the paths
    at which the input was found, in this order, with the state of the file.
    """

    name: str
    sha256: str
    key: str
    outcome: str = "done"
    reason: str = ""
    kind: str = ""
    output: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    places: dict[str, list[int] | None] = field(default_factory=dict)

    @classmethod
    def read(cls, line: bytes) -> Entry | None:
        """Parse a line of the journal; None for an invalid line, such as one that was cut off."""
        try:
            entry = cls(**json.loads(line.decode("utf-8", "surrogateescape")))
        except (ValueError, TypeError, RecursionError):
            return None
        texts = [entry.name, entry.sha256, entry.key, entry.outcome, entry.reason, entry.kind, entry.output]
        if not all(isinstance(text, str) for text in texts) or entry.outcome not in get_args(Result):
            return None
        if not isinstance(entry.outputs, dict) or not isinstance(entry.places, dict):
            return None
        states = [state for state in entry.places.values() if state is not None]
        if not all(isinstance(state, list) and all(isinstance(n, int) for n in state) for state in states):
            return None
        if not all(isinstance(digest, str) for digest in entry.outputs.values()):
            return None
        return entry if bool(entry.outputs) == (entry.output in entry.outputs) else None

    def line(self) -> bytes:
        """The entry as a line of the journal."""
        text = json.dumps(asdict(self), ensure_ascii=False)
        try:
            return text.encode() + b"\n"
        except UnicodeEncodeError:  # a name that is not UTF-8
            return json.dumps(asdict(self)).encode() + b"\n"
