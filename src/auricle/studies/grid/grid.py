"""`auricle compare --frontends …`: train a grid of front-ends, folds and seeds, and stress-test it as one."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from auricle.conditions.suites import Suite
from auricle.config import Augmentation, Data, Optimization, SplitOptions, Training, plain_settings
from auricle.data.loading import WindowSampler, class_of_each
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.data.reading import data_name, read_data
from auricle.data.splits import Splits, make_splits
from auricle.errors import AuricleError
from auricle.frontends.spec import read_frontend
from auricle.identity import file_names
from auricle.metrics.intervals import Interval
from auricle.reports.page import Table, to_markdown
from auricle.runs.clips import clip_table, same_clips
from auricle.runs.folder import CLIPS, FINISHED, changed_settings
from auricle.runs.provenance import provenance
from auricle.studies.corrupt import open_suite
from auricle.studies.grid.scores import GridScores, measure_scores
from auricle.studies.stress.cells import StressedRun, measure_cells, tell_apart
from auricle.studies.stress.report import write_report
from auricle.studies.stress.statistics import StressTest, excludes_zero, interval
from auricle.studies.stress.stress import baseline_name, clips_to_test
from auricle.tasks.classification.train import build, train_classifier, usual_rate, window_range

CLEAN = "clean"


@dataclass
class Grid:
    """What is trained: every front-end with every seed, on all folds but each in turn, under one condition.

    A front-end is a name, or one with options as `read_frontend` takes it.
    """

    data: str
    frontends: list[str]
    seeds: list[int]
    folder: Path
    folds: list[str] = field(default_factory=list)
    train_condition: str = CLEAN
    material: list[str] = field(default_factory=list)
    backbone: str = "cnn-small"
    backbone_options: dict[str, Any] = field(default_factory=dict)
    sample_rate: int | None = None
    window_s: float | None = None
    short: str | None = None
    data_options: Data = Data()
    split_options: SplitOptions = SplitOptions()
    training: Training = Training()
    optimization: Optimization = Optimization()
    augmentation: Augmentation = Augmentation()

    def __post_init__(self) -> None:
        if self.augmentation.conditions or self.augmentation.material:
            raise AuricleError("a grid's condition and material are --train-condition and --material")

    def cells(self) -> list[tuple[str, str, int]]:
        """(front-end, fold, seed) of every training; the folds are one empty name where there are none."""
        return [(name, fold, seed) for seed in self.seeds for fold in self.folds or [""] for name in self.frontends]

    def run(self, frontend: str, fold: str, seed: int) -> Path:
        """A training's folder."""
        condition = file_names([self.train_condition])[self.train_condition]
        return self.folder / "runs" / condition / self._names[frontend, fold, seed]

    @cached_property
    def _names(self) -> dict[tuple[str, str, int], str]:
        """What the folder of each training is called."""
        labels = {
            cell: "-".join([cell[0].replace(":", "-"), *([f"fold{cell[1]}"] if cell[1] else []), f"seed{cell[2]}"])
            for cell in self.cells()
        }
        counts = Counter(labels.values())
        labels = {cell: text if counts[text] == 1 else f"{text} {cell}" for cell, text in labels.items()}
        names = file_names(labels.values())
        return {cell: names[text] for cell, text in labels.items()}

    def settings(self, frontend: str, fold: str, seed: int) -> dict[str, Any]:
        """The arguments of one training."""
        conditions = "" if self.train_condition == CLEAN else self.train_condition
        return {
            "data": [self.data],
            "frontend": read_frontend(frontend),
            "backbone": {"name": self.backbone, **self.backbone_options},
            "sample_rate": self.sample_rate,
            "window_s": self.window_s,
            "short": self.short,
            "data_options": self.data_options,
            "split_options": dataclasses.replace(self.split_options, test_fold=fold) if fold else self.split_options,
            "training": self.training,
            "optimization": self.optimization,
            "augmentation": dataclasses.replace(self.augmentation, conditions=conditions, material=self.material),
            "seed": seed,
        }


