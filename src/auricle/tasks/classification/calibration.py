"""calibration.json: what turns a classifier's logits into probabilities that come true, and its thresholds.

The file lies in the run folder, and in the metadata of an exported model, and belongs to one set of weights. It is made
from validation clips by `auricle train classifier` and `auricle calibrate` (see `fitting`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from auricle.data.clips import Clip, Original
from auricle.data.copies import Segments, recordings_of, segments
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.files import write_json
from auricle.identity import digest_of
from auricle.readers import read_json

CALIBRATION = "calibration.json"
SCHEMA = 1
METHODS = ("temperature", "platt")


@dataclass(frozen=True)
class TaskCalibration:
    """The calibration of one task: one value per label in each of the sequences.

    A calibrated logit is `scale` times the model's plus `offset`. Temperature scaling has the scale 1 / T for every
    label, Platt scaling a scale and an offset for each. From `thresholds` on, a calibrated probability counts as a
    detection. An answer of one label whose probability is below `unknown` is "unknown"; None for several labels.
    `measured` describes how it was fitted: numbers of clips, metrics before and after, and `clips`, the segments that
    it was fitted to (recording, start and end in seconds), if they are none of the run's own.
    """

    method: str
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    thresholds: tuple[float, ...]
    unknown: float | None = None
    measured: dict[str, Any] = field(default_factory=dict)

    def logits(self, values: np.ndarray) -> np.ndarray:
        """Calibrated logits for the model's, both `(…, labels)`."""
        return values * np.asarray(self.scales) + np.asarray(self.offsets)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], task: Task) -> TaskCalibration:
        """The calibration of `task` from plain values; raises `ValueError` for others than it could have."""
        if list(values["labels"]) != list(task.labels):
            raise ValueError(f"the labels of {task.name!r} are others than the model's")
        if values["method"] not in METHODS:
            raise ValueError(f"method {values['method']!r}")
        scales, offsets, thresholds = (
            _numbers(values[name], len(task.labels)) for name in ("scales", "offsets", "thresholds")
        )
        unknown = values.get("unknown")
        limits = [*thresholds, *([] if unknown is None else _numbers([unknown], 1))]
        if min(scales) <= 0 or not all(0 <= limit <= 1 for limit in limits):
            raise ValueError("a scale is not above 0, or a threshold is not from 0 to 1")
        measured = values.get("measured", {})
        if not isinstance(measured, dict) or (unknown is not None and task.multi_label):
            raise ValueError("other values than of this task")
        for recording, *times in measured.get("clips", ()):
            if not isinstance(recording, str) or len(_numbers([end or 0 for end in times], 2)) != 2:
                raise ValueError("clips that are no segments")
        return cls(values["method"], scales, offsets, thresholds, unknown, measured)

    def to_dict(self, task: Task) -> dict[str, Any]:
        return {
            "labels": list(task.labels),
            "method": self.method,
            "scales": list(self.scales),
            "offsets": list(self.offsets),
            "thresholds": list(self.thresholds),
            "unknown": self.unknown,
            "measured": self.measured,
        }


@dataclass(frozen=True)
class Calibration:
    """The calibrations of a model's tasks, by name, for the weights with the digest `run` (see `run_digest`)."""

    run: str
    tasks: Mapping[str, TaskCalibration]

    @property
    def digest(self) -> str:
        """SHA-256 of everything that changes probabilities or answers."""
        return digest_of(
            *(
                [name, list(own.scales), list(own.offsets), list(own.thresholds), own.unknown]
                for name, own in sorted(self.tasks.items())
            )
        )

    def to_dict(self, tasks: Sequence[Task]) -> dict[str, Any]:
        own = {task.name: self.tasks[task.name].to_dict(task) for task in tasks if task.name in self.tasks}
        return {"schema": SCHEMA, "run": self.run, "tasks": own}

    @classmethod
    def from_dict(cls, values: Any, tasks: Sequence[Task], where: str) -> Calibration:
        """The calibration of `tasks` from plain values; raises `AuricleError`, which names `where`, for others."""
        try:
            if values["schema"] != SCHEMA:
                raise ValueError(f"schema {values['schema']!r}, and this version reads {SCHEMA}")
            known = {task.name: task for task in tasks}
            own = {name: TaskCalibration.from_dict(entry, known[name]) for name, entry in values["tasks"].items()}
            return cls(str(values["run"]), own)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise AuricleError(f"{where}: not a calibration of this model ({error!s})") from None

    def write(self, folder: Path, tasks: Sequence[Task]) -> Path:
        """Write calibration.json to the run folder; returns its path."""
        write_json(folder / CALIBRATION, self.to_dict(tasks))
        return folder / CALIBRATION


def read_calibration(folder: str | Path, digest: str, tasks: Sequence[Task]) -> Calibration | None:
    """The calibration in a run folder, or None; `digest` is that of the run and `tasks` are the model's.

    Raises `AuricleError` for a file that cannot be used, or belongs to other weights.
    """
    path = Path(folder) / CALIBRATION
    if not path.is_file():
        return None
    found = Calibration.from_dict(read_json(path), tasks, str(path))
    if found.run != digest:
        raise AuricleError(f"{path} belongs to other weights: calibrate again (auricle calibrate), or remove it")
    return found


def fitted_to(clips: Sequence[Clip]) -> list[list[Any]]:
    """The segments of recordings that the clips are, and that they were made from, for `measured`."""
    own = zip(clips, recordings_of(clips), strict=True)
    return [[*part] for clip, recording in own for part in segments(clip, recording)]


def refuse_fitted_to(
    source: str, calibration: Calibration | None, task: Task, clips: Sequence[Clip], advice: str = "choose others"
) -> None:
    """Raise `AuricleError` for clips that `auricle calibrate` was given for the model `source`."""
    own = calibration.tasks.get(task.name) if calibration else None
    used: Segments[bool] = Segments()
    for segment in own.measured.get("clips", ()) if own else ():
        used.add(Original(*segment), True)
    if not used:
        return
    n_used = sum(any(used.of(clip, recording)) for clip, recording in zip(clips, recordings_of(clips), strict=True))
    if n_used:
        raise AuricleError(f"{source} was calibrated with {n_used} of these {len(clips)} clips: {advice}")


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    """`count` finite numbers as floats; raises `ValueError` for anything else."""
    if not isinstance(values, (list, tuple)) or len(values) != count:
        raise ValueError(f"{values!r:.40} instead of {count} numbers")
    if not all(type(value) in (int, float) and math.isfinite(value) for value in values):
        raise ValueError(f"{values!r:.40} are not all numbers")
    return tuple(float(value) for value in values)
