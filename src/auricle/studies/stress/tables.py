"""Tables of a stress test: a tidy one of every figure, and those that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from auricle.conditions.levels import cell_texts, corruption_text, level
from auricle.conditions.suites import CLEAN, Suite
from auricle.metrics import Interval
from auricle.studies.stress.statistics import Draws, StressTest, excludes_zero, interval
from auricle.tasks.classification.false_alarms import EVERY

Met = Mapping[str, set[str] | None]
"""The corruptions that were used in training each model; None where they are not known."""

COLUMNS = (
    "model", "baseline", "measure", "corruption", "condition", "level", "unit", "in_training", "value", "low", "high",
)  # fmt: skip


def tidy(test: StressTest, suite: Suite, baseline: str, met: Met) -> pd.DataFrame:
    """Every figure in a row of its own, with `COLUMNS`.

    Accuracies and what is made of them are shares, (m)CE are percentages. `corruption` is empty for what is about the
    whole suite, `condition` for what is about all levels of a corruption; `level` is a number in `unit`.
    """
    cells = {cell.name: cell for cell in suite.cells}
    texts = cell_texts(suite.cells)
    rows: list[dict[str, Any]] = []

    def add(model: str, measure: str, draws: Draws, corruption: str = "", cell: str = "") -> None:
        own = level(cells[cell]) if cell in cells else None
        figure = interval(draws)
        rows.append(
            {
                "model": model,
                "baseline": int(model == baseline),
                "measure": measure,
                "corruption": corruption,
                "condition": texts.get(cell, cell),
                "level": float("nan") if own is None or own.value is None else own.value,
                "unit": own.unit if own else "",
                "in_training": met_text(met, model, corruption) if corruption not in ("", CLEAN) else "",
                "value": figure.value,
                "low": figure.low,
                "high": figure.high,
            }
        )

    places = test.cells.drop_duplicates("cell")[["corruption", "cell"]].itertuples(index=False)
    of_cells = [(str(corruption), str(cell)) for corruption, cell in places]
    for model in test.models:
        add(model, "overall accuracy", test.overall(model))
        add(model, "retained accuracy", test.retained(model))
        add(model, "mCE", test.mce(model, baseline))
        add(model, "relative mCE", test.relative_mce(model, baseline))
        if model != baseline:
            add(model, "difference from the baseline", test.difference(test.overall, model, baseline))
        for corruption in test.corruptions:
            add(model, "accuracy", test.corrupted(model, corruption), corruption)
            add(model, "CE", test.corruption_error(model, baseline, corruption), corruption)
            add(model, "relative CE", test.relative_corruption_error(model, baseline, corruption), corruption)
        for corruption, cell in of_cells:
            add(model, "accuracy", test.accuracy(model, cell), corruption, cell)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def met_text(met: Met, model: str, corruption: str) -> str:
    known = met.get(model)
    return "not known" if known is None else "met" if corruption in known else "not met"


def summary(test: StressTest, baseline: str) -> pd.DataFrame:
    """A row for each model: accuracies in %, and for several models (relative) mCE and difference from the baseline."""
    several = len(test.models) > 1
    overall = "suite %" if test.shares else "corrupted %"
    rows = []
    for model in test.models:
        worst, at_worst = test.worst(model)
        difference = interval(test.difference(test.overall, model, baseline), 100)
        row: dict[str, Any] = {
            "model": f"{model} (baseline)" if several and model == baseline else model,
            "seeds": test.n_seeds[model],
            "clean %": interval(test.clean(model), 100),
            overall: interval(test.overall(model), 100),
            "retained %": interval(test.retained(model), 100),
        }
        if model != baseline:
            row["to baseline"] = difference
            row["verdict"] = (
                ("ahead" if difference.low > 0 else "behind") if excludes_zero(difference) else "not told apart"
            )
        elif several:
            row["to baseline"], row["verdict"] = "", ""
        if several:
            row["mCE"] = interval(test.mce(model, baseline))
            row["relative mCE"] = interval(test.relative_mce(model, baseline))
        row["worst corruption"] = corruption_text(worst)
        row["there %"] = interval(at_worst, 100)
        rows.append(row)
    return pd.DataFrame(rows)


def by_corruption(test: StressTest, baseline: str, met: Met) -> pd.DataFrame:
    """A row for each model and corruption: accuracy, whether training used it, and for several models (relative) CE."""
    rows = []
    for corruption in test.corruptions:
        for model in test.models:
            row: dict[str, Any] = {
                "corruption": corruption_text(corruption),
                "model": model,
                "in training": met_text(met, model, corruption),
                "accuracy %": interval(test.corrupted(model, corruption), 100),
            }
            if len(test.models) > 1:
                row["CE"] = interval(test.corruption_error(model, baseline, corruption))
                row["relative CE"] = interval(test.relative_corruption_error(model, baseline, corruption))
            rows.append(row)
    return pd.DataFrame(rows)


def by_cell(test: StressTest, suite: Suite) -> pd.DataFrame:
    """A row for each cell of the suite, a column for each model: accuracy in %."""
    texts = cell_texts(suite.cells)
    rows = []
    for cell in test.cells["cell"].drop_duplicates():
        accuracies = {model: interval(test.accuracy(model, cell), 100) for model in test.models}
        rows.append({"condition": texts.get(cell, cell), **accuracies})
    return pd.DataFrame(rows)


def false_alarms(alarms: pd.DataFrame, suite: Suite) -> pd.DataFrame:
    """A row for each cell, a column for each model: false alarms of all labels together, per hour of background."""
    texts = cell_texts(suite.cells)
    every = alarms[alarms["label"] == EVERY]
    rows = []
    for cell, own in every.groupby("cell", sort=False):
        values = own[["per_hour", "low", "high"]].to_numpy(dtype=float)
        rates = {model: Interval(*map(float, row)) for model, row in zip(own["model"], values, strict=True)}
        rows.append({"condition": texts.get(str(cell), str(cell)), **rates})
    return pd.DataFrame(rows)
