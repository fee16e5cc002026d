"""Material to mix into clips: recordings of noise, music, speech and rooms, from files or synthetic.

Each recording belongs to a source (a recording session, a speaker, the file that segments were cut from); files of the
same content have the same source. The split of a source, train or test, depends on its name only, so the splits never
share a source.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from auricle import audio
from auricle.conditions import synthetic
from auricle.errors import AuricleError
from auricle.identity import file_digest, joined, same_contents
from auricle.registry import unknown_name

KINDS = ("music", "noise", "room", "speech")
SPLITS = ("train", "test", "all")
N_SYNTHETIC = 64

_SILENT_DB = -100.0
_SHORTEST_DRAWN_S = 0.25
_SHORTEST_READ_S = 0.02

Random = np.random.Generator


@dataclass(frozen=True)
class Recording:
    """A sound file, a segment of one, or a synthetic sound (`path` None).

    `declared_split` is "train" or "test" if the split is given; otherwise the name of the source determines it.
    """

    kind: str
    source: str
    name: str
    duration_s: float = float("inf")
    start_s: float = 0.0
    declared_split: str | None = None
    path: Path | None = None

    @property
    def split(self) -> str:
        """The split of the recording, "train" or "test"."""
        if self.declared_split is not None:
            return self.declared_split
        return "test" if hashlib.sha256(self.source.encode("utf-8", "surrogateescape")).digest()[0] % 2 else "train"

    @property
    def content(self) -> str | None:
        """SHA-256 of the content of its file; None for a synthetic sound, which the name of its source determines."""
        return None if self.path is None else file_digest(self.path)

    def excerpt(self, n_samples: int, sample_rate: int, rng: Random) -> np.ndarray:
        """A random excerpt, float64 `(n_samples,)`; shorter recordings are repeated."""
        if self.path is None:
            return self._formula(max(n_samples, round(_SHORTEST_DRAWN_S * sample_rate)), sample_rate, rng)[:n_samples]
        needed_s = max(n_samples / sample_rate, _SHORTEST_READ_S)
        if self.duration_s <= needed_s:
            whole = self.whole(sample_rate, rng)
            return np.resize(np.roll(whole, int(rng.integers(whole.size))), n_samples)
        start_s = self.start_s + rng.uniform(0.0, self.duration_s - needed_s)
        end_s = min(start_s + needed_s + 1 / sample_rate, self.start_s + self.duration_s)
        segment, _ = audio.read(self.path, sample_rate=sample_rate, start_s=start_s, end_s=end_s)
        return np.resize(segment.astype(np.float64), n_samples)

    def whole(self, sample_rate: int, rng: Random) -> np.ndarray:
        """The whole recording, float64 `(time,)`; of a synthetic sound one second, or a room's full response."""
        if self.path is None:
            return self._formula(sample_rate, sample_rate, rng)
        end_s = self.start_s + self.duration_s if np.isfinite(self.duration_s) else None
        waveform, _ = audio.read(self.path, sample_rate=sample_rate, start_s=self.start_s, end_s=end_s)
        return waveform.astype(np.float64)

    def _formula(self, n_samples: int, sample_rate: int, rng: Random) -> np.ndarray:
        digest = hashlib.sha256(self.source.encode("utf-8", "surrogateescape")).digest()
        source = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        return synthetic.FORMULAS[self.kind](n_samples, sample_rate, source, rng)


