"""Open a trained model as a window classifier, whatever its kind."""

from __future__ import annotations

from pathlib import Path

from auricle.errors import AuricleError
from auricle.runs.provenance import run_digest, system_name
from auricle.tasks.classification.calibration import read_calibration
from auricle.tasks.classification.window_classifiers import (
    OnnxWindowClassifier,
    TorchWindowClassifier,
    WindowClassifier,
)


def open_window_classifier(model: str | Path, device: str = "auto", *, calibrated: bool = True) -> WindowClassifier:
    """The window classifier of a run folder (a classifier or TRNet) or of an ONNX file that `auricle export` wrote.

    It has its calibration, if there is one and unless `calibrated` is False. Torch is imported for run folders only.
    Raises `AuricleError` if `model` is neither, and for a run of several folds, each of which has its own model.
    """
    if Path(model).suffix == ".onnx":
        return OnnxWindowClassifier(model, calibrated=calibrated)
    refuse_folds(model)
    if system_name(model) == "trnet":
        from auricle.tasks.emotion.predict import TRNetWindowClassifier

        return TRNetWindowClassifier.from_run(model, device)
    from auricle.runs.loading import load_classifier

    classifier, digest = load_classifier(model, device), run_digest(model)
    calibration = read_calibration(model, digest, classifier.tasks) if calibrated else None
    return TorchWindowClassifier(classifier, digest, calibration)


def refuse_folds(run: str | Path) -> None:
    """Raise `AuricleError` for a run of several folds, each of which has its own model."""
    folds = Path(run) / "folds"
    if folds.is_dir():
        names = ", ".join(sorted(path.name for path in folds.iterdir()))
        raise AuricleError(f"{run} holds one model per fold: give the folder of one of {names} in its folds")
