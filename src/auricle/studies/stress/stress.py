"""`auricle stress`: evaluate runs under every condition of a suite, with statistics and a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from auricle.conditions.suites import Suite
from auricle.config import DataOptions, Stress, verb
from auricle.data.clips import Clip
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.data.reading import data_name, read_data
from auricle.errors import AuricleError
from auricle.files import remove_partials, write_table
from auricle.identity import file_name
from auricle.registry import unknown_name
from auricle.reports.tables import plain_rows
from auricle.runs.clips import RunClips, check_labels, refuse_trained_on, select_clips
from auricle.studies.corrupt import open_suite
from auricle.studies.stress.alarms import measure_alarms
from auricle.studies.stress.cells import StressedRun, measure_cells, tell_apart
from auricle.studies.stress.report import summary, write_report
from auricle.studies.stress.statistics import StressTest
from auricle.tasks.classification.background import read_background

FALSE_ALARMS = "false-alarms.csv"


def stress_runs(
    folders: list[str],
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
) -> tuple[StressTest, str, Path]:
    """Measure runs under `suite` and write the report; returns the test, the baseline's name and the page's path.

    False alarms are counted in the `background` and in the clips that have no label.
    """
    runs = [StressedRun.open(folder, device, threshold) for folder in folders]
    tell_apart(runs)
    task = runs[0].model.task()
    for run in runs[1:]:
        if run.model.task().labels != task.labels:
            raise AuricleError(f"{run.folder} has other labels than {runs[0].folder}: they cannot be compared")
    data_options = replace(data_options, multi_label=data_options.multi_label or task.multi_label)
    names = list(dict.fromkeys(run.name for run in runs))
    chosen = baseline_name(runs, names, baseline)
    manifest, split_name = clips_to_test(runs, read_data(data, data_options), split, fold)
    folder = Path(output) if output else Path("stress") / file_name(f"{data_name(data)[0]}-{split_name}-{suite.name}")
    recordings: tuple[Clip, ...] = ()
    for run in runs:
        recordings = read_background(background, task, run.folder, data_options, manifest.negatives)
    remove_partials(folder, below=True)
    cells = measure_cells(runs, manifest, suite, folder / "cells", progress=progress)
    write_table(folder / "cells.csv", cells)
    alarms = None
    (folder / FALSE_ALARMS).unlink(missing_ok=True)
    if recordings:
        alarms = measure_alarms(runs, recordings, suite, folder / "cells", progress=progress)
        write_table(folder / FALSE_ALARMS, alarms)
    test = StressTest(cells, seed)
    page = write_report(folder, test, runs, manifest, suite, chosen, alarms)
    return test, chosen, page


def baseline_name(runs: list[StressedRun], names: list[str], baseline: str) -> str:
    """The baseline model: `baseline` as the name or folder of a run; by default log-mel, else the first."""
    if baseline:
        for run in runs:
            if baseline == run.name or Path(baseline).resolve() == run.folder.resolve():
                return run.name
        raise AuricleError(unknown_name("baseline", baseline, names))
    return "mel" if "mel" in names else names[0]


def clips_to_test(runs: list[StressedRun], manifest: Manifest, split: str, fold: str) -> tuple[Manifest, str]:
    """The clips to measure on, and the name of their split.

    Raises `AuricleError` for labels that a run does not know and for clips that a run was trained on.
    """
    task = runs[0].model.task()
    chosen, split_name = select_clips(manifest, split, fold, RunClips(runs[0].folder), task.name)
    check_labels(chosen, task)
    for run in runs:
        refuse_trained_on(run.folder, chosen)
    return chosen, split_name


class StressReport(NamedTuple):
    """Result of `stress`: the test, the name of the baseline, and the page's path."""

    test: StressTest
    baseline: str
    page: Path

    def record(self) -> dict[str, Any]:
        """The summary as plain values, with the path of the page."""
        return {"page": str(self.page), "models": plain_rows(summary(self.test, self.baseline))}

    def __str__(self) -> str:
        return f"{summary(self.test, self.baseline).to_string(index=False)}\nthe report is {self.page}"


@verb
def stress(options: Stress) -> StressReport:
    """Stress-test runs; returns the test, the baseline's name, and the page's path."""
    material = read_material(options.material or [], progress=not options.quiet)
    suite = open_suite(options.suite, options.seed, material, options.material_split)
    test, baseline, page = stress_runs(
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
    return StressReport(test, baseline, page)
