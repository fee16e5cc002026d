"""What to do after each verb: the command that is most useful next, with what is known filled in."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from auricle.config.groups import DataOptions
from auricle.config.options import names_function
from auricle.published.table import MODELS

CLASSIFIERS = ("efficientat", "leaf_apcen", "leaf_pytorch", "panns")
"""Kinds of checkpoints that become classifiers."""
FEW = 300
"""With fewer clips of the usual label, a training is suggested that starts from a pretrained network."""
AFTER_LIST = {
    "frontends": "auricle train classifier --frontend NAME --data my-sounds --output runs/NAME",
    "backbones": "auricle train classifier --backbone NAME --data my-sounds --output runs/NAME",
    "corpora": "auricle manifest NAME FOLDER --output FOLDER/manifest.csv",
    "conditions": "auricle list suites",
    "suites": "auricle stress runs/mine --data my-sounds --suite NAME",
    "enhancers": "auricle enhance NAME noisy.wav --output enhanced",
    "models": "auricle download NAME",
}

USES = {
    "cmgan": ("enhance", "noisy.wav", "--output", "enhanced"),
    "separator": ("separate", "recording.wav", "--reference", "example.wav", "--output", "separated"),
    "audiomae": ("embed", "recordings/", "--output", "embeddings.parquet"),
}
"""By the system: the verb that uses a model, and what follows it; of others `predict`."""


def next_command(name: str, options: Any, result: Any) -> str:
    """The command after the verb whose function is `name`, in words of the shell; empty where there is none."""
    return FOLLOWING[name](options, result) if name in FOLLOWING else ""


def _written(*words: Any) -> str:
    """A command; several words in one list, such as the files of an option, follow each other."""
    flat = [str(part) for word in words for part in (word if isinstance(word, list) else [word])]
    return shlex.join(["auricle", *flat])


def _read_alike(options: Any) -> list[str]:
    """How `options` have a data set read, as far as it is not the usual way."""
    words: list[str] = []
    for field in fields(DataOptions):
        value: Any = getattr(options, field.name, field.default)
        flag = f"--{field.name.replace('_', '-')}"
        if value != field.default:
            words += [flag] if value is True else [f"{flag}={value}"] if value.startswith("-") else [flag, value]
    return words


def _same_data(options: Any) -> list[str]:
    """The options for the data of `options`, and for its task if there are several, given as name=PATH."""
    from auricle.data.reading import data_name  # not above: help needs no NumPy

    sources = options.data
    name, path = data_name(sources[0])
    return ["--data", path, *(["--task", name] if len(sources) > 1 else []), *_read_alike(options)]


def _predicted(run: Any) -> str:
    """The labelling of new recordings, in a folder that has no tables of another model."""
    usual = "predictions"
    folder = f"{usual}-{Path(run).resolve().name}" if os.path.lexists(usual) else usual
    return _written("predict", run, "recordings/", "--output", folder)


def _after_check(options: Any, report: Any) -> str:
    few = report.table.iloc[:, -1].median() < FEW
    start = ["--init-from", "efficientat-mn04"] if few else []
    recipe = ["--recipe", "robust", *start]
    data = ["--data", options.data, *_read_alike(options)]
    return _written("train", "classifier", recipe, data, "--output", "runs/mine")


def _after_teach(options: Any, run: Any) -> str:
    from auricle.runs.clips import listed_clips

    if any(row["split"] == "test" for row in listed_clips(run)):
        return _written("evaluate", run, "--data", options.data, _read_alike(options))
    return _predicted(run)


def _after_corrupt(options: Any, corrupted: Any) -> str:
    if not (corrupted.complete and corrupted.n_files):
        return ""
    if not corrupted.labelled:
        return _written("predict", "runs/mine", options.output)
    return _written("evaluate", "runs/mine", "--data", Path(options.output) / "manifest.csv")


def _after_evaluate(options: Any, evaluation: Any) -> str:
    if hasattr(evaluation, "calibration") and options.task is None:
        return _written("stress", options.run, "--data", options.data, _read_alike(options))
    return _written("compare", str(evaluation.folder), "OTHERS", "--output", "results.md")


def _after_download(name: str) -> str:
    if name not in MODELS:
        return _written("predict", name, "recording.wav")
    kind = MODELS[name].convert.replace("-", "_")
    if kind in CLASSIFIERS:
        return _written("teach", "--model", name, "--data", "my-sounds", "--output", "runs/mine")
    return FOLLOWING[f"convert_{kind}"](SimpleNamespace(output=name), None)


def _after_stress(models: Sequence[str]) -> str:
    runs = [model for model in models if not (model.endswith(".onnx") or names_function(model))]
    return _written("inspect", runs) if runs else ""


def _after_compare(runs: Sequence[str]) -> str:
    """What front-ends make of a sound, for classifiers, which have one."""
    from auricle.runs.provenance import system_name

    classify = runs and all(system_name(run) == "classifier" for run in runs)
    return _written("inspect", runs) if classify else ""


def _used(system: str, model: Any, *more: str) -> str:
    """What a model of `system` is good for."""
    verb, *rest = USES.get(system, ("predict", "recording.wav"))
    return _written(verb, model, rest, *more)


def _after_push(options: Any) -> str:
    from auricle.runs.provenance import system_name

    system = system_name(options.output)
    if options.repository:
        return _used(system, f"hub:{options.repository.removeprefix('hub:')}", "--download")
    return _used(system, options.output)


def _after_search(options: Any) -> str:
    """Teaching the classifier that made the table; of a model of another kind, one that can be taught."""
    from auricle.runs.provenance import system_name
    from auricle.tasks.embedding.table import Embeddings

    maker = options.run or Embeddings(options.embeddings).facts.model
    model = maker if system_name(maker) == "classifier" else "MODEL"
    return _written("teach", "--model", model, "--data", "FOLDER-OF-CLASSES", "--output", "runs/taught")


def _after_export(options: Any, text: str) -> str:
    from auricle.exporting.export import names_frontend

    if names_frontend(options.run) or options.component == "frontend" or not options.output.endswith(".onnx"):
        return ""
    return _written("predict", options.output, "recording.wav")


FOLLOWING: dict[str, Callable[[Any, Any], str]] = {
    "demo": lambda o, r: "auricle check my-sounds",
    "doctor": lambda o, r: "auricle demo",
    "list_names": lambda o, r: AFTER_LIST[o.kind],
    "check": _after_check,
    "build_manifest": lambda o, r: _written("check", o.output),
    "corrupt": _after_corrupt,
    "train_classifier": lambda o, r: _written("evaluate", r, *_same_data(o)),
    "train_enhancer": lambda o, r: _written(
        "evaluate", r, "--data", o.speech, ["--noise", *o.noise] if o.noise else []
    ),
    "train_separator": lambda o, r: _written("evaluate", r, "--data", o.data),
    "train_trnet": lambda o, r: _written("compare", r, "OTHERS", "--output", "results.md"),
    "train_audiomae": lambda o, r: _used("audiomae", r),
    "teach": _after_teach,
    "calibrate": lambda o, r: _predicted(o.run),
    "download": lambda o, r: _after_download(o.names[0]),
    "convert_audiomae": lambda o, r: _used("audiomae", o.output),
    "convert_cmgan": lambda o, r: _used("cmgan", o.output),
    **{f"convert_{name}": lambda o, r: _used("classifier", o.output) for name in CLASSIFIERS},
    "convert_uss": lambda o, r: _written(
        "train", "separator", "--init-from", o.output, "--data", "clips", "--output", "runs/mine"
    ),
    "evaluate": _after_evaluate,
    "stress": lambda o, r: _after_stress(o.runs),
    "compare": lambda o, r: _after_compare(o.runs or []),
    "inspect": lambda o, r: _written("export", o.runs[0], "--output", "model.onnx"),
    "bench": lambda o, r: _written("export", o.runs[0] if o.runs else "runs/mine", "--output", "model.onnx"),
    "predict": lambda o, r: _written("review", o.output) if o.format in ("csv", "jsonl", "parquet") else "",
    "review": lambda o, r: "auricle teach --model MODEL --data my-sounds --reviewed review.csv --output runs/reviewed",
    "embed": lambda o, r: _written("search", o.output, "--like", "example.wav"),
    "search": lambda o, r: _after_search(o),
    "enhance": lambda o, r: _written("evaluate", o.run, "--data", "clean-speech", "--noise", "noise"),
    "separate": lambda o, r: _written("evaluate", o.run, "--data", "clips"),
    "export": _after_export,
    "push": lambda o, r: _after_push(o),
}
