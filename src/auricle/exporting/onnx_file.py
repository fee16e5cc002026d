"""ONNX files: written with their metadata inside, then run by onnxruntime and compared with torch."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from auricle.errors import AuricleError
from auricle.exporting.program import TOLERANCE, export_program, largest_difference, quiet
from auricle.frontends.frontend import Frontend
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.window_classifiers import METADATA, onnx_session
from auricle.version import __version__

OPSET = 20


def describe(module: Frontend | Classifier, source: str = "") -> dict[str, Any]:
    """What a user of the exported file has to know; plain values."""
    frontend = module if isinstance(module, Frontend) else module.frontend
    description: dict[str, Any] = {
        "auricle_version": __version__,
        "source": source,
        "kind": "front-end" if module is frontend else "classifier",
        "sample_rate": module.sample_rate,
        "hop_length": frontend.hop_length,
        "n_filters": frontend.n_filters,
        "input": "waveform (batch, time), float32, full scale 1",
    }
    if isinstance(module, Classifier):
        description |= {
            "output": "logits (batch, labels of all tasks)",
            "window": module.window,
            "short": module.short,
            "tasks": [task.to_dict() for task in module.tasks],
        }
    else:
        description["output"] = "spectrogram (batch, n_filters, frames)"
    return description


def write_onnx(module: Frontend | Classifier, path: str | Path, source: str = "") -> float:
    """Write `module` to `path` and return the largest difference of onnxruntime's output from torch's.

    Inputs of 0.2 to 20 s are compared, one and two clips at once; a file that differs by more than 1e-4 is not kept and
    is an `AuricleError`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    description = describe(module, source)
    with torch.no_grad(), quiet():
        program = torch.onnx.export(
            export_program(module),
            (),
            input_names=["waveform"],
            output_names=["logits" if isinstance(module, Classifier) else "spectrogram"],
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props[METADATA] = json.dumps(description, ensure_ascii=False)
    partial = path.with_name(path.name + ".partial")
    program.save(partial)
    worst = largest_difference(module, runner(partial))
    if not worst <= TOLERANCE:
        partial.unlink()
        raise AuricleError(f"{path}: onnxruntime differs from torch by {worst:.1e}, more than {TOLERANCE:g}")
    partial.replace(path)
    return worst


def runner(path: str | Path) -> Any:
    """`waveform` → the file's output, both as numpy arrays or tensors."""
    opened = onnx_session(path)
    return lambda waveform: opened.run(None, {"waveform": np.asarray(waveform)})[0]


def latency_ms(paths: list[Path], n_samples: int, repeats: int = 30) -> list[float]:
    """Median milliseconds per file for one clip of `n_samples` on one thread; the files take turns."""
    sessions = [onnx_session(path, threads=1) for path in paths]
    clip = {"waveform": 0.1 * np.random.default_rng(0).standard_normal((1, n_samples)).astype(np.float32)}
    times: list[list[float]] = [[] for _ in paths]
    for turn in range(repeats + 3):
        for opened, own in zip(sessions, times, strict=True):
            start = time.perf_counter()
            opened.run(None, clip)
            if turn >= 3:
                own.append(1e3 * (time.perf_counter() - start))
    return [float(np.median(own)) for own in times]
