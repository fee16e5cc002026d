"""The overview of a stress test: heatmaps of accuracy and of false alarms, and curves against the level in its unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from auricle.conditions.levels import SNR, Level, cell_texts, corruption_text, level
from auricle.conditions.suites import CLEAN, Cell, Suite
from auricle.identity import file_names
from auricle.metrics import Interval
from auricle.reports import plots
from auricle.reports.heatmap import HeatCell, Heatmap, HeatRows
from auricle.reports.page import CaptionedFigure
from auricle.reports.plots.style import rate_text
from auricle.studies.stress.cells import clean_first
from auricle.studies.stress.statistics import StressTest, interval
from auricle.tasks.classification.false_alarms import EVERY


def chance_level(test: StressTest, n_labels: int) -> float:
    """The accuracy of guessing one label at random; NaN where clips without a label make it depend on a threshold."""
    labels = test.cells.drop_duplicates("clip")["labels"].astype(str)
    if (labels == "").any():
        return float("nan")
    return float((labels.str.count(";") + 1).mean() / n_labels)


def accuracy_heatmap(test: StressTest, suite: Suite, chance: float) -> Heatmap:
    """Accuracy of every model in every condition, in %; what is not shown to be better than guessing is marked."""
    texts = cell_texts(suite.cells)
    floor = 0.0 if math.isnan(chance) else chance
    lowest: tuple[float, str] = (math.inf, "")

    def cell(model: str, name: str) -> HeatCell:
        nonlocal lowest
        own = interval(test.accuracy(model, name), 100)
        lowest = min(lowest, (own.value, f"{model} in {texts.get(name, name)}"), key=lambda found: found[0])
        bounds = "" if math.isnan(own.low) else f" ({own.low:.0f} to {own.high:.0f})"
        words = f"{model}, {texts.get(name, name)}: {own.value:.0f} %{bounds}"
        above = (own.value / 100 - floor) / (1 - floor) if floor < 1 else 1.0
        return HeatCell(above, f"{own.value:.0f}", words, not (math.isnan(chance) or own.low / 100 > chance))

    groups = _groups(suite, set(test.cells["cell"]), test.models, cell)
    value, where = lowest
    caption = f"Accuracy in %. Lowest: {where}, {value:.0f} %."
    low = "0 %" if math.isnan(chance) else f"guessing, {100 * chance:.0f} %"
    return Heatmap(caption, groups, low, "100 %", "" if math.isnan(chance) else "not shown to be better than guessing")


def alarm_heatmap(alarms: pd.DataFrame, suite: Suite) -> Heatmap:
    """False alarms per hour of background, all labels together."""
    texts = cell_texts(suite.cells)
    every = alarms[alarms["label"] == EVERY]
    values = every[["per_hour", "low", "high"]].to_numpy(dtype=float)
    rates = {(str(m), str(c)): row for m, c, row in zip(every["model"], every["cell"], values, strict=True)}
    most = float(values[:, 0].max())

    def cell(model: str, name: str) -> HeatCell:
        rate, low, high = map(float, rates[model, name])
        words = f"{model}, {texts.get(name, name)}: {rate_text(rate)} an hour ({rate_text(low)} to {rate_text(high)})"
        return HeatCell(1 - math.log1p(rate) / math.log1p(most) if most else 1.0, rate_text(rate), words)

    model, name = max(rates, key=lambda place: float(rates[place][0]))
    caption = f"False alarms per hour. Most: {model} in {texts.get(name, name)}, {rate_text(most)}."
    models = list(dict.fromkeys(alarms["model"]))
    return Heatmap(caption, _groups(suite, set(alarms["cell"]), models, cell), f"{rate_text(most)} an hour", "none")


def _groups(
    suite: Suite, measured: set[str], models: Sequence[str], cell: Callable[[str, str], HeatCell]
) -> list[HeatRows]:
    """The clean cell and corruptions of one level together, and then a group for each other corruption."""
    texts = cell_texts(suite.cells)
    by_corruption: dict[str, list[Cell]] = {}
    for own in clean_first(suite):
        if own.name in measured:
            by_corruption.setdefault(own.corruption, []).append(own)
    single = [cells[0] for cells in by_corruption.values() if len(cells) == 1]
    groups = [("", single, [texts.get(own.name, own.name) for own in single])]
    for corruption, cells in by_corruption.items():
        if len(cells) > 1:
            title = corruption_text(corruption)
            heads = [texts[own.name].removeprefix(f"{title}, ") for own in cells]
            groups.append((title, cells, heads))
    return [
        HeatRows(title, heads, [(model, [cell(model, own.name) for own in cells]) for model in models])
        for title, cells, heads in groups
        if cells
    ]


def with_scale(test: StressTest, suite: Suite) -> list[str]:
    """The corruptions that were measured at several levels of one quantity, for which `curves` draws curves."""
    return [name for name in test.corruptions if _is_scale([level(cell) for cell in _measured(test, suite, name)])]


def _measured(test: StressTest, suite: Suite, corruption: str) -> list[Cell]:
    names = set(test.cells["cell"])
    return [cell for cell in suite.cells if cell.corruption == corruption and cell.name in names]


def curves(test: StressTest, suite: Suite, chance: float, folder: Path) -> list[CaptionedFigure]:
    """A curve for each corruption of several levels, and one plot of all that have no such scale."""
    texts = cell_texts(suite.cells)
    scaled = with_scale(test, suite)
    clean = {model: interval(test.clean(model)) for model in test.models}
    names = file_names(test.corruptions, reserved=["others"])
    drawn: list[CaptionedFigure] = []
    others: dict[str, dict[str, Interval]] = {}
    for corruption in test.corruptions:
        cells = _measured(test, suite, corruption)
        levels = [level(cell) for cell in cells]
        points = {model: [interval(test.accuracy(model, cell.name)) for cell in cells] for model in test.models}
        if corruption not in scaled:
            others |= {texts[cell.name]: {m: points[m][i] for m in test.models} for i, cell in enumerate(cells)}
            continue
        against = [own.value for own in levels if own.value is not None]
        lines = {model: list(zip(against, own, strict=True)) for model, own in points.items()}
        unit, title = f" ({levels[0].unit})" if levels[0].unit else "", corruption_text(corruption)
        figure = plots.accuracy_against_level(lines, clean, levels[0].quantity + unit, title, chance)
        plots.save(figure, folder / f"accuracy-{names[corruption]}.png")
        falls = [f"{model} {_percent(clean[model])} → {_percent(points[model][-1])}" for model in test.models]
        caption = f"From clean to {texts[cells[-1].name]}: {'; '.join(falls)}."
        drawn.append(CaptionedFigure(figure, caption, f"Accuracy against the level of {title}. {caption}"))
    if others:
        shown = {CLEAN: clean, **others}
        figure = plots.accuracy_by_condition(shown, chance)
        plots.save(figure, folder / "accuracy-others.png")
        lowest = min((values[model].value, model, name) for name, values in others.items() for model in values)
        caption = f"Conditions of one level. Lowest: {lowest[1]} in {lowest[2]}, {100 * lowest[0]:.0f} %."
        drawn.append(CaptionedFigure(figure, caption, f"Accuracy in conditions of one level. {caption}"))
    return drawn


def _is_scale(levels: Sequence[Level]) -> bool:
    """Whether there are several levels of one quantity that rise or fall throughout."""
    values = [own.value for own in levels if own.value is not None]
    if len(values) < max(2, len(levels)) or len({(own.quantity, own.unit) for own in levels}) > 1:
        return False
    steps = np.diff(values)
    return bool((steps > 0).all() or (steps < 0).all())


def _percent(share: Interval) -> str:
    return f"{100 * share.value:.0f} %"


def confusions(
    test: StressTest, suite: Suite, labels: Sequence[str], cells: Mapping[str, str], folder: Path
) -> list[CaptionedFigure]:
    """Confusion matrices of each model on clean clips and in the cell that `cells` names, of clips with one label."""
    texts = {CLEAN: CLEAN, **cell_texts(suite.cells)}
    models, names = file_names(test.models), file_names(test.cells["cell"].unique())
    places = {label: place for place, label in enumerate(labels)}
    figures = []
    for model in test.models:
        for cell in dict.fromkeys((CLEAN, cells[model])):
            rows = test.cells[(test.cells["model"] == model) & (test.cells["cell"] == cell)]
            single = rows[(rows["labels"] != "") & ~rows["labels"].str.contains(";")]
            matrix = np.zeros((len(labels), len(labels)), dtype=int)
            true, said = (
                np.array([places[label] for label in single[column]], dtype=np.intp)
                for column in ("labels", "predicted")
            )
            np.add.at(matrix, (true, said), 1)
            figure = plots.confusion(matrix, labels)
            plots.save(figure, folder / f"confusion-{models[model]}.{names[cell]}.png")
            caption = f"{model}, {texts[cell]}: {_most_confused(matrix, labels)}"
            figures.append(CaptionedFigure(figure, caption, f"Confusion matrix of {caption}"))
    return figures


def _most_confused(matrix: np.ndarray, labels: Sequence[str]) -> str:
    n, right = int(matrix.sum()), int(np.trace(matrix))
    text = f"{right} of {n} right"
    wrong = matrix - np.diag(np.diag(matrix))
    if wrong.any():
        true, said = divmod(int(wrong.argmax()), len(labels))
        text += f"; most often {labels[true]} taken for {labels[said]}, {wrong.max()} of {matrix[true].sum()}"
    return f"{text}."


def worst_cell(test: StressTest, model: str, among: Sequence[str] = ()) -> str:
    """The cell with the lowest accuracy of all, or of those `among` which are measured."""
    names = [name for name in test.cells["cell"].unique() if name != CLEAN]
    names = [name for name in names if name in among] or names
    return min(names, key=lambda name: float(test.accuracy(model, name)[0]), default=CLEAN)


def worst_noise(test: StressTest, suite: Suite, model: str) -> str:
    """The cell with the lowest accuracy of those with noise; of all, if there is none."""
    return worst_cell(test, model, [cell.name for cell in suite.cells if level(cell).quantity == SNR])
