"""Data loading: random training windows, whole clips, and samplers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Sampler

from auricle.conditions import mean_power
from auricle.data.clip_store import ClipStore
from auricle.data.manifest import Clip, Manifest
from auricle.data.tasks import Task
from auricle.data.threads import mapped
from auricle.data.windows import fit_length, whole_windows
from auricle.data.workers import Loader
from auricle.errors import AuricleError
from auricle.progress import track

Item = tuple[int, int, int]
ClipCondition = Callable[[np.ndarray, Clip, float], np.ndarray]
Augment = Callable[[np.ndarray, int, int], np.ndarray]
OVERLAP_DB = (-10.0, 4.0)
"""Lowest and highest gain of a window that is added to another."""


class DrawnClips(Dataset[dict[str, Any]]):
    """Data set for training, indexed by (clip, seed, samples); `sizes` are the numbers of clips of each data set."""

    sizes: list[int]


class TrainingWindows(DrawnClips):
    """Random windows of the clips of one or several tasks.

    An item is indexed by (clip, seed, samples). All randomness comes from the seed, which `WindowSampler` draws for
    each item of each epoch, so windows differ between workers and epochs, and a resumed run has the same windows. An
    item has `waveform` (samples,), `target` (concatenated labels of all tasks,) and `task`, an index.
    `augment(window, seed, clip)` is applied to every window; with `keep_clean`, `clean` is the window without it. To a
    share `overlap` of the windows, one of another clip is added first, at a level drawn from `OVERLAP_DB`.
    """

    def __init__(
        self,
        data_sets: Sequence[tuple[Task, Manifest, ClipStore]],
        short: str = "pad",
        augment: Augment | None = None,
        keep_clean: bool = False,
        overlap: float = 0.0,
    ) -> None:
        self.short = short
        self.augment = augment
        self.keep_clean = keep_clean
        self.overlap = overlap
        self.stores = [store for _, _, store in data_sets]
        self.sizes = [len(store) for store in self.stores]
        self._firsts = np.cumsum([0, *self.sizes])
        self._targets = side_by_side([task for task, _, _ in data_sets], [manifest for _, manifest, _ in data_sets])

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def __getitem__(self, item: Item) -> dict[str, Any]:
        index, seed, window = item
        task = int(np.searchsorted(self._firsts, index, side="right")) - 1
        local = index - int(self._firsts[task])
        waveform = self._window(task, local, seed, window)
        rng = np.random.default_rng([seed, 2])
        if rng.random() < self.overlap:
            other = self._window(task, int(rng.integers(self.sizes[task])), int(rng.integers(2**62)), window)
            waveform = waveform + other * np.float32(10 ** (rng.uniform(*OVERLAP_DB) / 20))
        found: dict[str, Any] = {"target": self._targets[index], "task": task}
        if self.keep_clean:
            found["clean"] = torch.tensor(waveform)
        if self.augment is not None:
            waveform = self.augment(waveform, seed, index)
        return found | {"waveform": torch.tensor(waveform)}

    def _window(self, task: int, clip: int, seed: int, window: int) -> np.ndarray:
        """A random window `(window,)` of a clip of a task; a shorter clip is lengthened, at a random place."""
        store = self.stores[task]
        room = int(store.lengths[clip]) - window
        draw = int(np.random.default_rng(seed).integers(abs(room) + 1))
        if room >= 0:
            return store.read(clip, draw, window)
        return fit_length(store.read(clip), window, self.short, offset=draw)


class WholeClips(Dataset[dict[str, Any]]):
    """Each clip as consecutive windows of `window` samples, for evaluation.

    An item has `windows` (windows, window), `target` (concatenated labels of all tasks,), `task` and `index`. A
    `condition` is applied to the clip after it was lengthened or cut to whole windows; its arguments are the waveform
    `(time,)`, the `Clip` and the mean power of the clip without padding. With `keep_clean`, `clean` (windows, window)
    are the windows without it. With `for_testing` the item says so, by `test`.
    """

    def __init__(
        self,
        data_sets: Sequence[tuple[Task, Manifest, ClipStore]],
        window: int,
        short: str = "pad",
        condition: ClipCondition | None = None,
        keep_clean: bool = False,
        for_testing: bool = False,
    ) -> None:
        self.keep_clean = keep_clean
        self.for_testing = for_testing
        self.window = window
        self.short = short
        self.condition = condition
        self.stores = [store for _, _, store in data_sets]
        self._firsts = np.cumsum([0, *(len(store) for store in self.stores)])
        self._targets = side_by_side([task for task, _, _ in data_sets], [manifest for _, manifest, _ in data_sets])

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        task = int(np.searchsorted(self._firsts, index, side="right")) - 1
        store, local = self.stores[task], index - int(self._firsts[task])
        clip = store.read(local)
        waveform = whole_windows(clip, self.window, self.short)
        found = {"clean": torch.tensor(waveform).unflatten(0, (-1, self.window))} if self.keep_clean else {}
        if self.condition is not None:
            waveform = self.condition(waveform, store.clips[local], mean_power(clip))
        windows = torch.tensor(waveform).unflatten(0, (-1, self.window))
        found |= {"windows": windows, "target": self._targets[index], "task": task, "index": index}
        return found | {"test": self.for_testing}


def collate_clips(items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """A batch of `WholeClips`: the concatenated `windows` (and `clean`), and `counts`, the number of each clip's."""
    windows = [name for name in ("windows", "clean") if name in items[0]]
    return {
        **{name: torch.cat([item[name] for item in items]) for name in windows},
        "counts": torch.tensor([len(item["windows"]) for item in items]),
        "target": torch.stack([item["target"] for item in items]),
        "task": torch.tensor([item["task"] for item in items]),
        "index": torch.tensor([item["index"] for item in items]),
        "test": torch.tensor([item["test"] for item in items]),
    }


