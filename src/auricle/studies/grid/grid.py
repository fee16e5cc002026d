"""`auricle compare --frontends …`: train a grid of front-ends, folds and seeds, and stress-test them together."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from auricle.conditions.suites import Suite
from auricle.config import Compare, TrainClassifier
from auricle.data.loading import WindowSampler
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.data.reading import data_name, read_data
from auricle.errors import AuricleError, duration_text
from auricle.files import write_json, write_table, write_text
from auricle.frontends.spec import names_in, read_frontend
from auricle.identity import file_name, file_names
from auricle.metrics.intervals import Interval
from auricle.reports.page import Table
from auricle.reports.tables import to_markdown
from auricle.runs.clips import clips_digest, refuse_other_run
from auricle.runs.folder import FINISHED, discard_checkpoints
from auricle.runs.processes import for_this_process
from auricle.runs.provenance import provenance
from auricle.runs.train import train
from auricle.studies.corrupt import open_suite
from auricle.studies.grid.comparison import ABOUT, SCHEMA
from auricle.studies.grid.scores import GridScores, measure_scores, require_one_label
from auricle.studies.stress.cells import CELLS, measure_cells
from auricle.studies.stress.models import StressedRun, tell_apart
from auricle.studies.stress.report import write_report
from auricle.studies.stress.statistics import StressTest, excludes_zero, interval
from auricle.studies.stress.stress import baseline_name, clips_to_test
from auricle.tasks.classification.train import ClassifierTrainingTask

CLEAN = "clean"


@dataclass(frozen=True)
class Grid:
    """The trainings of `auricle compare --frontends`: every front-end with every seed, leaving out each fold in turn.

    A front-end is a name, optionally with options as for `read_frontend`.
    """

    options: Compare

    def __post_init__(self) -> None:
        if self.options.augmentation.conditions or self.options.augmentation.material:
            raise AuricleError("a grid's condition and material are --train-condition and --material")
        options = self.options
        for name in ("frontends", "seeds", "folds", "test_suite"):
            values = self.frontends if name == "frontends" else getattr(options, name) or []
            twice = [str(value) for value, count in Counter(values).items() if count > 1]
            if twice:
                raise AuricleError(f"--{name.replace('_', '-')}: {twice[0]} is given more than once")

    @property
    def data(self) -> str:
        return self.options.data or ""

    @cached_property
    def frontends(self) -> list[str]:
        return variations(names_in(self.options.frontends or []), self.options.vary or [])

    @property
    def seeds(self) -> list[int]:
        return self.options.seeds or [0]

    @property
    def folds(self) -> list[str | None]:
        """The folds that are left out in turn; `[None]` to use the test split of the data."""
        return [*(self.options.folds or [])] or [None]

    @property
    def folder(self) -> Path:
        return Path(self.options.output)

    def cells(self) -> list[tuple[str, str | None, int]]:
        """(front-end, fold, seed) of every training."""
        return [(name, fold, seed) for seed in self.seeds for fold in self.folds for name in self.frontends]

    def run(self, frontend: str, fold: str | None, seed: int) -> Path:
        """The run folder of a training."""
        return self.folder / "runs" / file_name(self.options.train_condition) / self._names[frontend, fold, seed]

    @cached_property
    def _names(self) -> dict[tuple[str, str | None, int], str]:
        """The name of each training's folder."""
        labels = {
            cell: "-".join([cell[0].replace(":", "-"), *([f"fold{cell[1]}"] if cell[1] else []), f"seed{cell[2]}"])
            for cell in self.cells()
        }
        counts = Counter(labels.values())
        labels = {cell: text if counts[text] == 1 else f"{text} {cell}" for cell, text in labels.items()}
        names = file_names(labels.values())
        return {cell: names[text] for cell, text in labels.items()}

    def training(self, frontend: str, fold: str | None, seed: int) -> TrainClassifier:
        """The options of one training."""
        options = self.options
        name, *changes = read_frontend(frontend).items()
        conditions = None if options.train_condition == CLEAN else options.train_condition
        return TrainClassifier(
            data=[self.data],
            output=str(self.run(frontend, fold, seed)),
            label_column=options.label_column,
            group_column=options.group_column,
            multi_label=options.multi_label,
            negative_label=options.negative_label,
            skip_bad=options.skip_bad,
            frontend=name[1],
            frontend_options=dict(changes) or None,
            backbone=options.backbone,
            backbone_options=options.backbone_options,
            sample_rate=options.sample_rate,
            window_s=options.window_s,
            short=options.short,
            splits=replace(options.splits, test_fold=fold) if fold else options.splits,
            training=options.training,
            optimization=options.optimization,
            augmentation=replace(options.augmentation, conditions=conditions, material=options.material or []),
            seed=seed,
            quiet=options.quiet,
        )


