"""Report of a stress test: plots, tables, spectrograms and sounds in one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from auricle.conditions.suites import CLEAN, Suite
from auricle.data.clip_store import ClipStore
from auricle.data.findings import counted
from auricle.data.manifest import Manifest
from auricle.files import write_table
from auricle.frontends import Frontend
from auricle.frontends.attention import TFDELayer
from auricle.identity import file_names
from auricle.metrics import Interval
from auricle.reports import plots
from auricle.reports.page import CaptionedFigure, Section, SoundPlayer, Table, write_page
from auricle.runs.provenance import provenance
from auricle.studies.stress.cells import StressedRun
from auricle.studies.stress.statistics import StressTest, excludes_zero, interval
from auricle.tasks.classification.false_alarms import EVERY

N_EXAMPLES = 3
EXAMPLE_S = 4.0


def summary(test: StressTest, baseline: str) -> pd.DataFrame:
    """A row for each model: accuracies in %, mCE, relative mCE, and the difference from the baseline."""
    overall = "suite %" if test.shares else "corrupted %"
    rows = []
    for model in test.models:
        worst, at_worst = test.worst(model)
        difference = interval(test.difference(test.overall, model, baseline), 100)
        row: dict[str, Any] = {
            "model": f"{model} (baseline)" if model == baseline else model,
            "seeds": test.n_seeds[model],
            "clean %": interval(test.clean(model), 100),
            overall: interval(test.overall(model), 100),
            "retained %": interval(test.retained(model), 100),
        }
        if model != baseline:
            row["to baseline"] = difference
            row["verdict"] = (
                ("ahead" if difference.low > 0 else "behind") if excludes_zero(difference) else "not told apart"
            )
        else:
            row["to baseline"], row["verdict"] = "", ""
        row["mCE"] = interval(test.mce(model, baseline))
        row["relative mCE"] = interval(test.relative_mce(model, baseline))
        row["worst corruption"] = worst
        row["there %"] = interval(at_worst, 100)
        rows.append(row)
    return pd.DataFrame(rows)


def by_corruption(test: StressTest, baseline: str, met: dict[str, set[str]]) -> pd.DataFrame:
    """A row for each model and corruption: accuracy, CE, relative CE, and whether it was used in training."""
    rows = []
    for corruption in test.corruptions:
        for model in test.models:
            row: dict[str, Any] = {
                "corruption": corruption,
                "model": model,
                "in training": "met" if corruption in met[model] else "not met",
                "accuracy %": interval(test.corrupted(model, corruption), 100),
                "CE": interval(test.corruption_error(model, baseline, corruption)),
            }
            row["relative CE"] = interval(test.relative_corruption_error(model, baseline, corruption))
            rows.append(row)
    return pd.DataFrame(rows)


def by_cell(test: StressTest) -> pd.DataFrame:
    """A row for each cell of the suite, a column for each model: accuracy in %."""
    cells = test.cells.drop_duplicates("cell")[["corruption", "severity", "cell"]]
    rows = []
    for corruption, severity, cell in cells.itertuples(index=False):
        accuracies = {model: interval(test.accuracy(model, cell), 100) for model in test.models}
        rows.append({"corruption": corruption, "severity": severity or "", **accuracies})
    return pd.DataFrame(rows)


def false_alarms(alarms: pd.DataFrame) -> pd.DataFrame:
    """A row for each cell, a column for each model: false alarms of all labels together, per hour of background."""
    every = alarms[alarms["label"] == EVERY]
    rows = []
    for (corruption, severity), own in every.groupby(["corruption", "severity"], sort=False):
        values = own[["per_hour", "low", "high"]].to_numpy(dtype=float)
        rates = {model: Interval(*map(float, row)) for model, row in zip(own["model"], values, strict=True)}
        rows.append({"corruption": corruption, "severity": severity or "", **rates})
    return pd.DataFrame(rows)


def write_report(
    folder: Path,
    test: StressTest,
    runs: list[StressedRun],
    manifest: Manifest,
    suite: Suite,
    baseline: str,
    alarms: pd.DataFrame | None = None,
) -> Path:
    """Write report.html, summary.csv, corruptions.csv and the plots to `folder`; returns the page's path.

    `alarms` is the table of `measure_alarms`, if there is background.
    """
    met = {model: set.union(*(run.met for run in runs if run.name == model)) for model in test.models}
    summed, split = summary(test, baseline), by_corruption(test, baseline, met)
    write_table(folder / "summary.csv", summed)
    write_table(folder / "corruptions.csv", split)
    curves = {
        corruption: {
            model: [
                (severity, interval(test.accuracy(model, f"{corruption}-{severity}" if severity else corruption)))
                for severity in test.severities(corruption)
            ]
            for model in test.models
        }
        for corruption in test.corruptions
    }
    clean = {model: interval(test.clean(model)) for model in test.models}
    falling = plots.accuracy_against_severity(curves, clean)
    plots.save(falling, folder / "plots" / "accuracy-against-severity.png")
    first = {run.name: run for run in reversed(runs)}
    first = {model: first[model] for model in test.models}

    sections = [
        Section(
            "Results",
            [
                f"{len(manifest)} clips under the suite {suite.name}: {counted(len(test.corruptions), 'corruption')}, "
                f"{len(suite.cells)} conditions. 95 % bootstrap intervals over {_units(manifest)} are in brackets; all "
                "models share the resamples, so differences are paired. A model is called ahead or behind only if the "
                "interval of its difference excludes zero.",
                "mCE is the mean over the corruptions of the model's errors as a percentage of the baseline's (below "
                "100 is better than the baseline); for relative mCE the errors on clean clips are subtracted from both "
                "first. Retained is accuracy under corruption divided by accuracy on clean clips.",
            ],
            tables=_in_two(summed),
        ),
        Section(
            "How accuracy falls",
            ["One panel for each corruption, from the mildest severity to the worst."],
            figures=[
                CaptionedFigure(
                    falling, "Accuracy against severity; bands are 95 % intervals.", "Accuracy against severity"
                )
            ],
        ),
        Section(
            "Corruption by corruption", tables=[Table(split), Table(by_cell(test), "Accuracy in % in every condition")]
        ),
        *([] if alarms is None else [_alarms(alarms)]),
        *_confusions(folder, test, first),
        *_examples(folder, test, first, manifest, suite),
        *_learnt(folder, first),
        _provenance(runs, manifest, suite, test),
    ]
    return write_page(folder / "report.html", f"Stress test: {suite.name}", sections)


def _alarms(alarms: pd.DataFrame) -> Section:
    hours = alarms["hours"].iloc[0]
    text = (
        f"Events per hour in {hours:.2f} hours of recordings without the sounds, under the same conditions, at the "
        "thresholds in use; an event lasts while a label stays above half of its threshold. Exact 95 % intervals of a "
        "Poisson rate (Garwood, 1936) are in brackets. Label by label they are in false-alarms.csv."
    )
    return Section("False alarms", [text], tables=[Table(false_alarms(alarms), "False alarms per hour")])


def _in_two(summed: pd.DataFrame) -> list[Table]:
    """The summary as two tables that fit the page width: verdicts with accuracies, and the other columns."""
    overall = "suite %" if "suite %" in summed else "corrupted %"
    first = ["model", "verdict", "to baseline", overall, "clean %"]
    return [Table(summed[first]), Table(summed[["model", *(name for name in summed if name not in first)]])]


def _units(manifest: Manifest) -> str:
    groups = {clip.group for clip in manifest}
    return f"{len(groups)} groups of clips" if len(groups) > 1 and None not in groups else "clips"


def worst_cell(test: StressTest, model: str) -> str:
    """The cell with the lowest accuracy."""
    names = [name for name in test.cells["cell"].unique() if name != CLEAN]
    return min(names, key=lambda name: float(test.accuracy(model, name)[0]))


def _confusions(folder: Path, test: StressTest, first: dict[str, StressedRun]) -> list[Section]:
    """Confusion matrices of each model for clean clips and for its worst cell, from clips with one label."""
    figures = []
    models, cells = file_names(first), file_names(test.cells["cell"].unique())
    for model, run in first.items():
        labels = run.model.task().labels
        for cell in (CLEAN, worst_cell(test, model)):
            rows = test.cells[(test.cells["model"] == model) & (test.cells["cell"] == cell)]
            single = rows[(rows["labels"] != "") & ~rows["labels"].str.contains(";")]
            matrix = np.zeros((len(labels), len(labels)), dtype=int)
            np.add.at(
                matrix,
                (single["labels"].map(labels.index).to_numpy(), single["predicted"].map(labels.index).to_numpy()),
                1,
            )
            figure = plots.confusion(matrix, labels)
            plots.save(figure, folder / "plots" / f"confusion-{models[model]}.{cells[cell]}.png")
            figures.append(CaptionedFigure(figure, f"{model}, {cell}.", f"Confusion matrix of {model}, {cell}"))
    text = "Rows are the true classes, columns the predicted ones: clean clips and the worst condition of each model."
    return [Section("What is taken for what", [text], figures=figures)]


def _examples(
    folder: Path, test: StressTest, first: dict[str, StressedRun], manifest: Manifest, suite: Suite
) -> list[Section]:
    """One clip, clean and under several corruptions at their highest severity: spectrograms, sounds, adaptive gains."""
    run = next(iter(first.values()))
    rate = run.model.sample_rate
    clip = max(manifest.clips, key=lambda clip: (min(clip.duration_s, EXAMPLE_S), clip.name))
    waveform = _loudest(ClipStore((clip,), rate).read(0), round(EXAMPLE_S * rate))
    spread_over = test.corruptions[:: max(1, len(test.corruptions) // N_EXAMPLES)][:N_EXAMPLES]
    shown = {CLEAN: waveform}
    for corruption in spread_over:
        cell = [cell for cell in suite.cells if cell.corruption == corruption][-1]
        shown[cell.name] = suite.apply(cell, waveform, rate, clip.name)
    frontends = {model: own.model.frontend for model, own in first.items() if own.model.sample_rate == rate}
    figures, sounds = [], []
    models, cells = file_names(first), file_names(shown)
    for name, wave in shown.items():
        figure = plots.frontend_outputs(wave, rate, frontends)
        plots.save(figure, folder / "plots" / f"seen-{cells[name]}.png")
        figures.append(CaptionedFigure(figure, f"{name}: output of each front-end.", f"Spectrograms of a clip, {name}"))
        sounds.append(SoundPlayer(name, wave / max(1.0, float(np.abs(wave).max())), rate))
        for model, frontend in frontends.items():
            for what, figure in workings(frontend, wave).items():
                plots.save(figure, folder / "plots" / f"{what}-{models[model]}.{cells[name]}.png")
                figures.append(CaptionedFigure(figure, f"{name}: {what} of {model} over time.", f"{what} of {model}"))
    labels = ", ".join(clip.labels) or "no label"
    text = f"The clip {clip.name} ({labels}), clean and at the worst severity of some corruptions."
    return [Section("The same clip", [text], figures=figures, audio=sounds)]


def workings(frontend: Frontend, waveform: np.ndarray) -> dict[str, Figure]:
    """Plots of a front-end over time: "gain" with the parameters of adaptive compression, "attention" weights."""
    clip = torch.from_numpy(np.asarray(waveform, dtype=np.float32))[None]
    figures = {}
    with torch.no_grad():
        energies = frontend.energies(clip)
        trace = getattr(frontend.compression, "trace", None)
        if trace is not None:
            traced = trace(energies)
            gain_db = 10.0 * torch.log10(traced.gain[0].clamp(min=1e-12)).numpy()
            times_s = np.arange(gain_db.shape[-1]) * frontend.hop_length / frontend.sample_rate
            parameters = {"α": traced.alpha[0].numpy(), "γ": traced.gamma[0].numpy()}
            figures["gain"] = plots.gain_over_time(times_s, gain_db, parameters)
        if isinstance(frontend.attention, TFDELayer):
            spectrogram = frontend.compression(energies)
            shown = [values[0].numpy() for values in (spectrogram, frontend.attention(spectrogram))]
            if min(values.min() for values in shown) >= 0:
                shown = [np.log(values + 1e-5) for values in shown]
            weights = {name: values[0].numpy() for name, values in frontend.attention.weights(spectrogram).items()}
            hop_s = frontend.hop_length / frontend.sample_rate
            figures["attention"] = plots.attention_maps(shown[0], shown[1], weights, hop_s)
    return figures


def _learnt(folder: Path, first: dict[str, StressedRun]) -> list[Section]:
    figures = []
    models = file_names(first)
    for model, run in first.items():
        for name, figure in run.learnt().items():
            plots.save(figure, folder / "plots" / f"{name}-{models[model]}.png")
            figures.append(CaptionedFigure(figure, f"{model}: {name.replace('_', ' ')}.", f"{name} of {model}"))
    return [Section("What the front-ends have learnt", figures=figures)] if figures else []


def _provenance(runs: list[StressedRun], manifest: Manifest, suite: Suite, test: StressTest) -> Section:
    made = provenance()
    rows = [
        {"model": run.name, "seed": run.seed, "run": str(run.folder), "met in training": ", ".join(sorted(run.met))}
        for run in runs
    ]
    kinds = ", ".join(suite.material.synthetic_kinds)
    return Section(
        "How this was made",
        [
            f"Suite {suite.name}, seed {suite.seed}, SHA-256 {suite.digest}; the same suite, seed and material give "
            f"the same samples bit for bit. {f'Synthetic material: {kinds}.' if kinds else ''} "
            f"Data: {manifest.source}.",
            f"{made['machine']['processor']}, {made['machine']['cores']} cores, torch {made['versions']['torch']}, "
            f"auricle {made['versions']['auricle']}, {made['date'][:10]}.",
        ],
        tables=[Table(pd.DataFrame(rows))],
        commands=[made["command"]],
    )


def _loudest(waveform: np.ndarray, length: int) -> np.ndarray:
    """The segment of `length` samples with the most energy."""
    if len(waveform) <= length:
        return waveform
    energy = np.cumsum(np.concatenate([[0.0], waveform.astype(np.float64) ** 2]))
    start = int(np.argmax(energy[length:] - energy[:-length]))
    return waveform[start : start + length]
