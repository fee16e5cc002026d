"""Classification tasks: the labels of a data set, and the encoding of a clip's labels as a target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from auricle.errors import AuricleError
from auricle.readers import checked


@dataclass(frozen=True)
class Task:
    """A classification task: its `labels` in the order of a model's outputs, and whether clips may have several.

    Raises `AuricleError` for fewer than two labels (one, if `multi_label`).
    """

    name: str
    labels: tuple[str, ...]
    multi_label: bool = False

    def __post_init__(self) -> None:
        if len(self.labels) < (1 if self.multi_label else 2):
            found = f"the only label is {self.labels[0]!r}" if self.labels else "there is no label"
            raise AuricleError(f"{self.name}: nothing to tell apart, {found}")

    def encode(self, labels: Iterable[str]) -> np.ndarray:
        """The float32 target `(n_labels,)` of a clip: 1 for each of its labels, else 0."""
        target = np.zeros(len(self.labels), dtype=np.float32)
        for label in labels:
            target[self.labels.index(label)] = 1.0
        return target

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"labels": list(self.labels)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Task:
        checked(values, {"name": str, "labels": [str], "multi_label?": bool}, "a task of the model")
        return cls(values["name"], tuple(values["labels"]), bool(values.get("multi_label", False)))


def columns(tasks: Sequence[Task], task: Task) -> slice:
    """The columns that belong to `task` where the labels of `tasks`, of which it is one, stand side by side."""
    first = sum(len(other.labels) for other in tasks[: [other.name for other in tasks].index(task.name)])
    return slice(first, first + len(task.labels))
