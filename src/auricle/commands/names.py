"""`auricle list`: names of front-ends, backbones, corpora, conditions, suites and enhancers."""

from __future__ import annotations

from importlib import import_module

from auricle.config import ListNames, verb
from auricle.errors import AuricleError
from auricle.registry import unknown_name

REGISTRIES = {
    "frontends": ("auricle.frontends", "FRONTENDS"),
    "backbones": ("auricle.backbones", "BACKBONES"),
    "corpora": ("auricle.data.corpora", "CORPORA"),
    "conditions": ("auricle.conditions", "CONDITIONS"),
    "suites": ("auricle.conditions", "SUITES"),
    "enhancers": ("auricle.tasks.enhancement.open", "ENHANCERS"),
}


@verb
def list_names(options: ListNames) -> str:
    """List the names of a kind; returns a line for each name with its description."""
    if options.what not in REGISTRIES:
        raise AuricleError(unknown_name("kind", options.what, REGISTRIES))
    module, registry = REGISTRIES[options.what]
    known = getattr(import_module(module), registry)
    width = max(len(name) for name in known)
    return "\n".join(f"{name:{width}}  {known.description(name)}" for name in known)
