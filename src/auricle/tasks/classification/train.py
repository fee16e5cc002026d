"""`auricle train classifier`: from labelled recordings to a trained classifier in a run folder."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from auricle.config import ClassifierTraining, Teach, TrainClassifier, require, verb
from auricle.data.clip_store import ClipStore
from auricle.data.loading import TrainingWindows, WholeClips, class_of_each, clip_loader
from auricle.data.manifest import Manifest
from auricle.data.reading import data_name, read_data
from auricle.data.splits import Splits, advice, make_splits, without_shared_recordings
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.files import write_json
from auricle.frontends import Frontend
from auricle.runs.card import Card
from auricle.runs.processes import for_this_process
from auricle.runs.provenance import run_digest
from auricle.runs.train import Datasets, TrainingTask, train
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.build import build
from auricle.tasks.classification.calibrate import calibrate_trained, too_few
from auricle.tasks.classification.card import classifier_card, listed_options
from auricle.tasks.classification.conditions import training_conditions, training_suite
from auricle.tasks.classification.score import EvaluationSet, score
from auricle.tasks.classification.score import measure as measured

HIGHEST_DEFAULT_RATE = 16000
Way = TypeVar("Way", TrainClassifier, Teach)


@verb
def train_classifier(options: TrainClassifier) -> Path:
    """Train a classifier; returns the run folder."""
    return train(ClassifierTrainingTask(for_this_process(options)))


class ClassifierTask(TrainingTask[Classifier, Way]):
    """What training and teaching a classifier share: its clips, its measurement and its model card.

    On one data set, or on several with a head for each.
    """

    initial: Frontend
    """The front-end before training."""
    validation: list[tuple[Task, Manifest, ClipStore]]

    def __init__(self, options: Way) -> None:
        require(options.seed >= 0, f"seed={options.seed}: 0 or more")
        self.options = options
        self.progress = not options.quiet
        self.sources = [options.data] if isinstance(options.data, str) else options.data
        named = [data_name(source) for source in self.sources]
        if len({name for name, _ in named}) < len(named):
            raise AuricleError("two data sets have the same name: give names, as --data one=PATH two=PATH")
        manifests = [read_data(path, options, progress=self.progress) for _, path in named]
        each = [make_splits(m, name, options.splits) for (name, _), m in zip(named, manifests, strict=True)]
        self.splits = without_shared_recordings(each)
        if self.progress:
            for manifest in manifests:
                for line in advice(manifest, options.splits):
                    print(f"note: {line}")
            n_shared = sum(len(one.train) - len(other.train) for one, other in zip(each, self.splits, strict=True))
            if n_shared:
                print(f"note: {n_shared} clips are left out of training: they are copies of clips put aside elsewhere")

    @property
    def tasks(self) -> list[Task]:
        return [splits.task for splits in self.splits]

    @abstractmethod
    def course(self) -> str:
        """How the classifier was trained, a line of its model card."""

    def _stored(self, system: Classifier, manifests: Sequence[Manifest]) -> list[tuple[Task, Manifest, ClipStore]]:
        share = 2 * len(self.splits)
        stores = [self.store(manifest.clips, system.sample_rate, share) for manifest in manifests]
        return list(zip(self.tasks, manifests, stores, strict=True))

    def measure(self, system: Classifier, folder: Path) -> None:
        scored = [score(system, EvaluationSet(task, m, s)) for task, m, s in self.validation]
        self.metrics = {own.task.name: measured(own) for own in scored}
        self.calibration = calibrate_trained(folder, system, scored)
        self.uncalibrated = too_few(scored)
        if self.progress:
            for line in self.uncalibrated:
                print(f"note: {line}")
        self.skipped = [problem for splits in self.splits for problem in splits.skipped]
        metrics = {task: {name: asdict(v) for name, v in values.items()} for task, values in self.metrics.items()}
        skipped = [f"{problem.name}: {problem.reason}" for problem in self.skipped]
        write_json(folder / "metrics.json", {"split": "valid", "tasks": metrics, "skipped": skipped})

    def facts(self, system: Classifier, folder: Path) -> Card:
        return classifier_card(
            system,
            folder,
            self.initial,
            self.metrics,
            self.skipped,
            self.calibration,
            self.uncalibrated,
            sources=self.sources,
            starts_from=self.starts_from,
            course=self.course(),
        )


class ClassifierTrainingTask(ClassifierTask[TrainClassifier]):
    """Train a classifier."""

    def __init__(self, options: TrainClassifier) -> None:
        super().__init__(options)
        self.classes = None
        if options.training.balance:
            self.classes = [class_of_each(splits.task, splits.train) for splits in self.splits]

    def inputs(self) -> dict[str, str]:
        options = self.options
        found = {"init_from": run_digest(options.init_from)} if options.init_from else {}
        if options.augmentation.conditions:
            found["augmentation.material"] = training_suite(options.augmentation, options.seed).digest
        return found

    def build(self) -> Classifier:
        options = self.options
        chosen = {
            "frontend": named(options.frontend, options.frontend_options, "leaf"),
            "backbone": named(options.backbone, options.backbone_options, "cnn-small"),
            "head": options.head,
            "sample_rate": options.sample_rate,
            "window_s": options.window_s,
            "short": options.short,
        }
        model = build(
            self.tasks,
            chosen={name: value for name, value in chosen.items() if value is not None},
            sample_rate=usual_rate(self.splits),
            seed=options.seed,
            augmentation=options.augmentation,
            optimization=options.optimization,
            init_from=options.init_from,
            frozen=options.freeze,
        )
        self.window = window_range(options.training, model)
        self.initial = copy.deepcopy(model.frontend)
        return model

    def datasets(self, system: Classifier, folder: Path) -> Datasets:
        augment = training_conditions(self.options.augmentation, system.sample_rate, self.options.seed)
        windows = TrainingWindows(self._stored(system, [s.train for s in self.splits]), system.short, augment)
        self.validation = self._stored(system, [s.valid for s in self.splits])
        whole = WholeClips(self.validation, system.window, system.short)
        loader = clip_loader(whole, num_workers=self.options.training.num_workers)
        return Datasets(windows, self.window, loader, self.classes)

    def course(self) -> str:
        """The options of optimisation, training and augmentation."""
        options = self.options
        groups = (options.optimization, options.training, options.augmentation)
        optimization, training, augmentation = (listed_options(asdict(group)) for group in groups)
        return f"Optimisation: {optimization}; {training}; augmentation {augmentation}."


def named(name: str | None, options: dict[str, Any] | None, default: str) -> dict[str, Any] | None:
    """The config of a front-end or backbone: `name` (or `default`) and options; None if neither is given."""
    return {"name": name or default, **(options or {})} if name or options else None


def usual_rate(data_sets: Sequence[Splits]) -> int:
    """The training clips' most common sample rate in Hz, at most 16,000."""
    rates = Counter(clip.sample_rate for splits in data_sets for clip in splits.train)
    return min(rates.most_common(1)[0][0], HIGHEST_DEFAULT_RATE)


def window_range(training: ClassifierTraining, model: Classifier) -> tuple[int, int]:
    """The shortest and the longest training window in samples."""
    if not training.window_range_s:
        return model.window, model.window
    shortest, longest = (round(seconds * model.sample_rate) for seconds in training.window_range_s)
    require(shortest > 0, f"window_range_s={training.window_range_s}: less than a sample at {model.sample_rate} Hz")
    return shortest, longest
