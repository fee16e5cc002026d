"""When, where and by what a result was made, and digests that tell models apart."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

_PACKAGES = ("auricle", "torch", "lightning", "numpy", "soundfile", "soxr", "monai")


def provenance() -> dict[str, Any]:
    """When, with which versions, on what and by which command something was computed."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join([_program(), *sys.argv[1:]]),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()},
    }


def digest(model: str | Path) -> str:
    """What tells a model from another: SHA-256 of a file, or of a run's configuration and weights; or its name."""
    path = Path(model)
    files = [path / "config.json", path / "model.safetensors"] if path.is_dir() else [path]
    if not path.exists():
        return str(model)
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _program() -> str:
    """What was called: a script's name, or that of the package that `python -m` was given."""
    called = Path(sys.argv[0])
    return called.parent.name if called.name == "__main__.py" else called.name


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
