"""results.json: the record of an evaluation, in one format for all tasks, and reading it.

schema       2
task         classification, enhancement, separation or emotion
run          name, path and digest of the run
data         name, path, split, n_clips, and the digest of the clips (contents, segments and labels)
settings     the options that affect the results; `unusual` are those that differ from their defaults
model        config, parameters, sample_rate, training_seed, and training settings
measured     the metrics under each condition, each with value, low and high (95 % interval)
calibration  of a classifier: how good its probabilities are, by condition, and what "unknown" rejects
false_alarms of a classifier measured with background: events per hour and recall, by label and threshold
skipped      files that could not be used
provenance   date, command, versions, machine
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from auricle.errors import AuricleError, AuricleWarning
from auricle.metrics import Interval
from auricle.readers import Shape, checked, read_json
from auricle.runs.folder import FINISHED, SETTINGS
from auricle.runs.provenance import folds_digest, run_digest

SCHEMA = 2
RESULTS, TABLE, METRICS = "results.json", "results.csv", "metrics.json"
FOLDS, EVALUATIONS = "folds", "evaluation"
_INTERVAL = dict.fromkeys(("value", "low", "high"), (float, None))
_RECORD: Shape = {
    "schema": int,
    "task": str,
    "run": {"name": str, "path": (str, None), "digest": (str, None)},
    "data": {"name": str, "path": str, "split": str, "n_clips": int, "digest": str},
    "settings": dict,
    "model": {"config": dict, "training": dict, "training_seed": (int, None)},
    "measured": [
        {
            "condition": str,
            "metrics": {"*": _INTERVAL},
            "snr_db?": (float, None),
            "enhancer?": (str, None),
            "query?": (str, None),
        }
    ],
    "provenance?": {
        "date": str,
        "command": str,
        "versions": {"auricle": str, "torch": str},
        "machine": {"processor": str, "cores": (int, None)},
    },
}


@dataclass(frozen=True)
class Measured:
    """The metrics under one condition, and of one enhancer or type of query if there are several."""

    condition: str
    metrics: dict[str, Interval]
    snr_db: float | None = None
    enhancer: str | None = None
    query: str | None = None

    def record(self) -> dict[str, Any]:
        """The entry of results.json, without the fields that do not apply."""
        values = asdict(self)
        metrics = values.pop("metrics")
        return {name: value for name, value in values.items() if value is not None or name == "snr_db"} | {
            "metrics": metrics
        }


@dataclass(frozen=True)
class Result:
    """An evaluation read from its folder."""

    folder: Path
    record: dict[str, Any]

    @property
    def task(self) -> str:
        return str(self.record["task"])

    @property
    def run(self) -> dict[str, Any]:
        """`name`, `path` and `digest` of the run."""
        return dict(self.record["run"])

    @property
    def data(self) -> dict[str, Any]:
        """`name`, `path`, `split`, `n_clips` and `digest` of the clips."""
        return dict(self.record["data"])

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.record["settings"])

    @property
    def folds(self) -> list[str]:
        """The names of the folders of the folds, in the order of the digest of their models; none for one model."""
        folds = self.settings.get("folds")
        return [str(fold.get("folder")) for fold in folds if isinstance(fold, dict)] if isinstance(folds, list) else []

    @property
    def model(self) -> dict[str, Any]:
        return dict(self.record["model"])

    @cached_property
    def measured(self) -> list[Measured]:
        return [
            Measured(
                row["condition"],
                {name: _interval(value) for name, value in row["metrics"].items()},
                *(row.get(name) for name in ("snr_db", "enhancer", "query")),
            )
            for row in self.record["measured"]
        ]

    def interval(self, metric: str) -> Interval | None:
        """A metric under the first condition measured; None if the task does not have it."""
        return self.measured[0].metrics.get(metric)

    def file(self, name: str) -> Path:
        """The path of a file beside results.json, which may have the suffix .gz."""
        for path in (self.folder / name, self.folder / f"{name}.gz"):
            if path.is_file():
                return path
        raise AuricleError(f"{self.folder} has no {name}: measure the run again with auricle evaluate")


def read_result(folder: str | Path) -> Result:
    """Read the evaluation in `folder`; raises `AuricleError` for another schema."""
    path = Path(folder) / RESULTS
    record = read_json(path)
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise AuricleError(
            f"{path} is not a result of schema {SCHEMA}, which this version reads: measure the run again"
        )
    return Result(Path(folder), checked(record, _RECORD, path))


def find_results(folders: Iterable[str | Path]) -> list[Result]:
    """All evaluations below the given folders, which may be runs or single evaluations.

    For a run with folds, only the evaluation of all folds together is included. What has no results is left out with an
    `AuricleWarning`. Raises `AuricleError` if nothing has any, for a folder that does not exist, and for a run whose
    weights are no longer those that were measured.
    """
    found: list[Result] = []
    reasons = []
    for folder in map(Path, folders):
        if not folder.exists():
            raise AuricleError(f"{folder}: no such folder; give runs that `auricle evaluate` has measured")
        files = [path for path in sorted(folder.rglob(RESULTS)) if FOLDS not in path.relative_to(folder).parts]
        found += [_of_present_weights(read_result(path.parent)) for path in files]
        if not files:
            reasons.append(_why_none(folder))
    if not found:
        raise AuricleError("; ".join(reasons))
    for reason in reasons:
        warnings.warn(f"left out: {reason}", AuricleWarning, stacklevel=2)
    return found


def _why_none(folder: Path) -> str:
    """Why there are no results in `folder`, and what to do."""
    if folder.is_file():
        return f"{folder}: a file, not the folder of a run"
    if (folder / FOLDS).is_dir():
        return f"{folder}: not all folds are done there: repeat its command to resume"
    if (folder / SETTINGS).is_file() and not (folder / FINISHED).is_file():
        return f"{folder}: its training has not finished: repeat its command to resume"
    if not any((folder / name).is_file() for name in ("config.json", SETTINGS)):
        return f"{folder}: not the folder of a run, nor of results; give runs that `auricle evaluate` has measured"
    return f"{folder} has not been measured yet: run `auricle evaluate {folder} --data …` first"


def result_of_run(run: str | Path) -> Result | None:
    """The evaluation of a run, or None; raises `AuricleError` if there are several."""
    folder = Path(run)
    files = sorted(folder.glob(f"{EVALUATIONS}/*/{RESULTS}"))
    if len(files) > 1:
        raise AuricleError(f"{folder} has {len(files)} evaluations: keep only the one to show")
    return read_result(files[0].parent) if files else None


def _of_present_weights(result: Result) -> Result:
    """The result; raises `AuricleError` if it lies in the folder of a run that has other weights now."""
    run, digest = result.folder.parent.parent, ""
    folds = [result.folder / FOLDS / name for name in result.folds]
    if result.folder.parent.name == EVALUATIONS and (run / "config.json").is_file():
        digest = run_digest(run)
    elif folds and all((fold / "config.json").is_file() for fold in folds):
        run, digest = result.folder, folds_digest(folds)
    if digest and result.run["digest"] != digest:
        raise AuricleError(f"{result.folder}: {run} had other weights when it was measured: measure it again")
    return result


def validation_metrics(run: str | Path) -> dict[str, dict[str, Interval]]:
    """The metrics of a run on validation clips or in cross-validation, by task.

    Raises `AuricleError` if its weights are others now.
    """
    path = Path(run) / METRICS
    record = read_json(path, {"tasks": {"*": {"*": _INTERVAL}}, "run?": str})
    if record.get("run") not in (None, run_digest(run)):
        raise AuricleError(f"{path}: {run} had other weights when it was measured: train it again")
    return {
        task: {name: _interval(value) for name, value in metrics.items()} for task, metrics in record["tasks"].items()
    }


def _interval(values: dict[str, float | None]) -> Interval:
    """An interval from its JSON values; null, which stands for NaN and infinity, becomes NaN."""
    return Interval(
        *(float("nan") if values[name] is None else float(values[name] or 0.0) for name in ("value", "low", "high"))
    )
