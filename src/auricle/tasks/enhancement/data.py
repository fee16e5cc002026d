"""Noisy speech for training and evaluation: mixed on the fly, or recorded in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from auricle.conditions import Material, active_power, add_noise, stable_seed
from auricle.config import DataOptions
from auricle.data.clip_store import ClipStore
from auricle.data.clips import Clip
from auricle.data.loading import DrawnClips, Item
from auricle.data.manifest import Manifest
from auricle.data.manifest_file import csv_columns, csv_rows
from auricle.data.other_names import placed
from auricle.data.reading import clip_of, read_unlabelled
from auricle.data.rows import BadRow
from auricle.data.tasks import Task
from auricle.data.windows import fit_length
from auricle.errors import AuricleError
from auricle.identity import digest_of
from auricle.runs.clips import clip_digests

TASK = Task("speech", ("speech",), multi_label=True)
NOISY_COLUMN = "noisy"


def read_speech(source: str, options: DataOptions = DataOptions(), *, progress: bool = False) -> Manifest:
    """Read clean speech from a manifest, whose labels are ignored, or from a folder of sound files."""
    return read_unlabelled(source, TASK.labels[0], options, progress=progress)


def noisy_versions(manifest: Manifest) -> list[Clip] | None:
    """The clips' noisy recordings from the manifest's column `noisy`; None without that column."""
    source = Path(manifest.source)
    if not source.is_file() or NOISY_COLUMN not in csv_columns(source):
        return None
    names = _noisy_names(source)
    noisy = []
    for clip in manifest:
        name = names.get(clip.key)
        if not name:
            raise AuricleError(f"{source}: {clip.name} has no noisy version in the column {NOISY_COLUMN!r}")
        whole = clip_of(placed(source, name), name, TASK.labels[0])
        duration_s = min(whole.duration_s, clip.end_s or whole.duration_s) - clip.start_s
        pair = replace(whole, start_s=clip.start_s, end_s=clip.end_s, duration_s=duration_s)
        if abs(pair.duration_s - clip.duration_s) > 1 / clip.sample_rate:
            raise AuricleError(
                f"{source}: {clip.name} lasts {clip.duration_s:g} s and its noisy version {pair.duration_s:g} s"
            )
        noisy.append(pair)
    return noisy


def _noisy_names(source: Path) -> dict[tuple[str, float, float | None], str]:
    """The column `noisy` by the clips' keys; empty cells and rows that are no clips are left out."""
    names: dict[tuple[str, float, float | None], str] = {}
    for row in csv_rows(source, "path", NOISY_COLUMN)[0]:
        try:
            key = row.key()
        except BadRow:
            continue
        if row.group:
            names.setdefault(key, row.group)
    return names


def pairs_digest(clean: Sequence[Clip], noisy: Sequence[Clip]) -> str:
    """SHA-256 of the sounds of recorded pairs, independent of their order, names and folders."""
    return digest_of(sorted(zip(clip_digests(clean), clip_digests(noisy), strict=True)))


class Mixtures(DrawnClips):
    """Random crops of clean speech, each mixed with noise at an SNR drawn from `snr_db`.

    An item is indexed by (clip, seed, samples); all randomness comes from the seed. It has `clean` and `noisy`
    `(samples,)`. The SNR is the ratio of the power of the crop's active parts to the noise's mean power.
    """

    def __init__(self, store: ClipStore, noise: Material, snr_db: tuple[float, float]) -> None:
        self.store = store
        self.noise = noise
        self.snr_db = snr_db
        self.sizes = [len(store)]

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, item: Item) -> dict[str, Any]:
        index, seed, crop = item
        rng = np.random.default_rng(seed)
        clean, _ = _cropped(self.store, index, crop, rng)
        noise = self.noise.draw("noise", 1, crop, self.store.sample_rate, rng)[0]
        noisy = add_noise(clean, noise, rng.uniform(*self.snr_db), active_power(clean, self.store.sample_rate))
        return {"clean": torch.tensor(clean), "noisy": torch.tensor(noisy)}


class Pairs(DrawnClips):
    """Recorded counterpart of `Mixtures`: the same random crops of clean clips and of their noisy versions."""

    def __init__(self, clean: ClipStore, noisy: ClipStore) -> None:
        self.clean = clean
        self.noisy = noisy
        self.sizes = [len(clean)]

    def __len__(self) -> int:
        return len(self.clean)

    def __getitem__(self, item: Item) -> dict[str, Any]:
        index, seed, crop = item
        clean, start = _cropped(self.clean, index, crop, np.random.default_rng(seed))
        noisy = fit_length(self.noisy.read(index, start, crop), crop)
        return {"clean": torch.tensor(clean), "noisy": torch.tensor(noisy)}


def _cropped(store: ClipStore, index: int, crop: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A random crop of `crop` samples and its start; shorter clips are zero-padded."""
    start = int(rng.integers(max(0, int(store.lengths[index]) - crop) + 1))
    return fit_length(store.read(index, start, crop), crop), start


def fixed_loader(
    dataset: Mixtures | Pairs, clips: Sequence[Clip], *, crop: int, batch_size: int
) -> DataLoader[dict[str, Any]]:
    """Loader for validation: each clip once, with a crop, noise and SNR determined by its name."""
    items = [(index, stable_seed("validation", clip.name), crop) for index, clip in enumerate(clips)]
    return DataLoader(dataset, batch_size=batch_size, sampler=items)
