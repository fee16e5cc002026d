"""Conversion of published checkpoints of PANNs (Kong et al., 2020): Cnn14 at 32, 16 and 8 kHz, and its detectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from auricle.backbones.cnn14 import CHANNELS
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.frontends import create_frontend
from auricle.registry import unknown_name
from auricle.systems.classifier.conversion import read_labels
from auricle.systems.classifier.system import Classifier
from auricle.systems.published import check_weights, conversion_of, read_state_dict

FRONTEND = {"name": "mel-db", "variant": "published"}
HIGHEST_BAND_HZ = {32000: 14000.0, 16000: 8000.0, 8000: 4000.0}
"""Upper end of the published log-mels, by sample rate in Hz; windows last 32 ms, hops 10 ms, from 50 Hz on."""
_OF_FRONTEND = ("spectrogram_extractor.", "logmel_extractor.")
_UNUSED = "att_block.bn_att."
_HEAD_NAMES = {
    "linear": {"fc_audioset.": "heads."},
    "max": {"fc_audioset.": "heads.cla."},
    "attention": {"att_block.att.": "heads.att.", "att_block.cla.": "heads.cla."},
}


@conversion_of("a Cnn14 of PANNs")
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

    The sample rate is told from the mel matrix of the checkpoint; without one it is 32 kHz. Raises an `AuricleError` if
    the file is no such checkpoint.
    """
    published = read_state_dict(path)
    head = head or ("attention" if "att_block.cla.weight" in published else _by_name(path))
    if head not in _HEAD_NAMES:
        raise AuricleError(unknown_name("head", head, _HEAD_NAMES))
    sample_rate = _sample_rate(path, published)
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
        sample_rate=sample_rate,
        window_s=window_s,
        frontend=_frontend(sample_rate),
        backbone={"name": "cnn14", "channels": _channels(weights)},
        head=head,
        tasks=[Task("audioset", read_labels(labels, n_labels), multi_label=True)],
    )
    check_weights(path, f"PANNs' Cnn14 with the head {head!r}", weights, model.state_dict())
    model.load_state_dict(weights)
    return model.eval()


def _by_name(path: str | Path) -> str:
    return "max" if "decisionlevelmax" in Path(path).name.lower() else "linear"


def _channels(weights: dict[str, Tensor]) -> list[int]:
    kernels = [weights.get(f"backbone.conv_block{index}.conv1.weight") for index in range(1, len(CHANNELS) + 1)]
    return [len(kernel) if kernel is not None else usual for kernel, usual in zip(kernels, CHANNELS, strict=True)]


def _frontend(sample_rate: int) -> dict[str, Any]:
    usual = sample_rate == max(HIGHEST_BAND_HZ)
    return FRONTEND if usual else FRONTEND | {"max_freq_hz": HIGHEST_BAND_HZ[sample_rate]}


def _sample_rate(path: str | Path, published: dict[str, Any]) -> int:
    """The rate in Hz whose mel matrix the checkpoint has; raises `AuricleError` if it is none of those published."""
    matrix = published.get("logmel_extractor.melW")
    if matrix is None:
        return max(HIGHEST_BAND_HZ)
    for sample_rate in HIGHEST_BAND_HZ:
        own = create_frontend(**_frontend(sample_rate), sample_rate=sample_rate).get_buffer("filterbank.triangles")
        if matrix.shape == own.shape and torch.allclose(matrix.float(), own, atol=1e-4):
            return sample_rate
    raise AuricleError(
        f"{path}: its mel matrix, {tuple(matrix.shape)}, is not one of Cnn14's, which are those of "
        f"{', '.join(f'{rate // 1000} kHz' for rate in HIGHEST_BAND_HZ)}"
    )
