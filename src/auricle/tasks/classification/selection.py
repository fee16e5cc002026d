"""Which labels of a window, a frame or a clip are reported, and with which probabilities."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.tasks.classification.calibration import Calibration, TaskCalibration
from auricle.tasks.classification.events import EventRule
from auricle.tasks.classification.window_classifiers import WindowClassifier, probabilities

UNKNOWN = "unknown"
USUAL_THRESHOLD = 0.5


@dataclass(frozen=True)
class Selection:
    """Which labels are reported: the `top_k` most probable of those that reach their threshold.

    `threshold` is one for all labels; None stands for those of the calibration. With `unknown`, an answer that is less
    probable than the calibration's threshold becomes "unknown". With `events`, windows are merged into events.
    """

    top_k: int
    threshold: float | None
    calibration: Calibration | None = None
    unknown: bool = False
    events: EventRule | None = None

    @classmethod
    def for_model(
        cls,
        model: WindowClassifier,
        top_k: int | None = None,
        threshold: float | None = None,
        *,
        unknown: bool = False,
        events: EventRule | None = None,
    ) -> Selection:
        """The selection for `model` with its calibration, if it has one; None means what is usual.

        Usual are the most probable label of each window; for a multi-label model, and for events, all that reach their
        threshold, which is the calibration's, else 0.5. Raises `AuricleError` for a `top_k` below 1, a `threshold`
        outside [0, 1], and for `unknown` where it cannot be told.
        """
        if top_k is not None and top_k < 1:
            raise AuricleError(f"top_k={top_k}: it should be 1 or more")
        if threshold is not None and not 0 <= threshold <= 1:
            raise AuricleError(f"threshold={threshold:g}: it should be a probability, from 0 to 1")
        calibration = model.calibration
        if unknown:
            _check_unknown(model, calibration, events)
        several = events is not None or any(task.multi_label for task in model.tasks)
        if top_k is None:
            top_k = max(len(task.labels) for task in model.tasks) if several else 1
        if threshold is None and not (several and calibration):
            threshold = USUAL_THRESHOLD if several else 0.0
        return cls(top_k, threshold, calibration, unknown, events)

    def calibrates(self, task: Task) -> bool:
        """Whether the probabilities of `task` are calibrated."""
        return self._of(task) is not None

    def probabilities(self, task: Task, logits: np.ndarray) -> np.ndarray:
        """Probabilities of the logits `(…, labels)` of `task`, calibrated if there is a calibration."""
        own = self._of(task)
        return probabilities(logits if own is None else own.logits(logits), task.multi_label)

    def thresholds(self, task: Task) -> np.ndarray:
        """The threshold of each label of `task`, `(labels,)`."""
        own = self._of(task)
        if self.threshold is None and own is not None:
            return np.asarray(own.thresholds)
        return np.full(len(task.labels), USUAL_THRESHOLD if self.threshold is None else self.threshold)

    def chosen(self, task: Task, values: np.ndarray) -> np.ndarray:
        """Boolean mask `(n, labels)` of the reported labels, for probabilities `(n, labels)`."""
        rank = np.argsort(np.argsort(-values, axis=1, kind="stable"), axis=1, kind="stable")
        return (rank < self.top_k) & (values >= self.thresholds(task))

    def answers(self, task: Task, values: np.ndarray) -> list[list[tuple[str, float]]]:
        """What is reported of each window: pairs (label, probability), the most probable first.

        `values` are probabilities `(n, labels)`.
        """
        unknown = self.is_unknown(task, values)
        found: list[list[tuple[str, float]]] = []
        for row, mask, is_unknown in zip(values, self.chosen(task, values), unknown, strict=True):
            places = np.flatnonzero(mask)
            ranked = places[np.argsort(-row[places], kind="stable")]
            labels = [(task.labels[index], float(row[index])) for index in ranked]
            found.append([(UNKNOWN, float(row.max()))] if is_unknown else labels)
        return found

    def is_unknown(self, task: Task, values: np.ndarray) -> np.ndarray:
        """Boolean mask `(n,)` of the answers that are "unknown", for probabilities `(n, labels)`."""
        own = self._of(task)
        limit = own.unknown if self.unknown and own is not None and own.unknown is not None else 0.0
        return values.max(axis=1) < limit

    def settings(self) -> dict[str, Any]:
        """Plain values that stand for everything that changes what is reported."""
        return {
            "top_k": self.top_k,
            "threshold": "tuned" if self.threshold is None else self.threshold,
            "calibration": self.calibration.digest if self.calibration else None,
            "unknown": self.unknown,
            "events": asdict(self.events) if self.events else None,
        }

    def _of(self, task: Task) -> TaskCalibration | None:
        return self.calibration.tasks.get(task.name) if self.calibration else None


def _check_unknown(model: WindowClassifier, calibration: Calibration | None, events: EventRule | None) -> None:
    """Raise `AuricleError` where the answer "unknown" cannot be given."""
    single = [task for task in model.tasks if not task.multi_label]
    if not single:
        raise AuricleError("--unknown: a multi-label model gives no label to what it does not know; leave it out")
    if model.frame_s is not None or events is not None:
        raise AuricleError("--unknown: events are reported of known sounds alone; leave it out")
    if calibration is None:
        raise AuricleError(
            "--unknown needs calibrated probabilities: leave out --raw, or if the run has no calibration.json, "
            "calibrate it first (auricle calibrate RUN --data VALIDATION)"
        )
    for task in single:
        if UNKNOWN in task.labels:
            raise AuricleError(f"--unknown: the model has a label {UNKNOWN!r} of its own")
