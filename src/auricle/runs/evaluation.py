"""The steps of every evaluation: select clips, refuse those used in training, measure, and write the results.

A task implements `EvaluatedTask`, which reads its data and measures a model, and `Evaluation`, which holds the results.
Only this module writes results.json (see `auricle.runs.results`) and results.csv.
"""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import torch

from auricle.config import Evaluate
from auricle.data.manifest import Manifest
from auricle.data.reading import data_name
from auricle.errors import AuricleError
from auricle.files import remove_partials, write_json, write_table
from auricle.identity import digest_of, file_name, key_of
from auricle.readers import read_yaml
from auricle.reports.tables import plain_rows
from auricle.runs.clips import RunClips, clips_digest, listed_clips, refuse_trained_on, say_if_unknown, select_clips
from auricle.runs.folder import CLIPS, OF_A_RUN, SETTINGS, read_inputs
from auricle.runs.provenance import provenance, run_digest
from auricle.runs.results import EVALUATIONS, RESULTS, SCHEMA, TABLE, Measured, read_result
from auricle.systems.system import CONFIG

#: Options of `Evaluate` that only some tasks use.
TASK_OPTIONS = (
    "task", "noise", "snr", "continuous", "label_column", "multi_label", "negative_label", "by_group", "background",
    "threshold", "raw", "mixtures", "detector",
)  # fmt: skip
_NOT_OF_THE_MODEL = ("seed", "tasks", "tagger", "queries")
_CLIP = ("split", "sha256", "start_s", "end_s", "labels")
_OF_A_SEED = ("augmentation.material",)  # of runs of version 0.2: the digest of a suite with the training's seed
_NOT_OF_THE_TRAINING = ("seed", "output", "overwrite", "quiet", "data", "model")


@dataclass
class Evaluation(ABC):
    """Results of a run on the clips of `split`, written to `folder`."""

    folder: Path
    split: str

    @property
    @abstractmethod
    def n_clips(self) -> int:
        """Number of clips measured."""

    @property
    @abstractmethod
    def measured(self) -> list[Measured]:
        """The metrics under each condition, the clean or main one first."""

    @abstractmethod
    def text(self) -> str:
        """The tables, for the terminal."""

    @abstractmethod
    def write_files(self, record: dict[str, Any]) -> None:
        """Write the task's own files, such as clip-wise results and plots; `record` is the content of results.json."""

    def further(self) -> dict[str, Any]:
        """Entries of results.json that only this task has."""
        return {}

    def __str__(self) -> str:
        return f"{self.text()}\nwritten to {self.folder}"

    def record(self) -> dict[str, Any]:
        """The metrics as plain values, and what only this task has, with the folder of all results."""
        head = {"folder": str(self.folder), "split": self.split, "n_clips": self.n_clips}
        return head | {"metrics": plain_rows(self.table())} | self.further()

    def table(self) -> pd.DataFrame:
        """The metrics in long form: condition, snr_db, enhancer or query if any, metric, value, low, high, n."""
        rows = []
        for row in self.measured:
            place = {name: value for name, value in row.record().items() if name != "metrics"}
            rows += [
                place | {"metric": name, **asdict(interval), "n": self.n_clips}
                for name, interval in row.metrics.items()
            ]
        return pd.DataFrame(rows)


