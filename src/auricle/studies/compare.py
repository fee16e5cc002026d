"""`auricle compare`: compare evaluated runs, or train, stress-test and compare a grid of front-ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

from auricle.config import Compare, verb
from auricle.errors import AuricleError
from auricle.files import refuse_special
from auricle.readers import read_text
from auricle.registry import unknown_name
from auricle.studies.comparison import compare_runs
from auricle.studies.grid.comparison import compare_grids, find_grids
from auricle.studies.grid.grid import Grid, plan_epochs, stress_grid, table_path, train_grid

OF_RUNS = ("runs", "output", "baseline", "title", "preface", "quiet")
"""The options of a comparison of runs; the others are of trainings."""


@verb
def compare(options: Compare) -> Path:
    """Compare runs or front-ends; returns the path of the page or table."""
    if options.frontends:
        if not options.data or options.runs:
            raise AuricleError("--frontends needs --data to train on, and no runs")
        _refuse(options, ("title", "preface"), "a comparison of front-ends")
        named = [] if options.vary else [name for name in options.frontends if ":" not in name]
        if options.baseline and options.baseline not in named:
            raise AuricleError(unknown_name("baseline", options.baseline, named))
        return compare_frontends(options)
    if not options.runs:
        raise AuricleError("give runs to compare, or --data and --frontends to train and compare")
    of_trainings = [field.name for field in fields(options) if field.name not in OF_RUNS]
    _refuse(options, of_trainings, "a comparison of runs")
    page, opening = Path(options.output), read_text(options.preface).strip() if options.preface else ""
    refuse_special(page)
    grids = find_grids(options.runs)
    compared = partial(compare_grids, grids) if grids else partial(compare_runs, options.runs)
    compared(page, baseline=options.baseline or "", title=options.title, preface=opening)
    return page


def _refuse(options: Compare, names: Iterable[str], what: str) -> None:
    """Raise `AuricleError` for options given that this form of the command has no use for."""
    unused = options.given(names)
    if unused:
        raise AuricleError(f"{', '.join(unused)}: {what} has no use for it")


def compare_frontends(options: Compare) -> Path:
    """Train every front-end with every seed and fold, and stress-test them all; returns the table's path."""
    if options.budget:
        epochs = plan_epochs(Grid(options), options.budget)
        options = replace(options, training=replace(options.training, epochs=epochs))
        n_trainings = len(Grid(options).cells())
        print(f"{epochs} epochs in each of {n_trainings} trainings fit into {options.budget:g} h")
    grid = Grid(options)
    train_grid(grid)
    stress_grid(grid)
    return table_path(grid)
