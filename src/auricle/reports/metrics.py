"""Display of metrics: names, units and decimals."""

from __future__ import annotations

import math
from dataclasses import dataclass

from auricle.metrics import Interval
from auricle.reports.tables import MISSING, difference_text, interval_text


@dataclass(frozen=True)
class MetricText:
    """Display of a metric in tables: `label`, `unit`, and format; values are multiplied by `scale`."""

    label: str
    unit: str = ""
    scale: float = 1.0
    decimals: int = 2
    separator: str = " … "
    short: str = ""

    @property
    def head(self) -> str:
        """The heading of a column: 'SDRi, dB'."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    @property
    def short_head(self) -> str:
        """The same with the short name: 'mAP, %'."""
        name = self.short or self.label
        return f"{name}, {self.unit}" if self.unit else name

    def value(self, interval: Interval) -> str:
        """A value with its interval: '93.4 (91.2–95.1)'; a dash if it is unknown."""
        if math.isnan(interval.value):
            return MISSING
        return _without_bounds(interval_text(self._scaled(interval), self.decimals, self.separator))

    def difference(self, difference: Interval) -> str:
        """A difference: '+2.1 (+0.4 … +3.9)', bold if the interval excludes zero; a dash if it is unknown."""
        if math.isnan(difference.value):
            return MISSING
        return _without_bounds(difference_text(self._scaled(difference), self.decimals))

    def _scaled(self, interval: Interval) -> Interval:
        return Interval(*(self.scale * number for number in (interval.value, interval.low, interval.high)))


def _without_bounds(text: str) -> str:
    """Drop the brackets if the bounds are unknown."""
    return text.partition(" (")[0] if "nan" in text else text


def _share(label: str, short: str = "") -> MetricText:
    return MetricText(label, "%", 100.0, 1, "–", short)


METRICS = {
    "accuracy": _share("accuracy"),
    "balanced_accuracy": _share("balanced accuracy", "balanced"),
    "top_5_accuracy": _share("top-5 accuracy", "top 5"),
    "mean_average_precision": _share("mean average precision", "mAP"),
    "auc": _share("AUC"),
    "d_prime": MetricText("d′"),
    "ece": MetricText("ECE", decimals=3),
    "nll": MetricText("NLL", decimals=3),
    "brier": MetricText("Brier score", decimals=3, short="Brier"),
    "uar": _share("UAR"),
    "war": _share("WAR"),
    "pesq": MetricText("PESQ"),
    "stoi": MetricText("STOI", decimals=3),
    "csig": MetricText("CSIG"),
    "cbak": MetricText("CBAK"),
    "covl": MetricText("COVL"),
    "segmental_snr": MetricText("SSNR", "dB", decimals=1),
    "si_sdr": MetricText("SI-SDR", "dB", decimals=1),
    "sdr": MetricText("SDR", "dB"),
    "sdri": MetricText("SDRi", "dB"),
    "si_sdri": MetricText("SI-SDRi", "dB"),
}


def short_label(metric: str) -> str:
    """The metric's short name, for narrow columns."""
    return METRICS[metric].short or METRICS[metric].label
