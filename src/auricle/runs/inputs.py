"""The input files of a batch: what is found, what is left out, and which share of it is asked for."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from auricle import audio
from auricle.errors import AuricleError, shown_path


@dataclass(frozen=True)
class Shard:
    """One of `count` shares of the input files, from 1 to `count`; a file's name decides which one has it."""

    number: int
    count: int

    @classmethod
    def of(cls, text: str | None) -> Shard:
        """The shard "i/n"; None means all files. Raises `AuricleError` for other text and an i that is not 1 to n."""
        if text is None:
            return cls(1, 1)
        parts = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip(), re.ASCII)
        if not parts:
            raise AuricleError(f"shard {text!r}: it should be i/n, such as 1/4")
        number, count = int(parts[1]), int(parts[2])
        if not 1 <= number <= count:
            raise AuricleError(f"shard {text!r}: i should be from 1 to n, as in 1/{max(count, 1)}")
        return cls(number, count)

    def has(self, name: str) -> bool:
        """Whether the file of this name, relative to the given folder, belongs to the shard."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1


@dataclass
class Inputs:
    """Sound files with their names relative to the given folders, and paths that cannot be used, with the reasons."""

    files: list[tuple[Path, str]] = field(default_factory=list)
    left_out: list[tuple[Path, str, str]] = field(default_factory=list)
    found: set[Path] = field(default_factory=set)
    """The files that were found in folders."""


def find_inputs(given: Iterable[str]) -> Inputs:
    """Find the sound files that are given, or are in folders that are given.

    Raises `AuricleError` with the first reason if there is none at all.
    """
    inputs = Inputs()
    for name in dict.fromkeys(given):
        path = Path(name)
        root = path if path.is_dir() else path.parent
        try:
            found = audio.find_audio(path)
            inputs.found.update(found if path.is_dir() else ())
            inputs.files += [(file, file.relative_to(root).as_posix()) for file in found]
        except (AuricleError, OSError) as error:
            inputs.left_out.append((path, path.name, reason_of(error, path)))
        if path.is_dir():
            inputs.left_out += [(file, _relative(file, root), why) for file, why in audio.left_out(path)]
    if not inputs.files and inputs.left_out:
        path, _, reason = inputs.left_out[0]
        raise AuricleError(f"{shown_path(path)}: {reason}")
    unique = {(os.path.realpath(path), name): (path, name) for path, name in inputs.files}
    inputs.files = list(unique.values())
    return inputs


def _relative(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def reason_of(error: Exception, path: Path | None = None) -> str:
    """Why a file could not be used, in one line and without its path; the type names an error of the program."""
    text = " ".join(str(error).split())
    if path is not None:
        text = text.removeprefix(f"{shown_path(path)}: ")
    if isinstance(error, AuricleError):
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"{shown_path(error.filename)}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