def clip_batches(
    dataset: WholeClips, caption: str = "", *, batch_size: int = 32, progress: bool = False
) -> Iterator[dict[str, torch.Tensor]]:
    """Batches of whole clips, in order, which threads read and corrupt while others are used."""
    items = mapped(dataset.__getitem__, range(len(dataset)))
    firsts = range(0, len(dataset), batch_size)
    for _ in track(firsts, caption, total=len(firsts), show=progress):
        yield collate_clips(list(islice(items, batch_size)))


def clip_loader(
    dataset: WholeClips | ConcatDataset[dict[str, Any]], *, batch_size: int = 32, num_workers: int = 0
) -> DataLoader[dict[str, Any]]:
    """A loader of batches of whole clips, in order."""
    return Loader(dataset, batch_size=batch_size, num_workers=num_workers, collate_fn=collate_clips)


def side_by_side(tasks: Sequence[Task], manifests: Sequence[Manifest]) -> torch.Tensor:
    """Concatenated 0/1 targets `(clips of all manifests, labels of all tasks)`; zeros outside a clip's own task."""
    width = sum(len(task.labels) for task in tasks)
    rows, first = [], 0
    for task, manifest in zip(tasks, manifests, strict=True):
        block = torch.zeros(len(manifest.clips), width)
        encoded = np.stack([task.encode(clip.labels) for clip in manifest.clips])
        block[:, first : first + len(task.labels)] = torch.from_numpy(encoded)
        rows.append(block)
        first += len(task.labels)
    return torch.cat(rows)


def class_of_each(task: Task, manifest: Manifest) -> list[str]:
    """The class of each clip, for balancing; raises `AuricleError` for a multi-label task."""
    if task.multi_label:
        raise AuricleError(
            f"balance=True: clips of {task.name!r} have several labels, so its classes cannot be under-sampled "
            "separately"
        )
    return [clip.labels[0] for clip in manifest.clips]


