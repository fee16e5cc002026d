"""`auricle train classifier`: from labelled recordings to a trained classifier in a run folder."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch.utils.data import ConcatDataset

from auricle.config import ClassifierTraining, TrainClassifier, require, verb
from auricle.data.loading import TrainingWindows, WholeClips, class_of_each, clip_loader
from auricle.data.manifest import Manifest
from auricle.data.splits import Splits
from auricle.errors import AuricleError
from auricle.runs.card import model_name
from auricle.runs.history import TrainingSummary
from auricle.runs.processes import for_this_process
from auricle.runs.provenance import run_digest
from auricle.runs.train import Datasets, train
from auricle.systems.classifier.distillation import Teacher
from auricle.systems.classifier.system import Classifier
from auricle.systems.system import load_as
from auricle.tasks.classification.build import build, heard_answers, initial_answers, taught_pooling, usual_window
from auricle.tasks.classification.card import listed_options
from auricle.tasks.classification.conditions import training_conditions, validation_conditions
from auricle.tasks.classification.linear_heads import standardisation
from auricle.tasks.classification.training_task import ClassifierTask

HIGHEST_DEFAULT_RATE = 16000
VALIDATION_DRAWS = 2  # of a condition for each validation clip
OVERLAP = 0.5
"""Share of the windows in distillation to which another clip is added: the teacher embeds the two as one sound."""


@verb
def train_classifier(options: TrainClassifier) -> Path:
    """Train a classifier; returns the run folder."""
    return train(ClassifierTrainingTask(for_this_process(options)))


class ClassifierTrainingTask(ClassifierTask[TrainClassifier]):
    """Train a classifier."""

    def __init__(self, options: TrainClassifier) -> None:
        super().__init__(options)
        self.augmentation = options.augmentation
        self.classes = None
        if options.training.balance:
            self.classes = [class_of_each(splits.task, splits.train) for splits in self.splits]
        self.fits_head = options.distill
        require(options.distill or options.answers is None, "answers: it is for distill")
        require(
            options.init_from is not None or options.pooling is None,
            "pooling: it is for --init-from; give --backbone-options.pooling",
        )
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
        start = load_as(Classifier, options.init_from) if options.init_from else None
        pooling: str | None = options.pooling
        answers = heard_answers(start) if start is not None and options.head in (None, "linear") else None
        if options.distill:
            assert start is not None
            if options.refit_head and pooling is None:
                pooling = taught_pooling(start)
            answers = initial_answers(start, self.tasks, options.answers, in_noise=True)
            chosen["head"] = "linear"
            chosen["window_s"] = usual_window(self.splits, start) if options.window_s is None else options.window_s
        model = build(
            self.tasks,
            chosen={name: value for name, value in chosen.items() if value is not None},
            sample_rate=usual_rate(self.splits),
            seed=options.seed,
            augmentation=options.augmentation,
            optimization=options.optimization,
            start=start,
            pooling=pooling,
            answers=answers,
            frozen=options.freeze,
        )
        self.window = window_range(options.training, model)
        self.initial = copy.deepcopy(model.frontend)
        return model

    def fit(self, system: Classifier, folder: Path, own: Path) -> TrainingSummary:
        if not self.options.distill:
            return super().fit(system, folder, own)
        # A head that is fitted anew adapts to what becomes of all but the last features.
        refits = self.options.refit_head
        kept = system.backbone.embedding_parts[: 1 if refits else None]
        parts = system.heard_parts if self.options.answers and not refits else kept
        heard = self.fit_head(system, parts, discounting=False)
        system.follow(Teacher(copy.deepcopy(system), standardisation(heard[:, : sum(kept)])[1]))
        summary = super().fit(system, folder, own)
        system.follow(None)
        if refits:
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

    def course(self, system: Classifier) -> str:
        """The options of optimisation, training and augmentation."""
        options = self.options
        groups = (options.optimization, options.training, options.augmentation)
        optimization, training, augmentation = (listed_options(asdict(group)) for group in groups)
        course = f"Optimisation: {optimization}; {training}; augmentation {augmentation}."
        if options.distill:
            teacher = model_name(str(options.init_from))
            learnt = "front-end and backbone learnt to give the same embedding under conditions"
            head, how = "linear head was fitted to the embedding", f"by {self.fitted.how}"
            others = self.besides(system)
            if options.refit_head:
                course = (
                    f"With the embedding of {teacher} as the teacher, {learnt}; then a {head} learnt{others}, {how}. "
                    f"It discounts directions in which conditions move clips. {course}"
                )
            else:
                course = f"A {head} of {teacher}{others}, {how}; then {learnt}. {course}"
        return course


def put_aside(splits: Splits) -> Manifest:
    """The test clips; raises `AuricleError` if there are none."""
    if not splits.test:
        raise AuricleError("test_each_epoch: no clips are put aside for testing; give --splits.test-share")
    return splits.test


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
