"""`auricle teach`: a classifier from a few examples, as a linear head on the embedding of a model that knows sounds."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from auricle.config import Teach, require, verb
from auricle.data.clip_store import ClipStore
from auricle.data.loading import WholeClips, clip_loader
from auricle.data.manifest import Manifest
from auricle.data.tasks import Task
from auricle.progress import track
from auricle.runs.clips import clip_table
from auricle.runs.fit import TrainingSummary
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import run_digest
from auricle.runs.train import train
from auricle.systems.classifier.system import Classifier, evaluating
from auricle.tasks.classification.linear_heads import LinearHead, fit_heads, loss
from auricle.tasks.classification.train import ClassifierTask

SHORTEST_S = 0.5  # of a window


@verb
def teach(options: Teach) -> Path:
    """Fit a head to the embeddings of a few examples; returns the run folder."""
    return train(TeachingTask(options))


class TeachingTask(ClassifierTask[Teach]):
    """A linear head on a model whose front-end and backbone stay as they are."""

    @property
    def starts_from(self) -> str:
        return self.options.model

    def inputs(self) -> dict[str, str]:
        return {"model": run_digest(self.options.model)}

    def build(self) -> Classifier:
        """The model of `options.model` with a head for the labels, not yet fitted."""
        start = load_classifier(Path(self.options.model), self.options.device)
        kept = ("frontend", "backbone", "sample_rate", "short")
        config = {key: start.config[key] for key in kept if key in start.config}
        window_s = self.options.window_s
        if window_s is None:
            (splits,) = self.splits
            usual = statistics.median(clip.duration_s for clip in splits.train)
            window_s = round(min(max(usual, SHORTEST_S), start.config["window_s"]), 3)
        require(window_s > 0, f"window_s={window_s:g}: above 0")
        frozen = ["frontend", "backbone"]
        model = Classifier.build(tasks=self.tasks, window_s=window_s, seed=self.options.seed, frozen=frozen, **config)
        for part in ("frontend", "backbone"):
            model.get_submodule(part).load_state_dict(start.get_submodule(part).state_dict())
        self.initial = copy.deepcopy(model.frontend)
        return model.to(start.device)

    def fit(self, system: Classifier, folder: Path, own: Path) -> TrainingSummary:
        started = time.perf_counter()
        (splits,) = self.splits
        self.validation = self._stored(system, [splits.valid])
        multi_label = splits.task.multi_label
        training = self._stored(system, [splits.train])
        valid = self._embedded(system, self.validation, "Listening to validation clips")
        taught = self._embedded(system, training, "Listening to training clips")
        self.held_out, self.head = fit_heads(taught, valid, multi_label)
        put(self.head, system)
        lowest = float(loss(self.held_out.logits(valid[0]), valid[1], multi_label))
        return TrainingSummary(1, 1, lowest, (time.perf_counter() - started) / 3600)

    def clip_table(self) -> str:
        """All clips but those put aside for testing count as training clips: the head has learnt from all of them."""
        heard = [
            replace(splits, train=splits.train.only((*splits.train, *splits.valid)), valid=splits.valid.only(()))
            for splits in self.splits
        ]
        return clip_table(heard, self.starts_from)

    def measure(self, system: Classifier, folder: Path) -> None:
        """With the head that has not heard the validation clips; its calibration serves the one that has."""
        put(self.held_out, system)
        super().measure(system, folder)
        put(self.head, system)

    @torch.no_grad()
    def _embedded(
        self, system: Classifier, data: Sequence[tuple[Task, Manifest, ClipStore]], caption: str
    ) -> tuple[Tensor, Tensor]:
        """Embeddings `(clips, embedding_dim)`, averaged over each clip's windows, and targets `(clips, labels)`."""
        loader = clip_loader(WholeClips(data, system.window, system.short))
        embeddings, targets = [], []
        with evaluating(system):
            for batch in track(loader, caption, total=len(loader), show=self.progress):
                moved = {name: value.to(system.device) for name, value in batch.items()}
                embeddings.append(system.clip_embeddings(moved).float().cpu())
                targets.append(batch["target"].float())
        return torch.cat(embeddings), torch.cat(targets)

    def course(self) -> str:
        """How the head was found, for the model card."""
        return (
            f"Taught: a linear head by {self.head.how}, on the embedding of {self.options.model}. It was measured and "
            "calibrated before it heard the validation clips too."
        )


def put(head: LinearHead, system: Classifier) -> None:
    """Make `head` that of `system`."""
    system.heads.load_state_dict({"weight": head.weight, "bias": head.bias})
