"""The main job: from labelled recordings to a trained classifier in a run folder."""

from __future__ import annotations

import csv
import dataclasses
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from auricle.data.loading import ClipStore, TrainingWindows, WholeClips, clip_loader, training_loader
from auricle.data.manifest import Manifest, read_manifest
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.evaluation.evaluate import Part, measure, score
from auricle.evaluation.model_card import write_model_card
from auricle.frontends.parameters import freeze
from auricle.options import Augmentation, Choice, Data, Optimization, Training
from auricle.runs import finish_run, open_run, write_json
from auricle.systems.classifier import Classifier
from auricle.systems.system import load
from auricle.training import discard_checkpoints, fit

HIGHEST_DEFAULT_RATE = 16000
CLIPS = "clips.csv"


@dataclass
class Parts:
    """The clips of one data set by what they are for."""

    task: Task
    train: Manifest
    validation: Manifest
    test: Manifest | None
    skipped: list[str] = field(default_factory=list)


def read_data(source: str, options: Data, *, progress: bool = False) -> Manifest:
    """The manifest or folder `source` as `options` say."""
    without_groups = options.group_column == "none"
    manifest = read_manifest(
        source,
        label_column=options.label_column,
        group_column=None if without_groups else options.group_column or None,
        skip_bad=options.skip_bad,
        progress=progress,
    )
    if without_groups:
        clips = tuple(dataclasses.replace(clip, group=None) for clip in manifest.clips)
        manifest = dataclasses.replace(manifest, clips=clips)
    return manifest


def divide(manifest: Manifest, name: str, options: Choice, seed: int) -> Parts:
    """Training, validation and test clips.

    The test part is never looked at in training: it is the data's own test (or valid) split, the fold that is left out,
    or, where there is neither, a share cut off by group. Validation is the split "valid" where there is a "test" split
    too, and otherwise cut from the training part by group.
    """
    test: Manifest | None = None
    validation: Manifest | None = None
    if options.test_fold:
        train, test = manifest.select(without_fold=options.test_fold), manifest.select(fold=options.test_fold)
    elif manifest.splits:
        train = manifest.select(split=options.split)
        others = [split for split in manifest.splits if split != options.split]
        if {"valid", "test"} <= set(others):
            validation, test = manifest.select(split="valid"), manifest.select(split="test")
        elif others:
            test = manifest.select(split=others[-1])
    elif options.test_share > 0:
        train, test = manifest.hold_out(options.test_share, seed=seed)
    else:
        train = manifest
    if validation is None:
        train, validation = train.hold_out(options.validation_share, seed=seed)
    task = Task(name, train.label_names, manifest.multi_label)
    for part, clips in (("validation", validation), ("test", test)):
        unknown = sorted({label for clip in clips or () for label in clip.labels} - set(task.labels))
        if unknown:
            raise AuricleError(
                f"{manifest.source}: the training part lacks labels that the {part} part has: {', '.join(unknown)}; "
                "give more recordings of them, or let clips of one group be parted by --group-column none"
            )
    skipped = [f"{problem.name}: {problem.reason}" for problem in manifest.skipped]
    return Parts(task, train, validation, test, skipped)


def data_name(source: str) -> tuple[str, str]:
    """('digits', 'fsdd/manifest.csv') for 'digits=fsdd/manifest.csv'; without a name the folder's."""
    name, found, path = source.partition("=")
    if found and not Path(source).exists():
        return name, path
    where = Path(source).resolve()
    return (where.parent.name if where.is_file() else where.name), source


def usual_rate(parts: list[Parts]) -> int:
    """The training clips' most common rate in Hz, or 16,000 if that is higher."""
    rates = Counter(clip.sample_rate for part in parts for clip in part.train)
    return min(rates.most_common(1)[0][0], HIGHEST_DEFAULT_RATE)


