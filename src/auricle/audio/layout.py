"""Where the samples of a sound file are, by what its bytes say and not only its header."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import soundfile as sf

from auricle.audio.damage import Damage
from auricle.audio.formats import AudioInfo
from auricle.audio.parts import UNKNOWN, Part
from auricle.audio.resampling import CHUNK_VALUES

_MOST_SHOWN = 3  # broken stretches that a message lists


@dataclass(frozen=True)
class Flaw:
    """A kind of `Damage` with its reason, which concerns whoever asks for a sample in [first, last)."""

    kind: Literal["cut", "broken", "beyond-header"]
    first: int
    last: int
    reason: str


@dataclass
class Layout:
    """A sound file of `size` bytes, its `parts` in order, and in what its header is wrong (`flaws`).

    `search` looks through the whole file for all that can be decoded: where decoding has failed, or before
    (`search_first`), since some decoders leave damaged stretches out without a word.
    """

    path: str
    size: int
    info: AudioInfo
    parts: list[Part]
    flaws: list[Flaw] = field(default_factory=list)
    search: Callable[[], Layout | None] | None = None
    search_first: bool = False
    _lock: Any = field(default_factory=threading.RLock, init=False, repr=False, compare=False)

    def decode(self, first: int, last: int) -> Iterator[np.ndarray]:
        """Samples [first, last) in chunks `(channels, time)`, with silence between the parts.

        What turns out not to be decodable is cut out of the parts, so that `damage` tells of it.
        """
        position, n_decoded = first, 0
        while position < last:
            part = next((part for part in self.parts if part.end > position), None)
            next_first = self.info.n_samples if part is None else part.first
            if part is None or next_first > position:
                n_silent = min(next_first, last) - position
                yield from self._silence(n_silent)
                position += n_silent
                continue
            failed = False
            try:
                for chunk in part.decode(self.path, position, min(part.end, last)):
                    position += chunk.shape[-1]
                    n_decoded += chunk.shape[-1]
                    yield chunk
            except sf.SoundFileError:
                failed = True
            if failed or position < min(part.end, last):
                self._mend(part, position)
        if n_decoded == 0 and not self.parts:
            raise sf.SoundFileRuntimeError("nothing in it can be decoded")

    def damage(self, first: int, last: int) -> list[Damage]:
        """What is wrong with samples [first, last), where `last` may be beyond the end."""
        flaws = [*self.flaws, *self._broken(first, last)]
        return [Damage(self.path, f.kind, f.reason) for f in flaws if f.first < last and f.last > first]

    def _broken(self, first: int, last: int) -> list[Flaw]:
        """The gaps between the parts in samples [first, last), as one flaw."""
        ends = [0, *(part.end for part in self.parts)]
        starts = [*(part.first for part in self.parts), self.info.n_samples]
        gaps = [gap for gap in zip(ends, starts, strict=True) if max(gap[0], first) < min(gap[1], last)]
        if not gaps:
            return []
        rate = self.info.sample_rate
        shown = [f"{start / rate:.3f} to {end / rate:.3f} s" for start, end in gaps[:_MOST_SHOWN]]
        more = f" and {len(gaps) - _MOST_SHOWN} more stretches" if len(gaps) > _MOST_SHOWN else ""
        reason = f"cannot be decoded from {', '.join(shown)}{more}; read as silence"
        return [Flaw("broken", gaps[0][0], gaps[-1][1], reason)]

    def _silence(self, n_samples: int) -> Iterator[np.ndarray]:
        size = max(1, CHUNK_VALUES // self.info.channels)
        for start in range(0, n_samples, size):
            yield np.zeros((self.info.channels, min(size, n_samples - start)), np.float32)

    def prepare(self) -> None:
        """Look through the whole file if its decoder would leave damaged stretches out."""
        if self.search_first:
            self._searched()

    def _searched(self) -> bool:
        """Whether a search, which is made once, has found the parts anew."""
        with self._lock:  # threads that decode segments of one file share its layout
            search, self.search = self.search, None
            found = search() if search else None
            if found is None:
                return False
            n_samples = max(self.info.n_samples, found.info.n_samples)
            self.info, self.parts = replace(found.info, n_samples=n_samples), found.parts
            return True

    def _mend(self, part: Part, position: int) -> None:
        """Take out of `part` what follows `position`, where decoding failed, or look for all good parts."""
        with self._lock:
            if self._searched() or part not in self.parts:
                return
            place = self.parts.index(part)
            kept = [replace(part, n_samples=position - part.first)] if position > part.first else []
            self.parts[place : place + 1] = kept


@dataclass
class Link:
    """One of the recordings that are joined in a file, mostly the only one; its parts are counted from its own start.

    `promised` is the length in samples that its header states, None if it states none although it should (`unstated`)
    or the format has none. `unfinished`: its end mark is missing.
    """

    info: AudioInfo
    parts: list[Part]
    promised: int | None = None
    unstated: bool = False
    unfinished: bool = False


def join(path: str, size: int, links: list[Link]) -> Layout:
    """The layout of a file of joined recordings, without those of another rate or number of channels than the first."""
    first = links[0].info
    alike = [
        link for link in links if (link.info.sample_rate, link.info.channels) == (first.sample_rate, first.channels)
    ]
    parts: list[Part] = []
    n_samples = 0
    for link in alike:
        parts += [replace(part, first=part.first + n_samples) for part in link.parts]
        n_samples += link.info.n_samples
    info = replace(first, n_samples=n_samples)
    return Layout(path, size, info, parts, [*_cut(info, alike[-1]), *_beyond(info, links, alike)])


def _cut(info: AudioInfo, last: Link) -> list[Flaw]:
    """Whether the last recording ends before its header says."""
    end = info.n_samples
    at = f"ends at {end / info.sample_rate:g} s"
    if last.promised is not None and last.promised > last.info.n_samples:
        promised = end - last.info.n_samples + last.promised
        return [Flaw("cut", end, UNKNOWN, f"{at}, its header promises {promised / info.sample_rate:g} s")]
    if last.unfinished:
        return [Flaw("cut", end, UNKNOWN, f"{at} without the mark of an end")]
    return []


def _beyond(info: AudioInfo, links: list[Link], alike: list[Link]) -> list[Flaw]:
    """Whether there is more than the first header says."""
    first, rate = links[0], info.sample_rate
    promised = first.info.n_samples if first.promised is None else first.promised
    reasons, start = [], info.n_samples
    if first.unstated:
        reasons.append(f"its header states no length; all of its {info.n_samples / rate:g} s are used")
        start = 0
    elif info.n_samples > promised:
        header = "first header" if len(links) > 1 else "header"
        reasons.append(f"has {info.n_samples / rate:g} s, its {header} promises {promised / rate:g} s")
        start = promised
    others = [link.info for link in links if link not in alike]
    if others:
        what = [f"{o.duration_s:g} s at {o.sample_rate} Hz with {o.channels} channel(s)" for o in others[:_MOST_SHOWN]]
        reasons.append(f"after that, {', '.join(what)} cannot be used")
    return [Flaw("beyond-header", start, UNKNOWN, "; ".join(reasons))] if reasons else []
