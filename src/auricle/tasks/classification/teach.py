"""`auricle teach`: a classifier from a few examples, as a linear head on the embedding of a pretrained model."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable
from pathlib import Path

from auricle.config import Augmentation, Teach, require, verb
from auricle.data.manifest import Manifest
from auricle.identity import file_digest
from auricle.runs.card import model_name
from auricle.runs.fit import TrainingSummary
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import run_digest
from auricle.runs.train import train
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.build import usual_window
from auricle.tasks.classification.review import with_reviewed
from auricle.tasks.classification.train import ClassifierTask


@verb
def teach(options: Teach) -> Path:
    """Fit a head to the embeddings of a few examples; returns the run folder."""
    return train(TeachingTask(options))


class TeachingTask(ClassifierTask[Teach]):
    """A linear head on a model whose front-end and backbone stay as they are."""

    fits_head = True

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
        if self.options.min_level_db is not None:
            config["min_level_db"] = self.options.min_level_db
        window_s = usual_window(self.splits, start) if self.options.window_s is None else self.options.window_s
        require(window_s > 0, f"window_s={window_s:g}: above 0")
        frozen = ["frontend", "backbone"]
        model = Classifier.build(tasks=self.tasks, window_s=window_s, seed=self.options.seed, frozen=frozen, **config)
        for part in ("frontend", "backbone"):
            model.get_submodule(part).load_state_dict(start.get_submodule(part).state_dict())
        self.initial = copy.deepcopy(model.frontend)
        return model.to(start.device)

    def fit(self, system: Classifier, folder: Path, own: Path) -> TrainingSummary:
        started = time.perf_counter()
        self.fit_head(system)
        return TrainingSummary(1, 1, self.lowest_loss, (time.perf_counter() - started) / 3600)

    def course(self) -> str:
        """How the head was found, for the model card."""
        conditions = self.augmentation.conditions
        discount = f" It discounts directions in which the conditions of {conditions} move clips." if conditions else ""
        return (
            f"Taught: a linear head by {self.fitted.how}, on the embedding of {model_name(self.options.model)}."
            f"{discount} It was measured and calibrated before it heard the validation clips too."
        )
