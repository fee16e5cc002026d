"""Provenance of results (date, versions, machine, command), and digests that identify models."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from auricle.errors import AuricleError
from auricle.identity import digest_of, file_digest, key_of
from auricle.readers import read_json

OWN_ENHANCER = "enhancer"  # subfolder of a TRNet fold with the enhancer that it was trained with

_PACKAGES = ("auricle", "torch", "lightning", "numpy", "soundfile", "soxr")


def provenance() -> dict[str, Any]:
    """The current date, command, Python and package versions, and machine."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join([_program(), *sys.argv[1:]]),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()},
    }


def system_name(folder: str | os.PathLike[str]) -> str:
    """The name of the system in a folder's config.json; "" if there is no such file."""
    config = Path(folder) / "config.json"
    return str(read_json(config, {"system": str})["system"]) if config.is_file() else ""


def run_digest(model: str | Path) -> str:
    """A digest that identifies a model independently of its path, from its configuration, labels and weights.

    The digest of a TRNet fold includes the enhancer in its folder. For an exported file it is computed from the file's
    content; for a name, such as that of an enhancer, from the name and the version of auricle. Raises `AuricleError`
    for a folder without a model.
    """
    path = Path(model)
    if path.is_file():
        return digest_of("file", file_digest(path))
    if not path.is_dir():
        return key_of("name", str(model))
    from auricle.systems.system import CONFIG, LABELS, WEIGHTS  # imports torch, which exported files do not need

    if not (path / CONFIG).exists():
        raise AuricleError(f"{path}: not a model folder (no {CONFIG})")
    config = read_json(path / CONFIG, dict)
    for name in ("auricle_version", "weights_sha256"):
        config.pop(name, None)
    labels = read_json(path / LABELS) if (path / LABELS).exists() else None
    enhances = config.get("system") == "trnet" and (path / OWN_ENHANCER).is_dir()
    enhancer = run_digest(path / OWN_ENHANCER) if enhances else None
    return digest_of("run", config, labels, file_digest(path / WEIGHTS), enhancer)


def folds_digest(folds: Iterable[Path]) -> str:
    """A digest that identifies the models in the folders of a run's folds; raises `AuricleError` as `run_digest`."""
    return hashlib.sha256("".join(map(run_digest, folds)).encode()).hexdigest()


def processor() -> str:
    """The processor's name according to the operating system."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _program() -> str:
    """The name of the program: of the script, or of the package after `python -m`."""
    called = Path(sys.argv[0])
    return called.parent.name if called.name == "__main__.py" else called.name


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
