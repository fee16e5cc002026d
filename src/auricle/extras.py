"""Optional packages, which are imported where they are needed; most belong to an extra of auricle."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from auricle.errors import AuricleError

EXTRAS = {
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "pesq": "speech",
    "pystoi": "speech",
    "pyarrow": "parquet",
    "sklearn": "tsne",
    "ray": "ray",
    "huggingface_hub": "hub",
    "gradio": "studio",
}
"""The extra that brings each package."""


def optional(package: str, what: str) -> Any:
    """Import `package`, which `what` needs; an `AuricleError` with the command that installs it if it is missing."""
    require(package, what)
    return importlib.import_module(package)


def require(package: str, what: str) -> None:
    """Raise the `AuricleError` of `optional` if `package` is not installed; it is not imported."""
    try:
        found = importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        raise AuricleError(f"{what} needs the package {package}: {how_to_install(package)}")


def how_to_install(package: str) -> str:
    """The command that installs `package`."""
    return f"pip install 'auricle[{EXTRAS[package]}]'" if package in EXTRAS else f"pip install {package}"
