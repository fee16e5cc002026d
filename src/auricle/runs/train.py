"""Training a system and saving it in a run folder; each task implements `TrainingTask`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar

from torch.utils.data import DataLoader

from auricle.config import RunOptions, TrainOptions
from auricle.data.clip_store import ClipStore
from auricle.data.clips import Clip
from auricle.data.loading import DrawnClips, training_loader
from auricle.data.reading import refuse_unusable
from auricle.data.splits import Splits
from auricle.files import write_json
from auricle.progress import first_process
from auricle.runs.card import Card, write_card
from auricle.runs.clips import clip_table, write_clips
from auricle.runs.folder import FINISHED, discard_checkpoints, open_run
from auricle.runs.history import TrainingSummary
from auricle.runs.provenance import provenance
from auricle.systems.system import System

S = TypeVar("S", bound=System)
RunKind = TypeVar("RunKind", bound=RunOptions)

SCHEMA = 1
MEMORY_BYTES = 2**30  # for the waveforms of all clips together


def fit(system: System, *arguments: Any, **options: Any) -> TrainingSummary:
    """`auricle.runs.fit.fit`, imported when it is called: heads need no Lightning, whose import takes seconds."""
    from auricle.runs.fit import fit as by_epochs

    return by_epochs(system, *arguments, **options)


@dataclass(frozen=True)
class Datasets:
    """The data of a training.

    `train` gives random windows of lengths between the two of `window`, in samples. With `classes`, the class of each
    training clip of each data set, classes are balanced.
    """

    train: DrawnClips
    window: tuple[int, int]
    validation: DataLoader[dict[str, Any]]
    classes: Sequence[Sequence[str]] | None = None


class TrainingTask(ABC, Generic[S, RunKind]):
    """A task's own steps of a training: its clips and splits, system, data sets and model card."""

    options: RunKind
    splits: Sequence[Splits]

    @property
    def starts_from(self) -> tuple[str, ...]:
        """The runs whose weights it starts from or uses: what they were trained on, this one was trained on."""
        run = getattr(self.options, "init_from", None)
        return (run,) if run else ()

    def clip_table(self) -> str:
        """What clips.csv holds."""
        return clip_table(self.splits, *self.starts_from)

    @abstractmethod
    def build(self) -> S:
        """Build the system before training."""

    def datasets(self, system: S, folder: Path) -> Datasets:
        """Training and validation data for `system`; files that describe them are written to `folder`."""
        raise NotImplementedError

    def fit(self, system: S, folder: Path, own: Path) -> TrainingSummary:
        """Train `system` as this process's part of the training in `folder`; files about the data go to `own`."""
        options = self.options
        assert isinstance(options, TrainOptions)
        training, data = options.training, self.datasets(system, own)

        def batches(n_steps: int | None) -> DataLoader[Any]:
            return training_loader(
                data.train,
                window=data.window,
                batch_size=training.batch_size,
                seed=options.seed,
                n_items=n_steps and n_steps * training.batch_size,
                classes=data.classes,
                num_workers=training.num_workers,
            )

        train = batches(training.steps_per_epoch)
        epochs, n_steps = training.length(len(train))
        if n_steps < len(train):
            train = batches(n_steps)
        training = replace(training, epochs=epochs)
        return fit(system, train, data.validation, folder, training, progress=not options.quiet)

    @abstractmethod
    def facts(self, system: S, folder: Path) -> Card:
        """The content of the model card; called after the trained system was saved in `folder`."""

    def inputs(self) -> dict[str, str]:
        """Digests of the models and recordings that the training uses besides its clips, by option."""
        return {}

    def finish(self, system: S, folder: Path) -> None:
        """Complete the trained system before it is saved."""

    def measure(self, system: S, folder: Path) -> None:
        """Measure the trained system after it was saved in `folder`."""

    def store(self, clips: Sequence[Clip], sample_rate: int, share: int = 2) -> ClipStore:
        """A store of the clips' waveforms at `sample_rate` Hz, limited to 1/`share` of the memory for all clips."""
        cache = self.options.training.cache_dir if isinstance(self.options, TrainOptions) else None
        return ClipStore(
            clips,
            sample_rate,
            memory_bytes=MEMORY_BYTES // share,
            cache_dir=cache,
            refuse_bad_samples=True,
            progress=not self.options.quiet,
        )


def train(task: TrainingTask[Any, Any]) -> Path:
    """Train the task's system in a run folder, or resume its training there; returns the folder."""
    system = task.build()
    with open_run(task.options, task.inputs()) as folder:
        if first_process():
            train_in(folder, task, system)
        elif not (folder / FINISHED).exists():
            with TemporaryDirectory() as own:
                task.fit(system, folder, Path(own))
    return folder


def train_in(folder: Path, task: TrainingTask[S, Any], system: S) -> None:
    """Train `system`, save it in `folder` with its model card, and write run.json.

    An interrupted training in `folder` is resumed after its last finished epoch. A finished one is only tidied up.
    """
    if (folder / FINISHED).exists():
        discard_checkpoints(folder)
        return
    started = time.time()
    folder.mkdir(parents=True, exist_ok=True)
    refuse_unusable([clip for splits in task.splits for clip in splits.test or ()], progress=not task.options.quiet)
    write_clips(folder, task.clip_table())
    course = task.fit(system, folder, folder)
    task.finish(system, folder)
    system.save(folder)
    task.measure(system, folder)
    record = run_record(system.name, task.options, course, time.time() - started)
    write_card(folder, task.facts(system, folder), record, task.splits)
    write_json(folder / FINISHED, record)
    discard_checkpoints(folder)


def run_record(
    system: str, options: RunOptions, course: TrainingSummary, seconds: float, **extra: Any
) -> dict[str, Any]:
    """The content of run.json: schema, system, seed, training summary and provenance."""
    return {
        "schema": SCHEMA,
        "system": system,
        "seed": options.seed,
        **asdict(course),
        "seconds_of_last_session": round(seconds, 1),
        **extra,
        **provenance(),
    }
