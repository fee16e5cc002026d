"""The sounds that the page works on: read with all care from what was dropped or recorded, and kept as WAV files."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from auricle import audio
from auricle.errors import AuricleError
from auricle.identity import file_name
from auricle.progress import track

LONGEST_S = 3600.0
LONGEST_STRETCH_S = 60.0
MOST_FILES = 64
_BLOCK_S = 10.0


class Shelf:
    """A folder of files that the page may fetch; each is in a folder of its own, of an unpredictable name.

    The first file of a shelf stays, and of the others those of the last `MOST_FILES` that were placed.
    """

    def __init__(self, root: Path, folder: Path | None = None) -> None:
        self.root = root.resolve()
        self.folder = folder or self.root
        self._placed: list[Path] = []

    def section(self) -> Shelf:
        """A new part of this shelf, for all that is made of one recording."""
        return Shelf(self.root, self.folder / secrets.token_hex(8))

    def place(self, name: str) -> Path:
        """The path of a new file; letters and digits of `name` are kept, and its suffix."""
        folder = self.folder / secrets.token_hex(8)
        folder.mkdir(parents=True)
        self._placed.append(folder)
        if len(self._placed) > MOST_FILES:
            shutil.rmtree(self._placed.pop(1), ignore_errors=True)
        return folder / (file_name(Path(name).stem) + Path(name).suffix)

    def clear(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def address(self, path: Path) -> str:
        """Where the page fetches the file `path` of this shelf."""
        return f"/sound/{quote(path.relative_to(self.root).as_posix())}"

    def find(self, address: str) -> Path | None:
        """The file of an address without "/sound/"; None if it is not a file on this shelf."""
        return file_within(self.root, address)


def file_within(folder: Path, path: str) -> Path | None:
    """The file at `path` in `folder`, which has no links, or below it; None if there is none."""
    try:
        file = (folder / path).resolve()
        return file if file.is_relative_to(folder) and file.is_file() else None
    except (OSError, ValueError):  # a name that is too long, or with a zero byte
        return None


@dataclass(frozen=True)
class Sound:
    """A sound on the shelf, what it is called, and where in its recording it begins."""

    path: Path
    title: str
    start_s: float = 0.0


def take_in(path: str | Path, shelf: Shelf) -> tuple[Sound, list[str]]:
    """Copy a sound file to the shelf as 32-bit float WAV; returns it, and a line for each damage.

    Rate and channels stay, and a damaged file is copied as far as it can be decoded. Raises `AuricleError` for what
    cannot be read, and for more than an hour.
    """
    path = Path(path)
    with audio.isolated(), audio.noticing() as damage:
        header = audio.info(path)
        if header.duration_s > LONGEST_S:
            raise AuricleError(
                f"{path.name} lasts {header.duration_s / 60:.0f} minutes: cut it to {LONGEST_S / 60:.0f} or fewer first"
            )
        kept = shelf.place(f"{path.stem}.wav")
        blocks = audio.blocks(path, block_s=_BLOCK_S, mono=False)
        audio.write_blocks(
            kept,
            (block for _, block in track(blocks, "Reading", total=int(header.duration_s / _BLOCK_S) + 1, show=False)),
            header.sample_rate,
            channels=header.channels,
            n_samples=header.n_samples,
            subtype="FLOAT",
        )
    return Sound(kept, path.name), [flaw.reason for flaw in damage]


def cut(sound: Sound, start_s: float, length_s: float, shelf: Shelf) -> Sound:
    """The stretch of a sound that begins at `start_s` and lasts up to `length_s` seconds, mono.

    A stretch that would begin after the end is the last one of its length. Raises `AuricleError` for a length of more
    than a minute, or none.
    """
    if not 0 < length_s <= LONGEST_STRETCH_S:
        raise AuricleError(f"a stretch of {length_s:g} s: it should last up to {LONGEST_STRETCH_S:g} s")
    duration_s = audio.info(sound.path).duration_s
    start_s = max(0.0, min(start_s, duration_s - length_s))
    waveform, rate = audio.read(sound.path, start_s=start_s, end_s=min(start_s + length_s, duration_s))
    path = shelf.place(f"{sound.path.stem}-stretch.wav")
    audio.write(path, waveform, rate, subtype="FLOAT")
    return Sound(path, f"{sound.title}, {start_s:g} to {start_s + len(waveform) / rate:g} s", sound.start_s + start_s)
