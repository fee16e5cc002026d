"""The verbs of the command line, each one typed function that Python code can call as well.

A function only arranges: what it needs is imported when it runs, so that `auricle --help` is quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from auricle.commands.converting import convert_audiomae, convert_cmgan, convert_panns, convert_uss
from auricle.commands.data import check, corrupt, manifest
from auricle.commands.measuring import bench, compare, evaluate, inspect, stress
from auricle.commands.training import (
    train_audiomae,
    train_classifier,
    train_enhancer,
    train_separator,
    train_trnet,
)
from auricle.commands.using import enhance, export, listen, predict, separate
from auricle.errors import AuricleError

__all__ = [
    "bench",
    "check",
    "compare",
    "convert_audiomae",
    "convert_cmgan",
    "convert_panns",
    "convert_uss",
    "corrupt",
    "demo",
    "enhance",
    "evaluate",
    "export",
    "inspect",
    "list_names",
    "listen",
    "manifest",
    "predict",
    "separate",
    "stress",
    "train_audiomae",
    "train_classifier",
    "train_enhancer",
    "train_separator",
    "train_trnet",
]

REGISTRIES = {
    "frontends": ("auricle.frontends", "FRONTENDS"),
    "backbones": ("auricle.backbones", "BACKBONES"),
    "corpora": ("auricle.data.corpora", "CORPORA"),
    "conditions": ("auricle.conditions", "CONDITIONS"),
    "suites": ("auricle.conditions", "SUITES"),
    "enhancers": ("auricle.tasks.enhancement.open", "ENHANCERS"),
}


def list_names(what: str) -> int:
    """List what there is by name: front-ends, backbones, corpora, conditions, suites, enhancers.

    Args:
        what: frontends, backbones, corpora, conditions, suites or enhancers.
    """
    from importlib import import_module

    from auricle.registry import unknown_name

    if what not in REGISTRIES:
        raise AuricleError(unknown_name("kind", what, REGISTRIES))
    module, registry = REGISTRIES[what]
    known = getattr(import_module(module), registry)
    rows = [(name, known.description(name)) for name in known]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name:{width}}  {text}")
    return 0


def demo(*, output: str = "demo", seed: int = 0) -> int:
    """Train and measure two small classifiers on synthetic sounds, and show what came out. Needs no download.

    Args:
        output: folder for data, runs, tables, plots and index.html.
        seed: of the data and the training.
    """
    from auricle.studies.demo import run_demo

    run_demo(Path(output), seed=seed)
    return 0


VERBS: dict[str, Any] = {
    "demo": demo,
    "check": check,
    "train": {
        "audiomae": train_audiomae,
        "classifier": train_classifier,
        "enhancer": train_enhancer,
        "separator": train_separator,
        "trnet": train_trnet,
    },
    "evaluate": evaluate,
    "predict": predict,
    "enhance": enhance,
    "separate": separate,
    "convert": {"audiomae": convert_audiomae, "cmgan": convert_cmgan, "panns": convert_panns, "uss": convert_uss},
    "listen": listen,
    "export": export,
    "compare": compare,
    "corrupt": corrupt,
    "stress": stress,
    "inspect": inspect,
    "bench": bench,
    "manifest": manifest,
    "list": list_names,
}
