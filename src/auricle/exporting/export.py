"""`auricle export`: write a trained classifier, its front-end, or a front-end by name to a file."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from auricle.config import DataOptions, Export, require, verb
from auricle.data.clips import Clip
from auricle.data.manifest import Manifest
from auricle.data.reading import read_data
from auricle.errors import AuricleError, shown_path
from auricle.exporting.int8 import calibration_windows, likeliest_labels, quantize
from auricle.exporting.onnx_file import describe, latency_ms, write_onnx
from auricle.exporting.program import save_program
from auricle.files import remove_partials
from auricle.frontends import Frontend, create_frontend, list_frontends
from auricle.registry import unknown_name
from auricle.runs.clips import RunClips, listed_clips, select_clips
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import run_digest
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.calibration import read_calibration
from auricle.tasks.classification.onnx_sessions import METADATA
from auricle.tasks.classification.window_classifiers import OnnxWindowClassifier

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
COMPONENTS = ("classifier", "frontend")
LATENCY_CLIP_S = 1.0  # duration of the clip whose latency is measured


def export_model(
    run: str, output: Path, format: str = "", component: str = ""
) -> tuple[Frontend | Classifier, list[str]]:
    """Write `output`; returns the exported model, and lines that report on the file.

    `run` is a run folder or the name of a front-end; `format` is "onnx" or "torch", by default that of the file's
    suffix; `component` is "classifier" (default) or "frontend". Raises `AuricleError` for other values, and where the
    exported model differs from the original.
    """
    target = format or next((name for name, suffix in SUFFIXES.items() if output.suffix == suffix), "")
    if target not in SUFFIXES:
        raise AuricleError(
            unknown_name("format", format, SUFFIXES)
            if format
            else f"{output}: the suffix should be .onnx or .pt2, or give --format"
        )
    if component and component not in COMPONENTS:
        raise AuricleError(unknown_name("component", component, COMPONENTS))
    if output.is_dir():
        raise AuricleError(f"{output} is a folder: it should be a file")
    remove_partials(output.parent)
    module = _module(run, component)
    calibration = None
    if isinstance(module, Classifier):
        calibration = read_calibration(run, run_digest(run), module.tasks)
    if target == "onnx":
        difference, runtime = write_onnx(module, output, shown_path(Path(run).name), calibration), "onnxruntime"
    else:
        metadata = {METADATA: json.dumps(describe(module, shown_path(Path(run).name), calibration), ensure_ascii=False)}
        difference, runtime = save_program(module, output, metadata), "the saved program"
    what = "classifier" if isinstance(module, Classifier) else "front-end"
    return module, [
        f"{output}: {what}, {output.stat().st_size / 1e6:.2f} MB, any batch and length",
        f"{runtime} differs from the model by {difference:.1e} at most, on noise of 0.2 to 20 s",
    ]


def _module(run: str, component: str) -> Frontend | Classifier:
    """The module to export: a front-end by name, or the classifier of a run or its front-end."""
    if not Path(run).exists() and run in list_frontends():
        if component == "classifier":
            raise AuricleError(f"{run} is a front-end, not a trained run: there is no classifier to export")
        return create_frontend(run)
    model = load_classifier(run, "cpu")
    return model.frontend if component == "frontend" else model


def export_int8(
    model: Frontend | Classifier, run: Path, path: Path, quantized: Path, data: str, data_options: DataOptions
) -> list[str]:
    """Write the int8 version `quantized` of the ONNX file `path` of `model`, which `run` holds.

    Its activations are calibrated on the training clips of `data`; it is measured on the clips that `select_clips`
    takes, without those that the run was trained or validated on. Both are those of `_of_converted` for a converted
    model. Returns lines that compare size, latency and accuracy with float32. Raises `AuricleError` for anything but a
    whole classifier in ONNX, without `data`, and where `data` holds no clip to calibrate on.
    """
    if not isinstance(model, Classifier):
        raise AuricleError("--int8 needs a whole classifier")
    floating = OnnxWindowClassifier(path, threads=1)
    task = model.tasks[0]
    manifest = read_data(data, replace(data_options, multi_label=data_options.multi_label or task.multi_label))
    known = RunClips(run)
    measured, name = select_clips(manifest, "", "", known, task.name)
    if listed_clips(run):
        splits = known.splits_of(manifest.clips, task.name)
        training = [clip for clip, split in zip(manifest, splits, strict=True) if split == "train"]
    else:
        training, measured, name = _of_converted(manifest, measured, name)
    if not training:
        raise AuricleError(f"{data} has no clip that {run} was trained on: give its training data")
    quantize(path, quantized, calibration_windows(training, floating))
    integer = OnnxWindowClassifier(quantized, threads=1)
    heard = known.splits_of(measured.clips)
    clips = [clip for clip, split in zip(measured, heard, strict=True) if split not in ("train", "valid")]
    before = likeliest_labels(clips, task, floating, "Measuring float32")
    after = likeliest_labels(clips, task, integer, "Measuring int8")
    times = latency_ms([path, quantized], round(LATENCY_CLIP_S * model.sample_rate))
    can_be_right = [bool(clip.labels) and set(clip.labels) <= set(task.labels) for clip in clips]
    lines = [f"{'':8} {'size':>9} {'1 s on one core':>16} {f'accuracy on {sum(can_be_right)} clips of {name}':>34}"]
    for kind, file, ms, found in (("float32", path, times[0], before), ("int8", quantized, times[1], after)):
        right = [label in clip.labels for clip, label, can in zip(clips, found, can_be_right, strict=True) if can]
        lines.append(f"{kind:8} {file.stat().st_size / 1e6:>6.2f} MB {ms:>13.1f} ms {_share(right):>34}")
    same = _share([one == other for one, other in zip(before, after, strict=True)])
    ratio = times[1] / times[0]
    lines.append(f"int8 gives {same} of {len(clips)} clips the same label, and takes {ratio:.2f} of the time")
    return lines


def _of_converted(manifest: Manifest, measured: Manifest, name: str) -> tuple[list[Clip], Manifest, str]:
    """For a model whose training clips are not listed: clips to calibrate on, others to measure, and what these are.

    Without a test split and others beside the clips `measured`, half of them is calibrated on. Where they are all of
    one group, none is left to be measured.
    """
    chosen = {clip.key for clip in measured}
    others = [clip for clip in manifest if clip.key not in chosen]
    if others or name == "test":
        return others, measured, name
    try:
        calibrated, rest = measured.hold_out(0.5)
    except AuricleError:
        calibrated, rest = measured, measured.only(())
    return list(calibrated), rest, "the rest"


def _share(right: list[bool]) -> str:
    return f"{100 * sum(right) / len(right):.1f} %" if right else "–"


@verb
def export(options: Export) -> str:
    """Lines that say what was written, and how far it is from the model."""
    path = Path(options.output)
    if options.int8:
        require(path.suffix == ".onnx" and options.component != "frontend", "--int8 needs a whole classifier as .onnx")
        require(bool(options.data), "--int8 needs --data: recordings to calibrate with and to measure the accuracy on")
        other = os.path.realpath(options.int8) != os.path.realpath(path)
        require(other, f"--int8 {options.int8}: another file than that of --output")
    require(bool(options.int8) or not options.data, "--data is for --int8 alone: name the file it is to be written to")
    model, lines = export_model(options.run, path, options.format or "", options.component or "")
    if options.int8:
        lines += export_int8(model, Path(options.run), path, Path(options.int8), options.data or "", options)
    return "\n".join(lines)
