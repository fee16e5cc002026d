"""`auricle list`: names of front-ends, backbones, corpora, conditions, suites, enhancers and published models."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from auricle.config import ListNames, verb
from auricle.published import MODELS
from auricle.published.home import is_here
from auricle.readers import read_json

REGISTRIES = {
    "frontends": ("auricle.frontends", "FRONTENDS"),
    "backbones": ("auricle.backbones", "BACKBONES"),
    "corpora": ("auricle.data.corpora", "CORPORA"),
    "conditions": ("auricle.conditions", "CONDITIONS"),
    "suites": ("auricle.conditions", "SUITES"),
    "enhancers": ("auricle.tasks.enhancement.open", "ENHANCERS"),
}
MODELS_KIND = "models"

INDEX = Path(__file__).with_name("names.json")
"""Names and descriptions of auricle's own components, which `tools/names.py` writes: listing them needs no PyTorch."""

_HEADS = {"here": "on this computer", "facts": "size, licence"}


class Names(list[dict[str, str]]):
    """What each name stands for, by column; as text a line for each, below heads if there are over two columns."""

    def record(self) -> list[dict[str, str]]:
        """The names as plain values."""
        return list(self)

    def __str__(self) -> str:
        heads = {column: _HEADS.get(column, column) for column in self[0]}
        rows = [heads, *self] if len(heads) > 2 else self
        widths = {column: max(len(row[column]) for row in rows) for column in heads}
        lines = ("  ".join(f"{row[column]:{width}}" for column, width in widths.items()) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


@verb
def list_names(options: ListNames) -> Names:
    """List the names of a kind; returns for each what it stands for."""
    if options.kind == MODELS_KIND:
        return published_models()
    module, _ = REGISTRIES[options.kind]
    names = registered(options.kind) if module in sys.modules else read_json(INDEX, dict)[options.kind]
    return Names({"name": name, "description": description} for name, description in names.items())


def registered(kind: str) -> dict[str, str]:
    """The names of a kind that are registered in this process, with their descriptions."""
    module, registry = REGISTRIES[kind]
    known = getattr(import_module(module), registry)
    return {name: known.description(name) for name in known}


def published_models() -> Names:
    """The published models: name, whether it is on this computer, size and licence, and its use."""
    return Names(
        {"name": name, "here": "yes" if is_here(name) else "no", "facts": model.facts, "use": model.use}
        for name, model in MODELS.items()
    )
