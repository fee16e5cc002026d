"""What labels windows: a classifier in torch, or the same one as an ONNX file without torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from auricle.data.tasks import Task
from auricle.errors import AuricleError

if TYPE_CHECKING:
    from auricle.systems.classifier import Classifier

METADATA = "auricle"  # the key under which an exported model keeps its description, as JSON


class Labeller(Protocol):
    """Windows to logits, and what the logits mean."""

    sample_rate: int
    window: int
    short: str
    tasks: tuple[Task, ...]
    digest: str
    """Of the weights."""

    def logits(self, windows: np.ndarray) -> np.ndarray:
        """`(n, window)` float32 at `sample_rate` → `(n, labels of all tasks)`."""


def columns(tasks: tuple[Task, ...], task: Task) -> slice:
    """Where the logits of `task` lie among those of all `tasks`."""
    before = tasks[: tasks.index(task)]
    first = sum(len(other.labels) for other in before)
    return slice(first, first + len(task.labels))


def probabilities(logits: np.ndarray, multi_label: bool) -> np.ndarray:
    """Softmax over the last axis, or a sigmoid for each label where several may hold."""
    if multi_label:
        return 0.5 * (1.0 + np.tanh(0.5 * logits))
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


class TorchLabeller:
    """A classifier in torch."""

    def __init__(self, classifier: Classifier, digest: str = "") -> None:
        self.classifier = classifier
        self.sample_rate = classifier.sample_rate
        self.window = classifier.window
        self.short = classifier.short
        self.tasks = classifier.tasks
        self.digest = digest

    @classmethod
    def of_run(cls, run: str | Path, device: str = "auto") -> TorchLabeller:
        """That of a run folder."""
        from auricle.evaluation.protocol import load_classifier
        from auricle.systems.system import WEIGHTS

        classifier = load_classifier(run, device)
        return cls(classifier, _digest(Path(run) / WEIGHTS))

    def logits(self, windows: np.ndarray) -> np.ndarray:
        import torch

        from auricle.systems.classifier import evaluating

        with torch.no_grad(), evaluating(self.classifier):
            return self.classifier(torch.from_numpy(windows).to(self.classifier.device)).cpu().numpy()


def onnx_session(path: str | Path, threads: int = 0) -> Any:
    """An onnxruntime session on the CPU; 0 threads are as many as there are cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class OnnxLabeller:
    """An exported classifier, run by onnxruntime."""

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        if not Path(path).is_file():
            raise AuricleError(f"{path}: no such file")
        try:
            self.session = onnx_session(path, threads)
        except Exception as error:
            raise AuricleError(f"{path}: not an ONNX model ({str(error).strip().splitlines()[0]})") from None
        description = json.loads(self.session.get_modelmeta().custom_metadata_map.get(METADATA, "{}"))
        if description.get("kind") != "classifier":
            found = description.get("kind", "not written by auricle export")
            raise AuricleError(f"{path}: not an exported classifier ({found})")
        self.description: dict[str, Any] = description
        self.sample_rate = description["sample_rate"]
        self.window = description["window"]
        self.short = description["short"]
        self.tasks = tuple(Task.from_dict(task) for task in description["tasks"])
        self.digest = _digest(Path(path))

    def logits(self, windows: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"waveform": windows})[0]


def open_labeller(model: str | Path, device: str = "auto") -> Labeller:
    """That of a run folder, or of an ONNX file that `auricle export` wrote."""
    if Path(model).suffix == ".onnx":
        return OnnxLabeller(model)
    return TorchLabeller.of_run(model, device)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
