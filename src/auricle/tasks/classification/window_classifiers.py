"""Window classifiers behind one protocol: PyTorch and ONNX Runtime here, TRNet in `tasks/emotion/predict.py`.

ONNX files are used without torch, so torch is imported only when a PyTorch classifier is run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from auricle.data.tasks import Task
from auricle.data.windows import MAX_WINDOW, SHORT
from auricle.errors import AuricleError
from auricle.runs.provenance import run_digest
from auricle.tasks.classification.calibration import Calibration
from auricle.tasks.classification.onnx_sessions import PROBE_S, OnnxSession

if TYPE_CHECKING:
    from torch import Tensor

    from auricle.systems.classifier.system import Classifier

NO_FRAMES = "this model labels whole windows: it does not detect when a sound begins and ends"
_LEAST = 1e-7  # probability that stands for 0 where a logarithm is taken
MAX_SAMPLES = 2**18
"""Samples that an ONNX model is given at once, as some front-ends need several kB for each."""


class TakesWindows(Protocol):
    """Takes windows of a waveform."""

    sample_rate: int
    """In Hz."""
    window: int
    """Length of a window in samples."""
    short: str
    """How a clip shorter than a window is lengthened: "pad" or "repeat"."""
    digest: str
    """SHA-256 of the weights."""
    frame_s: float | None
    """Seconds between frames of a sound event detector; None for a model of whole windows."""


class WindowClassifier(TakesWindows, Protocol):
    """Maps windows of a waveform to logits and describes their columns."""

    tasks: tuple[Task, ...]
    """Their labels, in this order, are the columns of the logits."""
    extras: tuple[str, ...]
    """Names of further estimates for each window, in the columns after the logits."""
    calibration: Calibration | None
    """What turns logits into calibrated probabilities; None for a model that has none."""

    def logits(self, windows: np.ndarray) -> np.ndarray:
        """`(n, window)` float32 at `sample_rate` → `(n, labels of all tasks + extras)`."""
        ...

    def detect(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits of `(n, window)` for windows and for their frames: `(n, labels)` and `(n, frames, labels)`.

        Raises `AuricleError` unless the classifier is a detector.
        """
        ...


def probabilities(logits: np.ndarray, multi_label: bool) -> np.ndarray:
    """Softmax of `(…, labels)` over the last axis, or with `multi_label` the sigmoid of each label."""
    if multi_label:
        return 0.5 * (1.0 + np.tanh(0.5 * logits))
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def logits_of(probabilities: np.ndarray, multi_label: bool) -> np.ndarray:
    """Logits `(…, labels)` that give these probabilities, of which none is nearer to 0 (or 1) than 1e-7."""
    if not multi_label:
        return np.log(np.maximum(probabilities, _LEAST))
    probabilities = np.clip(probabilities, _LEAST, 1 - _LEAST)
    return np.log(probabilities) - np.log1p(-probabilities)


class WholeWindows:
    """Mixin for classifiers that label whole windows, have no frames and no calibration."""

    frame_s: float | None = None
    calibration: Calibration | None = None
    extras: tuple[str, ...] = ()

    def detect(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise AuricleError(NO_FRAMES)


class TorchWindowClassifier:
    """Window classifier that runs a PyTorch `Classifier`; a detector if its head gives logits for each frame."""

    extras: tuple[str, ...] = ()

    def __init__(self, classifier: Classifier, digest: str = "", calibration: Calibration | None = None) -> None:
        self.classifier = classifier
        self.calibration = calibration
        self.sample_rate = classifier.sample_rate
        self.window = classifier.window
        self.short = classifier.short
        self.tasks = classifier.tasks
        self.digest = digest
        self.frame_s: float | None = None
        if classifier.detects:
            self.frame_s = classifier.frontend.hop_length / classifier.sample_rate

    def logits(self, windows: np.ndarray) -> np.ndarray:
        return self._run(self.classifier, windows).cpu().numpy()

    def detect(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        clips, frames = self._run(self.classifier.detect, windows)
        return clips.cpu().numpy(), frames.cpu().numpy()

    def _run(self, function: Callable[[Tensor], Any], windows: np.ndarray) -> Any:
        import torch

        from auricle.systems.classifier.system import evaluating

        with torch.no_grad(), evaluating(self.classifier):
            return function(torch.from_numpy(windows).to(self.classifier.device))


class OnnxWindowClassifier:
    """Window classifier that runs an ONNX file of `auricle export` with ONNX Runtime; a detector if it has frames.

    Raises `AuricleError` if the file is missing, is not ONNX, is not an exported classifier, or has other outputs than
    labels.
    """

    extras: tuple[str, ...] = ()

    def __init__(self, path: str | Path, threads: int = 0, *, calibrated: bool = True) -> None:
        probed = OnnxSession(path, threads, limited=True)
        description = probed.description("classifier")
        self.description: dict[str, Any] = description
        self.sample_rate = description["sample_rate"]
        self.window = description["window"]
        self.short = description["short"]
        self.frame_s: float | None = description.get("frame_s")
        if not (1 <= self.window <= MAX_WINDOW and 1 <= self.sample_rate <= MAX_WINDOW and self.short in SHORT):
            raise AuricleError(
                f"{path}: window={self.window}, sample_rate={self.sample_rate}, short={self.short!r:.80}: "
                "not those of an exported classifier"
            )
        if self.frame_s is not None and not 1 / self.sample_rate <= self.frame_s < float("inf"):
            raise AuricleError(f"{path}: frame_s={self.frame_s:g}: not that of an exported detector")
        self.tasks = tuple(Task.from_dict(task) for task in description["tasks"])
        found = description.get("calibration") if calibrated else None
        self.calibration = None if found is None else Calibration.from_dict(found, self.tasks, str(path))
        columns = sum(len(task.labels) for task in self.tasks)
        n_samples = min(self.window, round(PROBE_S * self.sample_rate) or 1)
        probed.check_outputs(columns, n_samples, frames=self.frame_s is not None)
        self.session = OnnxSession(path, threads)
        self.digest = run_digest(path)

    def logits(self, windows: np.ndarray) -> np.ndarray:
        return self._run(windows)[0]

    def detect(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.frame_s is None:
            raise AuricleError(NO_FRAMES)
        clips, frames, *_ = self._run(windows)
        return clips, frames

    def _run(self, windows: np.ndarray) -> list[np.ndarray]:
        """All outputs for `(n, window)`."""
        at_once = max(1, MAX_SAMPLES // self.window)
        batches = [self.session.run(batch) for batch in np.split(windows, range(at_once, len(windows), at_once))]
        return [np.concatenate(parts) for parts in zip(*batches, strict=True)]
