"""Clips as the network sees them: resampled, cached where that pays, cut at random for training."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from auricle import audio
from auricle.conditions import mean_power
from auricle.data.manifest import Clip, Manifest
from auricle.data.tasks import Task
from auricle.data.windows import fit_length, whole_windows
from auricle.progress import track

Item = tuple[int, int]
Condition = Callable[[np.ndarray, Clip, float], np.ndarray]
Augment = Callable[[np.ndarray, int], np.ndarray]


class ClipStore:
    """The clips' waveforms at one rate: `store.read(i, start, n_samples)` in samples of that rate.

    Decoding and resampling every epoch is slow, so clips that fit into `memory_bytes` together are decoded once and
    kept; with `cache_dir` they are kept in one file there instead, of any size, under a name made of the clips' paths,
    sizes, dates and the rate, and found again by the next run. Otherwise only the part asked for is read each time.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        sample_rate: int,
        *,
        memory_bytes: int = 2**30,
        cache_dir: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        self.clips = tuple(clips)
        self.sample_rate = sample_rate
        self.lengths = np.array([self._length(clip) for clip in self.clips], dtype=np.int64)
        self._ends = np.cumsum(self.lengths)
        self._samples: np.ndarray | None = None
        n_bytes = 4 * int(self.lengths.sum())
        if cache_dir is not None:
            self._samples = self._from_file(Path(cache_dir), progress)
        elif n_bytes <= memory_bytes:
            self._samples = np.empty(int(self.lengths.sum()), dtype=np.float32)
            self._fill(self._samples, progress)

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def cached(self) -> bool:
        """Whether all clips are decoded already."""
        return self._samples is not None

    def read(self, index: int, start: int = 0, n_samples: int | None = None) -> np.ndarray:
        """Float32 `(time,)`: samples `start` to `start + n_samples` of a clip, or to its end."""
        stop = self.lengths[index] if n_samples is None else min(start + n_samples, self.lengths[index])
        if self._samples is None:
            return self._decode(index, start, int(stop))
        base = self._ends[index] - self.lengths[index]
        return self._samples[base + start : base + stop]

    def _length(self, clip: Clip) -> int:
        return max(1, int(np.ceil(round(clip.duration_s * clip.sample_rate) * self.sample_rate / clip.sample_rate)))

    def _decode(self, index: int, start: int, stop: int) -> np.ndarray:
        clip = self.clips[index]
        end_s = min(clip.start_s + stop / self.sample_rate, clip.start_s + clip.duration_s)
        waveform, _ = audio.read(
            clip.path, sample_rate=self.sample_rate, start_s=clip.start_s + start / self.sample_rate, end_s=end_s
        )
        return fit_length(waveform[: stop - start], stop - start)

    def _fill(self, samples: np.ndarray, progress: bool) -> None:
        def decode(index: int) -> None:
            stop = int(self.lengths[index])
            samples[self._ends[index] - stop : self._ends[index]] = self._decode(index, 0, stop)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            done = pool.map(decode, range(len(self.clips)))
            for _ in track(done, "Reading clips", total=len(self.clips), show=progress):
                pass

    def _from_file(self, folder: Path, progress: bool) -> np.ndarray:
        digest = hashlib.sha256(str(self.sample_rate).encode())
        for clip in self.clips:
            stat = clip.path.stat()
            digest.update(repr((str(clip.path.resolve()), stat.st_size, stat.st_mtime_ns, clip.start_s)).encode())
            digest.update(repr(clip.duration_s).encode())
        path = folder / f"clips-{digest.hexdigest()[:16]}.npy"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}.partial")
            samples = np.lib.format.open_memmap(partial, "w+", np.float32, (int(self.lengths.sum()),))
            self._fill(samples, progress)
            samples.flush()
            partial.rename(path)
        return np.load(path, mmap_mode="r")


