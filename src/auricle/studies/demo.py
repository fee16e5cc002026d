"""`auricle demo`: training and evaluation on synthetic sounds, from data to a page of results, without a download."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from auricle import audio
from auricle.conditions import mean_power
from auricle.conditions.levels import cell_text
from auricle.conditions.suites import CLEAN, Cell, Suite, severity_cells
from auricle.config import DataOptions, Demo, verb
from auricle.data.clips import Clip
from auricle.data.reading import read_data
from auricle.data.synthetic import make_sound_events
from auricle.errors import AuricleError
from auricle.files import write_json, write_table, write_text
from auricle.readers import read_table
from auricle.reports import plots
from auricle.reports.examples import sound_cards
from auricle.reports.page import CaptionedFigure, Section, Table, write_page
from auricle.reports.tables import in_percent, to_markdown
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import provenance
from auricle.studies.stress.figures import accuracy_heatmap, chance_level, confusions
from auricle.studies.stress.listening import answers
from auricle.studies.stress.statistics import StressTest
from auricle.studies.stress.verdict import verdict
from auricle.studies.workings import workings
from auricle.tasks.classification.evaluation import PREDICTIONS, ClassifierEvaluation
from auricle.tasks.classification.score import condition_name, noise_condition
from auricle.tasks.classification.train import train_classifier
from auricle.tasks.evaluate import evaluate

ROBUST = "robust"
ROBUST_SHARE = 1.5  # of the epochs of the others, as there is more to learn
_USUAL = {
    "optimization": {"learning_rate": 1e-3, "frontend_learning_rate": 1e-2, "schedule": "cosine"},
}
TRAININGS: dict[str, tuple[str, dict[str, Any]]] = {
    "mel": ("log-mel, clean clips", {"frontend": "mel", **_USUAL}),
    "leaf-apcen": ("LEAF with adaptive PCEN, clean clips", {"frontend": "leaf-apcen", **_USUAL}),
    ROBUST: ("the same under every kind of condition (--recipe robust)", {"recipe": "robust"}),
}
"""What is trained: the name of its run, in words, and its options."""
SNR_DB = [20.0, 10.0, 0.0]
NOISE = Suite("noise", (Cell(CLEAN, 0, CLEAN), *severity_cells("white", SNR_DB, lambda snr: {"snr_db": snr})))
SAMPLE_RATE = 8000
MARK = "demo.json"

OWN_FOLDER = """\
auricle check my-sounds
auricle train classifier --recipe robust --data my-sounds --output runs/mine
auricle evaluate runs/mine --data my-sounds --snr 20 10 0
auricle stress runs/mine --data my-sounds --suite full"""


@verb
def demo(options: Demo) -> Path:
    """Run the demo; returns the page's path."""
    folder, seed = Path(options.output), options.seed
    _clear(folder)
    started = time.time()
    print("Synthesising sound events. This data set is SYNTHETIC: its results say nothing about real recordings.")
    manifest = make_sound_events(folder / "data", n_clips=options.n_clips, sample_rate=SAMPLE_RATE, seed=seed)
    evaluations: dict[str, ClassifierEvaluation] = {}
    for name, (words, chosen) in TRAININGS.items():
        epochs = options.epochs if name != ROBUST else round(ROBUST_SHARE * options.epochs)
        print(f"\nTraining a small CNN, {words}, {epochs} epochs:")
        run = folder / "runs" / name
        train_classifier(
            data=[f"sounds={manifest}"],
            output=str(run),
            splits={"validation_share": 0.15},
            sample_rate=SAMPLE_RATE,
            seed=seed,
            quiet=options.quiet,
            **chosen | {"training": {"epochs": epochs}},
        )
        print(f"Measuring it on the test split, clean and at {', '.join(f'{snr:g}' for snr in SNR_DB)} dB:")
        evaluation = evaluate(run, data=manifest, split="test", snr=SNR_DB, seed=seed, quiet=options.quiet)
        assert isinstance(evaluation, ClassifierEvaluation)
        evaluations[name] = evaluation
        print(evaluation.text())
    seconds = time.time() - started
    page = _write_page(folder, manifest, evaluations, seconds, seed)
    print(f"\nDone in {seconds:.0f} s. Open {page} in a browser; the table is in {folder / 'results.csv'}.")
    print("Remember: synthetic data. On a folder of your own (one sub-folder per class):\n")
    print(OWN_FOLDER)
    return page


