"""Results of a separator's evaluation: a value for each class, and the means over classes with intervals.

The value of a class is the median of its mixtures, that of a separator the mean of its classes (Zhao et al., 2024).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from auricle.files import write_table, write_text
from auricle.metrics.intervals import Interval
from auricle.metrics.signals import mean_interval
from auricle.reports.metrics import METRICS as TEXTS
from auricle.reports.tables import interval_text, to_markdown
from auricle.runs.evaluation import Evaluation
from auricle.runs.results import Measured

ORACLE, AVERAGE = "oracle", "average"
CLIPS = "clips.csv"
ALL = "all"

#: Heads of the tables' columns.
METRICS = {metric: TEXTS[metric].head for metric in ("sdri", "si_sdri", "sdr", "si_sdr")}


@dataclass
class Example:
    """A mixture, its target and the separated result, each `(time,)`, and the `row` of clips.csv that describes it."""

    row: dict[str, Any]
    mixture: np.ndarray
    target: np.ndarray
    result: np.ndarray


@dataclass
class SeparatorEvaluation(Evaluation):
    """Metrics of mixtures with oracle and average queries, written as clips.csv, table.md and report.html.

    `clips` has a row for each mixture and query, with a column for each metric and the cosine similarity of the average
    and the oracle query after scaling. `n_measured` is the number of clips that the mixtures were made of, `n_heard`
    that of the clips that the separator's autoencoder learnt from without labels.
    """

    clips: pd.DataFrame
    seed: int = 0
    examples: dict[str, Example] = field(default_factory=dict)
    sample_rate: int = 32000
    n_measured: int = 0
    n_heard: int = 0

    @property
    def n_clips(self) -> int:
        return self.n_measured

    @property
    def queries(self) -> list[str]:
        return [query for query in (ORACLE, AVERAGE) if (self.clips["query"] == query).any()]

    @property
    def n_mixtures(self) -> int:
        return int((self.clips["query"] == ORACLE).sum())

    def by_class(self, metric: str) -> pd.DataFrame:
        """Medians of the mixtures: a row for each class, a column for each query."""
        return self.clips.pivot_table(metric, "class", "query", aggfunc="median")[self.queries]

    def mean(self, metric: str, query: str) -> Interval:
        """The mean over classes, with its 95 % bootstrap interval over classes."""
        return mean_interval(self.by_class(metric)[query].to_numpy(), seed=self.seed)

    def gap(self, metric: str) -> Interval:
        """Oracle minus average, paired by class."""
        medians = self.by_class(metric)
        return mean_interval((medians[ORACLE] - medians[AVERAGE]).to_numpy(), seed=self.seed)

    @property
    def measured(self) -> list[Measured]:
        """The means over classes for each query and, if there are both queries, for their difference."""
        rows = [
            Measured(query, {metric: self.mean(metric, query) for metric in METRICS}, query=query)
            for query in self.queries
        ]
        if len(self.queries) == 2:
            gap = f"{ORACLE} - {AVERAGE}"
            rows.append(Measured(gap, {metric: self.gap(metric) for metric in METRICS}, query=gap))
        return rows

    def table(self) -> pd.DataFrame:
        """Long form: condition, snr_db, query (or "oracle - average"), class (or "all"), metric, value, low, high, n.

        `n` is the number of mixtures; classes without an average query have none of that.
        """
        rows: list[dict[str, Any]] = []
        for metric in METRICS:
            medians = self.by_class(metric)
            for query in self.queries:
                rows.append({"query": query, "class": ALL, "metric": metric, **asdict(self.mean(metric, query))})
                rows += [
                    {"query": query, "class": name, "metric": metric, "value": value}
                    for name, value in medians[query].items()
                ]
            if len(self.queries) == 2:
                rows.append(
                    {"query": f"{ORACLE} - {AVERAGE}", "class": ALL, "metric": metric, **asdict(self.gap(metric))}
                )
        for row in rows:
            own = self.clips["query"] == (row["query"] if row["query"] in self.queries else AVERAGE)
            row["n"] = int((own if row["class"] == ALL else own & (self.clips["class"] == row["class"])).sum())
        table = pd.DataFrame(rows)
        table.insert(0, "condition", table["query"])
        table.insert(1, "snr_db", np.nan)
        return table

    def summary(self) -> pd.DataFrame:
        """A row for each query and, if there are both, for their difference; a column for each metric."""
        rows = [
            {"query": query} | {h: shown(self.mean(m, query)) for m, h in METRICS.items()} for query in self.queries
        ]
        if len(self.queries) == 2:
            rows.append({"query": "oracle − average"} | {h: shown(self.gap(m)) for m, h in METRICS.items()})
        return pd.DataFrame(rows)

    def write_files(self, record: dict[str, Any]) -> None:
        write_table(self.folder / CLIPS, self.clips, float_format="%.6g", na_rep="nan")
        write_text(self.folder / "table.md", self.text())

    def text(self) -> str:
        n_classes = self.clips["class"].nunique()
        return (
            f"{self.n_mixtures} mixtures of {n_classes} classes ({self.split}): median within a class, mean of the "
            f"classes, 95 % intervals by bootstrap over classes.\n\n{to_markdown(self.summary())}"
        )


def shown(value: Interval) -> str:
    return interval_text(value, 2, " … ")
