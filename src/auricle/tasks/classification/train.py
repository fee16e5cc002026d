"""`auricle train classifier`: from labelled recordings to a trained classifier in a run folder."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset

from auricle.conditions import stable_seed
from auricle.config import Augmentation, ClassifierTraining, Teach, TrainClassifier, require, verb
from auricle.data.clip_store import ClipStore
from auricle.data.loading import TrainingWindows, WholeClips, class_of_each, clip_batches, clip_loader
from auricle.data.manifest import Manifest
from auricle.data.reading import data_name, read_data
from auricle.data.splits import Splits, advice, make_splits, without_shared_recordings
from auricle.data.tasks import Task
from auricle.data.threads import mapped
from auricle.data.windows import windows_at_once
from auricle.errors import AuricleError, those_counted
from auricle.files import write_json
from auricle.frontends import Frontend
from auricle.runs.card import Card, model_name
from auricle.runs.clips import clip_table
from auricle.runs.history import TrainingSummary
from auricle.runs.processes import for_this_process
from auricle.runs.provenance import run_digest
from auricle.runs.results import METRICS
from auricle.runs.train import Datasets, TrainingTask, train
from auricle.systems.classifier.distillation import Teacher
from auricle.systems.classifier.system import Classifier, evaluating
from auricle.systems.system import load_as
from auricle.tasks.classification.build import build, usual_window
from auricle.tasks.classification.calibrate import calibrate_trained, too_few
from auricle.tasks.classification.card import classifier_card, listed_options
from auricle.tasks.classification.conditions import (
    training_conditions,
    training_suite,
    validation_conditions,
)
from auricle.tasks.classification.linear_heads import LinearHead, fit_heads, standardisation
from auricle.tasks.classification.measured_on import VALIDATION, MeasuredOn
from auricle.tasks.classification.score import EvaluationSet, Scores, score
from auricle.tasks.classification.score import measure as measured

HIGHEST_DEFAULT_RATE = 16000
VALIDATION_DRAWS = 2  # of a condition for each validation clip
MOVED_WINDOWS, MOST_OF_A_CLIP = 800, 8  # that are embedded under conditions for a head, in all and of one clip
OVERLAP = 0.5
"""Share of the windows in distillation to which another clip is added: the teacher embeds the two as one sound."""
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
    splits: list[Splits]
    validation: list[tuple[Task, Manifest, ClipStore]]
    augmentation: Augmentation
    """The conditions of the training, which a head that is fitted is to withstand."""
    fits_head: bool = False
    """Whether a linear head is fitted to embeddings, in the end from the validation clips too."""
    measured_on: MeasuredOn = VALIDATION
    few: int = 0
    """With so many clips of every label or fewer, none is held out for validation."""
    held_out: LinearHead
    """That head without the validation clips."""
    fitted: LinearHead
    """And with them."""
    embedded: tuple[Tensor, Tensor]
    """The embeddings and targets that it was fitted to, of training and then of validation clips."""
    moved: Tensor | None
    """By how much conditions move embeddings of windows, if the head discounts that."""

    def __init__(self, options: Way) -> None:
        require(options.seed >= 0, f"seed={options.seed}: 0 or more")
        self.options = options
        self.progress = not options.quiet
        self.sources = [options.data] if isinstance(options.data, str) else options.data
        named = [data_name(source) for source in self.sources]
        if len({name for name, _ in named}) < len(named):
            raise AuricleError("two data sets have the same name: give names, as --data one=PATH two=PATH")
        manifests = self.read(path for _, path in named)
        each = [
            make_splits(m, name, options.splits, few=self.few) for (name, _), m in zip(named, manifests, strict=True)
        ]
        self.splits = without_shared_recordings(each)
        if self.progress:
            for manifest in manifests:
                for line in advice(manifest, options.splits):
                    print(f"note: {line}")
            n_shared = sum(len(one.train) - len(other.train) for one, other in zip(each, self.splits, strict=True))
            if n_shared:
                those = those_counted(n_shared, "clip")
                print(f"note: {those} left out of training, as copies of clips put aside elsewhere")

    def read(self, paths: Iterable[str]) -> list[Manifest]:
        """The data sets at `paths`."""
        return [read_data(path, self.options, progress=self.progress) for path in paths]

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

    def inputs(self) -> dict[str, str]:
        if not self.augmentation.conditions:
            return super().inputs()
        return super().inputs() | {"augmentation.conditions": training_suite(self.augmentation, seed=0).digest}

    def clip_table(self) -> str:
        """A head that is fitted learns from all clips but those put aside for testing: all count as training clips."""
        if not self.fits_head:
            return super().clip_table()
        heard = [all_heard(splits) for splits in self.splits]
        return clip_table(heard, *self.starts_from)

    def fit_head(self, system: Classifier, *, discounting: bool = True) -> Tensor:
        """Fit the head to the embeddings of `system`, which is given the one that has not heard the validation clips.

        If `discounting`, directions in which the conditions of `augmentation` move embeddings count for less. Returns
        the embeddings of the training clips `(clips, embedding_dim)`.
        """
        (splits,) = self.splits
        stored = self._stored(system, [splits.train])
        taught = self._embedded(system, stored, "Listening to training clips")
        self.validation = self._stored(system, [splits.valid]) if len(splits.valid) else []
        valid = taught[0][:0], taught[1][:0]
        if self.validation:
            valid = self._embedded(system, self.validation, "Listening to validation clips")
        self.moved = self._moved(system, stored) if discounting else None
        self.embedded = torch.cat([taught[0], valid[0]]), torch.cat([taught[1], valid[1]])
        self.held_out, self.fitted = fit_heads(taught, valid, splits.task.multi_label, self.moved)
        put(self.held_out, system)
        return taught[0]

    @torch.no_grad()
    def _embedded(
        self, system: Classifier, data: Sequence[tuple[Task, Manifest, ClipStore]], caption: str
    ) -> tuple[Tensor, Tensor]:
        """Embeddings `(clips, embedding_dim)`, averaged over each clip's windows, and targets `(clips, labels)`."""
        embeddings, targets = [], []
        with evaluating(system):
            clips = WholeClips(data, system.window, system.short)
            for batch in clip_batches(clips, caption, progress=self.progress):
                moved = {name: value.to(system.device) for name, value in batch.items()}
                embeddings.append(system.clip_embeddings(moved).float().cpu())
                targets.append(batch["target"].float())
        return torch.cat(embeddings), torch.cat(targets)

    @torch.no_grad()
    def _moved(self, system: Classifier, stored: Sequence[tuple[Task, Manifest, ClipStore]]) -> Tensor | None:
        """By how much conditions move embeddings of clips' windows: `(windows, embedding_dim)`; None without any."""
        seed = self.options.seed
        augment = training_conditions(self.augmentation, system.sample_rate, seed, [m for _, m, _ in stored])
        if augment is None:
            return None
        windows = TrainingWindows(stored, system.short, augment, keep_clean=True)
        clips = evenly_drawn(len(windows))
        items = [(clip, stable_seed(seed, "moved", draw), system.window) for draw, clip in enumerate(clips)]
        moves = []
        with evaluating(system):
            found = mapped(windows.__getitem__, items, "Listening under conditions", progress=self.progress)
            while some := list(islice(found, windows_at_once(system.window))):
                noisy, clean = (
                    system.embed(torch.stack([item[name] for item in some]).to(system.device))
                    for name in ("waveform", "clean")
                )
                moves.append((noisy - clean).float().cpu())
        return torch.cat(moves)

    def finish(self, system: Classifier, folder: Path) -> None:
        if self.fits_head:
            put(self.fitted, system)

    def scored(self, system: Classifier) -> list[Scores]:
        """The scores of the validation clips, by a fitted head as it was before it heard them."""
        if self.fits_head:
            put(self.held_out, system)
        scored = [score(system, EvaluationSet(task, m, s)) for task, m, s in self.validation]
        if self.fits_head:
            put(self.fitted, system)
        return scored

    def measure(self, system: Classifier, folder: Path) -> None:
        """Measure and calibrate the classifier."""
        scored = self.scored(system)
        self.metrics = {own.task.name: measured(own) for own in scored if own.clips}
        self.calibration = calibrate_trained(folder, system, scored)
        self.uncalibrated = too_few(scored, self.measured_on)
        if self.progress:
            for line in self.uncalibrated:
                print(f"note: {line}")
        self.skipped = [problem for splits in self.splits for problem in splits.skipped]
        metrics = {task: {name: asdict(v) for name, v in values.items()} for task, values in self.metrics.items()}
        skipped = [f"{problem.name}: {problem.reason}" for problem in self.skipped]
        record = {"split": self.measured_on.split, "run": run_digest(folder), "tasks": metrics, "skipped": skipped}
        write_json(folder / METRICS, record)

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
            measured_on=self.measured_on,
        )


