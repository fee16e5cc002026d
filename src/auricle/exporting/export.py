"""`auricle export`: write a trained classifier, its front-end, or a front-end by name to a file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from auricle.config import DataOptions, Export, require, verb
from auricle.data.clips import Clip
from auricle.data.manifest import Manifest
from auricle.data.reading import read_data, refuse_unusable
from auricle.errors import AuricleError, counted, shown_path
from auricle.exporting.int8 import calibration_windows, likeliest_labels, quantize
from auricle.exporting.onnx_file import describe, latency_ms, require_packages, write_onnx
from auricle.exporting.program import save_program
from auricle.files import remove_partials
from auricle.frontends import Frontend, create_frontend, list_frontends
from auricle.published import MODELS
from auricle.registry import did_you_mean, unknown_name
from auricle.runs.clips import RunClips, listed_clips, select_clips
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import run_digest
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.calibration import read_calibration
from auricle.tasks.classification.onnx_sessions import METADATA
from auricle.tasks.classification.window_classifiers import OnnxWindowClassifier

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
LATENCY_CLIP_S = 1.0  # duration of the clip whose latency is measured


def file_format(output: Path, format: str | None = None) -> str:
    """The format of the file `output`, "onnx" or "torch", by its suffix; raises `AuricleError` for others.

    Also where a `format` is given that is not the suffix's, and for a folder.
    """
    if format is not None and format not in SUFFIXES:
        raise AuricleError(unknown_name("format", format, SUFFIXES))
    found = next((name for name, suffix in SUFFIXES.items() if output.suffix == suffix), None)
    if found is None or found != (format or found):
        wanted = SUFFIXES[format] if format else " or ".join(SUFFIXES.values())
        raise AuricleError(f"{shown_path(output)}: the suffix should be {wanted}")
    if output.is_dir():
        raise AuricleError(f"{shown_path(output)} is a folder: it should be a file")
    return found


def names_frontend(run: str) -> bool:
    """Whether `run` is the name of a front-end, untrained, and no file or folder."""
    return run in list_frontends() and not os.path.exists(run)


def exported_module(run: str, component: str | None = None) -> Frontend | Classifier:
    """The module to export: a front-end by name, or the classifier of a run or its front-end."""
    if names_frontend(run):
        if component == "classifier":
            raise AuricleError(f"{run} is a front-end, not a trained run: there is no classifier to export")
        return create_frontend(run)
    known = [*list_frontends(), *MODELS]
    if not os.path.lexists(run) and run not in known and (meant := did_you_mean(run, known)):
        raise AuricleError(f"{run}: no run, front-end or published model{meant}")
    model = load_classifier(run, "cpu")
    return model.frontend if component == "frontend" else model


def write_module(module: Frontend | Classifier, run: str, output: Path, format: str) -> list[str]:
    """Write `module`, which is that of `run`, to `output` in a format of `SUFFIXES`; returns lines about the file.

    Raises `AuricleError` where the exported model differs from the original.
    """
    remove_partials(output.parent)
    source = shown_path(Path(run).name)
    calibration = None
    if isinstance(module, Classifier):
        calibration = read_calibration(run, run_digest(run), module.tasks)
    if format == "onnx":
        difference, runtime = write_onnx(module, output, source, calibration), "onnxruntime"
    else:
        metadata = {METADATA: json.dumps(describe(module, source, calibration), ensure_ascii=False)}
        difference, runtime = save_program(module, output, metadata), "the saved program"
    what = "classifier" if isinstance(module, Classifier) else "front-end"
    return [
        f"{output}: {what}, {output.stat().st_size / 1e6:.2f} MB, any batch and length",
        f"{runtime} differs from the model by {difference:.1e} at most, on noise of 0.2 to 20 s and silence",
    ]


@dataclass(frozen=True)
class Int8Clips:
    """Clips for an int8 version: to calibrate its activations on, to measure it on, and what these are called."""

    calibrated: list[Clip]
    measured: list[Clip]
    name: str


def int8_clips(model: Classifier, run: str, data: str, data_options: DataOptions, *, quiet: bool = False) -> Int8Clips:
    """Calibrate on the training clips of `data`, and measure on what `select_clips` takes.

    Clips that the run was trained or validated on are not measured. For a converted model see `_of_converted`. Raises
    `AuricleError` where `data` holds no clip to calibrate on, or one that cannot be decoded.
    """
    task = model.tasks[0]
    manifest = read_data(data, replace(data_options, multi_label=data_options.multi_label or task.multi_label))
    known = RunClips(run)
    measured, name = select_clips(manifest, "", "", known, task.name)
    if listed_clips(run):
        splits = known.splits_of(manifest.clips, task.name)
        calibrated = [clip for clip, split in zip(manifest, splits, strict=True) if split == "train"]
    else:
        calibrated, measured, name = _of_converted(manifest, measured, name)
    if not calibrated:
        raise AuricleError(f"{data} has no clip that {run} was trained on: give its training data")
    heard = known.splits_of(measured.clips)
    new = [clip for clip, split in zip(measured, heard, strict=True) if split not in ("train", "valid")]
    refuse_unusable([*calibrated, *new], progress=not quiet)
    return Int8Clips(calibrated, new, name)


def write_int8(model: Classifier, path: Path, quantized: Path, clips: Int8Clips) -> list[str]:
    """Write the int8 version `quantized` of the ONNX file `path` of `model`.

    Returns lines that compare its size, latency and accuracy with those of float32.
    """
    task, floating = model.tasks[0], OnnxWindowClassifier(path, threads=1)
    quantize(path, quantized, calibration_windows(clips.calibrated, floating))
    integer = OnnxWindowClassifier(quantized, threads=1)
    before = likeliest_labels(clips.measured, task, floating, "Measuring float32")
    after = likeliest_labels(clips.measured, task, integer, "Measuring int8")
    times = latency_ms([path, quantized], round(LATENCY_CLIP_S * model.sample_rate))
    can_be_right = [bool(clip.labels) and set(clip.labels) <= set(task.labels) for clip in clips.measured]
    header = f"accuracy on {counted(sum(can_be_right), 'clip')} of {clips.name}"
    lines = [f"{'':8} {'size':>9} {'1 s on one core':>16} {header:>34}"]
    for kind, file, ms, found in (("float32", path, times[0], before), ("int8", quantized, times[1], after)):
        labelled = zip(clips.measured, found, can_be_right, strict=True)
        right = [label in clip.labels for clip, label, can in labelled if can]
        lines.append(f"{kind:8} {file.stat().st_size / 1e6:>6.2f} MB {ms:>13.1f} ms {_share(right):>34}")
    same = _share([one == other for one, other in zip(before, after, strict=True)])
    measured, ratio = counted(len(before), "clip"), times[1] / times[0]
    lines.append(f"int8 gives {same} of {measured} the same label, and takes {ratio:.2f} of the time")
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
    format = file_format(path, options.format)
    if options.int8:
        require(format == "onnx" and options.component != "frontend", "--int8 needs a whole classifier as .onnx")
        require(bool(options.data), "--int8 needs --data: recordings to calibrate with and to measure the accuracy on")
        other = os.path.realpath(options.int8) != os.path.realpath(path)
        require(other, f"--int8 {options.int8}: another file than that of --output")
        file_format(Path(options.int8), "onnx")
    require(bool(options.int8) or not options.data, "--data is for --int8 alone: name the file it is to be written to")
    if format == "onnx":
        require_packages("int8" if options.int8 else "ONNX")
    model = exported_module(options.run, options.component)
    if not options.int8:
        return "\n".join(write_module(model, options.run, path, format))
    if not isinstance(model, Classifier):
        raise AuricleError("--int8 needs a whole classifier")
    clips = int8_clips(model, options.run, options.data or "", options, quiet=options.quiet)
    lines = write_module(model, options.run, path, format)
    return "\n".join(lines + write_int8(model, path, Path(options.int8), clips))