def variations(frontends: list[str], vary: list[str]) -> list[str]:
    """Every front-end with every combination of the values in `vary`, each "option=value,value"."""
    for axis in vary:
        option, found, values = axis.partition("=")
        if not found or not all(values.split(",")):
            raise AuricleError(f"--vary {axis!r}: give an option and its values, as order=2,4,8")
        frontends = [f"{frontend}:{option}={value}" for frontend in frontends for value in values.split(",")]
    return frontends


def plan_epochs(grid: Grid, budget_h: float) -> int:
    """The epochs, equal in every training and at most those asked for, that fit into `budget_h` hours.

    Each front-end's training step is timed on one batch of middle length; conditions in training and validation are
    not.
    """
    training = grid.training
    manifest = read_data(grid.data, grid.data_options)
    split_options = (
        dataclasses.replace(grid.split_options, test_fold=grid.folds[0]) if grid.folds else grid.split_options
    )
    parts = make_splits(manifest, data_name(grid.data)[0], split_options)
    classes = class_of_each(parts.task, parts.train) if training.balance else [""] * len(parts.train)
    n_clips = len(WindowSampler([classes], seed=0, window=(1, 1)))
    steps = training.steps_per_epoch or -(-n_clips // training.batch_size)
    seconds = 0.0
    for name in grid.frontends:
        given = {"frontend": read_frontend(name), "backbone": {"name": grid.backbone, **grid.backbone_options}}
        given |= {key: getattr(grid, key) for key in ("sample_rate", "window_s") if getattr(grid, key) is not None}
        model = build([parts.task], given=given, sample_rate=usual_rate([parts]), frozen=[], seed=0).train()
        batch = 0.1 * torch.randn(training.batch_size, sum(window_range(training, model)) // 2)
        times = []
        for _ in range(4):
            start = time.perf_counter()
            model(batch).sum().backward()
            times.append(time.perf_counter() - start)
        seconds += steps * sorted(times)[1] * len(grid.seeds) * max(1, len(grid.folds))
    fitting = int(budget_h * 3600 / seconds)
    if fitting < 1:
        raise AuricleError(
            f"{budget_h:g} h are too short: one epoch of every training takes about {seconds / 3600:.2g} h"
        )
    return min(training.epochs, fitting)


def train_grid(grid: Grid, *, progress: bool = True) -> list[Path]:
    """Train what is not trained yet; an interrupted training goes on.

    A finished run of other settings, or of clips or noises of other content, is an `AuricleError`.
    """
    folders = []
    cells = grid.cells()
    manifest = read_data(grid.data, grid.data_options)
    mixed_in = read_material(grid.material).describe()["digest"] if grid.material else ""
    for number, (frontend, fold, seed) in enumerate(cells, start=1):
        folder, settings = grid.run(frontend, fold, seed), grid.settings(frontend, fold, seed)
        folders.append(folder)
        written = plain_settings(settings) | {"material": mixed_in}
        if (folder / FINISHED).exists():
            splits = make_splits(manifest, data_name(grid.data)[0], settings["split_options"])
            _same_training(folder, written, splits)
            continue
        print(f"training {number} of {len(cells)}: {folder.name}, {grid.train_condition}")
        train_classifier(settings.pop("data"), folder, **settings, settings=written, progress=progress)
    return folders


def _same_training(folder: Path, settings: dict[str, Any], splits: Splits) -> None:
    """An `AuricleError` if a finished run was trained with other options, clips or noises.

    Where data and material lie does not matter: their content is compared.
    """
    changed = [name for name in changed_settings(folder, settings) if name not in ("data", "augmentation.material")]
    if changed:
        raise AuricleError(f"{folder} was trained with another {changed[0].partition('.')[0]}: give another --output")
    if not same_clips(folder, clip_table([splits])):
        raise AuricleError(f"{folder} was trained on other clips (compare {folder / CLIPS}): give another --output")


def stress_grid(grid: Grid, suite_names: list[str], seed: int = 0, *, progress: bool = True) -> dict[str, StressTest]:
    """Every run under every suite, a report for each, and table.md with all of them."""
    manifest = read_data(grid.data, grid.data_options)
    material = read_material(grid.material)
    tests: dict[str, StressTest] = {}
    rows = []
    parts = [_tested(grid, manifest, fold) for fold in grid.folds or [""]]
    scores = measure_scores(parts, grid.seeds)
    condition = file_names([grid.train_condition])[grid.train_condition]
    scores.save(grid.folder / f"scores-{condition}.npz")
    suites = {name: open_suite(name, seed, material, "test") for name in suite_names}
    folders = _report_folders(grid, suites)
    for name, suite in suites.items():
        folder = grid.folder / folders[name]
        tables, every = [], []
        for runs, tested in parts:
            tables.append(measure_cells(runs, tested, suite, folder / "cells", progress=progress))
            every += runs
        cells = pd.concat(tables, ignore_index=True)
        cells.to_csv(folder / "cells.csv", index=False)
        tests[name] = test = StressTest(cells, seed)
        baseline = baseline_name(every, test.models, "")
        shown = dataclasses.replace(manifest, clips=tuple(clip for _, tested in parts for clip in tested))
        page = write_report(folder, test, every, shown, suite, baseline)
        rows += _rows(test, suite, grid)
        print(f"the report is {page}")
    table = pd.DataFrame(rows)
    table.to_csv(grid.folder / f"table-{condition}.csv", index=False)
    (grid.folder / f"table-{condition}.md").write_text(_page(grid, table, scores), encoding="utf-8")
    return tests


def _report_folders(grid: Grid, suites: dict[str, Suite]) -> dict[str, str]:
    """What the folder of each suite's report is called: by its name, or as it was given where two have one name."""
    counts = Counter(suite.name for suite in suites.values())
    labels = {
        given: f"{grid.train_condition}-{suite.name if counts[suite.name] == 1 else given}"
        for given, suite in suites.items()
    }
    names = file_names(labels.values(), reserved=["runs"])
    return {given: names[label] for given, label in labels.items()}


def _tested(grid: Grid, manifest: Manifest, fold: str) -> tuple[list[StressedRun], Manifest]:
    """The runs that left `fold` out, and the clips to test them on."""
    runs = [StressedRun.open(str(grid.run(name, fold, seed))) for name in grid.frontends for seed in grid.seeds]
    tell_apart(runs)
    tested, _ = clips_to_test(runs, manifest, "", fold)
    return runs, tested


def _rows(test: StressTest, suite: Suite, grid: Grid) -> list[dict[str, Any]]:
    """Clean and suite accuracy of every front-end: mean over seeds with its interval, and the best two compared."""
    ranked = sorted(test.models, key=lambda model: -float(test.overall(model)[0]))
    rows = []
    for model in test.models:
        row: dict[str, Any] = {
            "trained": grid.train_condition,
            "tested": suite.name,
            "front-end": model,
            "seeds": test.n_seeds[model],
            "clean %": interval(test.clean(model), 100),
            f"{suite.name} %": interval(test.overall(model), 100),
        }
        if len(ranked) > 1 and model == ranked[0]:
            row |= _against(test, model, ranked[1])
        rows.append(row)
    return rows


def _against(test: StressTest, model: str, other: str) -> dict[str, Any]:
    difference: Interval = interval(test.difference(test.overall, model, other), 100)
    verdict = "ahead" if excludes_zero(difference) else "not told apart"
    return {"best against the next": f"{verdict} of {other}" if verdict == "ahead" else f"{verdict} from {other}",
            "by": difference}  # fmt: skip


def _page(grid: Grid, table: pd.DataFrame, scores: GridScores) -> str:
    made = provenance()
    return (
        f"{to_markdown(Table(table.fillna('')).frame)}\n\n"
        f"On clean clips (validation alone may choose; it is best for {scores.best_on_validation()}):\n\n"
        f"{to_markdown(Table(scores.table()).frame)}\n\n"
        f"{data_name(grid.data)[0]}, {grid.backbone}, {grid.training.epochs} epochs, seeds "
        f"{', '.join(map(str, grid.seeds))}, trained {grid.train_condition}; 95 % intervals by bootstrap over clips or "
        f"groups, paired for the difference. `{made['command']}`, {made['machine']['processor']}, "
        f"{made['machine']['cores']} cores, {made['date'][:10]}.\n"
    )
