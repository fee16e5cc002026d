"""The tables and plots on a page of `auricle compare`, from resampled values of models on one or several data sets."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from auricle.metrics import Comparison, DatasetAverage, DatasetDifference
from auricle.metrics.comparison import MIN_DATA_SETS, Draws
from auricle.reports import plots
from auricle.reports.metrics import METRICS
from auricle.reports.tables import to_markdown
from auricle.runs.comparison import ComparedTask, TableTask
from auricle.studies.compared_models import ComparedModels

DATA_SETS = "data-sets"
"""File name of the plot of differences over data sets."""
_MAX_DISTRIBUTIONS = 8  # largest number of distributions of differences in one plot


def shared_metrics(task: TableTask, draws: Draws) -> list[str]:
    """The task's metrics that all models have."""
    return [metric for metric in task.metrics if metric in draws.metrics]


def overview_table(task: ComparedTask, test: ComparedModels) -> list[str]:
    """One table of the cells that papers print: a row for each model, a column for each of `task.overview`."""
    draws = test.comparison
    cells = task.overview(draws)
    if len(cells) < 2:
        return []
    several = len({condition for condition, _ in cells}) > 1
    rows = []
    for name in draws.models:
        row: dict[str, Any] = {
            task.model_head: name,
            **(task.columns(test.models[name]) if name in test.models else {}),
        }
        for condition, metric in cells:
            head = METRICS[metric].short_head
            row[f"{condition}: {head}" if several else head] = METRICS[metric].value(
                draws.interval(name, condition, metric)
            )
        rows.append(row)
    where = "" if several else f" ({cells[0][0]})"
    return [f"### Overview{where}", "", to_markdown(pd.DataFrame(rows, dtype=object)).rstrip(), ""]


def values_table(task: TableTask, draws: Draws, metric: str, about: Mapping[str, Mapping[str, Any]] = {}) -> list[str]:
    """A table with a row for each model: what there is `about` it, and the metric under each condition."""
    heads = list(dict.fromkeys(head for columns in about.values() for head in columns))
    rows = []
    for name in draws.models:
        row: dict[str, Any] = {task.model_head: name} | {head: about.get(name, {}).get(head) for head in heads}
        for condition in draws.conditions:
            row[condition] = METRICS[metric].value(draws.interval(name, condition, metric))
        rows.append(row)
    return [to_markdown(pd.DataFrame(rows, dtype=object)).rstrip(), ""]


def flat_note(draws: Draws, metric: str, n_clips: int) -> list[str]:
    """What an accuracy's interval without width means; nothing if there is none."""
    intervals = [draws.interval(name, condition, metric) for name in draws.models for condition in draws.conditions]
    if metric != "accuracy" or all(interval.low != interval.high for interval in intervals):
        return []
    return [
        "Where every clip was answered rightly, or every one wrongly, the interval has no width, since resampling "
        f"changes nothing. By the rule of three, with {n_clips} clips the accuracy on others may still lie up to "
        f"{min(100.0, 300 / n_clips):.1f} points away.",
        "",
    ]


def undefined_note(comparison: Comparison, metric: str) -> list[str]:
    """How many clips (or other units) are left out for all models, as the metric is undefined for one; or nothing."""
    counts = {condition: comparison.n_undefined(condition, metric) for condition in comparison.conditions}
    found = ", ".join(f"{count} ({condition})" for condition, count in counts.items() if count)
    return [f"Left out for all models, as it is undefined for one of them: {found}.", ""] if found else []


def differences_table(draws: Draws, metric: str) -> list[str]:
    """A table with a row for each pair of models: the later minus the earlier."""
    rows = [
        {"difference": f"{model} − {other}"}
        | {
            condition: METRICS[metric].difference(draws.difference(model, other, condition, metric))
            for condition in draws.conditions
        }
        for other, model in _pairs(draws)
    ]
    return [to_markdown(pd.DataFrame(rows)).rstrip(), ""] if rows else []


def _pairs(draws: Draws) -> list[tuple[str, str]]:
    """All pairs of models, those with the first model first."""
    return list(combinations(draws.models, 2))


def over_datasets(task: TableTask, tests: Mapping[str, Draws], path: Path) -> list[str]:
    """Section on means over data sets with LEAF's bootstrap over them, for the models measured on all of them."""
    mean = DatasetAverage(list(tests.values()))
    metrics = shared_metrics(task, mean)
    if len(mean.models) < 2 or not mean.conditions or not metrics:
        return []
    intro = f"Means over {len(tests)} tests ({'; '.join(tests)}). "
    if mean.datasets_suffice:
        intro += (
            "Two tables of differences follow: with units drawn anew within each data set, and with the data sets "
            "drawn with replacement (p is the share of draws in which the first model is no better)."
        )
    else:
        intro += (
            "Intervals are of units drawn anew within each data set: they hold for these data sets. For what is to be "
            f"expected of others, {MIN_DATA_SETS} or more are needed."
        )
    lines = ["## Over data sets", "", intro, ""]
    lines += _by_dataset(tests, mean, metrics[0])
    for metric in metrics:
        lines += [f"### Over data sets: {METRICS[metric].head}", "", *values_table(task, mean, metric)]
        lines += differences_table(mean, metric)
        if mean.datasets_suffice:
            lines += _datasets_drawn(mean, metric)
    return lines + _distributions(mean, metrics[0], path)


def _datasets_drawn(mean: DatasetAverage, metric: str) -> list[str]:
    """A table with a row for each pair of models: their difference when data sets are drawn with replacement."""
    rows = []
    for other, model in _pairs(mean):
        row = {"data sets drawn": f"{model} − {other}"}
        for condition in mean.conditions:
            drawn = mean.over_datasets(model, other, condition, metric)
            row[condition] = f"{METRICS[metric].difference(drawn)}, p = {drawn.p_value:.2g}" if drawn else "–"
        rows.append(row)
    return [to_markdown(pd.DataFrame(rows)).rstrip(), ""]


def _by_dataset(tests: Mapping[str, Draws], mean: DatasetAverage, metric: str) -> list[str]:
    """For each condition a table with a row for each data set, and one for their mean, and a column for each model."""
    text, lines = METRICS[metric], []
    for condition in mean.conditions:
        rows = [
            {"data set": title} | {model: text.value(draws.interval(model, condition, metric)) for model in mean.models}
            for title, draws in [*tests.items(), ("average", mean)]
        ]
        lines += [
            f"### Data set by data set: {condition}, {text.head}",
            "",
            to_markdown(pd.DataFrame(rows)).rstrip(),
            "",
        ]
    return lines


def _distributions(mean: DatasetAverage, metric: str, path: Path) -> list[str]:
    """The plot of the differences from the first model, in the metric's unit."""
    first, *others = mean.models
    scale = METRICS[metric].scale
    found = {}
    for model in others[:_MAX_DISTRIBUTIONS]:
        drawn = mean.over_datasets(model, first, mean.conditions[0], metric)
        if drawn:
            value, low, high = (scale * number for number in (drawn.value, drawn.low, drawn.high))
            scaled = DatasetDifference(value, low, high, drawn.p_value, scale * drawn.distribution)
            found[f"{model} − {first}"] = scaled
    if not found:
        return []
    image = f"{path.stem}/{DATA_SETS}.png"
    plots.save(plots.difference_distribution(found, METRICS[metric].label), path.parent / image)
    return [f"![difference distributions]({image})", ""]
