"""Report of a stress test: a verdict, heatmap, curves, sounds and tables in one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from auricle.conditions.levels import cell_text, corruption_text
from auricle.conditions.suites import CLEAN, Suite
from auricle.data.clips import Clip
from auricle.data.manifest import Manifest
from auricle.errors import counted, duration_text
from auricle.files import write_tidy
from auricle.identity import file_names
from auricle.reports import plots
from auricle.reports.page import CaptionedFigure, Section, Table, write_page
from auricle.runs.clips import listed_clips
from auricle.runs.provenance import provenance
from auricle.studies.stress.figures import (
    accuracy_heatmap,
    alarm_heatmap,
    chance_level,
    confusions,
    curves,
    with_scale,
    worst_cell,
    worst_noise,
)
from auricle.studies.stress.listening import answers, every_corruption, seen
from auricle.studies.stress.models import StressedModel
from auricle.studies.stress.statistics import StressTest
from auricle.studies.stress.tables import Met, by_cell, by_corruption, false_alarms, summary, tidy
from auricle.studies.stress.verdict import Verdict, verdict

FIGURES, REPORT = "figures", "report.html"
"""Name of the tidy table's files, without their suffixes."""
_ALARMS = "False alarms per hour of noise"


def write_report(
    folder: Path,
    test: StressTest,
    models: Sequence[StressedModel],
    manifest: Manifest,
    suite: Suite,
    baseline: str,
    alarms: pd.DataFrame | None = None,
    too_little: str = "",
) -> tuple[Path, Verdict]:
    """Write report.html, figures.csv (and .parquet) and the plots to `folder`; returns the page's path and the verdict.

    `alarms` is the table of `measure_alarms`, if there is background; `too_little` is said if there is too little.
    """
    first = {model.name: model for model in reversed(models)}
    first = {name: first[name] for name in test.models}
    met = _met(models)
    chance = chance_level(test, len(models[0].task.labels))
    said = verdict(test, suite, baseline, met, chance, alarms)
    every_figure = tidy(test, suite, baseline, met)
    write_tidy(folder / FIGURES, every_figure)
    best = max(test.models, key=lambda name: float(test.overall(name)[0]))
    worst = {name: worst_cell(test, name) for name in test.models}
    drawn = folder / "plots"
    sections = [
        _results(test, suite, manifest, said, chance),
        curves_section(test, suite, chance, drawn),
        *([] if alarms is None else [_alarms(alarms, suite)]),
        *([Section(_ALARMS, [too_little])] if too_little else []),
        every_corruption(manifest, suite, models[0].windows.sample_rate, drawn),
        *_answers(test, first[best], worst[best], manifest, suite, drawn),
        Section(
            "What is taken for what",
            ["Rows are the true classes, columns the predicted ones: clean clips and each model's worst condition."],
            figures=confusions(test, suite, models[0].task.labels, worst, drawn),
            columns=2,
        ),
        *seen(first, worst_noise(test, suite, best), manifest, suite, drawn),
        *_learnt(drawn, first),
        _tables(test, suite, baseline, met, every_figure),
        _provenance(models, manifest, suite),
    ]
    return write_page(folder / REPORT, f"Stress test: {suite.name}", sections, str(said)), said


def _met(models: Sequence[StressedModel]) -> Met:
    met: dict[str, set[str] | None] = {}
    for model in models:
        known, own = met.get(model.name, set()), model.met
        met[model.name] = None if known is None or own is None else known | own
    return met


def _results(test: StressTest, suite: Suite, manifest: Manifest, said: Verdict, chance: float) -> Section:
    text = (
        f"{len(manifest)} clips under the suite {suite.name}: {counted(len(test.corruptions), 'corruption')}, "
        f"{len(suite.cells)} conditions. {_intervals(manifest)}"
    )
    tables = [Table(said.table(), "What the verdict rests on")] if said.claims else []
    heatmap = accuracy_heatmap(test, suite, chance)
    return Section("Accuracy in every condition", [text], heatmaps=[heatmap], tables=tables)


def curves_section(test: StressTest, suite: Suite, chance: float, folder: Path) -> Section:
    """Accuracy against the level of each corruption, and in the conditions of one level."""
    figures = curves(test, suite, chance, folder)
    joined = with_scale(test, suite)
    texts = ["Clean at the left, the worst level at the right; bands are 95\u00a0% intervals."] if joined else []
    if len(joined) < len(figures):
        texts.append("Conditions of one level are points, with 95\u00a0% intervals.")
    return Section("How accuracy falls", [" ".join(texts)] if texts else [], figures=figures, columns=3)