@dataclass(frozen=True)
class Material:
    """A collection of recordings to draw from, created by `Material.of`; `of_split` selects those of a split."""

    recordings: tuple[Recording, ...]
    split_name: str = "all"

    @classmethod
    def of(cls, recordings: Iterable[Recording] = ()) -> Material:
        """Material of the recordings, and of synthetic ones for each missing kind.

        Sources that share the content of a file are merged, under the first of their names. Raises `AuricleError` for
        an unknown kind, and for a source with recordings in both splits.
        """
        given = list(recordings)
        for recording in given:
            if recording.kind not in KINDS:
                raise AuricleError(unknown_name("kind of material", recording.kind, KINDS))
        given = _one_source_of_copies(given)
        splits: dict[str, str] = {}
        for recording in given:
            if splits.setdefault(recording.source, recording.split) != recording.split:
                raise AuricleError(
                    f"{recording.name}: its source {recording.source!r} is in the splits train and test: give all "
                    "recordings of a source, and copies of a file, the same split"
                )
        missing = set(KINDS).difference(recording.kind for recording in given)
        synthetic_ones = synthetic_recordings(missing)
        return cls(tuple(sorted([*given, *synthetic_ones], key=lambda r: (r.kind, r.source, r.name, r.start_s))))

    def of_split(self, name: str) -> Material:
        """The recordings of the split "train" or "test", or "all" of them."""
        if name not in SPLITS:
            raise AuricleError(unknown_name("split of the material", name, SPLITS))
        if name == "all":
            return self
        if self.split_name not in ("all", name):
            raise AuricleError(f"the split {name!r} cannot be taken of material that is the split {self.split_name!r}")
        chosen = tuple(recording for recording in self.recordings if recording.split == name)
        for kind in KINDS:
            if not any(recording.kind == kind for recording in chosen):
                raise AuricleError(
                    f"{kind}: none of its sources is in the split {name!r}: their names decide it where no column "
                    "split does; give more recordings, or a manifest with this column"
                )
        return Material(chosen, name)

    @property
    def synthetic_kinds(self) -> tuple[str, ...]:
        """The kinds that are synthetic."""
        return tuple(kind for kind in KINDS if all(r.path is None for r in self.recordings if r.kind == kind))

    def draw(self, kind: str, count: int, n_samples: int, sample_rate: int, rng: Random) -> list[np.ndarray]:
        """`count` excerpts `(n_samples,)`, float64 with RMS 1, each of another source; silent excerpts are skipped.

        Where some sources are recordings and some synthetic, recordings come first in half of the calls, however few
        they are. Raises `AuricleError` if there are not enough sources.
        """
        excerpts: list[np.ndarray] = []
        sources = self._by_source[kind]
        order = rng.permutation(len(sources))
        recorded = np.array([source[0].path is not None for source in sources])[order]
        if recorded.any() and not recorded.all():
            first = rng.random() < 0.5
            order = np.concatenate([order[recorded == first], order[recorded != first]])
        for index in order:
            recordings = sources[index]
            recording = recordings[rng.integers(len(recordings))]
            excerpt = recording.excerpt(n_samples, sample_rate, rng)
            rms = np.sqrt(np.mean(np.square(excerpt)))
            if rms > 10 ** (_SILENT_DB / 20):
                excerpts.append(excerpt / rms)
            if len(excerpts) == count:
                return excerpts
        raise AuricleError(
            f"{kind}: too few sources that are not silent: {count} needed at once, of {len(sources)} only "
            f"{len(excerpts)} found"
        )

    def room(self, sample_rate: int, rng: Random) -> np.ndarray:
        """A random room impulse response, float64 `(time,)`."""
        sources = self._by_source["room"]
        recordings = sources[rng.integers(len(sources))]
        return recordings[rng.integers(len(recordings))].whole(sample_rate, rng)

    def describe(self) -> dict[str, Any]:
        """A description for JSON that identifies the material: its split, sources per kind, and a digest.

        The digest is computed from the names, the segments, and the content of every file.
        """
        listed = [
            (r.kind, r.source, r.name, repr(r.duration_s), repr(r.start_s), *([r.content] if r.path else []))
            for r in self.recordings
        ]
        return {
            "split": self.split_name,
            "sources": {kind: len(self._by_source[kind]) for kind in KINDS},
            "synthetic": list(self.synthetic_kinds),
            "digest": hashlib.sha256(json.dumps(listed).encode()).hexdigest(),
        }

    @cached_property
    def _by_source(self) -> dict[str, list[list[Recording]]]:
        grouped: dict[str, dict[str, list[Recording]]] = {kind: {} for kind in KINDS}
        for recording in self.recordings:
            grouped[recording.kind].setdefault(recording.source, []).append(recording)
        return {kind: list(sources.values()) for kind, sources in grouped.items()}


def synthetic_recordings(kinds: Iterable[str] = KINDS) -> list[Recording]:
    """The synthetic recordings of these kinds, each its own source."""
    names = [(kind, f"synthetic-{kind}-{i}") for kind in kinds for i in range(N_SYNTHETIC)]
    return [Recording(kind, name, name) for kind, name in names]


def _one_source_of_copies(recordings: list[Recording]) -> list[Recording]:
    """The recordings, with the same source for all of the same content: the first of their names.

    A split that is declared for some of a source's recordings applies to all of them.
    """
    contents = same_contents([recording.path for recording in recordings])
    sources = joined([recording.source for recording in recordings], contents)
    declared: dict[str, str] = {}
    for recording, source in zip(recordings, sources, strict=True):
        if recording.declared_split is not None:
            declared.setdefault(source, recording.declared_split)
    return [
        replace(recording, source=source, declared_split=recording.declared_split or declared.get(source))
        for recording, source in zip(recordings, sources, strict=True)
    ]


#: Synthetic material only, the default if no recordings are given.
SYNTHETIC = Material.of()
