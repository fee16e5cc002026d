"""What labels windows: a classifier in torch, or the same one as an ONNX file without torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.runs.provenance import OWN_ENHANCER, run_digest

if TYPE_CHECKING:
    from torch import Tensor

    from auricle.systems.classifier.system import Classifier
    from auricle.systems.enhancer import Enhances
    from auricle.systems.trnet import TRNet

METADATA = "auricle"  # the key under which an exported model keeps its description, as JSON


class WindowClassifier(Protocol):
    """Windows to logits, and what the logits mean."""

    sample_rate: int
    window: int
    short: str
    tasks: tuple[Task, ...]
    digest: str
    """What tells the model from others (`run_digest`)."""
    extras: tuple[str, ...]
    """What is told of a window beside its labels, in columns after the logits."""
    frame_s: float | None
    """Seconds from a frame to the next, of a detector; None for what labels windows as a whole."""

    def logits(self, windows: np.ndarray) -> np.ndarray:
        """`(n, window)` float32 at `sample_rate` → `(n, labels of all tasks and extras)`."""

    def detect(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A detector's logits, of windows and of their frames: `(n, labels)` and `(n, frames, labels)`."""


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


class WholeWindows:
    """What labels windows as a whole."""

    frame_s: float | None = None

    def detect(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise AuricleError("this model labels windows as a whole: it does not tell what happens when")


class TorchWindowClassifier:
    """A classifier in torch."""

    extras: tuple[str, ...] = ()

    def __init__(self, classifier: Classifier, digest: str = "") -> None:
        self.classifier = classifier
        self.sample_rate = classifier.sample_rate
        self.window = classifier.window
        self.short = classifier.short
        self.tasks = classifier.tasks
        self.digest = digest
        self.frame_s: float | None = None
        if classifier.detects:
            self.frame_s = classifier.frontend.hop_length / classifier.sample_rate

    @classmethod
    def of_run(cls, run: str | Path, device: str = "auto") -> TorchWindowClassifier:
        """That of a run folder."""
        from auricle.runs.loading import load_classifier

        classifier = load_classifier(run, device)
        return cls(classifier, run_digest(run))

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


def onnx_session(path: str | Path, threads: int = 0) -> Any:
    """An onnxruntime session on the CPU; 0 threads are as many as there are cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class TRNetWindowClassifier(WholeWindows):
    """TRNet or a baseline of it, with the enhancer of its run; each window is enhanced by itself.

    The zeros that a window ends in are taken for padding.
    """

    def __init__(self, system: TRNet, enhancer: Enhances | None, digest: str = "") -> None:
        self.system = system
        self.enhancer = enhancer
        self.sample_rate = system.sample_rate
        self.window = system.window
        self.short = system.short
        self.tasks = system.tasks
        self.digest = digest
        self.extras: tuple[str, ...] = ("coefficient",) if system.kind.refines else ()

    @classmethod
    def of_run(cls, run: str | Path, device: str = "auto") -> TRNetWindowClassifier:
        """That of a fold of a run of `auricle train trnet`."""
        from auricle.runs.loading import usable_device
        from auricle.systems.system import load
        from auricle.systems.trnet import TRNet
        from auricle.tasks.enhancement.open import open_enhancer

        system = load(run, usable_device(device))
        assert isinstance(system, TRNet)
        name = system.config["enhancer"]
        enhancer = None
        if system.kind.enhances:
            enhancer = open_enhancer(Path(run) / OWN_ENHANCER if name == OWN_ENHANCER else name, device)
        return cls(system, enhancer, run_digest(run))

    def logits(self, windows: np.ndarray) -> np.ndarray:
        import torch

        from auricle.systems.system import evaluating

        counts = [int(np.flatnonzero(window)[-1]) + 1 if window.any() else self.window for window in windows]
        enhanced = windows
        if self.enhancer is not None:
            enhanced = np.zeros_like(windows)
            for row, window, count in zip(enhanced, windows, counts, strict=True):
                row[:count] = self.enhancer.enhance(window[:count], self.sample_rate)
        with torch.no_grad(), evaluating(self.system):
            signals = [torch.from_numpy(values).to(self.system.device) for values in (windows, enhanced)]
            heard = self.system(*signals, torch.tensor(counts, device=self.system.device))
        columns = [heard.logits, heard.coefficient] if self.extras else [heard.logits]
        return torch.cat(columns, dim=1).cpu().numpy()


class OnnxWindowClassifier(WholeWindows):
    """An exported classifier, run by onnxruntime."""

    extras: tuple[str, ...] = ()

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
        self.digest = run_digest(path)

    def logits(self, windows: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"waveform": windows})[0]


def open_window_classifier(model: str | Path, device: str = "auto") -> WindowClassifier:
    """That of a run folder, or of an ONNX file that `auricle export` wrote."""
    if Path(model).suffix == ".onnx":
        return OnnxWindowClassifier(model)
    if (Path(model) / "folds").is_dir():
        folds = sorted(path.name for path in (Path(model) / "folds").iterdir())
        raise AuricleError(
            f"{model} holds a model for each speaker left out: give one of {', '.join(folds)} in its folds"
        )
    if _system_name(Path(model)) == "trnet":
        return TRNetWindowClassifier.of_run(model, device)
    return TorchWindowClassifier.of_run(model, device)


def _system_name(run: Path) -> str:
    """What config.json says it is; nothing where there is none to read."""
    try:
        return str(json.loads((run / "config.json").read_text(encoding="utf-8")).get("system", ""))
    except (OSError, ValueError, AttributeError):
        return ""
