"""Tables of a classifier's evaluation, for the terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from auricle.conditions.levels import signed, true_minus
from auricle.errors import duration_text
from auricle.metrics import Interval
from auricle.metrics.summary import CALIBRATION
from auricle.reports.metrics import short_label
from auricle.runs.results import Measured
from auricle.tasks.classification.false_alarms import FalseAlarms
from auricle.tasks.classification.reliability import CalibrationMetrics


def metrics_table(title: str, rows: Sequence[Measured]) -> Table:
    """Every metric under every condition."""
    names = list(rows[0].metrics)
    table = _table(title, "condition", *map(short_label, names))
    for row in rows:
        values = [row.metrics[name] for name in names]
        table.add_row(true_minus(row.condition), *(signed(v.value, ".3f") for v in values))
        table.add_row("", *map(_range, values), style="dim")
    return table


def calibration_table(conditions: Mapping[str, CalibrationMetrics]) -> Table:
    """How good the probabilities are, and the share of the clips that are "unknown", under every condition."""
    rows = conditions.values()
    title = f"probabilities, {'calibrated' if any(row.after for row in rows) else 'not calibrated'}"
    heads = [*map(short_label, CALIBRATION), *(["unknown"] if any(row.unknown for row in rows) else [])]
    table = _table(title, "condition", *heads)
    for condition, row in conditions.items():
        values = [*row.used.values(), *([row.unknown] if row.unknown else [])]
        table.add_row(true_minus(condition), *(signed(v.value, ".3f") for v in values))
        table.add_row("", *map(_range, values), style="dim")
        if row.after:
            table.add_row("  before", *(signed(v.value, ".3f") for v in row.before.values()), style="dim")
    return table


def alarm_table(alarms: FalseAlarms, seed: int) -> Table:
    """False alarms per hour and recall of every label at its threshold, and what of the background is "unknown"."""
    record = alarms.record(seed)
    title = f"false alarms in {duration_text(3600 * record['hours'])} of background"
    if record["unknown"]:
        title += f", {100 * record['unknown']['windows']['value']:.1f} % of it unknown"
    table = _table(title, "label", "threshold", "per hour", "", "recall", "")
    for label, own in record["labels"].items():
        rate, recall = (Interval(**own[name]) for name in ("per_hour", "recall"))
        threshold = "" if own["threshold"] is None else f"{own['threshold']:.3f}"
        bounds = f"{rate.low:.2f}–{rate.high:.2f}"
        found = "–" if math.isnan(recall.value) else f"{recall.value:.3f}"
        table.add_row(Text(label), threshold, f"{rate.value:.2f}", bounds, found, _range(recall))
    return table


def printed(tables: Sequence[Table]) -> str:
    """The tables as text, one below the other; titles are as wide as they need to be."""
    console = Console()
    with console.capture() as captured:
        for table in tables:
            title, table.title = table.title, None
            console.print(title, style="table.title", markup=False, highlight=False, soft_wrap=True)
            console.print(table)
            console.print()
    return captured.get().rstrip()


def _table(title: str, first: str, *heads: str) -> Table:
    return Table(
        Column(first, no_wrap=True),
        *(Column(head, overflow="fold") for head in heads),
        title=title,
        box=box.SIMPLE,
        show_edge=False,
        padding=0,
    )


def _range(interval: Interval) -> str:
    """Format an interval: '.87–.96', or '−.83 … 1.73' if the lower bound is negative; a dash if it is unknown."""
    if math.isnan(interval.low):
        return "–"
    low, high = (re.sub(r"^(−?)0\.", r"\1.", signed(bound, ".2f")) for bound in (interval.low, interval.high))
    return f"{low} … {high}" if interval.low < 0 else f"{low}–{high}"
