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


@verb
def list_names(options: ListNames) -> str:
    """List the names of a kind; returns a line for each name with its description."""
    if options.kind == MODELS_KIND:
        return published_models()
    module, _ = REGISTRIES[options.kind]
    names = registered(options.kind) if module in sys.modules else read_json(INDEX, dict)[options.kind]
    width = max(len(name) for name in names)
    return "\n".join(f"{name:{width}}  {description}" for name, description in names.items())


def registered(kind: str) -> dict[str, str]:
    """The names of a kind that are registered in this process, with their descriptions."""
    module, registry = REGISTRIES[kind]
    known = getattr(import_module(module), registry)
    return {name: known.description(name) for name in known}


def published_models() -> str:
    """The published models, a line for each: name, whether it is on this computer, size and licence, and its use."""
    rows = [(name, "here" if is_here(name) else "-", model.facts, model.use) for name, model in MODELS.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join([*map(str.ljust, row, widths), row[3]]) for row in rows)
