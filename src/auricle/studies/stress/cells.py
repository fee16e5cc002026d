"""What every run answers for every clip under every condition: the cells from which all figures are made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

from auricle.conditions.suites import CLEAN, Cell, Suite, create_suite
from auricle.data.clips import Clip
from auricle.data.loading import ClipStore
from auricle.data.manifest import Manifest
from auricle.errors import AuricleError
from auricle.frontends.spec import frontend_name
from auricle.reports import plots
from auricle.runs.folder import SETTINGS
from auricle.runs.loading import load_classifier
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.score import EvaluationSet, score

TEXTS = dict.fromkeys(("run", "model", "corruption", "cell", "clip", "group", "labels", "predicted"), str)
COLUMNS = [
    "run", "model", "seed", "corruption", "severity", "cell", "clip", "group", "labels", "predicted", "right",
    "probability",
]  # fmt: skip


@dataclass
class StressedRun:
    """A run under test: its model, what it is called in figures, and its seed."""

    folder: Path
    model: Classifier
    name: str
    seed: int

    @classmethod
    def open(cls, folder: str, device: str = "auto") -> StressedRun:
        """The run of `folder`; runs of one front-end that differ in their seed alone have one name."""
        model = load_classifier(folder, device)
        return cls(Path(folder), model, frontend_name(model.config["frontend"]), model.seed)

    @property
    def met(self) -> set[str]:
        """The corruptions, by the names of the suites, that training had among its augmentations."""
        path = self.folder / SETTINGS
        settings = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}
        augmentation = settings.get("augmentation", {})
        met = {"white"} if augmentation.get("noise_snr_db") else set()
        if augmentation.get("conditions"):
            met |= set(create_suite(augmentation["conditions"]).corruptions)
        return met

    def learnt(self) -> dict[str, Figure]:
        """Figures of what the front-end has learnt, beside where it started."""
        return plots.frontend_figures(self.model.frontend, type(self.model).build(**self.model.config).frontend)


def read_cells(path: str | Path) -> pd.DataFrame:
    """Cells as they were written; labels that look like numbers stay text."""
    return pd.read_csv(path, keep_default_na=False, dtype=TEXTS)


def tell_apart(runs: Sequence[StressedRun]) -> None:
    """Give runs of one name and seed their folders' names, so that none is taken for another."""
    seen = [(run.name, run.seed) for run in runs]
    for run, key in zip(runs, seen, strict=True):
        if seen.count(key) > 1:
            run.name = f"{run.name}, {run.folder.name}"


def clean_first(suite: Suite) -> tuple[Cell, ...]:
    """Clean clips, with which every figure is compared, then the suite's other cells."""
    return (Cell(CLEAN, 0, CLEAN), *(cell for cell in suite.cells if cell.corruption != CLEAN))


def measure_cells(
    runs: Sequence[StressedRun], manifest: Manifest, suite: Suite, folder: Path, *, progress: bool = True
) -> pd.DataFrame:
    """Every run's answer for every clip of `manifest` in every cell; one row each, with `COLUMNS`.

    Of a suite of shares a clip goes through the cell that is its own, and clean through another's share; `own` tells.
    Finished cells lie in `folder` and are not measured again; those of other runs, clips or suites are an
    `AuricleError`.
    """
    task = runs[0].model.task()
    cells = clean_first(suite)
    assigned = suite.assign([clip.name for clip in manifest], [clip.labels[0] for clip in manifest])
    folder.mkdir(parents=True, exist_ok=True)
    _same_test(runs, manifest, suite, folder)
    tables = []
    stored: dict[tuple[tuple[Clip, ...], int], ClipStore] = {}
    for number, cell in enumerate(cells, start=1):
        own = {clip.name for clip, ones in zip(manifest, assigned, strict=True) if cell.name in {c.name for c in ones}}
        clips = tuple(clip for clip in manifest if clip.name in own or cell.corruption == CLEAN)
        stored = {key: store for key, store in stored.items() if key[0] == clips}
        made: dict[tuple[str, int, int], np.ndarray] = {}
        for run in runs:
            path = folder / f"{cell.name}@{run.folder.resolve().name}-{run.name}-{run.seed}.csv".replace("/", "_")
            if not path.exists():
                key = clips, run.model.sample_rate
                if key not in stored:
                    stored[key] = ClipStore(*key)
                part = EvaluationSet(task, Manifest(manifest.source, clips), stored[key])
                title = f"{number}/{len(cells)} {cell.name}, {run.name}" if progress else ""
                _measure(run, part, suite, cell, made, title).to_csv(path, index=False)
            table = read_cells(path)
            tables.append(table.assign(own=table["clip"].isin(own).astype(int)))
    return pd.concat(tables, ignore_index=True)


def _measure(
    run: StressedRun,
    part: EvaluationSet,
    suite: Suite,
    cell: Cell,
    made: dict[tuple[str, int, int], np.ndarray],
    title: str,
) -> pd.DataFrame:
    """One run in one cell; `made` holds the cell's clips that another run has had made."""
    rate = run.model.sample_rate

    def condition(waveform: np.ndarray, clip: Clip, power: float) -> np.ndarray:
        key = clip.name, rate, len(waveform)
        if key not in made:
            made[key] = suite.apply(cell, waveform, rate, clip.name)
        return made[key]

    scores = score(run.model, part, condition=condition if cell.corruption != CLEAN else None, progress=title)
    best = scores.probabilities.argmax(axis=1)
    rows = [
        [
            str(run.folder), run.name, run.seed, cell.corruption, cell.severity, cell.name, clip.name,
            clip.group or clip.name, ";".join(clip.labels), part.task.labels[index],
            int(part.task.labels[index] in clip.labels), round(float(row[index]), 6),
        ]
        for clip, index, row in zip(scores.clips, best, scores.probabilities, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def _same_test(runs: Sequence[StressedRun], manifest: Manifest, suite: Suite, folder: Path) -> None:
    """Refuse to go on in a folder that holds another test; leave the suite's spec there."""
    spec = suite.spec() | {"clips": [clip.name for clip in manifest], "data": str(manifest.source)}
    text = json.dumps(spec, indent=2, ensure_ascii=False) + "\n"
    path = folder / "suite.json"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise AuricleError(f"{folder} holds cells of another suite or of other clips: give another --output")
    path.write_text(text, encoding="utf-8")