class EvaluatedTask(ABC):
    """A task's own steps of an evaluation, for the model that the options name."""

    name: ClassVar[str]
    measures: ClassVar[str]
    """What the task evaluates, with an article, as in "a classifier"."""
    uses: ClassVar[frozenset[str]]
    """The `TASK_OPTIONS` that the task uses."""

    options: Evaluate
    trained_as: str | None = None
    """Name of the task in the run's clips.csv; None for all tasks."""

    @abstractmethod
    def __init__(self, options: Evaluate) -> None:
        """Check the options and open the model."""

    @property
    def folder(self) -> Path | None:
        """The run's folder; None for an enhancer given by name."""
        return Path(self.options.run) if Path(self.options.run).is_dir() else None

    @property
    def run(self) -> dict[str, Any]:
        """The run's `name`, its `path` (None without a folder), and its `digest`."""
        if self.folder is None:
            return {"name": self.options.run, "path": None, "digest": key_of("name", self.options.run)}
        return {"name": self.folder.resolve().name, "path": str(self.folder), "digest": run_digest(self.folder)}

    @abstractmethod
    def read(self) -> Manifest:
        """Read the data."""

    @abstractmethod
    def measure(self, clips: Manifest, folder: Path, split: str) -> Evaluation:
        """Measure the model on the selected clips; raises `AuricleError` if they cannot be used."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The options that affect the results, with defaults filled in; called after `measure`."""

    @abstractmethod
    def model(self) -> dict[str, Any]:
        """The `model` of results.json, from `describe_model`."""

    def write_report(self, evaluation: Any, record: dict[str, Any]) -> Path | None:
        """Write a report beside results.json if the task has one; returns its path."""
        return None

    def unusual(self) -> list[str]:
        """Parts of the folder's name for options that differ from their defaults."""
        options = self.options
        return [
            *([options.task] if options.task else []),
            *([f"by-{options.group_column or 'group'}"] if options.by_group else []),
            *([options.label_column] if options.label_column != "label" else []),
            *(["multi-label"] if options.multi_label else []),
            *([f"negative-{options.negative_label}"] if options.negative_label is not None else []),
            *([f"seed{options.seed}"] if options.seed else []),
        ]


def named_levels(snrs_db: Sequence[float]) -> str:
    """The part of the folder's name for signal-to-noise ratios in dB."""
    return f"snr{'+'.join(f'{level:g}' for level in snrs_db)}"


def named_place(source: str) -> str:
    """The part of the folder's name for a file or folder: its name, and a digest of its path, as names may be equal."""
    name, path = data_name(source)
    return f"{name}-{digest_of(os.path.realpath(path))[:8]}"


def refuse_unused(task: type[EvaluatedTask], options: Evaluate) -> None:
    """Raise `AuricleError` for options given that the task does not use."""
    unused = options.given(name for name in TASK_OPTIONS if name not in task.uses)
    if unused:
        raise AuricleError(f"{', '.join(unused)}: {task.measures} is measured without; leave it out for {options.run}")


def run_evaluation(task: EvaluatedTask) -> Evaluation:
    """Measure on the selected clips and write the results; clips used in training are refused."""
    options = task.options
    every = task.read()
    run = task.run
    clips, split = select_clips(every, options.split or "", options.fold or "", RunClips(task.folder), task.trained_as)
    refuse_trained_on(task.folder, clips)
    say_if_unknown(task.folder)
    name = data_name(options.data)[0]
    unusual = task.unusual()
    label = "-".join([name, split, *unusual])
    folder = Path(options.output or Path(options.run) / EVALUATIONS / file_name(label))
    content = clips_digest(clips.clips)
    _refuse_place(folder, [options.data, options.background, *(options.noise or ())])
    refuse_overwrite(folder, run, options.data, content, [split, *unusual])
    remove_partials(folder, below=True)
    evaluation = task.measure(clips, folder, split)
    record = write_evaluation(
        evaluation,
        task=task.name,
        run=run,
        data={"name": name, "path": options.data, "split": split, "n_clips": len(clips), "digest": content},
        settings=task.settings() | {"unusual": unusual},
        model=task.model(),
        skipped=[f"{problem.name}: {problem.reason}" for problem in every.skipped],
    )
    task.write_report(evaluation, record)
    return evaluation


def write_evaluation(
    evaluation: Evaluation,
    *,
    task: str,
    run: dict[str, Any],
    data: dict[str, Any],
    settings: dict[str, Any],
    model: dict[str, Any],
    skipped: Sequence[str] = (),
) -> dict[str, Any]:
    """Write results.json, results.csv and the task's own files to the evaluation's folder; returns results.json."""
    record = {
        "schema": SCHEMA,
        "task": task,
        "run": run,
        "data": data,
        "settings": settings,
        "model": model,
        "measured": [row.record() for row in evaluation.measured],
        **evaluation.further(),
        "skipped": list(skipped),
        "provenance": provenance(),
    }
    evaluation.folder.mkdir(parents=True, exist_ok=True)
    write_table(evaluation.folder / TABLE, evaluation.table())
    evaluation.write_files(record)
    write_json(evaluation.folder / RESULTS, record)
    return record