def train_classifier(
    data: list[str],
    output: str | Path,
    *,
    frontend: dict[str, Any],
    backbone: dict[str, Any],
    data_options: Data = Data(),
    choice: Choice = Choice(),
    training: Training = Training(),
    optimization: Optimization = Optimization(),
    augmentation: Augmentation = Augmentation(),
    sample_rate: int | None = None,
    window_s: float = 1.0,
    short: str = "pad",
    seed: int = 0,
    init_from: str | None = None,
    frozen: list[str] | None = None,
    overwrite: bool = False,
    settings: dict[str, Any] | None = None,
    progress: bool = True,
) -> Path:
    """Train a classifier on one data set, or on several with a head for each, and return its run folder.

    `frontend` and `backbone` are a `name` and options. Given again after an interruption, it goes on from the last
    finished epoch. `settings` is what is written to settings.yaml; by default these arguments.
    """
    named = [data_name(source) for source in data]
    if len({name for name, _ in named}) < len(named):
        raise AuricleError("two data sets have the same name: give names, as --data one=PATH two=PATH")
    parts = [divide(read_data(path, data_options, progress=progress), name, choice, seed) for name, path in named]
    model = build(
        [part.task for part in parts],
        frontend=frontend,
        backbone=backbone,
        sample_rate=sample_rate or usual_rate(parts),
        window_s=window_s,
        short=short,
        seed=seed,
        augmentation=augmentation,
        optimization=optimization,
        init_from=init_from,
        frozen=frozen or [],
    )
    if settings is None:
        settings = {
            "data": data,
            "data_options": asdict(data_options),
            "choice": asdict(choice),
            "training": asdict(training),
            "init_from": init_from,
            "model": model.config,
        }
    folder = open_run(output, settings, overwrite)
    write_clip_table(folder / CLIPS, parts)
    started = time.time()
    stores = {
        role: [
            ClipStore(clips.clips, model.sample_rate, cache_dir=training.cache_dir or None, progress=progress)
            for clips in ([part.train for part in parts] if role == "train" else [part.validation for part in parts])
        ]
        for role in ("train", "validation")
    }
    tasks = [part.task for part in parts]
    windows = TrainingWindows(
        list(zip(tasks, [part.train for part in parts], stores["train"], strict=True)), model.window, model.short
    )
    whole = WholeClips(
        list(zip(tasks, [part.validation for part in parts], stores["validation"], strict=True)),
        model.window,
        model.short,
    )
    n_items = training.steps_per_epoch * training.batch_size or None
    fit(
        model,
        training_loader(
            windows, batch_size=training.batch_size, seed=seed, n_items=n_items, num_workers=training.num_workers
        ),
        clip_loader(whole, num_workers=training.num_workers),
        folder,
        training,
        progress=progress,
    )
    model.save(folder)
    metrics = {}
    for part, store in zip(parts, stores["validation"], strict=True):
        scored = score(model, Part(part.task, part.validation, store))
        metrics[part.task.name] = {name: asdict(interval) for name, interval in measure(scored).items()}
    skipped = [line for part in parts for line in part.skipped]
    write_json(folder / "metrics.json", {"part": "validation", "tasks": metrics, "skipped": skipped})
    finish_run(folder, seed, started, time.time())
    write_model_card(folder)
    discard_checkpoints(folder)
    return folder


def build(
    tasks: list[Task],
    *,
    frontend: dict[str, Any],
    backbone: dict[str, Any],
    init_from: str | None = None,
    frozen: list[str],
    **config: Any,
) -> Classifier:
    """The classifier for `tasks`; with `init_from` it starts from a run's weights.

    Then front-end, backbone and rate are the run's own, and its heads too where the labels are the same.
    """
    if init_from is None:
        return Classifier.build(tasks=tasks, frontend=frontend, backbone=backbone, frozen=frozen, **config)
    start = load(init_from)
    if not isinstance(start, Classifier):
        raise AuricleError(f"{init_from} is not a classifier's run")
    inherited = {key: start.config[key] for key in ("frontend", "backbone", "sample_rate", "window_s", "short")}
    model = Classifier.build(tasks=tasks, frozen=[], **config | inherited)
    weights = start.state_dict()
    if [task.labels for task in start.tasks] != [task.labels for task in model.tasks]:
        weights = {name: value for name, value in weights.items() if not name.startswith("heads.")}
    model.load_state_dict(weights, strict=False)
    freeze(model, frozen)
    model.config["frozen"] = list(frozen)
    return model


def write_clip_table(path: Path, parts: list[Parts]) -> None:
    """clips.csv: task, clip, part (train, validation or test), group, labels."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["task", "clip", "part", "group", "labels"])
        for part in parts:
            for name in ("train", "validation", "test"):
                for clip in getattr(part, name) or ():
                    writer.writerow([part.task.name, clip.name, name, clip.group or "", ";".join(clip.labels)])


def read_clip_table(folder: Path, task: str) -> dict[str, str]:
    """Clip name → part, of one task of the run in `folder`."""
    path = folder / CLIPS
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        return {row["clip"]: row["part"] for row in csv.DictReader(file) if row["task"] == task}