class ClassifierTrainingTask(ClassifierTask[TrainClassifier]):
    """Train a classifier."""

    def __init__(self, options: TrainClassifier) -> None:
        super().__init__(options)
        self.augmentation = options.augmentation
        self.classes = None
        if options.training.balance:
            self.classes = [class_of_each(splits.task, splits.train) for splits in self.splits]
        self.fits_head = options.distill
        require(options.distill or not options.refit_head, "refit_head: it is for distill; give --no-refit-head")
        if options.distill:
            require(options.init_from is not None, "distill: it needs --init-from, the model to learn from")
            require(len(self.splits) == 1, "distill: it takes one data set")
            require(options.head in (None, "linear"), f"distill: its head is linear; leave out --head {options.head}")
            require(not options.training.test_each_epoch, "distill: nothing is tested after each of its epochs")
            heard = options.augmentation
            require(heard.mixup == 0, "distill: mixup mixes labels, which distillation does not use")
            require(not heard.clean_validation, "distill: it is validated under conditions; leave out clean_validation")
            learns = bool(heard.conditions or heard.noise_snr_db)
            require(learns, "distill: nothing is to be learnt without --augmentation.conditions")

    def inputs(self) -> dict[str, str]:
        start = {"init_from": run_digest(self.options.init_from)} if self.options.init_from else {}
        return super().inputs() | start

    def build(self) -> Classifier:
        options = self.options
        chosen = {
            "frontend": named(options.frontend, options.frontend_options, "leaf"),
            "backbone": named(options.backbone, options.backbone_options, "cnn-small"),
            "head": options.head,
            "sample_rate": options.sample_rate,
            "window_s": options.window_s,
            "short": options.short,
            "min_level_db": options.min_level_db,
        }
        if options.distill:
            start = load_as(Classifier, str(options.init_from))
            chosen["head"] = "linear"
            chosen["window_s"] = usual_window(self.splits, start) if options.window_s is None else options.window_s
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

    def fit(self, system: Classifier, folder: Path, own: Path) -> TrainingSummary:
        if not self.options.distill:
            return super().fit(system, folder, own)
        embeddings = self.fit_head(system, discounting=False)
        system.follow(Teacher(copy.deepcopy(system), standardisation(embeddings)[1]))
        summary = super().fit(system, folder, own)
        system.follow(None)
        if self.options.refit_head:
            self.fit_head(system)
        return summary

    def datasets(self, system: Classifier, folder: Path) -> Datasets:
        options = self.options
        stored = self._stored(system, [s.train for s in self.splits])
        heard = [splits.train for splits in self.splits]
        augment = training_conditions(options.augmentation, system.sample_rate, options.seed, heard)
        overlap = OVERLAP if options.distill else 0.0
        windows = TrainingWindows(stored, system.short, augment, keep_clean=options.distill, overlap=overlap)
        self.validation = self._stored(system, [s.valid for s in self.splits])
        loader = clip_loader(self._validation_clips(system), num_workers=options.training.num_workers)
        return Datasets(windows, self.window, loader, self.classes)

    def _validation_clips(self, system: Classifier) -> WholeClips | ConcatDataset[dict[str, Any]]:
        """The validation clips under the conditions of the training; in distillation as they are and under several."""
        options = self.options
        data = (self.validation, system.window, system.short)
        heard = (options.augmentation, system.sample_rate, options.seed)
        valid_clips = [splits.valid for splits in self.splits]
        if not options.distill:
            valid = WholeClips(*data, validation_conditions(*heard, valid_clips))
            if not options.training.test_each_epoch:
                return valid
            tested = [put_aside(splits) for splits in self.splits]
            condition = validation_conditions(*heard, tested, "test")
            stored = self._stored(system, tested)
            test = WholeClips(stored, system.window, system.short, condition, for_testing=True)
            return ConcatDataset([valid, test])
        conditions = [validation_conditions(*heard, valid_clips, draw=draw) for draw in range(VALIDATION_DRAWS)]
        return ConcatDataset([WholeClips(*data, condition, keep_clean=True) for condition in (None, *conditions)])

    def course(self) -> str:
        """The options of optimisation, training and augmentation."""
        options = self.options
        groups = (options.optimization, options.training, options.augmentation)
        optimization, training, augmentation = (listed_options(asdict(group)) for group in groups)
        course = f"Optimisation: {optimization}; {training}; augmentation {augmentation}."
        if options.distill:
            teacher = model_name(str(options.init_from))
            learnt = "front-end and backbone learnt to give the same embedding under conditions"
            head = "linear head was fitted to the embedding"
            if options.refit_head:
                course = (
                    f"With the embedding of {teacher} as the teacher, {learnt}; then a {head} learnt, by "
                    f"{self.fitted.how}. It discounts directions in which conditions move clips. {course}"
                )
            else:
                course = f"A {head} of {teacher} by {self.fitted.how}; then {learnt}. {course}"
        return course


def evenly_drawn(n_clips: int) -> list[int]:
    """The clip of each window that is embedded under conditions: each as often as any other, or some of very many."""
    n_windows = min(MOVED_WINDOWS, MOST_OF_A_CLIP * n_clips)
    return [draw * n_clips // n_windows for draw in range(n_windows)]


def put_aside(splits: Splits) -> Manifest:
    """The test clips; raises `AuricleError` if there are none."""
    if not splits.test:
        raise AuricleError("test_each_epoch: no clips are put aside for testing; give --splits.test-share")
    return splits.test


def all_heard(splits: Splits) -> Splits:
    """The splits with the validation clips among the training clips."""
    return replace(splits, train=splits.train.only((*splits.train, *splits.valid)), valid=splits.valid.only(()))


def named(name: str | None, options: dict[str, Any] | None, default: str) -> dict[str, Any] | None:
    """The config of a front-end or backbone: `name` (or `default`) and options; None if neither is given."""
    if options and "name" in options:
        raise AuricleError(f"name={options['name']}: it is no option; give it as --frontend or --backbone")
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


def put(head: LinearHead, system: Classifier) -> None:
    """Make `head` that of `system`."""
    system.heads.load_state_dict({"weight": head.weight, "bias": head.bias})
