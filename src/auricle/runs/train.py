"""The one way to train and keep a system: a task supplies what is its own, everything else stands here."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch.utils.data import DataLoader

from auricle.config import RunOptions
from auricle.data.clips import Clip
from auricle.data.loading import ClipStore, DrawnClips, training_loader
from auricle.data.splits import Splits
from auricle.files import write_json
from auricle.runs.card import Card, write_card
from auricle.runs.clips import clip_table, remember_clips
from auricle.runs.fit import Course, discard_checkpoints, fit
from auricle.runs.folder import FINISHED, open_run
from auricle.runs.provenance import provenance
from auricle.systems.system import System

S = TypeVar("S", bound=System)
TrainOptions = TypeVar("TrainOptions", bound=RunOptions)

SCHEMA = 1
MEMORY_BYTES = 2**30  # for the waveforms of all clips together


@dataclass(frozen=True)
class Datasets:
    """What a training reads.

    `train` gives random windows from the shortest to the longest of `window`, in samples. With `classes`, the class of
    each training clip of each data set, classes are balanced.
    """

    train: DrawnClips
    window: tuple[int, int]
    validation: DataLoader[dict[str, Any]]
    classes: Sequence[Sequence[str]] | None = None


class TrainingTask(ABC, Generic[S, TrainOptions]):
    """A task's share of a training: which clips, which system, how they become batches, and what the card says."""

    options: TrainOptions
    splits: Sequence[Splits]

    @property
    def starts_from(self) -> str | None:
        """The run whose weights it starts from, if any: what that has heard, this one has heard."""
        return None

    def clip_table(self) -> str:
        """What clips.csv holds."""
        return clip_table(self.splits, self.starts_from)

    @abstractmethod
    def build(self) -> S:
        """The system, before training."""

    @abstractmethod
    def datasets(self, system: S, folder: Path) -> Datasets:
        """What `system` learns from and is validated on; files that describe it go to `folder`."""

    @abstractmethod
    def facts(self, system: S, folder: Path) -> Card:
        """What the model card says of this system; called when it is trained and saved in `folder`."""

    def inputs(self) -> dict[str, str]:
        """Digests of the models that the training starts from or uses, by option."""
        return {}

    def finish(self, system: S, folder: Path) -> None:
        """What is done with the trained system before it is saved."""

    def measure(self, system: S, folder: Path) -> None:
        """What is measured of the system that is saved in `folder`."""

    def store(self, clips: Sequence[Clip], sample_rate: int, share: int = 2) -> ClipStore:
        """The clips' waveforms at `sample_rate` Hz, in one `share`-th of the memory that all clips may take."""
        cache, progress = self.options.training.cache_dir, not self.options.quiet
        return ClipStore(clips, sample_rate, memory_bytes=MEMORY_BYTES // share, cache_dir=cache, progress=progress)


def train(task: TrainingTask[Any, Any]) -> Path:
    """Train and save the task's system in a run folder, new or interrupted; the folder."""
    system = task.build()
    folder = open_run(task.options, task.inputs())
    train_in(folder, task, system)
    return folder


def train_in(folder: Path, task: TrainingTask[S, Any], system: S) -> dict[str, Any]:
    """Train `system` in a folder that is there, save it with its card, and write run.json; what that holds.

    A training that was interrupted there goes on from its last finished epoch.
    """
    options, training = task.options, task.options.training
    started = time.time()
    folder.mkdir(parents=True, exist_ok=True)
    remember_clips(folder, task.clip_table())
    data = task.datasets(system, folder)
    course = fit(
        system,
        training_loader(
            data.train,
            window=data.window,
            batch_size=training.batch_size,
            seed=options.seed,
            n_items=(training.steps_per_epoch or 0) * training.batch_size or None,
            classes=data.classes,
            num_workers=training.num_workers,
        ),
        data.validation,
        folder,
        training,
        progress=not options.quiet,
    )
    task.finish(system, folder)
    system.save(folder)
    task.measure(system, folder)
    record = run_record(system.name, options, course, time.time() - started)
    write_card(folder, task.facts(system, folder), record, task.splits)
    write_json(folder / FINISHED, record)
    discard_checkpoints(folder)
    return record


def run_record(system: str, options: RunOptions, course: Course, seconds: float, **extra: Any) -> dict[str, Any]:
    """What run.json holds: schema, system, seed, how the training went, and its provenance."""
    return {
        "schema": SCHEMA,
        "system": system,
        "seed": options.seed,
        **asdict(course),
        "seconds_of_last_session": round(seconds, 1),
        **extra,
        **provenance(),
    }
