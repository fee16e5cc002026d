"""Conversion of published checkpoints of EfficientAT (Schmid et al., 2023): MobileNets that know AudioSet's sounds."""

from __future__ import annotations

from pathlib import Path

from auricle.data.tasks import Task
from auricle.systems.classifier.conversion import likeliest_backbone, read_labels
from auricle.systems.classifier.system import Classifier
from auricle.systems.published import check_weights, conversion_of, read_state_dict

WIDTHS = (0.1, 0.2, 0.4, 0.5, 1.0, 2.0, 3.0, 4.0)
"""Of the published networks."""
_SAMPLE_RATE = 32000
_FRONTEND = {"name": "mel-efficientat", "variant": "published"}
_NAMES = {"features.": "backbone.layers.", "classifier.2.": "heads.0.", "classifier.5.": "heads.3."}


@conversion_of("a MobileNet of EfficientAT")
def from_published(
    path: str | Path,
    *,
    labels: str | Path | None = None,
    window_s: float = 10.0,
    n_filters: int = 128,
    hop_length: int = 320,
) -> Classifier:
    """Convert a checkpoint of a MobileNet (`mn04_as_mAP_432.pt` and its like); no code from it is run.

    Args:
        path: the checkpoint.
        labels: AudioSet's class_labels_indices.csv; by default the labels are class-0, class-1, …
        window_s: window of the classifier in seconds.
        n_filters: number of mel bands.
        hop_length: hop length in samples at 32 kHz.

    The network fits any number of bands and any hop length, so these cannot be told from the checkpoint. Raises an
    `AuricleError` if the file is no such checkpoint.
    """
    weights = {_own_name(name): value for name, value in read_state_dict(path).items()}
    last = weights.get("heads.3.bias")
    n_labels = 527 if last is None else len(last)
    model = Classifier.build(
        sample_rate=_SAMPLE_RATE,
        window_s=window_s,
        frontend=_FRONTEND | {"n_filters": n_filters, "hop_length": hop_length},
        backbone=likeliest_backbone(weights, [{"name": "mobilenet", "width": width} for width in WIDTHS], n_filters),
        head="mlp",
        tasks=[Task("audioset", read_labels(labels, n_labels), multi_label=True)],
    )
    check_weights(path, "a MobileNet of EfficientAT", weights, model.state_dict())
    model.load_state_dict(weights)
    return model.eval()


def _own_name(name: str) -> str:
    for published, own in _NAMES.items():
        if name.startswith(published):
            return own + name.removeprefix(published).replace("conc_se_layers.0.", "")
    return name
