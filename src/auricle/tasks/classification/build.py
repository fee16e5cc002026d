"""Build a new classifier, or one that starts from the weights of another."""

from __future__ import annotations

from typing import Any

from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.layers import freeze
from auricle.systems.classifier.system import Classifier
from auricle.systems.system import load_as


def build(
    tasks: list[Task],
    *,
    chosen: dict[str, Any],
    sample_rate: int,
    init_from: str | None = None,
    frozen: list[str],
    **config: Any,
) -> Classifier:
    """Build the classifier for `tasks`; `chosen` overrides LEAF, small CNN, linear head, `sample_rate`, windows of 1 s.

    With `init_from` the classifier starts from the weights of that run: its front-end, backbone, head, sample rate and
    windows are the run's and cannot be chosen. The heads' weights are reused if the labels are the same.
    """
    if init_from is None:
        defaults = {
            "frontend": {"name": "leaf"},
            "backbone": {"name": "cnn-small"},
            "head": "linear",
            "sample_rate": sample_rate,
            "window_s": 1.0,
            "short": "pad",
        }
        return Classifier.build(tasks=tasks, frozen=frozen, **config | defaults | chosen)
    start = load_as(Classifier, init_from)
    if chosen:
        raise AuricleError(f"{', '.join(chosen)} cannot be chosen with --init-from: they are those of {init_from}")
    inherited = {key: start.config[key] for key in ("frontend", "backbone", "sample_rate", "window_s", "short")}
    inherited["head"] = start.config.get("head", "linear")
    model = Classifier.build(tasks=tasks, frozen=[], **config | inherited)
    weights = start.state_dict()
    if [task.labels for task in start.tasks] != [task.labels for task in model.tasks]:
        weights = weights | {name: value for name, value in model.state_dict().items() if name.startswith("heads.")}
    model.load_state_dict(weights)
    freeze(model, frozen)
    model.config["frozen"] = list(frozen)
    return model
