"""Clips: sound files, or segments of them, with labels and properties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from auricle import audio
from auricle.data.labels import listable
from auricle.identity import file_digest

if TYPE_CHECKING:
    from auricle.data.sound import Sound


class Original(NamedTuple):
    """The recording that a clip was made from: SHA-256 of its file's content, and the segment of it in seconds.

    `end_s` None means the end of the file.
    """

    recording: str
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A sound file, or a segment of one from `start_s` to `end_s`, with its labels and properties.

    `file` is the path as written in the manifest. `sample_rate` (Hz) and `channels` are those of the file, `duration_s`
    is that of the clip. `end_s` None means the end of the file. `original` is set for a corrupted version.
    """

    file: str
    path: Path
    labels: tuple[str, ...]
    split: str | None = None
    fold: str | None = None
    group: str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    sample_rate: int
    duration_s: float
    channels: int
    original: Original | None = None

    @property
    def is_segment(self) -> bool:
        """Whether the clip has a start or an end within its file."""
        return self.start_s > 0 or self.end_s is not None

    @property
    def name(self) -> str:
        """Name for display and for deriving seeds: the file, with `@start-end` for a segment.

        Not an identifier: a file may have such a name as well.
        """
        if not self.is_segment:
            return self.file
        return f"{self.file}@{self.start_s:.10g}-{'' if self.end_s is None else format(self.end_s, '.10g')}"

    @property
    def key(self) -> tuple[str, float, float | None]:
        """Identifies the clip within its manifest."""
        return self.file, self.start_s, self.end_s

    @property
    def recording(self) -> str:
        """SHA-256 of the content of the file, which is the same for copies."""
        return file_digest(self.path)

    def samples(self) -> tuple[int, float]:
        """First sample of the clip in its file, and the one after the last (infinite for the file's end)."""
        return samples(self.start_s, self.end_s, self.sample_rate)

    def sound(self) -> Sound:
        """Its waveform, the mean of the channels, under its name and labels; raises as `audio.read`."""
        from auricle.data.sound import Sound  # imports matplotlib and torch, which reading a manifest does not need

        waveform, rate = audio.read(self.path, start_s=self.start_s, end_s=self.end_s)
        return Sound(waveform, rate, f"{self.name}: {', '.join(map(listable, self.labels)) or 'no label'}")

    def _repr_html_(self) -> str:
        """Its sound and spectrogram, for notebooks."""
        return self.sound()._repr_html_()


def samples(start_s: float, end_s: float | None, sample_rate: int) -> tuple[int, float]:
    """First sample of a segment, and the one after the last (infinite if `end_s` is None or infinite)."""
    last = float("inf") if end_s in (None, float("inf")) else round(end_s * sample_rate)
    return round(start_s * sample_rate), last


def unique_names(clips: Sequence[Clip]) -> list[str]:
    """The clips' names, made unique by adding file, start and end if names are equal."""
    counts = Counter(clip.name for clip in clips)
    return [
        clip.name if counts[clip.name] == 1 else f"{clip.name} [{clip.file!r}, {clip.start_s!r}, {clip.end_s!r}]"
        for clip in clips
    ]


@dataclass(frozen=True)
class Problem:
    """A row or file that cannot be used: its name, a code for the kind of problem, and the reason in words."""

    name: str
    code: str
    reason: str
