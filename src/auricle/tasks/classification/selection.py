"""Which labels of a window, a frame or a clip are reported."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auricle.errors import AuricleError
from auricle.tasks.classification.window_classifiers import WindowClassifier


@dataclass(frozen=True)
class Selection:
    """Which labels are reported: the `top_k` most probable of those with a probability of at least `threshold`."""

    top_k: int
    threshold: float

    def chosen(self, values: np.ndarray) -> np.ndarray:
        """Boolean mask `(n, labels)` of the reported labels, for probabilities `(n, labels)`."""
        rank = np.argsort(np.argsort(-values, axis=1, kind="stable"), axis=1, kind="stable")
        return (rank < self.top_k) & (values >= self.threshold)

    @classmethod
    def for_model(cls, model: WindowClassifier, top_k: int | None, threshold: float | None) -> Selection:
        """The selection for `model`; None means the most probable label, or for multi-label all of at least 0.5.
        Raises `AuricleError` for a `top_k` below 1 and a `threshold` outside [0, 1].
        """
        if top_k is not None and top_k < 1:
            raise AuricleError(f"top_k={top_k}: it should be 1 or more")
        if threshold is not None and not 0 <= threshold <= 1:
            raise AuricleError(f"threshold={threshold:g}: it should be a probability, from 0 to 1")
        multi_label = any(task.multi_label for task in model.tasks)
        n_labels = max(len(task.labels) for task in model.tasks)
        return cls(
            top_k if top_k is not None else (n_labels if multi_label else 1),
            threshold if threshold is not None else (0.5 if multi_label else 0.0),
        )
