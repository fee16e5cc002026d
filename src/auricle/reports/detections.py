"""Tables of detections: CSV files, Audacity label tracks and Raven selection tables.

The CSV columns are a stable format: file, task, start_s, end_s, label, probability, and coefficient for models that
estimate one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pandas as pd

from auricle.errors import AuricleError
from auricle.files import replacing
from auricle.registry import unknown_name


@dataclass(frozen=True)
class Detection:
    """A label of `task` with its probability, from `start_s` to `end_s` seconds of `file`.

    `coefficient` is TRNet's c in [0, 1], its weight of the noisy against the enhanced signal: near 1 with little noise.
    """

    file: str
    task: str
    start_s: float
    end_s: float
    label: str
    probability: float
    coefficient: float | None = None


RAVEN_COLUMNS = [
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Begin Path",
    "Label",
    "Confidence",
]
SUFFIXES = {"csv": ".csv", "audacity": ".labels.txt", "raven": ".selections.txt"}


def check_format(name: str) -> str:
    """Return `name`; raises `AuricleError` unless it is a table format."""
    if name not in SUFFIXES:
        raise AuricleError(unknown_name("format", name, SUFFIXES))
    return name


def write_table(path: Path, detections: Sequence[Detection], table_format: str, max_freq_hz: float) -> None:
    """Write the detections of one sound file as "csv", "audacity" or "raven".

    `max_freq_hz` is the upper frequency limit of Raven's selections. The file is replaced as a whole.
    """
    with replacing(path) as partial:
        _write(partial, detections, table_format, max_freq_hz)


def _write(path: Path, detections: Sequence[Detection], table_format: str, max_freq_hz: float) -> None:
    if table_format == "csv":
        frame = pd.DataFrame([astuple(d) for d in detections], columns=[f.name for f in fields(Detection)])
        if frame["coefficient"].isna().all():
            frame = frame.drop(columns="coefficient")
        frame.round({"start_s": 4, "end_s": 4, "probability": 6, "coefficient": 4}).to_csv(path, index=False)
    elif table_format == "audacity":
        lines = [f"{d.start_s:.6f}\t{d.end_s:.6f}\t{_one_line(d.label)} {d.probability:.3f}\n" for d in detections]
        path.write_text("".join(lines), encoding="utf-8")
    else:
        rows = [
            (
                number,
                "Spectrogram 1",
                1,
                f"{d.start_s:.4f}",
                f"{d.end_s:.4f}",
                0,
                f"{max_freq_hz:g}",
                d.file,
                _one_line(d.label),
                f"{d.probability:.4f}",
            )
            for number, d in enumerate(detections, start=1)
        ]
        pd.DataFrame(rows, columns=RAVEN_COLUMNS).to_csv(path, sep="\t", index=False)


def _one_line(label: str) -> str:
    return " ".join(label.split())
