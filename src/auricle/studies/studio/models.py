"""The models of a folder: runs and exported classifiers, found by what they hold, opened when they are asked for."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from auricle.errors import AuricleError
from auricle.frontends import Frontend, create_frontend
from auricle.frontends.spec import read_frontend
from auricle.identity import file_digest
from auricle.readers import read_json
from auricle.registry import unknown_name
from auricle.runs.provenance import run_digest, system_name
from auricle.systems.enhancer import PiecewiseEnhancer
from auricle.systems.separator import Separator
from auricle.systems.system import CONFIG, WEIGHTS
from auricle.tasks.classification.calibration import CALIBRATION
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier, WindowClassifier
from auricle.tasks.enhancement.open import ENHANCERS, enhancer_digest, open_enhancer
from auricle.tasks.open import open_window_classifier
from auricle.tasks.separation.open import open_separator

LABELS, ENHANCES, SEPARATES = "labels sounds", "reduces noise", "separates sounds"
"""What a model does."""
OF_A_RUN = "front-end of "
_KINDS = {"classifier": LABELS, "trnet": LABELS, "cmgan": ENHANCES, "separator": SEPARATES}
_DEEPEST = 4  # folders below the given one
_KEPT = 3  # opened models


class Found(NamedTuple):
    """A model: its path, or an enhancer's name, and what it does."""

    place: str
    kind: str


def find_models(folder: str | Path | None) -> dict[str, Found]:
    """The models in `folder` by their paths below it, or by its own name; then the enhancers that have no weights.

    A model whose name would be that of such an enhancer has its whole path. Raises `AuricleError` if there is no such
    folder.
    """
    found: dict[str, Found] = {}
    if folder is not None:
        root = Path(folder)
        if not root.is_dir():
            raise AuricleError(f"{folder}: no such folder; give one with runs of auricle train in it")
        for path in _places(root, _DEEPEST):
            kind = _kind(path)
            if kind:
                own = path.relative_to(root).as_posix()
                name = root.resolve().name if own == "." else own
                found[str(path.resolve()) if name in ENHANCERS else name] = Found(str(path), kind)
    return found | {name: Found(name, ENHANCES) for name in ENHANCERS if name != "identity"}


def _places(folder: Path, depth: int) -> Iterator[Path]:
    """Model folders and .onnx files in `folder` and up to `depth` folders below it, but none within a model."""
    if is_model(folder):
        yield folder
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and depth:
            yield from _places(Path(entry.path), depth - 1)
        elif entry.name.endswith(".onnx") and entry.is_file():
            yield Path(entry.path)


def is_model(folder: Path) -> bool:
    """Whether this is the folder of a finished model."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def _kind(path: Path) -> str:
    """What the model at `path` does; "" if the page has no use for it."""
    if path.suffix == ".onnx" and path.is_file():
        return LABELS
    try:
        return _KINDS.get(system_name(path), "")
    except AuricleError:
        return ""


class Models:
    """The models that the page offers; a few that were used last stay open."""

    def __init__(self, folder: str | Path | None, device: str = "auto") -> None:
        self.folder = None if folder is None else Path(folder)
        self.device = device
        self.found = find_models(folder)
        self._open: dict[str, Any] = {}

    def names(self, *kinds: str) -> list[str]:
        """The names of the models of these kinds."""
        return [name for name, model in self.found.items() if model.kind in kinds]

    def kind(self, name: str | None) -> str:
        """What a model does; raises `AuricleError` if there is none of that name."""
        if not name:
            raise AuricleError("choose a model first")
        if name not in self.found:
            raise AuricleError(unknown_name("model", name, self.found))
        return self.found[name].kind

    def classifier(self, name: str | None) -> WindowClassifier:
        """The classifier of that name, open."""
        return self._opened(name, LABELS, run_digest, open_window_classifier)

    def enhancer(self, name: str | None) -> PiecewiseEnhancer:
        """The enhancer of that name, open."""
        return self._opened(name, ENHANCES, enhancer_digest, open_enhancer)

    def separator(self, name: str | None) -> Separator:
        """The separator of that name, open."""
        return self._opened(name, SEPARATES, run_digest, open_separator)

    def classes(self, name: str | None) -> list[str]:
        """The classes that a separator can extract by name; none of a model that is no separator."""
        if not name or self.kind(name) != SEPARATES:
            return []
        config = read_json(Path(self.found[name].place) / CONFIG, {"config": dict})["config"]
        return [str(label) for label in config.get("queries", [])]

    def frontend(self, text: str) -> Frontend:
        """A front-end by name with options ("mel:n_filters=64"), or "front-end of " a run."""
        if text.startswith(OF_A_RUN):
            model = self.classifier(text.removeprefix(OF_A_RUN))
            if not isinstance(model, TorchWindowClassifier):
                raise AuricleError(f"{text}: only a run of auricle train classifier shows its front-end")
            return copy.deepcopy(model.classifier.frontend).cpu()
        settings = read_frontend(text)
        return create_frontend(settings.pop("name"), **settings).eval()

    def _opened(
        self, name: str | None, kind: str, digest: Callable[[str], str], opened: Callable[[str, str], Any]
    ) -> Any:
        if self.kind(name) != kind:
            raise AuricleError(f"{name} {self.kind(name)}: choose a model that {kind}")
        place = self.found[str(name)].place
        calibration = Path(place) / CALIBRATION
        key = f"{kind} {digest(place)} {file_digest(calibration) if calibration.is_file() else ''}"
        model = self._open.pop(key, None) or opened(place, self.device)
        self._open[key] = model
        while len(self._open) > _KEPT:
            self._open.pop(next(iter(self._open)))
        return model