class TrainingWindows(Dataset[dict[str, Any]]):
    """Random windows of `window` samples of the clips of one or several tasks.

    An item is asked for as (index, seed): all randomness comes from the seed, which `WindowSampler` makes anew for
    every epoch and place, so windows differ between workers and epochs and a resumed run sees what it would have seen.
    Gives `waveform` (window,), `target` (labels of all tasks side by side,) and `task`, an index. `augment`, of a
    window and its seed, is applied to every window.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Task, Manifest, ClipStore]],
        window: int,
        short: str = "pad",
        augment: Augment | None = None,
    ) -> None:
        self.window = window
        self.short = short
        self.augment = augment
        self.stores = [store for _, _, store in parts]
        self.sizes = [len(store) for store in self.stores]
        self._firsts = np.cumsum([0, *self.sizes])
        self._targets = side_by_side([task for task, _, _ in parts], [manifest for _, manifest, _ in parts])

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def __getitem__(self, item: Item) -> dict[str, Any]:
        index, seed = item
        task = int(np.searchsorted(self._firsts, index, side="right")) - 1
        store, local = self.stores[task], index - int(self._firsts[task])
        room = int(store.lengths[local]) - self.window
        draw = int(np.random.default_rng(seed).integers(abs(room) + 1))
        if room >= 0:
            waveform = store.read(local, draw, self.window)
        else:
            waveform = fit_length(store.read(local), self.window, self.short, offset=draw)
        if self.augment is not None:
            waveform = self.augment(waveform, seed)
        return {"waveform": torch.tensor(waveform), "target": self._targets[index], "task": task}


class WholeClips(Dataset[dict[str, Any]]):
    """Each clip as consecutive windows of `window` samples, for measuring.

    Gives `windows` (windows, window), `target` (labels of all tasks side by side,), `task` and `index`. A `condition`
    is applied to the whole clip after it has been lengthened or cut to whole windows: it gets the waveform `(time,)`,
    the `Clip` and the mean power of the clip without padding.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Task, Manifest, ClipStore]],
        window: int,
        short: str = "pad",
        condition: Condition | None = None,
    ) -> None:
        self.window = window
        self.short = short
        self.condition = condition
        self.stores = [store for _, _, store in parts]
        self._firsts = np.cumsum([0, *(len(store) for store in self.stores)])
        self._targets = side_by_side([task for task, _, _ in parts], [manifest for _, manifest, _ in parts])

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        task = int(np.searchsorted(self._firsts, index, side="right")) - 1
        store, local = self.stores[task], index - int(self._firsts[task])
        clip = store.read(local)
        waveform = whole_windows(clip, self.window, self.short)
        if self.condition is not None:
            waveform = self.condition(waveform, store.clips[local], mean_power(clip))
        windows = torch.tensor(waveform).unflatten(0, (-1, self.window))
        return {"windows": windows, "target": self._targets[index], "task": task, "index": index}


def collate_clips(items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """A batch of `WholeClips`: all `windows` one after another, and `counts`, how many are each clip's."""
    return {
        "windows": torch.cat([item["windows"] for item in items]),
        "counts": torch.tensor([len(item["windows"]) for item in items]),
        "target": torch.stack([item["target"] for item in items]),
        "task": torch.tensor([item["task"] for item in items]),
        "index": torch.tensor([item["index"] for item in items]),
    }


def clip_loader(dataset: WholeClips, *, batch_size: int = 32, num_workers: int = 0) -> DataLoader[dict[str, Any]]:
    """Batches of whole clips, in order."""
    return DataLoader(dataset, batch_size=batch_size, num_workers=num_workers, collate_fn=collate_clips)


def side_by_side(tasks: Sequence[Task], manifests: Sequence[Manifest]) -> torch.Tensor:
    """0/1 targets `(clips of all manifests, labels of all tasks)`; a clip has zeros outside its own task."""
    width = sum(len(task.labels) for task in tasks)
    rows, first = [], 0
    for task, manifest in zip(tasks, manifests, strict=True):
        block = torch.zeros(len(manifest.clips), width)
        encoded = np.stack([task.encode(clip.labels) for clip in manifest.clips])
        block[:, first : first + len(task.labels)] = torch.from_numpy(encoded)
        rows.append(block)
        first += len(task.labels)
    return torch.cat(rows)


class WindowSampler(Sampler[Item]):
    """(index, seed) pairs for `TrainingWindows`, drawn anew each epoch from `seed` and the epoch alone.

    Places of an epoch are given to data sets uniformly at random (section 4.2 of the LEAF paper); each data set goes
    through its clips in random order, again from the start when it has been through. An epoch has `n_items` places, by
    default as many as there are clips.
    """

    def __init__(self, sizes: Sequence[int], seed: int, n_items: int | None = None) -> None:
        self.sizes = list(sizes)
        self.seed = seed
        self.n_items = n_items or sum(self.sizes)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_items

    def __iter__(self) -> Iterator[Item]:
        rng = np.random.default_rng([self.seed, self.epoch])
        firsts = np.cumsum([0, *self.sizes])
        tasks = rng.integers(len(self.sizes), size=self.n_items)
        seeds = rng.integers(2**62, size=self.n_items)
        orders = [self._endless(rng, size) for size in self.sizes]
        for task, seed in zip(tasks, seeds, strict=True):
            yield int(firsts[task] + next(orders[task])), int(seed)

    @staticmethod
    def _endless(rng: np.random.Generator, size: int) -> Iterator[int]:
        child = rng.spawn(1)[0]
        while True:
            yield from child.permutation(size).tolist()


def training_loader(
    dataset: TrainingWindows, *, batch_size: int, seed: int, n_items: int | None = None, num_workers: int = 0
) -> DataLoader[dict[str, Any]]:
    """Batches of random windows; the last one, if it is not full, is left out unless it is the only one."""
    sampler = WindowSampler(dataset.sizes, seed, n_items)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        drop_last=len(sampler) > batch_size,
        persistent_workers=num_workers > 0,
    )
