"""Run folders of small systems that have not learnt anything, with the clips.csv of a training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from auricle.data.manifest import read_manifest
from auricle.data.splits import Splits
from auricle.data.tasks import Task
from auricle.runs.clips import clip_table
from auricle.runs.evaluation import Evaluation
from auricle.systems.classifier.system import Classifier
from auricle.systems.cmgan import CMGAN
from auricle.systems.separator import Separator
from auricle.tasks.evaluate import evaluate
from sounds import PITCHES_HZ, RATE

LABELS = tuple(sorted(PITCHES_HZ))
ENHANCER_SIZE = {"channels": 4, "blocks": 1, "heads": 1, "kernel_size": 3, "span": 4, "max_distance": 4,
                 "dense_depth": 1}  # fmt: skip


def classifier_run(folder: Path, data: Path, *, task: str = "tones", **options: Any) -> Path:
    """A classifier of the tones' labels."""
    _classifier(task=task, **options).save(folder)
    write_clips(folder, data, task)
    return folder


def start_run(folder: Path, **config: Any) -> Path:
    """A classifier of other labels to start from: its embedding tells tones apart although it has learnt nothing."""
    usual: dict[str, Any] = {
        "sample_rate": RATE,
        "window_s": 1.0,
        "frontend": {"name": "mel", "n_filters": 24},
        "backbone": {"name": "cnn-small"},
        "tasks": [Task("other", ("a", "b"))],
    }
    Classifier.build(**usual | config).save(folder)
    return folder


def separator_run(folder: Path, data: Path, *, seed: int = 0, task: str = "tones") -> Path:
    """A separator with average queries."""
    size = {"n_fft": 64, "hop_length": 20, "channels": (2, 3, 4)}
    separator = Separator.build(size=size, tagger=_classifier("mel-db", task=task), sample_rate=RATE, seed=seed)
    generator = torch.Generator().manual_seed(0)
    separator.set_queries({name: torch.randn(separator.size.query_size, generator=generator) for name in LABELS})
    separator.save(folder)
    write_clips(folder, data, task)
    return folder


def enhancer_run(folder: Path, data: Path, *, seed: int = 0) -> Path:
    """A small CMGAN."""
    CMGAN.build("cmgan-small", size=ENHANCER_SIZE, seed=seed).save(folder)
    write_clips(folder, data, "speech")
    return folder


def write_clips(folder: Path, data: Path, task: str) -> None:
    """clips.csv as a training on the data's split train writes it; it needs no validation clips."""
    clips = read_manifest(data)
    train, test = (clips.select(split=split) for split in ("train", "test"))
    none = dataclasses.replace(train, clips=())
    table = clip_table([Splits(Task(task, LABELS), train, none, test)])
    (folder / "clips.csv").write_text(table, encoding="utf-8")


def measured(run: Path | str, data: Path | str, **options: Any) -> Evaluation:
    """`auricle evaluate` without progress bars."""
    return evaluate(run, data=data, quiet=True, **options)


def _classifier(
    name: str = "mel",
    seed: int = 0,
    task: str = "tones",
    multi_label: bool = False,
    n_filters: int = 16,
    backbone: str = "cnn-small",
) -> Classifier:
    small = {"channels": [4, 4, 8]} if backbone == "cnn-small" else {}
    return Classifier.build(
        sample_rate=RATE,
        window_s=0.5,
        frontend={"name": name, "n_filters": n_filters},
        backbone={"name": backbone, **small},
        tasks=[Task(task, LABELS, multi_label)],
        seed=seed,
    )
