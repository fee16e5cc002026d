"""What is stress-tested: run folders, ONNX files of auricle or of other programs, and Python functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from auricle.config.options import names_function
from auricle.data.clip_store import ClipStore
from auricle.data.manifest import Manifest
from auricle.data.tasks import Task
from auricle.errors import AuricleError, shown_path
from auricle.frontends import Frontend
from auricle.frontends.spec import frontend_name
from auricle.identity import digest_of, display_names
from auricle.reports import plots
from auricle.runs.evaluation import arrangement
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import run_digest
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.calibration import read_calibration
from auricle.tasks.classification.conditions import met_in_training
from auricle.tasks.classification.events import EventRule
from auricle.tasks.classification.functions import (
    Function,
    FunctionClassifier,
    function_name,
    import_function,
)
from auricle.tasks.classification.onnx_sessions import OnnxSession
from auricle.tasks.classification.other_onnx import OtherOnnxClassifier
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import (
    OnnxWindowClassifier,
    TorchWindowClassifier,
    WindowClassifier,
)


@dataclass
class StressedModel:
    """A model to be stress-tested: its path or `module:function`, display name, training seed and digest.

    Without a digest nothing of it is kept for later. `selection` has its calibration, and the thresholds from which an
    answer is a false alarm.
    """

    source: str
    windows: WindowClassifier
    name: str
    seed: int
    digest: str | None
    selection: Selection

    @property
    def task(self) -> Task:
        """Its only task; raises `AuricleError` if it has several."""
        tasks = self.windows.tasks
        if len(tasks) > 1:
            names = ", ".join(task.name for task in tasks)
            raise AuricleError(
                f"{self.source} has several tasks ({names}), and a stress test is of one: `auricle evaluate --task` "
                "measures each, with --noise and --snr in noise"
            )
        return next(iter(tasks))

    @property
    def shown(self) -> str:
        """What it was given as, as printable text."""
        return shown_path(self.source)

    @property
    def folder(self) -> Path | None:
        """The run folder; None for a model of another kind."""
        return None

    @property
    def frontend(self) -> Frontend | None:
        """The front-end, if it is known."""
        return None

    @property
    def met(self) -> set[str] | None:
        """Names of the corruptions that were used as augmentation in training; None if they are not known."""
        return None

    def alike(self) -> str:
        """The same text for models that differ in their seed only, and are averaged."""
        return digest_of("model", self.source, self.digest)

    def learnt(self) -> dict[str, Figure]:
        """Plots of the front-end's learnt parameters beside the initial ones."""
        return {}


@dataclass
class StressedRun(StressedModel):
    """A run of `auricle train classifier`."""

    model: Classifier

    @classmethod
    def open(cls, folder: str, device: str = "auto", threshold: float | None = None) -> StressedRun:
        """Open the run in `folder`, named after its front-end; see `tell_apart` for several runs."""
        model, digest = load_classifier(folder, device), run_digest(folder)
        windows = TorchWindowClassifier(model, digest, read_calibration(folder, digest, model.tasks))
        name = frontend_name(model.config["frontend"])
        return cls(folder, windows, name, model.seed, digest, _selection(windows, threshold), model)

    @property
    def folder(self) -> Path:
        return Path(self.source)

    @property
    def frontend(self) -> Frontend:
        return self.model.frontend

    @property
    def met(self) -> set[str]:
        return met_in_training(self.model)

    def alike(self) -> str:
        return digest_of(self.name, arrangement(self.model.config, self.folder))

    def learnt(self) -> dict[str, Figure]:
        return plots.frontend_figures(self.model.frontend, type(self.model).build(**self.model.config).frontend)


def _selection(windows: WindowClassifier, threshold: float | None) -> Selection:
    return Selection.for_model(windows, threshold=threshold, events=EventRule())


def open_models(
    given: Sequence[str | Function], device: str, threshold: float | None, read: Callable[[bool], Manifest]
) -> tuple[list[StressedModel], Manifest]:
    """Open run folders, ONNX files and functions, and read the data; `read` is given whether clips may have any labels.

    A single run is named after its folder. What exists is not imported. Functions are opened last: what they leave open
    is taken from the other models, or from the data.
    """
    functions = {
        place: import_function(model) if isinstance(model, str) else model
        for place, model in enumerate(given)
        if not isinstance(model, str) or (names_function(model) and not Path(model).exists())
    }
    opened = {
        place: _open(model, device, threshold)
        for place, model in enumerate(given)
        if isinstance(model, str) and place not in functions
    }
    task = next((model.task for model in opened.values()), None)
    multi_label = task.multi_label if task else any(getattr(f, "multi_label", False) for f in functions.values())
    manifest = read(multi_label)
    shown: dict[str, Function] = {}
    for place, function in functions.items():
        model = given[place]
        called = name = model if isinstance(model, str) else function_name(function)
        while shown.setdefault(name, function) is not function:
            name = f"{called} ({len(shown) + 1})"
        rates = [clip.sample_rate for clip in manifest]
        rate = int(getattr(function, "sample_rate", max(set(rates), key=rates.count)))
        sound = ClipStore(manifest.clips[:1], rate).read(0)
        labels = task.labels if task else manifest.label_names
        windows = FunctionClassifier.open(function, name, (sound, rate), labels, manifest.multi_label)
        opened[place] = StressedModel(name, windows, name, 0, None, _selection(windows, threshold))
    models = [opened[place] for place in sorted(opened)]
    if len(models) == 1 and isinstance(models[0], StressedRun):
        models[0].name = shown_path(models[0].folder.resolve().name)
    return models, manifest


def _open(model: str, device: str, threshold: float | None) -> StressedModel:
    path = Path(model)
    if not path.is_file():
        return StressedRun.open(model, device, threshold)
    described = OnnxSession(path, limited=True).is_described
    windows: Any = OnnxWindowClassifier(path) if described else OtherOnnxClassifier(path)
    return StressedModel(model, windows, shown_path(path.name), 0, windows.digest, _selection(windows, threshold))


def tell_apart(models: Sequence[StressedModel]) -> None:
    """Make the names of models unambiguous: runs of the same name differ in their seed only.

    If all have the same front-end, they are named by their places alone. Raises `AuricleError` if the same model is
    given twice.
    """
    first: dict[str, StressedModel] = {}
    for model in models:
        identity = model.digest or model.source
        if identity in first:
            raise AuricleError(f"{first[identity].source} and {model.source} are the same model: give it once")
        first[identity] = model
    together: dict[str, list[StressedModel]] = {}
    for model in models:
        together.setdefault(model.alike(), []).append(model)
    apart = [[model] for own in together.values() if len({m.seed for m in own}) < len(own) for model in own]
    apart += [own for own in together.values() if len({m.seed for m in own}) == len(own)]
    apart.sort(key=lambda own: models.index(own[0]))
    frontends = [own[0].name for own in apart]
    names = display_names(frontends, [own[0].source for own in apart])
    if len(set(frontends)) == 1:
        names = [name.removeprefix(f"{frontends[0]}, ") for name in names]
    for own, name in zip(apart, names, strict=True):
        for model in own:
            model.name = shown_path(name)
