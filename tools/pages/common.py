"""What the scripts of this folder share: reading texts, and the command line that writes a page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auricle.conditions.levels import signed

#: Makes a page's text from the folder of its data and the command that writes it.
Page = Callable[[Path, str], str]

#: PAGE.md opens a page; PAGE/DATA.md says of a data set what was trained and measured.
TEXTS = Path(__file__).parent / "texts"

VARIATIONS = {
    "command-speakers-compression",
    "commands-controller",
    "emodb-2s-compression",
    "emodb-2s-controller",
    "esc10-60-epochs",
    "esc10-controller",
    "esc10-efficientnet",
    "ravdess-controller",
}
"""Folders of results that vary something on a data set which is there already."""


def read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def filled(path: Path, **parts: str) -> str:
    """A text in which each `{name}` stands for one of `parts`; other braces stay."""
    text = read_text(path)
    for name, part in parts.items():
        assert f"{{{name}}}" in text, name
        text = text.replace(f"{{{name}}}", part)
    return text


def folders(folder: Path) -> list[Path]:
    """The folders in a folder, in the order of their names."""
    return sorted(path for path in folder.iterdir() if path.is_dir())


def data_sets(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each data set's folder, in the order of their names, and the start of its section: heading and text.

    The text of a data set begins with its title, "# ESC-10: other filters".
    """
    for data in folders(folder):
        yield data, ["#" + read_text(TEXTS / folder.name / f"{data.name}.md")]


def join_sections(folder: Path, sections: Iterable[str], command: str) -> str:
    """A page: the text of the folder's name, the sections, and the command that wrote it."""
    return "\n\n".join([read_text(TEXTS / f"{folder.name}.md"), *sections, f"Written by `{command}`."]) + "\n"


def difference(value: float, resampled: NDArray[np.floating]) -> str:
    """A difference in points, from shares, with the 95 % interval of what was resampled and what that says."""
    low, high = np.percentile(resampled, [2.5, 97.5])
    words = "ahead" if low > 0 else "behind" if high < 0 else "not told apart"
    points, least, most = (signed(100 * number, "+.1f") for number in (value, low, high))
    return f"{points} [{least}, {most}], {words}"


def write_page(page: Page, description: str | None) -> None:
    """The scripts' command line: read the folder, write the page."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of saved results")
    parser.add_argument("--output", type=Path, required=True, help="the page to write")
    arguments = parser.parse_args()
    command = f"python tools/pages/{Path(sys.argv[0]).name} {arguments.folder} --output {arguments.output}"
    arguments.output.write_text(page(arguments.folder, command), encoding="utf-8")