class WindowSampler(Sampler[Item]):
    """Samples (clip, seed, samples) for `TrainingWindows`; an epoch's items depend on `seed` and the epoch only.

    Each item is from a data set chosen uniformly at random (section 4.2 of the LEAF paper); the clips of a data set are
    used in random order, in repeated passes. `classes` holds the class of each clip of each data set: in every pass as
    many clips of each class are drawn, without replacement, as the rarest class has (section 3.3 of the DEGramNet
    paper); if all clips have the same class, a pass has all clips. An epoch has `n_items` items, by default one pass
    through all data sets.

    Window lengths are uniform between the two of `window`, in samples, and the same for `batch_size` consecutive items.

    With `part`, the number of a process and the number of processes, only the items of that process are given: an equal
    consecutive part of every complete batch, or of the only batch.
    """

    part: tuple[int, int] = (0, 1)

    def __init__(
        self,
        classes: Sequence[Sequence[str]],
        seed: int,
        n_items: int | None = None,
        *,
        window: tuple[int, int],
        batch_size: int = 1,
    ) -> None:
        self.sizes = [len(labels) for labels in classes]
        self.clips = [_by_class(labels) for labels in classes]
        self.seed = seed
        self.n_items = n_items or sum(len(clips) * min(map(len, clips)) for clips in self.clips)
        self.window = window
        self.batch_size = batch_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        if self.part == (0, 1):
            return self.n_items
        return self.n_items // min(self.batch_size, self.n_items) * self._part_of_batch

    @property
    def _part_of_batch(self) -> int:
        """The number of items of one process in a batch."""
        return min(self.batch_size, self.n_items) // self.part[1]

    def __iter__(self) -> Iterator[Item]:
        if self.part == (0, 1):
            yield from self._all_items()
            return
        first = self.part[0] * self._part_of_batch
        own = range(first, first + self._part_of_batch)
        n_complete = self.n_items // min(self.batch_size, self.n_items) * self.batch_size
        for place, item in enumerate(self._all_items()):
            if place < n_complete and place % self.batch_size in own:
                yield item

    def _all_items(self) -> Iterator[Item]:
        rng = np.random.default_rng([self.seed, self.epoch])
        firsts = np.cumsum([0, *self.sizes])
        tasks = rng.integers(len(self.sizes), size=self.n_items)
        seeds = rng.integers(2**62, size=self.n_items)
        orders = [self._endless(rng, clips) for clips in self.clips]
        shortest, longest = self.window
        lengths = rng.integers(shortest, longest, size=-(-self.n_items // self.batch_size), endpoint=True)
        for place, (task, seed) in enumerate(zip(tasks, seeds, strict=True)):
            yield int(firsts[task] + next(orders[task])), int(seed), int(lengths[place // self.batch_size])

    @staticmethod
    def _endless(rng: np.random.Generator, clips: Sequence[np.ndarray]) -> Iterator[int]:
        order = rng.spawn(1)[0]
        choice = order.spawn(1)[0]
        rarest = min(map(len, clips))
        while True:
            chosen = np.concatenate([choice.permutation(of_class)[:rarest] for of_class in clips])
            yield from order.permutation(np.sort(chosen)).tolist()


def _by_class(labels: Sequence[str]) -> list[np.ndarray]:
    """The indices of each class in `labels`."""
    places: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, []).append(place)
    return [np.array(of_class) for of_class in places.values()]


def part_of(loader: DataLoader[Any], process: int, n_processes: int) -> DataLoader[Any]:
    """A loader of the part of each batch of a `training_loader` that is this process's; it shares the sampler.

    Raises `AuricleError` if the batches cannot be shared equally.
    """
    sampler, batch_size = loader.sampler, loader.batch_size or 1
    assert isinstance(sampler, WindowSampler)
    if batch_size % n_processes:
        raise AuricleError(
            f"batch_size={batch_size} cannot be shared equally by {n_processes} processes: give a multiple of "
            f"{n_processes}"
        )
    if len(sampler) < n_processes:
        raise AuricleError(f"{len(sampler)} training clips cannot be shared by {n_processes} processes")
    sampler.part = process, n_processes
    return Loader(
        loader.dataset,
        batch_size=batch_size // n_processes,
        sampler=sampler,
        num_workers=loader.num_workers,
        persistent_workers=loader.num_workers > 0,
    )


def training_loader(
    dataset: DrawnClips,
    *,
    window: tuple[int, int],
    batch_size: int,
    seed: int,
    n_items: int | None = None,
    classes: Sequence[Sequence[str]] | None = None,
    num_workers: int = 0,
) -> DataLoader[dict[str, Any]]:
    """A loader of batches of random windows; `window` is the shortest and the longest length in samples.

    With `classes`, classes are balanced (see `WindowSampler`). An incomplete last batch is dropped unless it is the
    only one.
    """
    classes = classes or [[""] * size for size in dataset.sizes]
    sampler = WindowSampler(classes, seed, n_items, window=window, batch_size=batch_size)
    return Loader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        drop_last=len(sampler) > batch_size,
        persistent_workers=num_workers > 0,
    )
