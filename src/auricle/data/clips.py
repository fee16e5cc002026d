"""A clip: a sound file, or a part of one, with what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A sound file, or a part of one, and what is known of it.

    `name` is the path as the manifest writes it, with `@start-end` where the clip is a part: the stable, unique id.
    `sample_rate` (Hz), `channels` and `duration_s` (of the clip) are the file's own.
    """

    name: str
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

    @property
    def is_part(self) -> bool:
        """Whether it has a start or an end of its own."""
        return self.start_s > 0 or self.end_s is not None

    @property
    def file_name(self) -> str:
        """The name of the file that it is, or is a part of."""
        return self.name.rpartition("@")[0] if self.is_part else self.name


@dataclass(frozen=True)
class Problem:
    """A row or a file that cannot be used: its name, a code for the kind of problem, and the reason in words."""

    name: str
    code: str
    reason: str
