"""Results of an enhancer's evaluation: metrics of noisy and enhanced clips, and their means with intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from auricle.conditions.levels import true_minus
from auricle.errors import counted
from auricle.files import write_table, write_text
from auricle.metrics.intervals import Interval
from auricle.metrics.signals import mean_interval
from auricle.reports.metrics import METRICS as TEXTS
from auricle.reports.tables import to_markdown
from auricle.runs.evaluation import Evaluation
from auricle.runs.results import Measured

SAMPLE_RATE = 16000  # of wide-band PESQ
NOISY, GATING = "noisy", "spectral-gating"
ALL = "all"

METRICS = ("pesq", "stoi", "csig", "cbak", "covl", "segmental_snr", "si_sdr")
GAIN = "_gain"
CLIPS = "clips.csv"


@dataclass
class Example:
    """A clip, noisy, enhanced and clean, each `(time,)`, and the `row` of clips.csv that describes it."""

    row: dict[str, Any]
    noisy_pesq: float
    noisy: np.ndarray
    enhanced: np.ndarray
    clean: np.ndarray


@dataclass
class EnhancerEvaluation(Evaluation):
    """Metrics of noisy and enhanced clips, written as clips.csv, their means as table.md, and report.html.

    `clips` has a row for each clip, SNR and enhancer, and a column for each metric; its names of clips are unique.
    """

    clips: pd.DataFrame
    by_group: bool = False
    seed: int = 0
    examples: dict[str, Example] = field(default_factory=dict)

    @property
    def n_clips(self) -> int:
        return int(self.clips["clip"].nunique())

    @cached_property
    def measured(self) -> list[Measured]:
        """Means and mean paired gains over the noisy clips, for each enhancer at each SNR and over all SNRs."""
        rows = []
        for snr, cell in [*self.clips.groupby("snr", sort=False), (ALL, self.clips)]:
            if snr == ALL and self.clips["snr"].nunique() == 1:
                continue
            noisy = cell[cell["enhancer"] == NOISY]
            for name in cell["enhancer"].unique():
                own = cell[cell["enhancer"] == name]
                metrics = {metric: self._mean(own[metric].to_numpy(), own) for metric in METRICS}
                if name != NOISY:
                    metrics |= {
                        metric + GAIN: self._mean(own[metric].to_numpy() - noisy[metric].to_numpy(), own)
                        for metric in METRICS
                    }
                level = None if isinstance(snr, str) else float(str(snr))
                rows.append(Measured(condition_of(snr), metrics, level, enhancer=str(name)))
        return rows

    def _mean(self, values: np.ndarray, rows: pd.DataFrame) -> Interval:
        units = "clip " + rows["clip"]
        if self.by_group:
            units = units.where(rows["group"] == "", "group " + rows["group"])
        codes = pd.factorize(units)[0]
        return mean_interval(values, groups=codes if codes.max() + 1 < len(codes) else None, seed=self.seed)

    def text(self) -> str:
        """Two tables: every metric with its interval per SNR and enhancer, and the gains over the noisy clips."""
        means = pd.DataFrame(_row(row, "") for row in self.measured)
        gains = pd.DataFrame(_row(row, GAIN) for row in self.measured if row.enhancer != NOISY)
        units = "groups" if self.by_group else "clips"
        return "\n".join(
            [
                f"{counted(self.n_clips, 'clip')} ({self.split}); means with 95 % intervals by bootstrap over {units}.",
                "",
                to_markdown(means),
                "Gain over the noisy clips, paired:",
                "",
                to_markdown(gains),
            ]
        )

    def write_files(self, record: dict[str, Any]) -> None:
        write_table(self.folder / CLIPS, self.clips, float_format="%.6g", na_rep="nan")
        write_text(self.folder / "table.md", self.text())


def condition_of(snr: Any) -> str:
    """'5 dB', 'recorded' or 'all'."""
    return snr if isinstance(snr, str) else f"{snr:g} dB"


def _row(row: Measured, suffix: str) -> dict[str, str]:
    shown = {"SNR, dB": true_minus(row.condition.removesuffix(" dB")), "enhancer": row.enhancer or ""}
    for metric in METRICS:
        text, interval = TEXTS[metric], row.metrics[metric + suffix]
        shown[text.head] = text.difference(interval).strip("*") if suffix else text.value(interval)
    return shown
