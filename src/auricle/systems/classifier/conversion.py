"""What conversions of published classifiers share: labels, the size of a backbone, and the names of EfficientNet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from auricle.backbones import create_backbone
from auricle.data.corpora.audioset import numbered_names
from auricle.data.labels import refuse_label_errors
from auricle.errors import AuricleError
from auricle.readers import read_json, read_text

_PARTS = (  # of a block of efficientnet_pytorch, and of ours, in which they are numbered
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_se_reduce", "_se_expand"),
    ("_project_conv", "_bn2"),
)


def read_labels(table: str | Path | None, n_labels: int) -> tuple[str, ...]:
    """The labels of a checkpoint's outputs, in their order: class-0, class-1, … without a `table`.

    `table` is AudioSet's class_labels_indices.csv, JSON with the number of each label, from 0 on (leaf-pytorch's
    lbl_map.json) or a list of labels, or text with one label a line. Raises an `AuricleError` unless it has `n_labels`.
    """
    if table is None:
        return tuple(f"class-{index}" for index in range(n_labels))
    text = read_text(table).lstrip()
    if text.startswith("index,mid,"):
        names = numbered_names(Path(table))
    elif text.startswith(("{", "[")):
        names = _numbered(read_json(table, ({"*": int}, [str])), table)
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(names) != n_labels:
        raise AuricleError(f"{table}: {len(names)} labels, but the checkpoint has {n_labels} outputs")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise AuricleError(f"{table}: the label {twice!r} stands twice")
    empty = next((index for index, name in enumerate(names) if not name.strip()), None)
    if empty is not None:
        raise AuricleError(f"{table}: label {empty} is empty")
    several = next((name for name in names if ";" in name), None)
    if several is not None:
        raise AuricleError(f"{table}: the label {several!r} has a semicolon, which separates labels")
    refuse_label_errors(table, names)
    return tuple(names)


def _numbered(labels: dict[str, int] | list[str], table: str | Path) -> list[str]:
    if isinstance(labels, list):
        return labels
    if sorted(labels.values()) != list(range(len(labels))):
        raise AuricleError(f"{table}: the labels should be numbered from 0 to {len(labels) - 1}")
    return sorted(labels, key=labels.__getitem__)


def likeliest_backbone(
    weights: Mapping[str, Tensor], configs: Iterable[dict[str, Any]], n_bands: int
) -> dict[str, Any]:
    """The one of `configs` whose backbone has most of the entries "backbone.…" of `weights`, and fewest others."""

    def agreement(config: dict[str, Any]) -> int:
        own = _shapes(n_bands, **config)
        given = {name: weights[f"backbone.{name}"].shape for name in own if f"backbone.{name}" in weights}
        return 2 * sum(shape == own[name] for name, shape in given.items()) - len(own)

    return max(configs, key=agreement)


@cache
def _shapes(n_bands: int, **config: Any) -> dict[str, torch.Size]:
    """The shapes of the entries of a backbone's state dict."""
    with torch.device("meta"):
        return {name: value.shape for name, value in create_backbone(**config, n_bands=n_bands).state_dict().items()}


def efficientnet_weights(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of efficientnet_pytorch under the names of our backbone; unknown names stay as they are."""
    n_blocks = len({name.split(".")[1] for name in published if name.startswith("_blocks.")})
    renamed = (_efficientnet_name(name, published, n_blocks) for name in published)
    return {
        own: value[..., 0, 0] if ".fc" in own and value.ndim == 4 else value
        for own, value in zip(renamed, published.values(), strict=True)
    }


def _efficientnet_name(name: str, published: Mapping[str, Tensor], n_blocks: int) -> str:
    first, *rest = name.split(".")
    if first in ("_conv_stem", "_bn0"):
        return ".".join(["layers.0", str(int(first == "_bn0")), *rest])
    if first in ("_conv_head", "_bn1"):
        return ".".join([f"layers.{n_blocks + 1}", str(int(first == "_bn1")), *rest])
    for number, parts in enumerate(_PARTS):
        if first == "_blocks" and len(rest) == 3 and rest[0].isdecimal() and rest[1] in parts:
            place = parts.index(rest[1])
            widened = f"_blocks.{rest[0]}._expand_conv.weight" in published
            part = f"fc{place + 1}" if parts[0] == "_se_reduce" else str(place)
            return f"layers.{int(rest[0]) + 1}.block.{number - 1 + widened}.{part}.{rest[2]}"
    return name
