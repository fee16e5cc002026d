"""What several runs show together: parameters of PCEN with tasks overlaid, accuracy per epoch with front-ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from auricle.frontends.adaptive import SimpPCEN
from auricle.frontends.compression import PCEN
from auricle.frontends.spec import frontend_name
from auricle.reports import plots
from auricle.reports.page import CaptionedFigure, Section
from auricle.reports.plots.learned import Floats
from auricle.reports.plots.together import Curve, accuracy_per_epoch, exponents, pcen_over_tasks
from auricle.runs.history import HISTORY, read_history
from auricle.studies.stress.models import StressedRun

MEASURED = ("test_accuracy", "val_accuracy")
"""Columns of history.csv: accuracy on test clips where the training measured it, else on validation clips."""

Group = list[StressedRun]


def together(runs: Sequence[StressedRun], folder: Path) -> list[Section]:
    """The section of figures that overlay the runs, saved as PNG in `folder`; none for a single model.

    Runs that differ in their seed only are averaged.
    """
    by_name: dict[tuple[str, str], Group] = {}
    for run in runs:
        by_name.setdefault((task_of(run), run.name), []).append(run)
    groups = list(by_name.values())
    if len(groups) < 2:
        return []
    figures = []
    for kind, text in ((PCEN, "PCEN"), (SimpPCEN, "SimpPCEN")):
        own = [group for group in groups if type(group[0].model.frontend.compression) is kind and learns(group[0])]
        if len(own) > 1:
            figure = pcen_over_tasks(*parameters(own))
            plots.save(figure, folder / f"{text.lower()}-together.png")
            figures.append(CaptionedFigure(figure, f"Learnt parameters of {text} by filter; dotted: initial."))
    column, curves = accuracy_curves(groups)
    if any(len(own) > 1 for own in curves.values()):
        clips = "test" if column == MEASURED[0] else "validation"
        figure = accuracy_per_epoch(curves, f"{clips.capitalize()} accuracy")
        plots.save(figure, folder / "accuracy-together.png")
        figures.append(CaptionedFigure(figure, f"Accuracy on {clips} clips after each epoch."))
    return [Section("Together", figures=figures)] if figures else []


def task_of(run: StressedRun) -> str:
    """The names of the run's data sets."""
    return ", ".join(task.name for task in run.model.tasks)


def learns(run: StressedRun) -> bool:
    """Whether the run's compression has learnt."""
    return any(p.requires_grad for p in run.model.frontend.compression.parameters())


def labels(groups: Sequence[Group], names: Sequence[str]) -> list[str]:
    """The name of each group in `names`, or its runs' own where several groups have the same."""
    return [own[0].name if names.count(name) > 1 else name for name, own in zip(names, groups, strict=True)]


def parameters(groups: Sequence[Group]) -> tuple[dict[str, dict[str, Floats]], dict[str, Floats]]:
    """Learnt parameters by task, or by run where tasks are the same, averaged over seeds; and the initial ones."""
    learnt = {}
    shown = labels(groups, [task_of(group[0]) for group in groups])
    for label, group in zip(shown, groups, strict=True):
        seeds = [exponents(run.model.frontend.compression) for run in group]
        learnt[label] = {name: np.mean([own[name] for own in seeds], axis=0) for name in seeds[0]}
    first = groups[0][0].model
    return learnt, exponents(type(first).build(**first.config).frontend.compression)


def accuracy_curves(groups: Sequence[Group]) -> tuple[str, dict[str, dict[str, Curve]]]:
    """The column of `MEASURED` that all runs have, and its curve of each front-end by task, averaged over seeds."""
    histories = {id(run): read_history(run.folder / HISTORY) for group in groups for run in group}
    common = [name for name in MEASURED if all(rows and name in rows[0] for rows in histories.values())]
    curves: dict[str, dict[str, Curve]] = {}
    if not common:
        return "", curves
    for task in dict.fromkeys(task_of(group[0]) for group in groups):
        own = [group for group in groups if task_of(group[0]) == task]
        names = [frontend_name(group[0].model.config["frontend"]) for group in own]
        curves[task] = {
            label: mean_curve([histories[id(run)] for run in group], common[0])
            for label, group in zip(labels(own, names), own, strict=True)
        }
    return common[0], curves


def mean_curve(histories: Sequence[Sequence[Mapping[str, str]]], column: str) -> Curve:
    """The mean of `column` over runs for each epoch that all of them have."""
    values = [{int(float(row["epoch"])): float(row[column]) for row in rows if row.get(column)} for rows in histories]
    epochs = sorted(set.intersection(*(set(own) for own in values)))
    return [(epoch, float(np.mean([own[epoch] for own in values]))) for epoch in epochs]
