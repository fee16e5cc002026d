"""Build a new classifier, or one that starts from the weights of another."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from auricle.backbones.inverted import InvertedResidualNet
from auricle.config import require
from auricle.data.splits import Splits
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.layers import freeze
from auricle.systems.classifier.heads import AnswersHead, MLPHead
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.conditions import met_in_training

SHORTEST_S = 0.5  # of a window
OWN = ("head", "window_s", "min_level_db")
"""What a classifier that starts from another may have of its own."""


def build(
    tasks: list[Task],
    *,
    chosen: dict[str, Any],
    sample_rate: int,
    start: Classifier | None = None,
    pooling: str | None = None,
    answers: MLPHead | None = None,
    frozen: list[str],
    **config: Any,
) -> Classifier:
    """Build the classifier for `tasks`; `chosen` overrides LEAF, small CNN, linear head, `sample_rate`, windows of 1 s.

    With `start` the classifier has the weights of that one, and its front-end, backbone and sample rate, but for the
    backbone's `pooling`, if given; head, window and level are those of `start` unless they are chosen. The heads'
    weights are reused if head and labels are the same. A linear head hears `answers` too, if given.
    """
    if start is None:
        defaults = {
            "frontend": {"name": "leaf"},
            "backbone": {"name": "cnn-small"},
            "head": "linear",
            "sample_rate": sample_rate,
            "window_s": 1.0,
            "short": "pad",
        }
        model = Classifier.build(tasks=tasks, frozen=frozen, **config | defaults | chosen)
        own = model.frontend.sample_rate
        if own != model.sample_rate:
            raise AuricleError(f"sample_rate={own} of the front-end: clips are read at {model.sample_rate} Hz")
        return model
    fixed = [name for name in chosen if name not in OWN]
    if fixed:
        raise AuricleError(f"{', '.join(fixed)} cannot be chosen with --init-from: they are those of the initial model")
    inherited = {key: start.config[key] for key in ("frontend", "backbone", "sample_rate", "window_s", "short")}
    inherited |= {"head": start.config.get("head", "linear"), "min_level_db": start.config.get("min_level_db")}
    if pooling is not None:
        inherited["backbone"] = inherited["backbone"] | {"pooling": pooling}
    if answers is not None:
        inherited["n_answers"] = answers.out_features
    if met := met_in_training(start):
        inherited["met_before"] = sorted(met)
    model = Classifier.build(tasks=tasks, frozen=[], **config | inherited | chosen)
    weights = start.state_dict()
    same_labels = [task.labels for task in start.tasks] == [task.labels for task in model.tasks]
    same_input = model.backbone.embedding_dim == start.backbone.embedding_dim
    if not (same_labels and same_input and type(model.heads) is type(start.heads)):
        weights = {name: value for name, value in weights.items() if not name.startswith("heads.")}
        weights = weights | {name: value for name, value in model.state_dict().items() if name.startswith("heads.")}
    model.load_state_dict(weights)
    if answers is not None:
        model.get_submodule("heads.answers").load_state_dict(answers.state_dict())
    freeze(model, frozen)
    model.config["frozen"] = list(frozen)
    return model


def taught_pooling(start: Classifier) -> str | None:
    """How the backbone of `start` pools for a head that is fitted; None if only as it does.

    Means of the last features are joined by those of the last stage. This was chosen on ESC-10 and on clips for
    teaching of words and emotions (docs/results/taught.md).
    """
    means = isinstance(start.backbone, InvertedResidualNet) and start.backbone.pooling == "mean"
    return "stage" if means else None


def heard_answers(start: Classifier) -> MLPHead | None:
    """The head whose answers that of `start` hears, if any."""
    return start.heads.answers if isinstance(start.heads, AnswersHead) else None


def initial_answers(start: Classifier, tasks: Sequence[Task], wanted: bool | None, in_noise: bool) -> MLPHead | None:
    """The head of `start` whose answers a new head for `tasks` is to hear, if any.

    If it is not said whether they are `wanted`, a head for noise hears them where they are about more labels than it
    has: it gains by them, and others do not (docs/results/robust.md). Raises `AuricleError` if they are wanted and
    `start` has none.
    """
    heads = heard_answers(start) or start.heads
    if not isinstance(heads, MLPHead):
        require(not wanted, "answers: the model has no head with a hidden layer (mlp), whose answers could be heard")
        return None
    more = heads.out_features > sum(len(task.labels) for task in tasks)
    return heads if (in_noise and more if wanted is None else wanted) else None


def usual_window(data_sets: Sequence[Splits], start: Classifier) -> float:
    """The length in seconds of the usual training clip, at most the window of `start`, and `SHORTEST_S` at least."""
    usual = statistics.median(clip.duration_s for splits in data_sets for clip in splits.train)
    return round(min(max(usual, SHORTEST_S), start.config["window_s"]), 3)
