"""auricle: train, stress-test and deploy audio models that keep working in noise.

    frontend = auricle.create_frontend("leaf", n_filters=64)
    model = auricle.load("runs/digits")

`create_frontend` needs torch and numpy alone; everything else is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "AuricleError": "auricle.errors",
    "Frontend": "auricle.frontends",
    "create_frontend": "auricle.frontends",
    "list_frontends": "auricle.frontends",
    "register_frontend": "auricle.frontends",
    "create_backbone": "auricle.backbones",
    "list_backbones": "auricle.backbones",
    "register_backbone": "auricle.backbones",
    "load": "auricle.systems",
    "Stream": "auricle.systems.streaming",
}

__all__ = [
    "AuricleError",
    "Frontend",
    "Stream",
    "create_backbone",
    "create_frontend",
    "list_backbones",
    "list_frontends",
    "load",
    "register_backbone",
    "register_frontend",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'auricle' has no attribute {name!r}")
