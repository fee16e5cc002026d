"""Conversion of classifiers of leaf-pytorch (Yadav, 2021): LEAF with an EfficientNet or a ResNet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from auricle.backbones.efficientnet import WIDTHS
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.readers import checked, read_yaml
from auricle.systems.classifier.conversion import efficientnet_weights, likeliest_backbone, read_labels
from auricle.systems.classifier.system import Classifier
from auricle.systems.published import check_weights, conversion_of, read_state_dict

_FRONTEND, _NETWORK = "features.", "model."
_FRONTEND_NAMES = {
    "_pooling.weights": "pooling.widths",
    "_pooling._bias": "compression.offset",
    "_compression.alpha": "compression.alpha",
    "_compression.delta": "compression.delta",
    "_compression.root": "compression.root",
    "_compression.ema._weights": "compression.smooth",
}
_EFFICIENTNETS = [{"name": f"efficientnet-{variant}"} for variant in WIDTHS]
_RESNETS: list[dict[str, Any]] = [
    *({"name": f"resnet-{depth}"} for depth in (18, 34, 50)),
    *({"name": "resnet-50", "depths": (3, depth, 36 if depth == 8 else 23, 3)} for depth in (4, 8)),
]
_AUDIO = {"sample_rate": 16000.0, "window_len": 25.0, "window_stride": 10.0, "val_clip_size": 1.0}
"""Of the published checkpoints; Hz, ms, ms and s."""
_CFG = {
    "frontend?": {"default_args?": bool},
    "model?": {"type?": str},
    "audio_config?": {f"{name}?": float for name in _AUDIO},
}


@conversion_of("a classifier of leaf-pytorch")
def from_published(
    path: str | Path,
    *,
    cfg: str | Path | None = None,
    labels: str | Path | None = None,
    window_s: float | None = None,
) -> Classifier:
    """Convert a checkpoint of LEAF with EfficientNet-B0 … B7 or ResNet-18 … 152; no code from it is run.

    Args:
        path: the checkpoint.
        cfg: the training's configuration (a .cfg of leaf-pytorch, which is YAML); by default that of the
            published checkpoints: 16 kHz and one label a clip.
        labels: the labels in the order of the outputs (see `read_labels`); by default class-0, class-1, …
        window_s: window of the classifier in seconds; by default that of the configuration, else 1 s.

    Raises an `AuricleError` if the file is no such checkpoint.
    """
    given = checked(read_yaml(cfg), _CFG, cfg) if cfg else {"frontend": {"default_args": True}}
    audio = _AUDIO | {name: value for name, value in given.get("audio_config", {}).items() if name in _AUDIO}
    if not all(0 < value < 1e6 for value in audio.values()):
        raise AuricleError(f"{cfg}: {', '.join(_AUDIO)} should all be positive")
    usual = _AUDIO if given.get("frontend", {}).get("default_args", False) else audio
    sample_rate = int(usual["sample_rate"])
    weights, backbones = _own_weights(path, read_state_dict(path))
    n_filters = len(weights.get("frontend.filterbank.center_freqs", ())) or 40
    last = weights.get("heads.bias")
    multi_label = given.get("model", {}).get("type") == "multilabel"
    model = Classifier.build(
        sample_rate=sample_rate,
        window_s=audio["val_clip_size"] if window_s is None else window_s,
        frontend={
            "name": "leaf",
            "method": "direct",
            "compression": "offset-spcen",
            "n_filters": n_filters,
            "kernel_size": int(sample_rate * usual["window_len"] // 1000 + 1),
            "hop_length": int(sample_rate * usual["window_stride"] // 1000),
        },
        backbone=likeliest_backbone(weights, backbones, n_filters),
        tasks=[Task("sounds", read_labels(labels, 35 if last is None else len(last)), multi_label)],
    )
    check_weights(path, "a classifier of leaf-pytorch", weights, model.state_dict())
    model.load_state_dict(weights)
    return model.eval()


def _own_weights(path: str | Path, published: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """The weights under the names of this package, and the backbones that they may be of."""
    network = {k.removeprefix(_NETWORK): v for k, v in published.items() if k.startswith(_NETWORK)}
    if "_conv_stem.weight" in network:
        head, backbones, network = "_fc.", _EFFICIENTNETS, efficientnet_weights(network)
    elif "layer1.0.conv1.weight" in network and "fc.weight" in network:
        head, backbones = "fc.", _RESNETS
    else:
        raise AuricleError(f"{path}: not a classifier of leaf-pytorch with an EfficientNet or a ResNet")
    weights = {
        f"heads.{name.removeprefix(head)}" if name.startswith(head) else f"backbone.{name}": value
        for name, value in network.items()
    }
    for name, value in published.items():
        own = name.removeprefix(_FRONTEND)
        if own == "_complex_conv._kernel" and value.ndim == 2 and value.shape[1] == 2:
            weights |= {"frontend.filterbank.center_freqs": value[:, 0], "frontend.filterbank.bandwidths": value[:, 1]}
        elif own != name:
            weights[f"frontend.{_FRONTEND_NAMES.get(own, own)}"] = value.flatten()
        elif not name.startswith(_NETWORK):
            weights[name] = value
    return weights, backbones
