"""Conversion of published LEAF-APCEN classifiers (Meng et al.): a LEAF front-end and EfficientNet-B0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.frontends.windowwise import CLASSIFIER_PREFIX, PUBLISHED_NAMES
from auricle.systems.classifier.conversion import efficientnet_weights, read_labels
from auricle.systems.classifier.system import Classifier
from auricle.systems.published import check_weights, conversion_of, read_state_dict

LEAD = 149
"""Zeros that the published training puts before each clip of ESC-50, CREMA-D and FMA, but not of VoxCeleb1."""
_SAMPLE_RATE = 16000
_ENCODER, _HEAD = "_encoder.", "_head."
_UNUSED = "_encoder._fc."


@conversion_of("a classifier of LEAF-APCEN")
def from_published(
    path: str | Path, *, labels: str | Path | None = None, window_s: float = 1.0, lead: int = LEAD
) -> Classifier:
    """Convert a checkpoint of LEAF, LEAF with SimpPCEN, or LEAF-APCEN, with EfficientNet-B0; no code from it is run.

    Args:
        path: the checkpoint.
        labels: the labels in the order of the outputs (see `read_labels`); by default class-0, class-1, …
        window_s: window of the classifier in seconds.
        lead: zeros before each window, for LEAF-APCEN alone.

    Raises an `AuricleError` if the file is no such checkpoint.
    """
    published = read_state_dict(path)
    weights = _own_weights(published)
    root = weights.get("frontend.compression.root")
    if root is not None and (root < 0).any():
        raise AuricleError(f"{path}: PCEN learnt logarithms (pcen_learn_logs), which is not converted")
    last, centres = weights.get("heads.bias"), weights.get("frontend.filterbank.center_freqs")
    model = Classifier.build(
        sample_rate=_SAMPLE_RATE,
        window_s=window_s,
        frontend=_frontend(weights, lead) | {"n_filters": 40 if centres is None else len(centres)},
        backbone={"name": "efficientnet-b0", "pooling": "max", "padding": "even"},
        tasks=[Task("sounds", read_labels(labels, 50 if last is None else len(last)))],
    )
    check_weights(path, "a classifier of LEAF-APCEN", weights, model.state_dict())
    model.load_state_dict(weights)
    return model.eval()


def _frontend(weights: Mapping[str, Tensor], lead: int) -> dict[str, Any]:
    """The front-end that has the entries of `weights`."""
    if any(name.startswith("frontend.compression.controller.") for name in weights):
        return {"name": "leaf-apcen", "variant": "published", "lead": lead}
    name = "leaf-pcen" if "frontend.compression.delta" in weights else "leaf-simppcen"
    return {"name": name, "variant": "published"}


def _own_weights(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    weights = efficientnet_weights(
        {
            name.removeprefix(_ENCODER): value
            for name, value in published.items()
            if name.startswith(_ENCODER) and not name.startswith(_UNUSED)
        }
    )
    weights = {f"backbone.{name}": value for name, value in weights.items()}
    for name, value in published.items():
        if name.startswith(CLASSIFIER_PREFIX):
            own = name.removeprefix(CLASSIFIER_PREFIX)
            weights[f"frontend.{PUBLISHED_NAMES.get(own, own)}"] = value
        elif name.startswith(_HEAD):
            weights[f"heads.{name.removeprefix(_HEAD)}"] = value
        elif not name.startswith(_ENCODER):
            weights[name] = value
    return weights
