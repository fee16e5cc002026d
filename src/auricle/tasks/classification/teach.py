"""`auricle teach`: a classifier from a few examples, as a linear head on the embedding of a pretrained model."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from auricle.config import Augmentation, Teach, require, verb
from auricle.data.manifest import Manifest
from auricle.identity import file_digest
from auricle.runs.card import model_name
from auricle.runs.history import TrainingSummary
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import run_digest
from auricle.runs.train import train
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.build import initial_answers, taught_pooling, usual_window
from auricle.tasks.classification.conditions import met_in_training
from auricle.tasks.classification.linear_heads import FEW, cross_validated_logits, loss
from auricle.tasks.classification.measured_on import CROSS_VALIDATION
from auricle.tasks.classification.review import with_reviewed
from auricle.tasks.classification.score import Scores
from auricle.tasks.classification.training_task import ClassifierTask, all_heard

FOLDS = 10


@verb
def teach(options: Teach) -> Path:
    """Fit a head to the embeddings of a few examples; returns the run folder."""
    return train(TeachingTask(options))


class TeachingTask(ClassifierTask[Teach]):
    """A linear head on a model whose front-end and backbone stay as they are."""

    fits_head = True
    measured_on = CROSS_VALIDATION
    few = FEW

    def __init__(self, options: Teach) -> None:
        super().__init__(options)
        self.augmentation = Augmentation(**vars(options.augmentation))

    @property
    def starts_from(self) -> tuple[str, ...]:
        return (self.options.model,)

    def read(self, paths: Iterable[str]) -> list[Manifest]:
        manifests = super().read(paths)
        if self.options.reviewed is None:
            return manifests
        reviewed, splits = self.options.reviewed, self.options.splits
        return [with_reviewed(manifest, reviewed, splits, progress=self.progress) for manifest in manifests]

    def inputs(self) -> dict[str, str]:
        found = super().inputs() | {"model": run_digest(self.options.model)}
        if self.options.reviewed is not None:
            found["reviewed"] = file_digest(self.options.reviewed)
        return found

    def build(self) -> Classifier:
        """The model of `options.model` with a head for the labels, not yet fitted."""
        start = load_classifier(Path(self.options.model), self.options.device)
        kept = ("frontend", "backbone", "sample_rate", "short", "min_level_db")
        config = {key: start.config[key] for key in kept if key in start.config}
        pooling = taught_pooling(start) if self.options.pooling is None else self.options.pooling
        if pooling is not None:
            config["backbone"] = config["backbone"] | {"pooling": pooling}
        answers = initial_answers(start, self.tasks, self.options.answers, bool(self.augmentation.conditions))
        if answers is not None:
            config["n_answers"] = answers.out_features
        if met := met_in_training(start):
            config["met_before"] = sorted(met)
        if self.augmentation.conditions:
            config["augmentation"] = asdict(self.augmentation)
        if self.options.min_level_db is not None:
            config["min_level_db"] = self.options.min_level_db
        window_s = usual_window(self.splits, start) if self.options.window_s is None else self.options.window_s
        require(window_s > 0, f"window_s={window_s:g}: above 0")
        frozen = ["frontend", "backbone"]
        model = Classifier.build(tasks=self.tasks, window_s=window_s, seed=self.options.seed, frozen=frozen, **config)
        for part in ("frontend", "backbone"):
            model.get_submodule(part).load_state_dict(start.get_submodule(part).state_dict())
        if answers is not None:
            model.get_submodule("heads.answers").load_state_dict(answers.state_dict())
        self.initial = copy.deepcopy(model.frontend)
        return model.to(start.device)

    def fit(self, system: Classifier, folder: Path, own: Path) -> TrainingSummary:
        started = time.perf_counter()
        self.fit_head(system)
        self.judged = self._cross_validated(system.heard_parts)
        logits, targets = torch.from_numpy(self.judged.logits), torch.from_numpy(self.judged.targets)
        lowest = float(loss(logits, targets, self.judged.task.multi_label))
        return TrainingSummary(0, None, lowest, (time.perf_counter() - started) / 3600)

    def scored(self, system: Classifier) -> list[Scores]:
        """The scores of the clips in cross-validation."""
        return [self.judged]

    def _cross_validated(self, parts: Sequence[int]) -> Scores:
        """The scores of each clip, where possible, by a head fitted without its group."""
        (splits,) = self.splits
        clips = all_heard(splits).train
        heard, targets = self.heard
        folds = torch.tensor(clips.cross_folds(FOLDS, seed=self.options.seed))
        logits, judged = cross_validated_logits(
            self.fitted, heard, targets, folds, splits.task.multi_label, self.moved, parts
        )
        chosen = [clip for clip, is_judged in zip(clips, judged.tolist(), strict=True) if is_judged]
        return Scores.of(splits.task, chosen, logits[judged], targets[judged])

    def course(self, system: Classifier) -> str:
        """How the head was found, for the model card."""
        conditions = self.augmentation.conditions
        discount = f" It discounts directions in which the conditions of {conditions} move clips." if conditions else ""
        embedding = f"the embedding of {model_name(self.options.model)}{self.besides(system)}"
        how = f"a linear head by {self.fitted.how}, on {embedding}"
        return f"Taught: {how}.{discount}"
