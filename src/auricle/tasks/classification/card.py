"""A classifier's model card: its configuration, validation metrics, and plots of the trained front-end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auricle.conditions.levels import signed
from auricle.data.clips import Problem
from auricle.data.labels import listable
from auricle.frontends import Frontend
from auricle.metrics import Interval
from auricle.reports import plots
from auricle.reports.metrics import METRICS
from auricle.reports.tables import escape_markdown
from auricle.runs.card import Card, model_name
from auricle.runs.history import HISTORY, read_history
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.calibrate import calibration_lines
from auricle.tasks.classification.calibration import Calibration
from auricle.tasks.classification.measured_on import MeasuredOn


def classifier_card(
    model: Classifier,
    folder: Path,
    initial: Frontend,
    metrics: Mapping[str, Mapping[str, Interval]],
    skipped: Sequence[Problem],
    calibration: Calibration | None = None,
    uncalibrated: Sequence[str] = (),
    *,
    sources: Sequence[str],
    starts_from: Sequence[str],
    course: str,
    measured_on: MeasuredOn,
) -> Card:
    """Return the model card of the classifier in `folder` and write its plots to `folder`/plots.

    It was trained on the data sets `sources`, from the weights of the runs `starts_from`, in the way that `course`
    says. `initial` is the front-end before training; `metrics` are those of the clips `measured_on`, by task, and
    `uncalibrated` says of which tasks the probabilities are not calibrated, and why.
    """
    frontend, backbone = model.config["frontend"]["name"], model.config["backbone"]["name"]
    trainable = sum(p.numel() for p in model.frontend.parameters() if p.requires_grad)
    labels = " and ".join(f"{len(task.labels)} labels ({task.name})" for task in model.tasks)
    facts = [
        f"Input: mono at {model.sample_rate} Hz, {model.config['window_s']:g} s at a time; longer clips are read as "
        "consecutive windows whose logits are averaged.",
        f"Parameters: {sum(p.numel() for p in model.parameters()):,}, of which {trainable:,} trainable ones in the "
        "front-end.",
        *(f"Labels of {task.name}: {', '.join(map(listable, task.labels))}." for task in model.tasks),
        f"Trained on: {', '.join(sources)}.",
        *(f"Started from {model_name(run)}." for run in starts_from),
        *([f"Frozen: {', '.join(model.config['frozen'])}."] if model.config["frozen"] else []),
        course,
    ]
    figures = plots.frontend_figures(model.frontend, initial)
    history = read_history(folder / HISTORY)
    if history:
        figures = {"training": plots.training_curves(history)} | figures
    for name, figure in figures.items():
        plots.save(figure, folder / "plots" / f"{name}.png")
    sections = [
        *_measured(metrics, measured_on),
        *_calibration(model, calibration, uncalibrated),
        *_skipped(skipped),
        "## Plots",
        "",
    ]
    for name in figures:
        sections += [f"![{plots.in_words(name).replace('-', ' ')}](plots/{name}.png)", ""]
    closing = "`auricle predict` labels recordings with it; `auricle evaluate` measures it on clips put aside."
    return Card(f"{frontend} with {backbone}", f"A sound classifier for {labels}", facts, closing, sections)


def _measured(metrics: Mapping[str, Mapping[str, Interval]], measured_on: MeasuredOn) -> list[str]:
    if not metrics:
        return []
    lines = [f"## {measured_on.heading}", "", f"{measured_on.caution} 95 % bootstrap intervals over clips.", ""]
    for task, values in metrics.items():
        lines += [f"| {escape_markdown(task)} | value | interval |", "| --- | --- | --- |"]
        lines += [f"| {METRICS[name].label} | {_number(own.value)} | {_range(own)} |" for name, own in values.items()]
        lines += [""]
    return lines


def _calibration(model: Classifier, calibration: Calibration | None, uncalibrated: Sequence[str]) -> list[str]:
    fitted = calibration.tasks if calibration else {}
    own = [(task, fitted[task.name]) for task in model.tasks if task.name in fitted]
    lines = [line for task, entry in own for line in calibration_lines(task, entry)]
    if not lines and not uncalibrated:
        return []
    intro = ["Of the probabilities, on the same clips (calibration.json).", ""] if lines else []
    return ["## Calibration", "", *intro, *(f"- {escape_markdown(line)}" for line in [*lines, *uncalibrated]), ""]


def _number(value: float) -> str:
    return "–" if math.isnan(value) else signed(value, ".3f")


def _range(interval: Interval) -> str:
    return "–" if math.isnan(interval.low) else f"{_number(interval.low)} – {_number(interval.high)}"


def _skipped(skipped: Sequence[Problem]) -> list[str]:
    if not skipped:
        return []
    return [
        "## Files that could not be used",
        "",
        *(f"- {escape_markdown(f'{problem.name}: {problem.reason}')}" for problem in skipped),
        "",
    ]


def listed_options(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value not in (None, "", []))
