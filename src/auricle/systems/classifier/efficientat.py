"""Conversion of published checkpoints of EfficientAT (Schmid et al., 2023): MobileNets that know AudioSet's sounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from auricle.backbones import create_backbone
from auricle.data.tasks import Task
from auricle.systems.classifier.published import audioset_labels
from auricle.systems.classifier.system import Classifier
from auricle.systems.published import check_weights, read_state_dict

WIDTHS = (0.1, 0.2, 0.4, 0.5, 1.0, 2.0, 3.0, 4.0)
"""Of the published networks."""
_SAMPLE_RATE = 32000
_FRONTEND = {"name": "mel-efficientat", "variant": "published"}
_NAMES = {"features.": "backbone.layers.", "classifier.2.": "heads.0.", "classifier.5.": "heads.3."}


def from_published(path: str | Path, *, labels: str | Path | None = None, window_s: float = 10.0) -> Classifier:
    """Convert a checkpoint of a MobileNet (`mn04_as_mAP_432.pt` and its like); no code from it is run.

    Args:
        path: the checkpoint.
        labels: AudioSet's class_labels_indices.csv; by default the labels are class-0, class-1, …
        window_s: window of the classifier in seconds.

    Raises an `AuricleError` if the file is no such checkpoint.
    """
    weights = {_own_name(name): value for name, value in read_state_dict(path).items()}
    last = weights.get("heads.3.bias")
    n_labels = 527 if last is None else len(last)
    model = Classifier.build(
        sample_rate=_SAMPLE_RATE,
        window_s=window_s,
        frontend=_FRONTEND,
        backbone={"name": "mobilenet", "width": _width(weights)},
        head="mlp",
        tasks=[Task("audioset", audioset_labels(labels, n_labels), multi_label=True)],
    )
    check_weights(path, "a MobileNet of EfficientAT", weights, model.state_dict())
    model.load_state_dict(weights)
    return model.eval()


def _own_name(name: str) -> str:
    for published, own in _NAMES.items():
        if name.startswith(published):
            return own + name.removeprefix(published).replace("conc_se_layers.0.", "")
    return name


def _width(weights: Mapping[str, Tensor]) -> float:
    """The published width whose layers have the shapes of `weights`; 1 where none has."""
    for width in WIDTHS:
        with torch.device("meta"):
            own = create_backbone("mobilenet", n_bands=128, width=width).state_dict()
        if all(weights[f"backbone.{name}"].shape == own[name].shape for name in own if f"backbone.{name}" in weights):
            return width
    return 1.0
