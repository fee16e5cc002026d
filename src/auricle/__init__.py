"""auricle: train, stress-test and deploy audio models that keep working in noise.

    frontend = auricle.create_frontend("leaf", n_filters=64)
    model = auricle.load("runs/digits")
    run = auricle.train_classifier(data="my-sounds", output="runs/mine", frontend="leaf")

Every verb of the command line is a function of this package, with its options as keywords. `create_frontend` needs only
torch and numpy; everything else is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from auricle.commands import every_verb
from auricle.version import __version__

_HOMES = {
    "AuricleError": "auricle.errors",
    "AuricleWarning": "auricle.errors",
    "Frontend": "auricle.frontends",
    "create_frontend": "auricle.frontends",
    "list_frontends": "auricle.frontends",
    "register_frontend": "auricle.frontends",
    "create_backbone": "auricle.backbones",
    "list_backbones": "auricle.backbones",
    "register_backbone": "auricle.backbones",
    "load": "auricle.systems",
    "Sound": "auricle.data.sound",
    "Stream": "auricle.systems.streaming",
} | {verb.name: verb.module for verb in every_verb().values()}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'auricle' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
