"""Writing ONNX files with metadata, comparing ONNX Runtime with PyTorch, and measuring latencies."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from auricle.errors import AuricleError
from auricle.exporting.program import (
    TOLERANCE,
    errors_in_one_line,
    export_program,
    largest_difference,
    without_messages,
)
from auricle.extras import require
from auricle.files import replacing
from auricle.frontends.frontend import Frontend
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.calibration import Calibration
from auricle.tasks.classification.onnx_sessions import FRAMES, METADATA, OnnxSession
from auricle.version import __version__

OPSET = 20
_WARM_UP = 3  # runs that are not timed


def require_packages(what: str = "ONNX") -> None:
    """Raise `AuricleError` if a package that `what` is written, or checked, with is not installed."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require(package, what)


def describe(module: Frontend | Classifier, source: str = "", calibration: Calibration | None = None) -> dict[str, Any]:
    """The metadata of an exported file: what is needed to use it, as values that JSON can store."""
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
        if module.detects:
            description[FRAMES] = "(batch, frames, labels of all tasks)"
            description["frame_s"] = frontend.hop_length / module.sample_rate
        if calibration is not None:
            description["calibration"] = calibration.to_dict(module.tasks)
    else:
        description["output"] = "spectrogram (batch, n_filters, frames)"
    return description


def write_onnx(
    module: Frontend | Classifier, path: str | Path, source: str = "", calibration: Calibration | None = None
) -> float:
    """Write `module` to `path`; returns the largest difference of ONNX Runtime's output from PyTorch's.

    Compared are one and two clips of 0.2 to 20 s (see `largest_difference`). Raises `AuricleError` and keeps no file
    where the difference exceeds 1e-4.
    """
    require_packages()
    path = Path(path)
    description = describe(module, source, calibration)
    outputs = ["spectrogram"]
    if isinstance(module, Classifier):
        outputs = ["logits", FRAMES] if module.detects else ["logits"]
    exported = export_program(module)
    with torch.no_grad(), without_messages(), errors_in_one_line():
        program = torch.onnx.export(
            exported,
            (),
            input_names=["waveform"],
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    (waveform,) = program.model.graph.inputs
    if waveform.shape is not None and hasattr(program, "rename_axes"):  # not in every torch from 2.6 on
        axes: dict[Any, str] = dict(zip(waveform.shape, ("batch", "time"), strict=True))
        program.rename_axes(axes)
    program.model.metadata_props[METADATA] = json.dumps(description, ensure_ascii=False)
    with replacing(path) as partial:
        program.save(partial)
        difference = largest_difference(module, runner(partial))
        if not difference <= TOLERANCE:
            raise AuricleError(f"{path}: onnxruntime differs from torch by {difference:.1e}, more than {TOLERANCE:g}")
    return difference


def runner(path: str | Path) -> Any:
    """A function that runs the ONNX file `path` on the CPU: waveform `(batch, time)` to the model's output.

    A detector's logits and those of its frames are a list of two.
    """
    session = OnnxSession(path)

    def run(waveform: Any) -> Any:
        outputs = session.run(np.asarray(waveform))
        return outputs if len(outputs) > 1 else outputs[0]

    return run


def latency_ms(paths: list[Path], n_samples: int, repeats: int = 30) -> list[float]:
    """The median of `latencies_ms` of each file."""
    return [float(np.median(measured)) for measured in latencies_ms(paths, n_samples, repeats)]


def latencies_ms(paths: list[Path], n_samples: int, repeats: int) -> list[list[float]]:
    """Latencies in ms of each ONNX file for one clip of `n_samples`, on one thread; the files take turns."""
    sessions = [OnnxSession(path, threads=1) for path in paths]
    clip = 0.1 * np.random.default_rng(0).standard_normal((1, n_samples)).astype(np.float32)
    times: list[list[float]] = [[] for _ in paths]
    for turn in range(_WARM_UP + repeats):
        for session, measured in zip(sessions, times, strict=True):
            start = time.perf_counter()
            session.run(clip)
            if turn >= _WARM_UP:
                measured.append(1e3 * (time.perf_counter() - start))
    return times
