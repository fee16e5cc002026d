"""Python functions as classifiers: `module:function`, from a waveform and its rate to the probability of each label."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from auricle.data.tasks import Task
from auricle.errors import AuricleError, first_line
from auricle.tasks.classification.window_classifiers import WholeWindows, logits_of

Function = Callable[[np.ndarray, int], Any]
WINDOW_S = 1.0
"""Length of the windows of long recordings, for a function that takes whole clips."""
_SUM = 0.01  # tolerance for the sum of probabilities


def import_function(name: str) -> Function:
    """The function `module:function`; modules of the current folder are found too."""
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        raise AuricleError(f"{name} cannot be imported: {type(error).__name__}: {first_line(error)}") from None
    if not callable(found):
        raise AuricleError(f"{name} is a {type(found).__name__}, and not a function")
    return found


def function_name(function: Function) -> str:
    """`module:function` for display."""
    kind = type(function)
    return f"{getattr(function, '__module__', kind.__module__)}:{getattr(function, '__qualname__', kind.__qualname__)}"


class FunctionClassifier(WholeWindows):
    """Window classifier that calls `function(waveform, sample_rate)`, with `(time,)` float32 in [-1, 1].

    The function returns probabilities: a mapping of all labels, or as many numbers as there are labels, in their order.
    It may say more by attributes: `sample_rate` in Hz, at which it is called; `labels`; `multi_label`, if they need not
    sum to 1; and `window_s`, the length of the windows that a clip is cut into; without it a clip is given whole. There
    is no `digest`, as what a function does can depend on anything.

    Raises `AuricleError` where the function does, and for what are no probabilities of the labels.
    """

    short = "pad"
    digest = ""

    def __init__(self, function: Function, name: str, task: Task, sample_rate: int) -> None:
        self.function, self.name, self.task, self.sample_rate = function, name, task, sample_rate
        window_s = getattr(function, "window_s", None)
        self.whole_clips = window_s is None
        self.window = round((window_s or WINDOW_S) * sample_rate)
        if self.window < 1:
            raise AuricleError(f"{name}: window_s={window_s}: at least one sample")
        self.tasks: tuple[Task, ...] = (task,)

    @classmethod
    def open(
        cls, function: Function, name: str, sound: tuple[np.ndarray, int], labels: Sequence[str], multi_label: bool
    ) -> FunctionClassifier:
        """The classifier of a function that may leave its labels and its rate to the data.

        `sound` is a clip of the data with its rate: the labels of the mapping that the function returns for it are the
        function's. `labels` are what is used where it says nothing.
        """
        rate = int(getattr(function, "sample_rate", sound[1]))
        known = getattr(function, "labels", None)
        if known is None:
            answer = _called(function, name, *sound)
            known = list(answer) if isinstance(answer, Mapping) else labels
        task = Task("labels", tuple(map(str, known)), bool(getattr(function, "multi_label", multi_label)))
        return cls(function, name, task, rate)

    def logits(self, windows: np.ndarray) -> np.ndarray:
        """`(n, samples)` to `(n, labels)`, whose softmax (or sigmoid) are the function's probabilities."""
        rows = np.stack([self._probabilities(window) for window in windows])
        return logits_of(rows, self.task.multi_label).astype(np.float32)

    def _probabilities(self, window: np.ndarray) -> np.ndarray:
        """The probabilities `(labels,)` of one waveform."""
        answer = _called(self.function, self.name, window, self.sample_rate)
        labels = self.task.labels
        if hasattr(answer, "detach"):  # a tensor of torch, which may need a gradient
            answer = answer.detach().cpu()
        if isinstance(answer, Mapping):
            answer = {str(label): value for label, value in answer.items()}
            if set(answer) != set(labels):
                other = sorted(set(answer) ^ set(labels))
                raise AuricleError(f"{self.name} gives {len(answer)} labels instead of {len(labels)}: {other[:5]}")
            answer = [answer[label] for label in labels]
        try:
            row = np.asarray(answer, dtype=np.float64)
        except (TypeError, ValueError, RuntimeError):
            raise AuricleError(f"{self.name} returns a {type(answer).__name__}, and not probabilities") from None
        if row.shape != (len(labels),):
            raise AuricleError(f"{self.name} returns numbers of shape {row.shape}, and should return ({len(labels)},)")
        if not (np.isfinite(row).all() and (row >= 0).all() and (row <= 1 + _SUM).all()):
            raise AuricleError(f"{self.name} returns {row.min():g} to {row.max():g}, and should return probabilities")
        if not self.task.multi_label and abs(row.sum() - 1) > _SUM:
            raise AuricleError(
                f"{self.name} returns probabilities that sum to {row.sum():g}, and should sum to 1 (give the function "
                "the attribute multi_label = True if a clip may have several labels)"
            )
        return row


def _called(function: Function, name: str, waveform: np.ndarray, sample_rate: int) -> Any:
    try:
        return function(np.asarray(waveform, dtype=np.float32).copy(), sample_rate)
    except Exception as error:
        what = f"{type(error).__name__}: {first_line(error)}"
        raise AuricleError(f"{name} failed for {len(waveform)} samples at {sample_rate} Hz: {what}") from None