def variations(frontends: list[str], vary: list[str]) -> list[str]:
    """Every front-end with every combination of the values in `vary`, each "option=value,value"."""
    for axis in vary:
        option, found, values = axis.partition("=")
        if not found or not all(values.split(",")):
            raise AuricleError(f"--vary {axis!r}: give an option and its values, as order=2,4,8")
        frontends = [f"{frontend}:{option}={value}" for frontend in frontends for value in values.split(",")]
    return frontends


def plan_epochs(grid: Grid, budget_h: float) -> int:
    """The number of epochs of every training, at most that of the options, that fits into `budget_h` hours in total.

    A training step of each front-end is timed on a batch of medium length; the time for augmentation with conditions
    and for validation is not included.
    """
    training = grid.options.training
    seconds = 0.0
    for name in grid.frontends:
        task = ClassifierTrainingTask(grid.training(name, grid.folds[0], 0))
        classes = (task.classes or [[""] * len(task.splits[0].train)])[0]
        n_clips = len(WindowSampler([classes], seed=0, window=(1, 1)))
        steps = training.steps_per_epoch or max(1, n_clips // training.batch_size)
        model = task.build().train()
        batch = 0.1 * torch.randn(training.batch_size, sum(task.window) // 2)
        times = []
        for _ in range(4):
            start = time.perf_counter()
            model(batch).sum().backward()
            times.append(time.perf_counter() - start)
        seconds += steps * sorted(times)[1] * len(grid.seeds) * len(grid.folds)
    fitting = int(budget_h * 3600 / seconds)
    if fitting < 1:
        raise AuricleError(
            f"{budget_h:g} h are too short: one epoch of every training takes about {duration_text(seconds)}"
        )
    return min(training.epochs, fitting)


def train_grid(grid: Grid) -> list[Path]:
    """Train all unfinished trainings, resuming interrupted ones.

    Raises `AuricleError` for a run with other options, and, before anything is trained, for clips with several labels
    or none, for a front-end that cannot be built, and for an unknown suite.
    """
    require_one_label(read_data(grid.data, grid.options).multi_label)
    _check_before(grid)
    folders = []
    cells = grid.cells()
    for number, (frontend, fold, seed) in enumerate(cells, start=1):
        options = grid.training(frontend, fold, seed)
        folder = Path(options.output)
        folders.append(folder)
        if (folder / FINISHED).exists():
            task = ClassifierTrainingTask(options)
            refuse_other_run(options, task.inputs(), task.clip_table())
            discard_checkpoints(folder)
            continue
        print(f"training {number} of {len(cells)}: {folder.name}, {grid.options.train_condition}")
        train(ClassifierTrainingTask(for_this_process(options)))
    return folders


def _check_before(grid: Grid) -> None:
    """Raise `AuricleError` for what would otherwise be found only after hours of training."""
    material = read_material(grid.options.material or [])
    for name in grid.options.test_suite or []:
        open_suite(name, 0, material, "test")
    for frontend in grid.frontends:
        runs = [grid.run(frontend, fold, seed) for fold in grid.folds for seed in grid.seeds]
        if not all((run / FINISHED).exists() for run in runs):
            ClassifierTrainingTask(grid.training(frontend, grid.folds[0], grid.seeds[0])).build()


def stress_grid(grid: Grid) -> dict[str, StressTest]:
    """Test every run under every suite and write a report for each suite and a table of all suites."""
    options = grid.options
    manifest = read_data(grid.data, options)
    material = read_material(options.material or [])
    tests: dict[str, StressTest] = {}
    rows = []
    folds = [_tested(grid, manifest, fold) for fold in grid.folds]
    scores = measure_scores(folds, grid.seeds)
    scores.save(grid.folder / f"scores-{file_name(options.train_condition)}.npz")
    clips = clips_digest([clip for _, tested in folds for clip in tested])
    suites = {name: open_suite(name, 0, material, "test") for name in options.test_suite or ["complex"]}
    folders = _report_folders(grid, suites)
    for name, suite in suites.items():
        folder = grid.folder / folders[name]
        tables, every = [], []
        for runs, tested in folds:
            tables.append(measure_cells(runs, tested, suite, folder / "cells", progress=not options.quiet))
            every += runs
        cells = pd.concat(tables, ignore_index=True)
        write_table(folder / CELLS, cells)
        about = {"data": data_name(grid.data)[0], "clips": clips, "trained": options.train_condition, "suite": name}
        write_json(folder / ABOUT, {"schema": SCHEMA} | about)
        tests[name] = test = StressTest(cells)
        baseline = baseline_name(every, test.models, grid.options.baseline or "")
        shown = replace(manifest, clips=tuple(clip for _, tested in folds for clip in tested))
        page, _ = write_report(folder, test, every, shown, suite, baseline)
        rows += _rows(test, suite, grid)
        print(f"the report is {page}")
    table = pd.DataFrame(rows)
    write_table(table_path(grid).with_suffix(".csv"), table)
    write_text(table_path(grid), _page(grid, table, scores))
    return tests


def table_path(grid: Grid) -> Path:
    """The path of the Markdown table of all runs under all suites."""
    return grid.folder / f"table-{file_name(grid.options.train_condition)}.md"


def _report_folders(grid: Grid, suites: dict[str, Suite]) -> dict[str, str]:
    """The folder of each suite's report, named by the suite, or by the option if two suites have the same name."""
    counts = Counter(suite.name for suite in suites.values())
    labels = {
        option: f"{grid.options.train_condition}-{suite.name if counts[suite.name] == 1 else option}"
        for option, suite in suites.items()
    }
    names = file_names(labels.values(), reserved=["runs"])
    return {option: names[label] for option, label in labels.items()}


def _tested(grid: Grid, manifest: Manifest, fold: str | None) -> tuple[list[StressedRun], Manifest]:
    """The runs trained without `fold`, and the clips to test them on."""
    runs = [StressedRun.open(str(grid.run(name, fold, seed))) for name in grid.frontends for seed in grid.seeds]
    tell_apart(runs)
    tested, _ = clips_to_test(runs, manifest, "", fold or "")
    return runs, tested


def _rows(test: StressTest, suite: Suite, grid: Grid) -> list[dict[str, Any]]:
    """Clean and suite accuracy of every front-end: mean over seeds with its interval, and the best two compared."""
    ranked = sorted(test.models, key=lambda model: -float(test.overall(model)[0]))
    rows = []
    for model in test.models:
        row: dict[str, Any] = {
            "trained": grid.options.train_condition,
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
            "by, points": difference}  # fmt: skip


def _page(grid: Grid, table: pd.DataFrame, scores: GridScores) -> str:
    made, options = provenance(), grid.options
    return (
        f"{to_markdown(Table(table.fillna('')).frame)}\n\n"
        f"On clean clips (select models by validation, which is best for {scores.best_on_validation()}):\n\n"
        f"{to_markdown(Table(scores.table()).frame)}\n\n"
        f"{data_name(grid.data)[0]}, {options.backbone or 'cnn-small'}, {options.training.epochs} epochs, seeds "
        f"{', '.join(map(str, grid.seeds))}, trained {options.train_condition}; 95 % bootstrap intervals over clips or "
        f"groups, paired for the difference. `{made['command']}`, {made['machine']['processor']}, "
        f"{made['machine']['cores']} cores, {made['date'][:10]}.\n"
    )
