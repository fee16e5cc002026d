"""What an output folder holds of which file, and of which model with which options."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from auricle.errors import AuricleError
from auricle.runs import json_text, write_json

SETTINGS, JOURNAL = "settings.json", "files.jsonl"


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