def refuse_model_folder(folder: Path, other: str = f"{EVALUATIONS}/other") -> None:
    """Raise `AuricleError` for the folder of a model, whose files results would replace; `other` is one within it."""
    if any((folder / name).is_file() for name in (SETTINGS, CONFIG)):
        raise AuricleError(f"{folder} is the folder of a model: give another --output, such as {folder / other}")


def _refuse_place(folder: Path, sources: Sequence[str | None]) -> None:
    """Raise `AuricleError` for the folder of a model, and if one of `sources` has the name of a result in `folder`."""
    refuse_model_folder(folder)
    for source in filter(None, sources):
        place = Path(os.path.realpath(data_name(source)[1]))
        if place.parent == Path(os.path.realpath(folder)) and place.name in OF_A_RUN and place.is_file():
            raise AuricleError(f"{source} may be replaced by a result: give another --output")


def refuse_overwrite(folder: Path, run: dict[str, Any], data: str, content: str, settings: Sequence[str]) -> None:
    """Raise `AuricleError` if the folder holds an evaluation of other data, of another run or with other settings.

    `settings` are the split, and the options that differ from their defaults as `EvaluatedTask.unusual` gives them.

    Another one has another digest and another path: data that have been corrected in place and a run that was trained
    again may be measured again.
    """
    if (folder / RESULTS).exists():
        before = read_result(folder)
        if before.data["digest"] != content and not _same_place(before.data["path"], data):
            raise AuricleError(
                f"{folder} holds an evaluation of other clips ({before.data['path']}): give another --output"
            )
        if before.run["digest"] != run["digest"] and not _same_place(before.run["path"], run["path"]):
            raise AuricleError(
                f"{folder} holds an evaluation of another run ({before.run['path'] or before.run['name']}): give "
                "another --output"
            )
        others = [before.data["split"], *before.settings.get("unusual", settings[1:])]
        if others != settings:
            raise AuricleError(
                f"{folder} holds an evaluation with other settings ({', '.join(others)}): give another --output"
            )


def _same_place(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and os.path.realpath(one) == os.path.realpath(other)


def describe_model(
    config: dict[str, Any], modules: dict[str, torch.nn.Module], *, sample_rate: int, seed: int | None, run: Path
) -> dict[str, Any]:
    """The `model` of results.json: configuration, number of parameters and training settings.

    For each of `modules` the trainable parameters are counted, for the module named "all" every parameter.
    """
    parameters = {
        name: sum(p.numel() for p in module.parameters() if p.requires_grad or name == "all")
        for name, module in modules.items()
    }
    return arrangement(config, run) | {"parameters": parameters, "sample_rate": sample_rate, "training_seed": seed}


def arrangement(config: dict[str, Any], run: Path) -> dict[str, Any]:
    """The configuration and the training without seeds: runs that agree in it may be averaged."""
    own = {name: value for name, value in config.items() if name not in _NOT_OF_THE_MODEL}
    return {"config": own, "training": training_settings(run)}


def training_settings(run: Path) -> dict[str, Any]:
    """The training settings without the seed and the paths of files; digests of the clips and of the models used."""
    path = run / SETTINGS
    settings = read_yaml(path) if path.exists() else {}
    clips = None
    if (run / CLIPS).exists():
        rows = sorted([row.get(name, "") for name in _CLIP] for row in listed_clips(run))
        clips = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    own = {key: value for key, value in settings.items() if key not in _NOT_OF_THE_TRAINING}
    used = {name: digest for name, digest in read_inputs(run).items() if name not in _OF_A_SEED}
    return own | {"clips": clips} | used