def _answers(
    test: StressTest, model: StressedModel, cell_name: str, manifest: Manifest, suite: Suite, folder: Path
) -> list[Section]:
    cell = next((cell for cell in suite.cells if cell.name == cell_name and cell_name != CLEAN), None)
    if cell is None:
        return []
    rate = model.windows.sample_rate
    rows = test.cells[(test.cells["run"] == model.shown) & (test.cells["cell"] == cell_name)]

    def corrupt(waveform: np.ndarray, clip: Clip) -> np.ndarray:
        return suite.apply(cell, waveform, rate, clip.name)

    return answers(rows, model.name, cell_text(cell), corrupt, manifest, rate, folder)


def _alarms(alarms: pd.DataFrame, suite: Suite) -> Section:
    heard = duration_text(3600 * alarms["hours"].iloc[0])
    text = (
        f"Events per hour in {heard} of recordings without the sounds, under the same conditions, at the thresholds "
        "in use; an event lasts while a label stays above half of its threshold. Those of each label are in "
        "false-alarms.csv."
    )
    caption = "False alarms per hour, with exact 95\u00a0% intervals of a Poisson rate (Garwood, 1936)"
    table = Table(false_alarms(alarms, suite), caption, folded=True, download=("false-alarms", alarms))
    return Section(_ALARMS, [text], [alarm_heatmap(alarms, suite)], [table])


def _tables(test: StressTest, suite: Suite, baseline: str, met: Met, every_figure: pd.DataFrame) -> Section:
    text = (
        "Retained is accuracy under corruption divided by accuracy on clean clips. Every figure, with its bounds in "
        f"columns of their own, is in {FIGURES}.csv."
    )
    several = len(test.models) > 1
    if several:
        text = (
            "A model is called ahead or behind only if the interval of its difference excludes zero. mCE is the mean "
            "over the corruptions of the model's errors as a percentage of the baseline's (below 100 is better than "
            f"the baseline); for relative mCE the errors on clean clips are subtracted from both first. {text}"
        )
    summed = summary(test, baseline)
    overall = "suite %" if test.shares else "corrupted %"
    short = ["model", *(["verdict", "to baseline"] if several else []), overall, "clean %"]
    others = ["model", *(name for name in summed if name not in short)]
    return Section(
        "The figures",
        [text],
        tables=[
            Table(summed[short], "Models" if several else "The model", download=(FIGURES, every_figure)),
            Table(summed[others], "Corruption error" if several else "What is retained", folded=True),
            Table(by_corruption(test, baseline, met), "Corruption by corruption", folded=True),
            Table(by_cell(test, suite), "Accuracy in % in every condition", folded=True),
        ],
    )


def _intervals(manifest: Manifest) -> str:
    groups = {clip.group for clip in manifest}
    if len(groups) == 1 and None not in groups:
        return "There are no intervals, as all clips are of one group: nothing says how much others would differ."
    units = "clips" if None in groups else f"{len(groups)} groups of clips"
    shared = "all models share the resamples, so differences are paired"
    return f"Intervals are 95\u00a0% bootstrap intervals over {units}; {shared}."


def _learnt(folder: Path, first: Mapping[str, StressedModel]) -> list[Section]:
    figures = []
    names = file_names(first)
    for model, own in first.items():
        for what, figure in own.learnt().items():
            plots.save(figure, folder / f"{what}-{names[model]}.png")
            figures.append(CaptionedFigure(figure, f"{model}: {plots.in_words(what)}."))
    return [Section("What the front-ends have learnt", figures=figures, columns=2)] if figures else []


def _provenance(models: Sequence[StressedModel], manifest: Manifest, suite: Suite) -> Section:
    made = provenance()
    rows = [
        {
            "model": model.name,
            "seed": model.seed,
            "given as": model.shown,
            "met in training": "not known" if model.met is None else ", ".join(map(corruption_text, sorted(model.met))),
        }
        for model in models
    ]
    kinds = ", ".join(suite.material.synthetic_kinds)
    unknown = [model.shown for model in models if not listed_clips(model.folder)]
    return Section(
        "How this was made",
        [
            f"Suite {suite.name}, seed {suite.seed}, SHA-256 {suite.digest}; the same suite, seed and material give "
            f"the same samples bit for bit. {f'Synthetic material: {kinds}.' if kinds else ''} "
            f"Data: {manifest.source}.",
            *([f"Which clips these were trained on is not known: {', '.join(unknown)}."] if unknown else []),
            f"{made['machine']['processor']}, {made['machine']['cores']} cores, torch {made['versions']['torch']}, "
            f"auricle {made['versions']['auricle']}, {made['date'][:10]}.",
        ],
        tables=[Table(pd.DataFrame(rows))],
        commands=[made["command"]],
    )
