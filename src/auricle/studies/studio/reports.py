"""The reports that can be opened: pages below the given folders, and the model cards of runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from auricle.errors import AuricleError
from auricle.identity import display_names
from auricle.readers import read_text
from auricle.studies.studio.models import Models
from auricle.studies.studio.sounds import file_within

SHOWN = {".html": "text/html", ".png": "image/png", ".svg": "image/svg+xml"}
"""Suffixes of the files that are served, and what they are."""
CARD = "README.md"
_DEEPEST = 4


class Report(NamedTuple):
    """A page or a model card, and the folder whose pages and pictures belong to it."""

    file: Path
    folder: Path


class Reports:
    """The reports of a models folder and of further ones, by name; addresses hold their numbers, never paths."""

    def __init__(self, models: Models, folders: Iterable[str] = ()) -> None:
        named: list[tuple[str, Report]] = []
        for name, model in models.found.items():
            card = Path(model.place) / CARD
            if card.is_file():
                named.append((f"card of {name}", Report(card, card.parent.resolve())))
        given = [models.folder] if models.folder is not None else []
        for root in [*given, *map(Path, folders)]:
            if not root.is_dir():
                raise AuricleError(f"{root}: no such folder; give one with reports in it")
            for page in _pages(root, _DEEPEST):
                own = page.relative_to(root).as_posix()
                name = own if root in given else f"{root.name}/{own}"
                named.append((name, Report(page, page.parent.resolve())))
        self._reports = [report for _, report in named]
        names = display_names([name for name, _ in named], [report.folder for report in self._reports])
        self.found = dict(zip(names, self._reports, strict=True))

    def address(self, name: str) -> str:
        """Where the browser opens the report of that name."""
        report = self.found[name]
        return f"/report/{self._reports.index(report)}/{quote(report.file.name)}"

    def find(self, number: int, path: str) -> Path | None:
        """The file at an address; None unless it is a page or picture in the folder of that report or below it."""
        if not 0 <= number < len(self._reports):
            return None
        folder = self._reports[number].folder
        file = file_within(folder, path)
        return file if file is not None and file.suffix.lower() in SHOWN else None

    def card(self, name: str) -> str:
        """The Markdown of a model card, whose pictures are at the addresses where they are served."""
        number = self._reports.index(self.found[name])
        text = read_text(self.found[name].file)
        return re.sub(r"!\[([^\]]*)\]\((?!/|\w+:)([^)\s]+)\)", rf"![\1](/report/{number}/\2)", text)


def _pages(folder: Path, depth: int) -> Iterator[Path]:
    """The HTML files in `folder` and up to `depth` folders below it, not in hidden ones."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: (entry.is_dir(), entry.name))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if depth:
                yield from _pages(Path(entry.path), depth - 1)
        elif entry.name.endswith(".html") and entry.is_file():
            yield Path(entry.path)
