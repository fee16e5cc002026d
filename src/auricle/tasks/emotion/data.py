"""Clean, noisy and enhanced versions of speech clips, computed once and cached on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from auricle.conditions import Material, active_power, add_noise, stable_seed
from auricle.conditions.material import Recording
from auricle.data.clip_store import ClipStore
from auricle.data.clips import Clip
from auricle.data.loading import DrawnClips, Item
from auricle.data.tasks import Task
from auricle.data.windows import fit_length
from auricle.data.workers import Loader
from auricle.errors import AuricleError
from auricle.identity import Store, digest_of, key_of, read_array, write_array
from auricle.systems.enhancer import Enhancer

CLEAN, MATCHED, UNMATCHED = "clean", "matched", "unmatched"
SAMPLE_RATE = 16000


@dataclass(frozen=True)
class NoiseLevel:
    """A noise (clean, matched or unmatched) and its signal-to-noise ratio in dB, infinite when clean."""

    noise: str = CLEAN
    snr_db: float = float("inf")

    def __str__(self) -> str:
        return self.noise if self.noise == CLEAN else f"{self.noise} {self.snr_db:g} dB"


def levels(noise: str, snrs_db: Sequence[float]) -> list[NoiseLevel]:
    """The noise at each signal-to-noise ratio in dB."""
    return [NoiseLevel(noise, snr) for snr in snrs_db]


def assign_noises(material: Material, speakers: Sequence[str]) -> dict[str, Material]:
    """Distribute the noise recordings among the speakers by source, so that no two speakers share a source.

    Sources are assigned in the order of the hashes of their names.
    """
    noises = [recording for recording in material.recordings if recording.kind == "noise"]
    sources = sorted({r.source for r in noises}, key=lambda name: hashlib.sha256(name.encode()).digest())
    if len(sources) < len(speakers):
        raise AuricleError(f"{len(sources)} sources of noise cannot be shared out to {len(speakers)} speakers")
    owner = {source: speakers[place % len(speakers)] for place, source in enumerate(sources)}
    return {s: Material(tuple(r for r in noises if owner[r.source] == s)) for s in speakers}


class NoisySpeech:
    """Speech clips at any noise level, and enhanced: waveforms `(time,)` at 16 kHz of the first `window_s` seconds.

    `matched` is the noise of each speaker, `unmatched` is common to all. `seed`, the clip's name and the level
    determine which segment of noise is added; the SNR is relative to the active parts of the clip. Versions are cached
    in `cache`, a `Store` of .npy files, by the contents of everything they are computed from.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        matched: dict[str, Material],
        unmatched: Material | None,
        enhancer: Enhancer | None,
        enhancer_digest: str,
        cache: Store,
        *,
        window_s: float = 5.0,
        seed: int = 0,
        cache_dir: str | None = None,
        progress: bool = False,
    ) -> None:
        self.store = ClipStore(clips, SAMPLE_RATE, cache_dir=cache_dir, refuse_bad_samples=True, progress=progress)
        self.clips = self.store.clips
        self.matched = matched
        self.unmatched = unmatched
        self.enhancer = enhancer
        self.enhancer_digest = enhancer_digest
        self.cache = cache
        self.window = round(window_s * SAMPLE_RATE)
        self.seed = seed
        self._pools: dict[int, str] = {}

    def clean(self, index: int) -> np.ndarray:
        return self.store.read(index, 0, self.window)

    def noisy(self, index: int, level: NoiseLevel) -> np.ndarray:
        """The clip at a noise level; the clean clip for the clean level."""
        if level.noise == CLEAN:
            return self.clean(index)
        return self._cached(self._key(index, level, ""), lambda: self._mix(index, level))

    def enhanced(self, index: int, level: NoiseLevel) -> np.ndarray:
        """The enhancer's output for `noisy`."""
        enhancer = self.enhancer
        if enhancer is None:
            raise AuricleError("no enhancer was given")
        key = self._key(index, level, self.enhancer_digest)
        return self._cached(key, lambda: enhancer.enhance(self.noisy(index, level), SAMPLE_RATE).astype(np.float32))

    def _pool(self, index: int, level: NoiseLevel) -> Material:
        pool = self.matched.get(self.clips[index].group or "") if level.noise == MATCHED else self.unmatched
        if pool is None:
            raise AuricleError(f"no {level.noise} noise was given")
        return pool

    def _seed_of(self, index: int, level: NoiseLevel) -> int:
        return stable_seed(self.seed, self.clips[index].name, level.noise, level.snr_db)

    def _mix(self, index: int, level: NoiseLevel) -> np.ndarray:
        clean = self.clean(index)
        rng = np.random.default_rng(self._seed_of(index, level))
        noise = self._pool(index, level).draw("noise", 1, len(clean), SAMPLE_RATE, rng)[0]
        return add_noise(clean, noise, level.snr_db, active_power(clean, SAMPLE_RATE))

    def _key(self, index: int, level: NoiseLevel, enhancer: str) -> str:
        clip = self.clips[index]
        noise = None
        if level.noise != CLEAN:
            pool = self._pool(index, level)
            if id(pool) not in self._pools:
                self._pools[id(pool)] = digest_of([_describe_recording(recording) for recording in pool.recordings])
            noise = [self._pools[id(pool)], self._seed_of(index, level), float(level.snr_db)]
        made_of = [clip.recording, clip.start_s, clip.end_s, self.window, SAMPLE_RATE]
        return key_of("noisy speech", made_of, noise, enhancer)

    def _cached(self, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        return self.cache.get(key, make, write_array, read_array)


def _describe_recording(recording: Recording) -> list[Any]:
    return [recording.source, recording.content, recording.start_s, recording.duration_s]


class NoisyVersions(Dataset[dict[str, Any]]):
    """The network's inputs: the clips `indices` of `speech`, each at all the noise levels `wanted`.

    Items have `clean`, `noisy`, `enhanced` `(window,)`, `n_samples`, `target`, and the indices `index` of the clip and
    `level` of the noise level. Without `enhance`, enhanced is noisy. Clips shorter than the window are zero-padded, or
    repeated (`short`).
    """

    def __init__(
        self,
        speech: NoisySpeech,
        indices: Sequence[int],
        wanted: Sequence[NoiseLevel],
        task: Task,
        *,
        short: str = "pad",
        enhance: bool = True,
    ) -> None:
        self.speech = speech
        self.indices = list(indices)
        self.wanted = list(wanted)
        self.task = task
        self.short = short
        self.enhance = enhance

    def __len__(self) -> int:
        return len(self.indices) * len(self.wanted)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.version(*divmod(place, len(self.wanted)))

    def version(self, place: int, level_place: int) -> dict[str, Any]:
        """The item of clip `indices[place]` at the noise level `wanted[level_place]`."""
        index, level = self.indices[place], self.wanted[level_place]
        clean, noisy = self.speech.clean(index), self.speech.noisy(index, level)
        enhanced = self.speech.enhanced(index, level) if self.enhance else noisy
        window = self.speech.window
        signals = {"clean": clean, "noisy": noisy, "enhanced": enhanced}
        return {name: torch.tensor(fit_length(signal, window, self.short)) for name, signal in signals.items()} | {
            "n_samples": window if self.short == "repeat" else len(clean),
            "target": self.task.labels.index(self.speech.clips[index].labels[0]),
            "index": index,
            "level": level_place,
        }


class DrawnVersions(DrawnClips):
    """`NoisyVersions` for training: items are indexed by (clip, seed, samples), and the seed draws the noise level.

    With `every_level` they are indexed by (version, seed, samples): each clip is there once at every level.
    """

    def __init__(self, versions: NoisyVersions, every_level: bool = False) -> None:
        self.versions = versions
        self.every_level = every_level
        self.sizes = [len(versions) if every_level else len(versions.indices)]

    def __len__(self) -> int:
        return self.sizes[0]

    def __getitem__(self, item: Item) -> dict[str, Any]:
        place, seed, _ = item
        if self.every_level:
            return self.versions[place]
        drawn = np.random.default_rng(seed).integers(len(self.versions.wanted))
        return self.versions.version(place, int(drawn))


def version_loader(versions: NoisyVersions, *, num_workers: int = 0) -> DataLoader[dict[str, Any]]:
    """A loader of all versions, in order, 32 in a batch."""
    return Loader(versions, batch_size=32, num_workers=num_workers)
