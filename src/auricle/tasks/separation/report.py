"""Report of a separator's evaluation: plots, tables, spectrograms and sounds in one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from auricle.reports import plots
from auricle.reports.page import CaptionedFigure, Section, SoundPlayer, Table, write_page
from auricle.tasks.separation.summary import METRICS, Example, SeparatorEvaluation

_PLACES = ("best", "median", "worst")


def write_report(evaluation: SeparatorEvaluation, record: dict[str, Any]) -> Path:
    """Write report.html and the plots to the evaluation's folder; returns the page's path.

    `record` is the content of results.json.
    """
    folder = evaluation.folder
    sections = [
        Section(
            "Results",
            [
                f"{evaluation.n_mixtures} mixtures of two sounds of different classes ({evaluation.split}), "
                f"{record['settings']['segment_s']:g} s each, at equal energies. The separator extracts one of "
                "them: by the sound itself (oracle, not available in practice) or by the average query of its class. "
                "The value of a class is the median of its mixtures; the values here are means over classes, with 95 % "
                "bootstrap intervals over classes in brackets. SDRi and SI-SDRi are improvements over the mixture.",
            ],
            tables=[Table(evaluation.summary())],
        ),
        _curve(evaluation),
        *_examples(evaluation),
        _every_class(evaluation),
        _provenance(record),
    ]
    return write_page(folder / "report.html", f"Separation: {record['run']['name']}", sections)


def _curve(evaluation: SeparatorEvaluation) -> Section:
    medians = evaluation.by_class("sdri")
    lines = {query: {str(k): float(v) for k, v in medians[query].items()} for query in evaluation.queries}
    figure = plots.by_class(lines, "SDR improvement (dB)")
    plots.save(figure, evaluation.folder / "plots" / "by-class.png")
    caption = f"Median SDR improvement of each class, sorted by that with the {evaluation.queries[-1]} query."
    return Section("Class by class", figures=[CaptionedFigure(figure, caption, "Class-wise SDR improvement, sorted")])


def _every_class(evaluation: SeparatorEvaluation) -> Section:
    columns = {
        f"{head.removesuffix(', dB')} {query}": evaluation.by_class(metric)[query]
        for metric, head in METRICS.items()
        for query in evaluation.queries
        if metric.endswith("i")
    }
    table = pd.DataFrame(columns).round(2)
    last = list(columns)[len(evaluation.queries) - 1]
    return Section("Every class", tables=[Table(table.sort_values(last, ascending=False), "Medians in dB")])


def _examples(evaluation: SeparatorEvaluation) -> list[Section]:
    """A section for the best, the median and the worst mixture: spectrograms and sounds."""
    sections = []
    for place, example in zip(_places(len(evaluation.examples)), evaluation.examples, strict=True):
        row, rate = example.row, evaluation.sample_rate
        waves = _waves(example)
        figure = plots.spectrograms(waves, rate)
        plots.save(figure, evaluation.folder / "plots" / f"{place}.png")
        text = (
            f"{row['class']} ({row['clip']}) in {row['other_class']} ({row['other_clip']}), separated by the "
            f"{row['query']} query: SDR {row['sdr']:.1f} dB, an improvement of {row['sdri']:.1f} dB."
        )
        caption = "All spectrograms have the same colours."
        sections.append(
            Section(
                f"The {place} mixture",
                [text],
                figures=[
                    CaptionedFigure(figure, caption, f"Spectrograms of mixture, target and result: {place} mixture")
                ],
                audio=[SoundPlayer(name, wave, rate) for name, wave in waves.items()],
            )
        )
    return sections


def _places(n: int) -> tuple[str, ...]:
    return _PLACES if n == 3 else (_PLACES[0], _PLACES[-1])[:n]


def _waves(example: Example) -> dict[str, np.ndarray]:
    return {"mixture": example.mixture, "target": example.target, "result": example.result}


def _provenance(record: dict[str, Any]) -> Section:
    made, data, settings = record["provenance"], record["data"], record["settings"]
    texts = [
        f"{settings['mixtures']} mixtures for each class of {data['n_clips']} clips of {data['path']}, "
        f"drawn from seed {settings['seed']}; none of the clips was used in training.",
        f"{made['machine']['processor']}, {made['machine']['cores']} cores, torch {made['versions']['torch']}, "
        f"auricle {made['versions']['auricle']}, {made['date'][:10]}.",
    ]
    return Section("How this was made", texts, commands=[made["command"]])