def _clear(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise AuricleError(f"{folder} holds files that are not a demo's: give another --output")
        shutil.rmtree(folder)
    write_json(folder / MARK, {"what": "auricle demo", **provenance()})


def _write_page(
    folder: Path, manifest: Path, evaluations: dict[str, ClassifierEvaluation], seconds: float, seed: int
) -> Path:
    models = {name: load_classifier(folder / "runs" / name) for name in evaluations}
    table = pd.DataFrame(
        [
            {"model": name} | {row.condition: in_percent(row.metrics["accuracy"]) for row in evaluation.measured}
            for name, evaluation in evaluations.items()
        ]
    )
    long = pd.concat([e.table().assign(run=name) for name, e in evaluations.items()])
    write_table(folder / "results.csv", long)
    write_text(folder / "table.md", to_markdown(table))

    test = read_data(str(manifest), DataOptions()).select(split="test")
    chosen = {clip.labels[0]: clip for clip in reversed(test.clips)}
    shown = [chosen[label] for label in ("bird", "siren", "knocks") if label in chosen]
    waveforms = {clip.labels[0]: audio.read(clip.path)[0] for clip in shown}
    frontends = {name: model.frontend for name, model in models.items()}
    measured = _as_stress_test(evaluations, seed)
    labels = models[ROBUST].task().labels
    chance = chance_level(measured, len(labels))
    met: dict[str, set[str] | None] = {name: set() for name in evaluations}
    met[ROBUST] = {"white"}
    drawn = folder / "plots"
    curve = plots.accuracy_against_snr({name: e.curve() for name, e in evaluations.items()})
    gains = {f"gain-{label}": workings(frontends[ROBUST], wave)["gain"] for label, wave in waveforms.items()}
    outputs = {label: plots.frontend_outputs(wave, SAMPLE_RATE, frontends) for label, wave in waveforms.items()}
    for name, figure in ({"accuracy-against-snr": curve} | gains | outputs).items():
        plots.save(figure, drawn / f"{name}.png")
    worst = NOISE.cells[-1]
    noise = noise_condition("gaussian", SNR_DB[-1], seed)
    rows = measured.cells[(measured.cells["model"] == ROBUST) & (measured.cells["cell"] == worst.name)]

    def corrupt(waveform: np.ndarray, clip: Clip) -> np.ndarray:
        return noise(waveform, clip, mean_power(waveform))

    versions = provenance()
    sections = [
        Section(
            "What this is",
            [
                "Three small classifiers, each trained for about a minute and measured on sounds from sources that "
                "training did not use: `mel` on log-mel features, `leaf-apcen` on LEAF's filters with adaptive PCEN, "
                "whose compression changes from frame to frame, and `robust`, the same trained by the recipe of "
                "that name, under every kind of condition.",
                "The sounds are synthetic, made by this program on your machine. The results show that everything "
                "works and what a result looks like; they do not say which is better on real recordings.",
            ],
            figures=sound_cards(waveforms, SAMPLE_RATE, drawn, "sound-"),
            columns=3,
        ),
        Section(
            "Accuracy, clean and in Gaussian noise",
            [
                f"{len(test)} test clips of nine classes, with 95 % bootstrap intervals over clips.",
                "The first two were trained on clean clips alone: they do well on these and fail in noise. The third "
                "was trained in noise (also Gaussian noise), in rooms, through codecs and with faults.",
            ],
            [accuracy_heatmap(measured, NOISE, chance)],
            tables=[Table(table, "Accuracy in %", folded=True, download=("results", long))],
            figures=[CaptionedFigure(curve, "Accuracy against signal-to-noise ratio.")],
        ),
        *answers(rows, ROBUST, cell_text(worst), corrupt, test, SAMPLE_RATE, drawn),
        Section(
            "What is taken for what",
            ["Rows are the true classes, columns the predicted ones, on clean test clips and in the most noise."],
            figures=confusions(measured, NOISE, labels, dict.fromkeys(evaluations, worst.name), drawn),
            columns=2,
        ),
        Section(
            "What the front-ends see",
            figures=[
                CaptionedFigure(figure, f"Front-end outputs for a clip of the class {label}.")
                for label, figure in outputs.items()
            ],
            columns=2,
        ),
        Section(
            "What adaptive PCEN does",
            ["Its gain and its two parameters over time: mean (line) and spread (shade) over bands."],
            figures=[CaptionedFigure(figure, f"On a clip of the class {name[5:]}.") for name, figure in gains.items()],
            columns=2,
        ),
        Section(
            "On your own recordings",
            [
                "Put them into a folder with one sub-folder per class (or write a manifest CSV with the columns `path` "
                "and `label`), then:"
            ],
            commands=[OWN_FOLDER],
        ),
        Section(
            "How this was made",
            [
                f"Seed {seed}, {seconds:.0f} s on {versions['machine']['processor']} with "
                f"{versions['machine']['cores']} cores, torch {versions['versions']['torch']}, "
                f"auricle {versions['versions']['auricle']}, {versions['date'][:10]}."
            ],
            commands=[versions["command"]],
        ),
    ]
    lead = f"On synthetic sounds, {verdict(measured, NOISE, 'mel', met, chance)}"
    return write_page(folder / "index.html", "auricle demo: synthetic sound events in noise", sections, lead)


def _as_stress_test(evaluations: dict[str, ClassifierEvaluation], seed: int) -> StressTest:
    """The predictions of the evaluations as those of a stress test under `NOISE`."""
    names = {condition_name("gaussian", snr): cell for snr, cell in zip([None, *SNR_DB], NOISE.cells, strict=True)}
    tables = []
    for model, evaluation in evaluations.items():
        rows = read_table(evaluation.folder / PREDICTIONS, dict.fromkeys(("clip", "group", "labels", "predicted"), str))
        cells = [names[condition] for condition in rows["condition"]]
        own = rows.assign(model=model, seed=seed, own=1, right=(rows["labels"] == rows["predicted"]).astype(int))
        corruptions, severities = [cell.corruption for cell in cells], [cell.severity for cell in cells]
        tables.append(own.assign(corruption=corruptions, severity=severities, cell=[cell.name for cell in cells]))
    return StressTest(pd.concat(tables, ignore_index=True), seed)
