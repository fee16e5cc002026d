"""`auricle stress`: evaluate models under every condition of a suite, with statistics and a report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from auricle.conditions.suites import Suite
from auricle.config import DataOptions, Stress, verb
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.data.reading import data_name, read_data
from auricle.errors import AuricleError, those_counted
from auricle.files import remove_partials, write_table
from auricle.identity import file_name
from auricle.registry import unknown_name
from auricle.reports.page import refuse_other_page
from auricle.reports.tables import plain_rows, to_text
from auricle.runs.clips import RunClips, check_labels, clips_trained_on, refuse_trained_on, select_clips
from auricle.runs.evaluation import refuse_model_folder
from auricle.runs.folder_lock import folder_lock
from auricle.studies.corrupt import open_suite
from auricle.studies.stress.alarms import measure_alarms
from auricle.studies.stress.cells import CELLS, measure_cells, measured_runs
from auricle.studies.stress.models import StressedModel, open_models, tell_apart
from auricle.studies.stress.report import FIGURES, REPORT, write_report
from auricle.studies.stress.statistics import StressTest
from auricle.studies.stress.tables import summary
from auricle.studies.stress.verdict import Verdict
from auricle.tasks.classification.background import read_background
from auricle.tasks.classification.calibration import refuse_fitted_to
from auricle.tasks.classification.false_alarms import too_little
from auricle.tasks.classification.functions import Function

FALSE_ALARMS = "false-alarms.csv"


def stress_models(
    models: Sequence[str | Function],
    data: str,
    suite: Suite,
    *,
    data_options: DataOptions = DataOptions(),
    split: str = "",
    fold: str = "",
    baseline: str = "",
    output: str | Path = "",
    background: str | None = None,
    threshold: float | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> tuple[StressTest, str, Path, Verdict]:
    """Measure models under `suite` and write the report.

    Returns the test, the baseline's name, the page's path and the verdict. False alarms are counted in the `background`
    and in the clips that have no label.
    """

    def read(multi_label: bool) -> Manifest:
        return read_data(data, replace(data_options, multi_label=data_options.multi_label or multi_label))

    opened, every_clip = open_models(models, device, threshold, read)
    tell_apart(opened)
    task = opened[0].task
    for other in opened[1:]:
        if set(other.task.labels) != set(task.labels) or other.task.multi_label != task.multi_label:
            raise AuricleError(f"{other.source} has other labels than {opened[0].source}: they cannot be compared")
    chosen = baseline_name(opened, list(dict.fromkeys(model.name for model in opened)), baseline)
    manifest, split_name = clips_to_test(opened, every_clip, split, fold)
    folder = Path(output) if output else Path("stress") / file_name(f"{data_name(data)[0]}-{split_name}-{suite.name}")
    heard = read_background(background, task, None, data_options)
    recordings = (*heard, *manifest.negatives)
    for model in opened:
        refuse_trained_on(model.folder, heard)
        refuse_fitted_to(model.source, model.windows.calibration, model.task, recordings)
    refuse_model_folder(folder, "stress")
    with folder_lock(folder, "stress"):
        refuse_other_models(folder, opened)
        refuse_other_page(folder / REPORT)
        remove_partials(folder, below=True)
        cells = measure_cells(opened, manifest, suite, folder / "cells", progress=progress)
        write_table(folder / CELLS, cells)
        alarms, line = None, ""
        for old in (FALSE_ALARMS, f"{FIGURES}.parquet"):
            (folder / old).unlink(missing_ok=True)
        if recordings:
            alarms = measure_alarms(opened, recordings, suite, folder / "cells", progress=progress)
            write_table(folder / FALSE_ALARMS, alarms)
            line = too_little(alarms["hours"].iloc[0], background is not None)
        test = StressTest(cells, seed)
        page, said = write_report(folder, test, opened, manifest, suite, chosen, None if line else alarms, line)
    return test, chosen, page, said


def refuse_other_models(folder: Path, models: Sequence[StressedModel]) -> None:
    """Raise `AuricleError` if `folder` holds the report of a model that is none of `models`, which would be lost."""
    places = {os.path.realpath(model.shown) for model in models}
    others = [run for run in measured_runs(folder / CELLS) if os.path.realpath(run) not in places]
    if others:
        raise AuricleError(
            f"{folder} holds a stress test of {', '.join(others)}: test these together, which keeps what was measured, "
            "or give another --output"
        )


def baseline_name(models: Sequence[StressedModel], names: list[str], baseline: str) -> str:
    """The baseline: `baseline` as the name or path of a model; by default log-mel, else the first."""
    if baseline:
        for model in models:
            if baseline in (model.name, model.source) or Path(baseline).resolve() == Path(model.source).resolve():
                return model.name
        raise AuricleError(unknown_name("baseline", baseline, names))
    return "mel" if "mel" in names else names[0]


def clips_to_test(models: Sequence[StressedModel], manifest: Manifest, split: str, fold: str) -> tuple[Manifest, str]:
    """The clips to measure on, and the name of their split.

    Raises `AuricleError` for labels that a model does not know and for clips that a run was trained on or a model was
    calibrated with; what other models were trained on is not known.
    """
    task, folders = models[0].task, [model.folder for model in models]
    chosen, split_name = select_clips(manifest, split, fold, RunClips(next(filter(None, folders), None)), task.name)
    check_labels(chosen, task)
    first = next((model for model in models if model.folder), None)
    for model in models:
        if first and not split and not fold and not manifest.splits:
            _refuse_put_aside(first, model, chosen)
        refuse_trained_on(model.folder, chosen)
        refuse_fitted_to(model.source, model.windows.calibration, model.task, chosen.clips)
    return chosen, split_name


def _refuse_put_aside(first: StressedModel, other: StressedModel, clips: Manifest) -> None:
    """Raise `AuricleError` if the run `other` was trained on clips that the run `first` puts aside for testing."""
    used = clips_trained_on(other.folder, clips)
    aside = RunClips(first.folder).splits_of(used)
    if used and set(aside) == {"test"}:
        raise AuricleError(
            f"{those_counted(len(used), 'clip')} put aside for testing by {first.source} and trained on by "
            f"{other.source}, first {used[0].name}: train both with the same --splits options"
        )


class StressReport(NamedTuple):
    """Result of `stress`: the test, the name of the baseline, the page's path and the verdict."""

    test: StressTest
    baseline: str
    page: Path
    verdict: Verdict

    def record(self) -> dict[str, Any]:
        """The summary as plain values, with the path of the page."""
        return {"page": str(self.page), "models": plain_rows(summary(self.test, self.baseline))}

    def __str__(self) -> str:
        return f"{self.verdict}\n\n{to_text(summary(self.test, self.baseline))}\n\nthe report is {self.page}"


@verb
def stress(options: Stress) -> StressReport:
    """Stress-test models; returns the test, the baseline's name, the page's path and the verdict."""
    material = read_material(options.material or [], progress=not options.quiet)
    suite = open_suite(options.suite, options.seed, material, options.material_split)
    found = stress_models(
        options.runs,
        options.data,
        suite,
        data_options=options,
        split=options.split or "",
        fold=options.fold or "",
        baseline=options.baseline or "",
        output=options.output or "",
        background=options.background,
        threshold=options.threshold,
        seed=options.seed,
        device=options.device,
        progress=not options.quiet,
    )
    return StressReport(*found)
