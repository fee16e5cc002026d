"""`auricle export`: a run, or a front-end by name, to a file."""

from __future__ import annotations

import json
from pathlib import Path

from auricle.config import Data
from auricle.data.reading import read_data
from auricle.errors import AuricleError
from auricle.exporting.int8 import accuracy, calibration_windows, quantize
from auricle.exporting.onnx_file import describe, latency_ms, write_onnx
from auricle.exporting.program import save_program
from auricle.frontends import Frontend, create_frontend, list_frontends
from auricle.registry import unknown_name
from auricle.runs.clips import HeardClips, choose_clips
from auricle.runs.loading import load_classifier
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.window_classifiers import METADATA, OnnxWindowClassifier

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
PARTS = ("classifier", "frontend")
MEASURED_S = 1.0


def export_model(run: str, output: Path, format: str = "", part: str = "") -> tuple[Frontend | Classifier, list[str]]:
    """Write the file; the model that is in it, and lines that say what was written."""
    chosen = format or next((name for name, suffix in SUFFIXES.items() if output.suffix == suffix), "")
    if chosen not in SUFFIXES:
        raise AuricleError(
            unknown_name("format", format, SUFFIXES)
            if format
            else f"{output}: the name's end is to be .onnx or .pt2, or give --format"
        )
    if part and part not in PARTS:
        raise AuricleError(unknown_name("part", part, PARTS))
    if output.is_dir():
        raise AuricleError(f"{output} is a folder: give a file")
    module = _module(run, part)
    if chosen == "onnx":
        worst, runtime = write_onnx(module, output, source=Path(run).name), "onnxruntime"
    else:
        metadata = {METADATA: json.dumps(describe(module, Path(run).name), ensure_ascii=False)}
        worst, runtime = save_program(module, output, metadata), "the program read back"
    what = "classifier" if isinstance(module, Classifier) else "front-end"
    return module, [
        f"{output}: {what}, {output.stat().st_size / 1e6:.2f} MB, any batch and length",
        f"{runtime} differs from the model by {worst:.1e} at most, on noise of 0.2 to 20 s",
    ]


def _module(run: str, part: str) -> Frontend | Classifier:
    if not Path(run).exists() and run in list_frontends():
        if part == "classifier":
            raise AuricleError(f"{run} is a front-end, not a trained run: there is no classifier to export")
        return create_frontend(run)
    model = load_classifier(run, "cpu")
    return model.frontend if part == "frontend" else model


def export_int8(
    model: Frontend | Classifier, run: Path, path: Path, quantized: Path, data: str, data_options: Data
) -> list[str]:
    """Write the int8 version of the ONNX file at `path`; lines that compare size, latency and accuracy."""
    if not isinstance(model, Classifier) or path.suffix != ".onnx":
        raise AuricleError("an int8 version is made of a whole classifier in ONNX")
    if not data:
        raise AuricleError("--int8 needs --data: recordings by which the ranges are set and the accuracy is measured")
    floating = OnnxWindowClassifier(path, threads=1)
    task = model.tasks[0]
    manifest = read_data(data, data_options)
    known = HeardClips(run)
    splits = known.splits_of(manifest.clips, task.name)
    training = [clip for clip, split in zip(manifest, splits, strict=True) if split == "train"]
    if not training:
        raise AuricleError(
            f"{data}: none of these clips is one that {run} was trained on: give the data of its training"
        )
    measured, name = choose_clips(manifest, "", "", known, task.name)
    quantize(path, quantized, calibration_windows(training, floating))
    integer = OnnxWindowClassifier(quantized, threads=1)
    clips = [clip for clip in measured if set(clip.labels) <= set(task.labels)]
    before = accuracy(clips, task, floating, "Measuring float32")
    after = accuracy(clips, task, integer, "Measuring int8")
    times = latency_ms([path, quantized], round(MEASURED_S * model.sample_rate))
    rows = [("float32", path, times[0], before), ("int8", quantized, times[1], after)]
    lines = [f"{'':8} {'size':>9} {'1 s on one core':>16} {f'accuracy on {len(clips)} clips of {name}':>30}"]
    lines += [
        f"{kind:8} {file.stat().st_size / 1e6:>6.2f} MB {ms:>13.1f} ms {100 * right:>28.1f} %"
        for kind, file, ms, right in rows
    ]
    lines.append(f"int8 loses {100 * (before - after):.1f} points and takes {times[1] / times[0]:.2f} of the time")
    return lines
