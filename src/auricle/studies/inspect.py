"""`auricle inspect`: plots of what runs have learnt, and of their front-ends' outputs for given sounds."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from auricle import audio
from auricle.config import Inspect, verb
from auricle.data.windows import fit_length
from auricle.errors import AuricleError
from auricle.frontends import Frontend
from auricle.frontends.compression import Log
from auricle.frontends.spectral import SincGram, Spectrogram
from auricle.identity import display_names, file_names
from auricle.reports import plots
from auricle.reports.examples import sound_cards
from auricle.reports.page import CaptionedFigure, Section, Table, refuse_other_page, write_page
from auricle.runs.evaluation import refuse_model_folder
from auricle.runs.history import HISTORY, read_history
from auricle.runs.provenance import provenance
from auricle.studies.dynamic_range import dynamic_range_db
from auricle.studies.stress.models import StressedRun, tell_apart
from auricle.studies.together import together
from auricle.studies.workings import workings

PAGE = "index.html"


def inspect_runs(folders: Sequence[str], files: Sequence[str], output: Path) -> Path:
    """Write index.html and every plot as PNG to `output`; returns the page's path.

    Of several runs together: parameters of PCEN with tasks overlaid, and accuracy per epoch with front-ends overlaid.
    For each run: learnt filters, pooling windows and compression parameters beside the initial ones, and training
    curves. For each file (its first 10 s): each front-end's energies before compression and its output, the dynamic
    range before and after compression, the gain of adaptive compression over time, and the attention weights.
    """
    refuse_model_folder(output, "inspect")
    refuse_other_page(output / PAGE)
    runs = [StressedRun.open(folder, "cpu") for folder in folders]
    tell_apart(runs)
    rates = sorted({run.model.sample_rate for run in runs})
    if files and len(rates) > 1:
        raise AuricleError(f"one sound is seen through front-ends of one sample rate, and these have {rates} Hz")
    titles = display_names([Path(file).name for file in files], [Path(file).parent for file in files])
    run_names, sound_names = file_names(run.name for run in runs), file_names(titles)
    waveforms = [_beginning(Path(file), runs[0].model.frontend.hop_length, rates[0]) for file in files]
    sections = together(runs, output / "plots")
    sections += [section for run in runs for section in _learnt(run, output / "plots", run_names)]
    for waveform, title in zip(waveforms, titles, strict=True):
        sections.append(_heard(runs, waveform, title, output / "plots", sound_names[title], run_names))
    made = provenance()
    sections.append(
        Section(
            "How this was made",
            [f"auricle {made['versions']['auricle']}, {made['date'][:10]}."],
            commands=[made["command"]],
        )
    )
    return write_page(output / PAGE, "What the front-ends do", sections)


def _learnt(run: StressedRun, folder: Path, run_names: dict[str, str]) -> list[Section]:
    figures = run.learnt()
    history = run.folder / HISTORY
    if history.exists():
        figures["training"] = plots.training_curves(read_history(history))
    spectrograms = []
    for name, figure in figures.items():
        plots.save(figure, folder / f"{name}-{run_names[run.name]}.{run.seed}.png")
        since = "; dotted: where training started" if name in plots.DOTTED_START else ""
        title = plots.in_words(name)
        spectrograms.append(CaptionedFigure(figure, f"{title[0].upper()}{title[1:]}{since}."))
    return [Section(f"{run.name}, seed {run.seed}", figures=spectrograms, columns=2)]


def _beginning(path: Path, shortest: int, rate: int) -> np.ndarray:
    """The first 10 s of a file, of `shortest` samples at least."""
    waveform, _ = audio.read(path, sample_rate=rate, end_s=10.0)
    return fit_length(waveform, shortest)


def _heard(
    runs: Sequence[StressedRun],
    waveform: np.ndarray,
    title: str,
    folder: Path,
    sound_name: str,
    run_names: dict[str, str],
) -> Section:
    rate = runs[0].model.sample_rate
    frontends: dict[str, Frontend] = {}
    ranges, figures = [], []
    for run in runs:
        frontend = run.model.frontend
        name = f"{run.name}, seed {run.seed}"
        frontends |= stages(frontend, name)
        ranges.append({"front-end": name} | _range(frontend, waveform))
        for what, figure in workings(frontend, waveform).items():
            plots.save(figure, folder / f"{what}-{sound_name}.{run_names[run.name]}.{run.seed}.png")
            figures.append(CaptionedFigure(figure, f"{name}: {what} over time."))
    seen = plots.frontend_outputs(waveform, rate, frontends)
    plots.save(seen, folder / f"seen-{sound_name}.png")
    return Section(
        title,
        ["Each front-end's energies, on a logarithmic scale, and its output."],
        tables=[Table(pd.DataFrame(ranges), "Dynamic range over bands and frames")],
        figures=[
            *sound_cards({title: waveform}, rate, folder, "sound-"),
            CaptionedFigure(seen, f"Front-end outputs for {title}."),
            *figures,
        ],
        columns=2,
    )


def stages(frontend: Frontend, name: str) -> dict[str, Frontend]:
    """The stages of a front-end: up to its spectrogram (if its bands are computed from one), its energies, and all.

    Magnitudes and energies are shown on a logarithmic scale, so that soft sounds are visible.
    """
    shown: dict[str, Frontend] = {}
    linear = isinstance(frontend.compression, nn.Identity)
    energies = "SincGram" if isinstance(frontend.filterbank, SincGram) else "log energies"
    if isinstance(frontend.filterbank, SincGram):
        shown[f"{name}: spectrogram"] = below = _as_far_as(frontend, Log())
        bank = frontend.filterbank
        below.filterbank = Spectrogram(len(bank.window), bank.hop_length, bank.n_fft, bank.padding)
    if not isinstance(frontend.compression, nn.Identity | Log) or frontend.attention is not None:
        shown[f"{name}: {energies}"] = _as_far_as(frontend, Log())
    if linear:
        attention = [] if frontend.attention is None else [frontend.attention]
        shown[f"{name}, by its logarithm"] = _as_far_as(frontend, nn.Sequential(*attention, Log()))
    else:
        shown[name] = frontend
    return shown


def _as_far_as(frontend: Frontend, last: nn.Module) -> Frontend:
    """The front-end up to its energies, followed by `last`."""
    truncated = copy.deepcopy(frontend)
    truncated.compression, truncated.attention = last, None
    return truncated


def _range(frontend: Frontend, waveform: np.ndarray) -> dict[str, float]:
    """Dynamic range in dB before compression, and after it unless its output is negative, as for a logarithm."""
    clip = torch.from_numpy(waveform)[None]
    with torch.no_grad():
        energies, passed_on = frontend.energies(clip), frontend(clip)
    ranges = {"before, dB": float(dynamic_range_db(energies.clamp(min=0.0)))}
    if passed_on.min() >= 0:
        ranges["after, dB"] = float(dynamic_range_db(passed_on))
    return ranges


@verb
def inspect(options: Inspect) -> Path:
    """Plot runs and front-end outputs; returns the page's path."""
    return inspect_runs(options.runs, options.files or [], Path(options.output))
