"""The model card of a run: a README.md with its plots, written from what the folder holds."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from auricle.reports import plots
from auricle.runs.fit import HISTORY, read_history
from auricle.runs.folder import CLIPS, SETTINGS
from auricle.systems.classifier.system import Classifier
from auricle.systems.system import load


def write_model_card(folder: Path, record: dict[str, Any]) -> None:
    """Write `folder`/README.md and `folder`/plots of a run; `record` says when, by which command and on what it ran."""
    model = load(folder)
    assert isinstance(model, Classifier)
    history = read_history(folder / HISTORY)
    settings = yaml.safe_load((folder / SETTINGS).read_text(encoding="utf-8"))
    start = settings.get("init_from")
    initial = load(start).frontend if start else Classifier.build(**model.config).frontend
    figures = plots.frontend_figures(model.frontend, initial)
    if history:
        figures = {"training": plots.training_curves(history)} | figures
    for name, figure in figures.items():
        plots.save(figure, folder / "plots" / f"{name}.png")
    (folder / "README.md").write_text(_text(folder, model, record, settings, list(figures)), encoding="utf-8")


def _text(folder: Path, model: Classifier, run: dict[str, Any], settings: dict[str, Any], figures: list[str]) -> str:
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    with open(folder / CLIPS, newline="", encoding="utf-8") as file:
        counts = Counter((row["task"], row["split"]) for row in csv.DictReader(file))
    frontend, backbone = model.config["frontend"]["name"], model.config["backbone"]["name"]
    learnt = sum(p.numel() for p in model.frontend.parameters() if p.requires_grad)
    total = sum(p.numel() for p in model.parameters())
    lines = [
        f"# {folder.name}: {frontend} with {backbone}",
        "",
        f"A sound classifier for {_count(model)}, made with auricle {run['versions']['auricle']}.",
        "",
        f"- Input: mono at {model.sample_rate} Hz, {model.config['window_s']:g} s at a time; longer clips are read as "
        "consecutive windows whose logits are averaged.",
        f"- Parameters: {total:,}, of which {learnt:,} learnt ones in the front-end.",
        f"- Trained on: {', '.join(settings['data'])}. `clips.csv` lists every clip and its split.",
        *[
            f"- {task.name}: {counts[task.name, 'train']} clips for training, {counts[task.name, 'valid']} for "
            f"validation, {counts[task.name, 'test']} put aside for testing. Labels: {', '.join(task.labels)}."
            for task in model.tasks
        ],
        *([f"- Started from {settings['init_from']}."] if settings.get("init_from") else []),
        *([f"- Frozen: {', '.join(model.config['frozen'])}."] if model.config["frozen"] else []),
        f"- Learnt with {_options(model.config['optimization'])}; {_options(settings['training'])}; "
        f"augmentation {_options(model.config['augmentation'])}.",
        f"- Trained for {run['epochs']} epochs in {run['training_hours']:.3g} h; the lowest validation loss, "
        f"{run['best_val_loss']:.4g}, was that of epoch {run['best_epoch']}.",
        f"- Seed {run['seed']}; {run['date']}; {run['machine']['processor']}, {run['machine']['cores']} cores.",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in run['versions'].items())}; "
        f"Python {run['python']}.",
        "",
        "## On the validation clips",
        "",
        "The best epoch was chosen on these clips, so these figures flatter; `auricle evaluate` measures on clips that "
        "training never saw. Intervals are 95 %, by bootstrap over clips.",
        "",
    ]
    for task, values in metrics["tasks"].items():
        lines += [f"| {task} | value | interval |", "| --- | --- | --- |"]
        lines += [f"| {name.replace('_', ' ')} | {_cells(interval)} |" for name, interval in values.items()]
        lines += [""]
    if metrics["skipped"]:
        lines += ["## Files that could not be used", "", *[f"- {line}" for line in metrics["skipped"]], ""]
    lines += ["## Plots", ""]
    for name in figures:
        lines += [f"![{name.replace('_', ' ').replace('-', ' ')}](plots/{name}.png)", ""]
    lines += ["## Command", "", "```", run["command"], "```", ""]
    return "\n".join(lines)


def _options(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value not in ("", []))


def _count(model: Classifier) -> str:
    return " and ".join(f"{len(task.labels)} labels ({task.name})" for task in model.tasks)


def _cells(interval: dict[str, Any]) -> str:
    shown = {key: "–" if value is None else f"{value:.3f}" for key, value in interval.items()}
    return f"{shown['value']} | {shown['low']} – {shown['high']}"
