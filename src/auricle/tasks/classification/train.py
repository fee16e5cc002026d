"""The main job: from labelled recordings to a trained classifier in a run folder."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from auricle.conditions import create_suite
from auricle.config import Augmentation, Data, Optimization, SplitOptions, Training, plain_settings, require
from auricle.data.loading import (
    Augment,
    ClipStore,
    TrainingWindows,
    WholeClips,
    class_of_each,
    clip_loader,
    training_loader,
)
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.data.reading import data_name, read_data
from auricle.data.splits import Splits, advice, make_splits
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.files import write_json
from auricle.frontends.parameters import freeze
from auricle.runs.clips import clip_table, remember_clips
from auricle.runs.fit import discard_checkpoints, fit
from auricle.runs.folder import FINISHED, open_run
from auricle.runs.provenance import provenance
from auricle.systems.classifier.system import Classifier
from auricle.systems.system import load
from auricle.tasks.classification.model_card import write_model_card
from auricle.tasks.classification.score import EvaluationSet, measure, score

HIGHEST_DEFAULT_RATE = 16000
MEMORY_BYTES = 2**30  # for the waveforms of all clips together


def usual_rate(parts: list[Splits]) -> int:
    """The training clips' most common rate in Hz, or 16,000 if that is higher."""
    rates = Counter(clip.sample_rate for part in parts for clip in part.train)
    return min(rates.most_common(1)[0][0], HIGHEST_DEFAULT_RATE)


def train_classifier(
    data: list[str],
    output: str | Path,
    *,
    frontend: dict[str, Any] | None = None,
    backbone: dict[str, Any] | None = None,
    head: str | None = None,
    data_options: Data = Data(),
    split_options: SplitOptions = SplitOptions(),
    training: Training = Training(),
    optimization: Optimization = Optimization(),
    augmentation: Augmentation = Augmentation(),
    sample_rate: int | None = None,
    window_s: float | None = None,
    short: str | None = None,
    seed: int = 0,
    init_from: str | None = None,
    frozen: list[str] | None = None,
    overwrite: bool = False,
    settings: dict[str, Any] | None = None,
    progress: bool = True,
) -> Path:
    """Train a classifier on one data set, or on several with a head for each, and return its run folder.

    `frontend` and `backbone` are a `name` and options, `head` a name. Given again after an interruption, it goes on
    from the last finished epoch. `settings` is what is written to settings.yaml; by default these arguments.
    """
    require(seed >= 0, f"seed={seed}: 0 or more")
    named = [data_name(source) for source in data]
    if len({name for name, _ in named}) < len(named):
        raise AuricleError("two data sets have the same name: give names, as --data one=PATH two=PATH")
    manifests = [read_data(path, data_options, progress=progress) for _, path in named]
    parts = [make_splits(manifest, name, split_options) for (name, _), manifest in zip(named, manifests, strict=True)]
    classes = [class_of_each(part.task, part.train) for part in parts] if training.balance else None
    if progress:
        for manifest in manifests:
            for line in advice(manifest, split_options):
                print(f"note: {line}")
    given = {
        "frontend": frontend,
        "backbone": backbone,
        "head": head,
        "sample_rate": sample_rate,
        "window_s": window_s,
        "short": short,
    }
    given = {name: value for name, value in given.items() if value is not None}
    model = build(
        [part.task for part in parts],
        given=given,
        sample_rate=usual_rate(parts),
        seed=seed,
        augmentation=augmentation,
        optimization=optimization,
        init_from=init_from,
        frozen=frozen or [],
    )
    window = window_range(training, model)
    options = {"data_options": data_options, "split_options": split_options, "training": training}
    settings = settings or plain_settings({"data": data, **options, "init_from": init_from, "model": model.config})
    folder = open_run(output, settings, overwrite)
    remember_clips(folder, clip_table(parts))
    started = time.time()
    tasks = [part.task for part in parts]

    def stored(manifests: list[Manifest]) -> list[tuple[Task, Manifest, ClipStore]]:
        share, cache = MEMORY_BYTES // (2 * len(parts)), training.cache_dir or None
        stores = [
            ClipStore(m.clips, model.sample_rate, memory_bytes=share, cache_dir=cache, progress=progress)
            for m in manifests
        ]
        return list(zip(tasks, manifests, stores, strict=True))

    augment = training_conditions(augmentation, model.sample_rate, seed)
    windows = TrainingWindows(stored([part.train for part in parts]), model.short, augment)
    validation = stored([part.valid for part in parts])
    course = fit(
        model,
        training_loader(
            windows,
            window=window,
            batch_size=training.batch_size,
            seed=seed,
            n_items=training.steps_per_epoch * training.batch_size or None,
            classes=classes,
            num_workers=training.num_workers,
        ),
        clip_loader(WholeClips(validation, model.window, model.short), num_workers=training.num_workers),
        folder,
        training,
        progress=progress,
    )
    model.save(folder)
    metrics = {}
    for task, manifest, store in validation:
        measured = measure(score(model, EvaluationSet(task, manifest, store)))
        metrics[task.name] = {name: asdict(interval) for name, interval in measured.items()}
    skipped = [f"{problem.name}: {problem.reason}" for part in parts for problem in part.skipped]
    write_json(folder / "metrics.json", {"split": "valid", "tasks": metrics, "skipped": skipped})
    record = provenance() | {"seed": seed, **asdict(course), "seconds_of_last_session": round(time.time() - started, 1)}
    write_model_card(folder, record)
    write_json(folder / FINISHED, record)
    discard_checkpoints(folder)
    return folder


