"""Sounds of a stress test: one clip under every corruption, and the best, the median and the worst answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from auricle.conditions.levels import cell_text
from auricle.conditions.suites import CLEAN, Suite
from auricle.data.clip_store import ClipStore
from auricle.data.clips import Clip, unique_names
from auricle.data.labels import listable
from auricle.data.manifest import Manifest
from auricle.data.windows import loudest_start
from auricle.identity import file_names
from auricle.reports import plots
from auricle.reports.examples import best_median_worst, sound_cards
from auricle.reports.page import CaptionedFigure, Section
from auricle.studies.stress.models import StressedModel
from auricle.studies.workings import workings

EXAMPLE_S = 4.0


def every_corruption(manifest: Manifest, suite: Suite, rate: int, folder: Path) -> Section:
    """One clip, clean and under every corruption at its worst level."""
    clip = _long_clip(manifest)
    waveform = _loudest(clip, rate)
    shown = {CLEAN: waveform}
    for corruption in suite.corruptions:
        cell = [cell for cell in suite.cells if cell.corruption == corruption][-1]
        shown[cell_text(cell)] = suite.apply(cell, waveform, rate, clip.name)
    text = f"The clip {clip.name} ({_labels(clip)}), clean and under every corruption at its worst level."
    return Section(
        "What the conditions sound like", [text], figures=sound_cards(shown, rate, folder, "sound-"), columns=3
    )


def answers(
    rows: pd.DataFrame,
    model: str,
    condition: str,
    corrupt: Callable[[np.ndarray, Clip], np.ndarray],
    manifest: Manifest,
    rate: int,
    folder: Path,
) -> list[Section]:
    """The clips that a model answers best, middling and worst under a condition, each clean and corrupted.

    `rows` are the cells of that condition, `corrupt` makes a clip `(time,)` at `rate` Hz sound like it.
    """
    clips = dict(zip(unique_names(manifest.clips), manifest.clips, strict=True))
    rows = rows[rows["clip"].isin(clips)].reset_index(drop=True)
    sureness = np.where(rows["right"] == 1, rows["probability"], -rows["probability"].astype(float))
    figures: list[CaptionedFigure] = []
    for place, index in best_median_worst(list(sureness)).items():
        row = rows.iloc[index]
        clip = clips[str(row["clip"])]
        waveform = _loudest(clip, rate)
        clean, corrupted = f"{place}, {CLEAN}", f"{place}, {condition}"
        said = f"{'right, ' if row['right'] else 'taken for '}{row['predicted']} ({row['probability']:.2f})."
        captions = {clean: f"{clip.name}: {_labels(clip)}.", corrupted: f"{_labels(clip)}: {said}"}
        waves = {clean: waveform, corrupted: corrupt(waveform, clip)}
        figures += sound_cards(waves, rate, folder, "answer-", captions)
    text = (
        f"What `{model}` makes of {condition}, its worst condition, on clips in the order of the probability of its "
        "answer, wrong answers last."
    )
    heading = "The best, the median and the worst answer"
    return [Section(heading, [text], figures=figures, columns=2)] if figures else []


def seen(
    models: Mapping[str, StressedModel], cell_name: str, manifest: Manifest, suite: Suite, folder: Path
) -> list[Section]:
    """What front-ends make of one clip, clean and in a cell, and the gain of those that adapt over time."""
    known = [(name, model.frontend) for name, model in models.items()]
    rate = next((frontend.sample_rate for _, frontend in known if frontend is not None), 0)
    frontends = {name: frontend for name, frontend in known if frontend is not None and frontend.sample_rate == rate}
    if not frontends:
        return []
    clip = _long_clip(manifest)
    waves = {CLEAN: _loudest(clip, rate)}
    for cell in suite.cells:
        if cell.name == cell_name and cell.corruption != CLEAN:
            waves[cell_text(cell)] = suite.apply(cell, waves[CLEAN], rate, clip.name)
    outputs, gains = [], []
    model_names, wave_names = file_names(frontends), file_names(waves)
    for where, wave in waves.items():
        figure = plots.frontend_outputs(wave, rate, frontends)
        plots.save(figure, folder / f"seen-{wave_names[where]}.png")
        outputs.append(CaptionedFigure(figure, f"{where}: output of each front-end.", f"Front-end outputs, {where}"))
        for name, frontend in frontends.items():
            for what, figure in workings(frontend, wave).items():
                plots.save(figure, folder / f"{what}-{model_names[name]}.{wave_names[where]}.png")
                gains.append(CaptionedFigure(figure, f"{name}, {where}: {what} over time."))
    sections = [Section("What the front-ends make of it", [f"The clip {clip.name}."], figures=outputs, columns=2)]
    if gains:
        text = "Gain in dB of adaptive compression in each band, and its parameters: mean and spread over the bands."
        sections.append(Section("What adapts over time", [text], figures=gains, columns=2))
    return sections


def _labels(clip: Clip) -> str:
    return ", ".join(map(listable, clip.labels)) or "no label"


def _long_clip(manifest: Manifest) -> Clip:
    """A clip to listen to: one of at least `EXAMPLE_S` seconds, or the longest."""
    return max(manifest.clips, key=lambda clip: (min(clip.duration_s, EXAMPLE_S), clip.name))


def _loudest(clip: Clip, rate: int) -> np.ndarray:
    """The loudest `EXAMPLE_S` seconds of a clip, `(time,)` at `rate` Hz."""
    waveform, n_samples = ClipStore((clip,), rate).read(0), round(EXAMPLE_S * rate)
    start = loudest_start(waveform, n_samples)
    return waveform[start : start + n_samples]
