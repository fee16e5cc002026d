"""Rows of manifest files and class folders, and their conversion to clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from auricle import audio
from auricle.data.clips import Clip, Original
from auricle.data.labels import listable
from auricle.readers import number_in

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
    "eval": "test",
}
ORIGINAL_COLUMNS = ("source_sha256", "source_start", "source_end")  # written by `auricle corrupt`
_ROUNDING_S = 0.01  # tolerance for rounded ends beyond the end of the file
_LONGEST_S = 1e9  # of a recording that a clip was made from


class BadRow(Exception):
    """Raised for a row that cannot be used, with a code and the reason."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """An unverified row of a manifest file or class folder."""

    where: str
    path: Path
    name: str
    labels: tuple[str, ...]
    split: str = ""
    fold: str = ""
    group: str = ""
    start: str = ""
    end: str = ""
    source_sha256: str = ""
    source_start: str = ""
    source_end: str = ""

    def clip(
        self,
        header: audio.AudioInfo | BadRow,
        allowed: Sequence[str] | None,
        negative_label: str | None = None,
        *,
        multi_label: bool = False,
    ) -> Clip:
        """Convert to a clip, or raise `BadRow`; `header` is that of the file, or the error in reading it.

        With `multi_label` a clip may have no label; `negative_label` stands for none.
        """
        if not self.name:
            raise BadRow("missing-path", "has no path")
        if isinstance(header, BadRow):
            raise header
        labels = self.labels
        if negative_label in labels:
            if len(labels) > 1:
                others = ", ".join(map(repr, (label for label in labels if label != negative_label)))
                raise BadRow("negative-with-labels", f"has none of the sounds ({negative_label!r}) and {others}")
            labels = ()
        elif not labels and not multi_label:
            raise BadRow("missing-label", "has no label (if it has none of the sounds: --multi-label)")
        for label in labels:
            if allowed is not None and label not in allowed:
                known = ", ".join(map(listable, allowed[:10])) + (", …" if len(allowed) > 10 else "")
                raise BadRow("unknown-label", f"the label {label!r} is none of: {known}")
        _, start_s, end_s = self.key()
        if start_s < 0:
            raise BadRow("bad-times", f"starts at {self.start} s, before 0")
        if end_s is not None and end_s <= start_s:
            raise BadRow("bad-times", f"ends at {self.end} s, not after its start at {self.start or 0} s")
        if start_s >= header.duration_s or (end_s or 0) > header.duration_s + _ROUNDING_S:
            beyond = f"starts at {self.start}" if start_s >= header.duration_s else f"ends at {self.end}"
            raise BadRow("bad-times", f"{beyond} s, beyond the file's {header.duration_s:g} s")
        return Clip(
            file=self.name,
            path=self.path,
            labels=labels,
            split=split_name(self.split) if self.split else None,
            fold=self.fold or None,
            group=self.group or None,
            start_s=start_s,
            end_s=end_s,
            sample_rate=header.sample_rate,
            duration_s=min(header.duration_s, end_s or header.duration_s) - start_s,
            channels=header.channels,
            original=self._original(),
        )

    def _original(self) -> Original | None:
        if not self.source_sha256:
            return None
        start_s, end_s = self._seconds("source_start") or 0.0, self._seconds("source_end")
        if not 0 <= start_s <= (_LONGEST_S if end_s is None else end_s) <= _LONGEST_S:
            segment = f"{self.source_start or 0} s to {self.source_end or 'the end'}"
            raise BadRow("bad-times", f"was made from a segment that cannot be: {segment}")
        return Original(self.source_sha256.lower(), start_s, end_s)

    def key(self) -> tuple[str, float, float | None]:
        """The `Clip.key` of the row's clip; raises `BadRow` if its times are not numbers."""
        return self.name, self._seconds("start") or 0.0, self._seconds("end")

    def _seconds(self, which: str) -> float | None:
        text = getattr(self, which)
        if not text:
            return None
        try:
            seconds = number_in(text)
        except ValueError:
            seconds = float("nan")
        if not abs(seconds) < float("inf"):
            raise BadRow("bad-times", f"its {which} is {text!r}, not a number of seconds")
        return seconds


def split_name(name: str) -> str:
    """The standard name (train, valid or test) for a split's name; other names are unchanged."""
    return SPLIT_NAMES.get(name.strip().lower(), name.strip())
