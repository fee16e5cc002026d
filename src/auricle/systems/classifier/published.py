"""Conversion of published checkpoints of PANNs (Kong et al., 2020): Cnn14 and its two detectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from auricle.backbones.cnn14 import CHANNELS
from auricle.data.corpora.audioset import class_names
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.frontends import create_frontend
from auricle.registry import unknown_name
from auricle.systems.classifier.heads import HEADS
from auricle.systems.classifier.system import Classifier
from auricle.systems.published import check_weights, read_state_dict

FRONTEND = {"name": "mel-db", "variant": "published"}
_SAMPLE_RATE = 32000
_OF_FRONTEND = ("spectrogram_extractor.", "logmel_extractor.")
_UNUSED = "att_block.bn_att."
_HEAD_NAMES = {
    "linear": {"fc_audioset.": "heads."},
    "max": {"fc_audioset.": "heads.cla."},
    "attention": {"att_block.att.": "heads.att.", "att_block.cla.": "heads.cla."},
}


def from_published(
    path: str | Path, *, head: str = "", labels: str | Path | None = None, window_s: float = 10.0
) -> Classifier:
    """Convert a checkpoint of Cnn14, Cnn14_DecisionLevelMax or Cnn14_DecisionLevelAtt; no code from it is run.

    Args:
        path: the checkpoint.
        head: "linear", "max" or "attention" for the three networks. By default it is inferred from the entries; those
            of Cnn14 and Cnn14_DecisionLevelMax are the same, and are told apart by the name of the file.
        labels: AudioSet's class_labels_indices.csv; by default the labels are class-0, class-1, …
        window_s: window of the classifier in seconds.

    Raises an `AuricleError` if the file is no such checkpoint, or was trained at another rate than 32 kHz.
    """
    published = read_state_dict(path)
    head = head or ("attention" if "att_block.cla.weight" in published else _by_name(path))
    if head not in HEADS:
        raise AuricleError(unknown_name("head", head, HEADS))
    _check_mel(path, published)
    names = {"": "backbone."} | _HEAD_NAMES[head]
    weights = {}
    for name, value in published.items():
        if not name.startswith((*_OF_FRONTEND, _UNUSED)):
            prefix = max((known for known in names if name.startswith(known)), key=len)
            value = value.squeeze(-1) if prefix.startswith("att_block") and value.ndim == 3 else value
            weights[names[prefix] + name.removeprefix(prefix)] = value
    last = weights.get("heads.weight", weights.get("heads.cla.weight"))
    n_labels = len(last) if last is not None else 527
    model = Classifier.build(
        sample_rate=_SAMPLE_RATE,
        window_s=window_s,
        frontend=FRONTEND,
        backbone={"name": "cnn14", "channels": _channels(weights)},
        head=head,
        tasks=[Task("audioset", audioset_labels(labels, n_labels), multi_label=True)],
    )
    check_weights(path, f"PANNs' Cnn14 with the head {head!r}", weights, model.state_dict())
    model.load_state_dict(weights)
    return model.eval()


def _by_name(path: str | Path) -> str:
    return "max" if "decisionlevelmax" in Path(path).name.lower() else "linear"


def _channels(weights: dict[str, Tensor]) -> list[int]:
    kernels = [weights.get(f"backbone.conv_block{index}.conv1.weight") for index in range(1, len(CHANNELS) + 1)]
    return [len(kernel) if kernel is not None else usual for kernel, usual in zip(kernels, CHANNELS, strict=True)]


def _check_mel(path: str | Path, published: dict[str, Any]) -> None:
    """Raise an `AuricleError` unless the mel matrix of the checkpoint is that of 32 kHz."""
    matrix = published.get("logmel_extractor.melW")
    own = create_frontend(**FRONTEND, sample_rate=_SAMPLE_RATE).get_buffer("filterbank.triangles")
    if matrix is not None and (matrix.shape != own.shape or not torch.allclose(matrix.float(), own, atol=1e-4)):
        raise AuricleError(
            f"{path}: its mel matrix, {tuple(matrix.shape)}, is not Cnn14's for 32 kHz, {tuple(own.shape)}; those for "
            "8 and 16 kHz cannot be converted"
        )


def audioset_labels(table: str | Path | None, n_labels: int) -> tuple[str, ...]:
    """The names in AudioSet's class_labels_indices.csv, or class-0, class-1, … without that table."""
    if table is None:
        return tuple(f"class-{index}" for index in range(n_labels))
    names = tuple(class_names(Path(table)).values())
    if len(names) != n_labels:
        raise AuricleError(f"{table}: {len(names)} labels, but the checkpoint has {n_labels} outputs")
    return names