def window_range(training: Training, model: Classifier) -> tuple[int, int]:
    """The shortest and the longest training window in samples."""
    if not training.window_range_s:
        return model.window, model.window
    shortest, longest = (round(seconds * model.sample_rate) for seconds in training.window_range_s)
    require(shortest > 0, f"window_range_s={training.window_range_s}: less than a sample at {model.sample_rate} Hz")
    return shortest, longest


def training_conditions(augmentation: Augmentation, sample_rate: int, seed: int) -> Augment | None:
    """What is done to training windows on their way from the loader: a random condition of the suite that is named."""
    if not augmentation.conditions:
        return None
    material = read_material(augmentation.material)
    suite = create_suite(augmentation.conditions, seed=seed, material=material, split="train")

    def augment(window: np.ndarray, window_seed: int) -> np.ndarray:
        if np.random.default_rng([window_seed, 1]).random() >= augmentation.conditions_share:
            return window
        return suite.apply_random(window, sample_rate, window_seed)

    return augment


def build(
    tasks: list[Task],
    *,
    given: dict[str, Any],
    sample_rate: int,
    init_from: str | None = None,
    frozen: list[str],
    **config: Any,
) -> Classifier:
    """The classifier for `tasks` as `given`, or with defaults: LEAF, small CNN, linear head, `sample_rate`, 1 s.

    With `init_from` it starts from a run's weights: then front-end, backbone, head, rate and windows are the run's own
    (and cannot be given), and its heads too where the labels are the same.
    """
    if init_from is None:
        defaults = {
            "frontend": {"name": "leaf"},
            "backbone": {"name": "cnn-small"},
            "head": "linear",
            "sample_rate": sample_rate,
            "window_s": 1.0,
            "short": "pad",
        }
        return Classifier.build(tasks=tasks, frozen=frozen, **config | defaults | given)
    start = load(init_from)
    if not isinstance(start, Classifier):
        raise AuricleError(f"{init_from} is not a classifier's run")
    if given:
        raise AuricleError(f"{', '.join(given)} cannot be chosen with --init-from: they are those of {init_from}")
    inherited = {key: start.config[key] for key in ("frontend", "backbone", "sample_rate", "window_s", "short")}
    inherited["head"] = start.config.get("head", "linear")
    model = Classifier.build(tasks=tasks, frozen=[], **config | inherited)
    weights = start.state_dict()
    if [task.labels for task in start.tasks] != [task.labels for task in model.tasks]:
        weights = weights | {name: value for name, value in model.state_dict().items() if name.startswith("heads.")}
    model.load_state_dict(weights)
    freeze(model, frozen)
    model.config["frozen"] = list(frozen)
    return model
