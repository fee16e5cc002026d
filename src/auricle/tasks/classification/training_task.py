"""What `auricle train classifier` and `auricle teach` share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.conditions import stable_seed
from auricle.config import Augmentation, Teach, TrainClassifier, require
from auricle.data.clip_store import ClipStore
from auricle.data.loading import ClipCondition, TrainingWindows, WholeClips, clip_batches
from auricle.data.manifest import Manifest
from auricle.data.reading import data_name, read_data
from auricle.data.splits import Splits, advice, make_splits, without_shared_recordings
from auricle.data.tasks import Task
from auricle.data.threads import mapped
from auricle.data.windows import windows_at_once
from auricle.errors import AuricleError, those_counted
from auricle.files import write_json
from auricle.frontends import Frontend
from auricle.runs.card import Card
from auricle.runs.clips import clip_table
from auricle.runs.provenance import run_digest
from auricle.runs.results import METRICS
from auricle.runs.train import TrainingTask
from auricle.systems.classifier.heads import AnswersHead
from auricle.systems.classifier.system import Classifier, evaluating
from auricle.tasks.classification.calibrate import calibrate_trained, too_few
from auricle.tasks.classification.card import classifier_card
from auricle.tasks.classification.conditions import training_conditions, training_suite
from auricle.tasks.classification.linear_heads import LinearHead, fit_heads
from auricle.tasks.classification.measured_on import VALIDATION, MeasuredOn
from auricle.tasks.classification.score import EvaluationSet, Scores, score
from auricle.tasks.classification.score import measure as measured

MOVED_WINDOWS, MOST_OF_A_CLIP = 800, 8  # that are embedded under conditions for a head, in all and of one clip
Way = TypeVar("Way", TrainClassifier, Teach)


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
    heard: tuple[Tensor, Tensor]
    """What it was fitted to, and targets, of training and then of validation clips."""
    moved: Tensor | None
    """By how much conditions move what is heard of windows, if the head discounts that."""

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
    def course(self, system: Classifier) -> str:
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

    def fit_head(self, system: Classifier, parts: Sequence[int] | None = None, *, discounting: bool = True) -> Tensor:
        """Fit the head of `system`, which is given the one that has not heard the validation clips.

        The head hears `parts`, the first of `system.heard_parts` and by default all. If `discounting`, directions in
        which the conditions of `augmentation` move what is heard count for less. Returns what is heard of the training
        clips, `(clips, sum of parts)`.
        """
        parts = system.heard_parts if parts is None else parts
        n_heard = sum(parts)
        (splits,) = self.splits
        stored = self._stored(system, [splits.train])
        heard, targets = self._heard(system, stored, "Listening to training clips")
        taught = heard[:, :n_heard], targets
        self.validation = self._stored(system, [splits.valid]) if len(splits.valid) else []
        valid = taught[0][:0], taught[1][:0]
        if self.validation:
            heard, targets = self._heard(system, self.validation, "Listening to validation clips")
            valid = heard[:, :n_heard], targets
        moved = self._moved(system, stored) if discounting else None
        self.moved = None if moved is None else moved[:, :n_heard]
        self.heard = torch.cat([taught[0], valid[0]]), torch.cat([taught[1], valid[1]])
        self.held_out, self.fitted = fit_heads(taught, valid, splits.task.multi_label, self.moved, parts)
        put(self.held_out, system)
        return taught[0]

    @torch.no_grad()
    def _heard(
        self,
        system: Classifier,
        data: Sequence[tuple[Task, Manifest, ClipStore]],
        caption: str,
        condition: ClipCondition | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What a head hears of clips, averaged over each clip's windows, and targets `(clips, labels)`."""
        heard, targets = [], []
        with evaluating(system):
            clips = WholeClips(data, system.window, system.short, condition)
            for batch in clip_batches(clips, caption, progress=self.progress):
                moved = {name: value.to(system.device) for name, value in batch.items()}
                heard.append(system.clips_heard(moved).float().cpu())
                targets.append(batch["target"].float())
        return torch.cat(heard), torch.cat(targets)

    @torch.no_grad()
    def _moved(self, system: Classifier, stored: Sequence[tuple[Task, Manifest, ClipStore]]) -> Tensor | None:
        """By how much conditions move what a head hears of clips' windows, a row for each; None without any."""
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
                    system.heard(torch.stack([item[name] for item in some]).to(system.device))
                    for name in ("waveform", "clean")
                )
                moves.append((noisy - clean).float().cpu())
        return torch.cat(moves)

    def besides(self, system: Classifier) -> str:
        """What the head of `system` hears besides the last features, for the model card."""
        others = []
        if len(system.backbone.embedding_parts) > 1:
            others.append("its last stage")
        n_answers = self.heard[0].shape[1] - system.backbone.embedding_dim
        if n_answers:
            others.append(f"its answers about its own {n_answers} labels")
        return f", with {' and '.join(others)}" if others else ""

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
            course=self.course(system),
            measured_on=self.measured_on,
        )


def evenly_drawn(n_clips: int) -> list[int]:
    """The clip of each window that is embedded under conditions: each as often as any other, or some of very many."""
    n_windows = min(MOVED_WINDOWS, MOST_OF_A_CLIP * n_clips)
    return [draw * n_clips // n_windows for draw in range(n_windows)]


def all_heard(splits: Splits) -> Splits:
    """The splits with the validation clips among the training clips."""
    return replace(splits, train=splits.train.only((*splits.train, *splits.valid)), valid=splits.valid.only(()))


def put(head: LinearHead, system: Classifier) -> None:
    """Make `head` that of `system`, which hears nothing of the parts that the head does not hear."""
    linear = system.heads.linear if isinstance(system.heads, AnswersHead) else system.heads
    assert isinstance(linear, nn.Linear)
    weight = F.pad(head.weight, (0, linear.in_features - head.weight.shape[1]))
    linear.load_state_dict({"weight": weight, "bias": head.bias})
