"""Report of a separator's evaluation: plots, tables, spectrograms and sounds in one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from auricle.conditions.levels import signed
from auricle.reports import plots
from auricle.reports.examples import sound_cards
from auricle.reports.page import CaptionedFigure, Section, Table, write_page
from auricle.tasks.separation.summary import METRICS, SeparatorEvaluation


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
        _classes(evaluation),
        *_examples(evaluation),
        _every_class(evaluation),
        _provenance(record, evaluation.n_heard),
    ]
    name = record["run"]["name"]
    return write_page(folder / "report.html", f"Separation: {name}", sections, gain_in_words(evaluation, name))


def gain_in_words(evaluation: SeparatorEvaluation, name: str) -> str:
    """What the separator `name` gains over the mixture by its last query, the average one if there is one."""
    query = evaluation.queries[-1]
    gain = evaluation.mean("sdri", query)
    low, high = (signed(bound, ".1f") for bound in (gain.low, gain.high))
    text = "is not shown to change the SDR of the sound sought"
    if gain.low > 0 or gain.high < 0:
        text = f"{'raises' if gain.low > 0 else 'lowers'} the SDR of the sound sought by {abs(gain.value):.1f} dB"
    return f"By the {query} query, `{name}` {text} ({low} to {high}), over the mixture."


def _classes(evaluation: SeparatorEvaluation) -> Section:
    medians = evaluation.by_class("sdri")
    lines = {query: {str(k): float(v) for k, v in medians[query].items()} for query in evaluation.queries}
    figure = plots.by_class(lines, "SDR improvement (dB)")
    plots.save(figure, evaluation.folder / "plots" / "by-class.png")
    ranked = medians[evaluation.queries[-1]].sort_values(ascending=False)
    caption = (
        f"Median SDR improvement of each class, sorted by that with the {evaluation.queries[-1]} query: from "
        f"{signed(ranked.iloc[0], '.1f')} dB ({ranked.index[0]}) to {signed(ranked.iloc[-1], '.1f')} dB "
        f"({ranked.index[-1]})."
    )
    return Section("Class by class", figures=[CaptionedFigure(figure, caption)])


def _every_class(evaluation: SeparatorEvaluation) -> Section:
    columns = {
        f"{head.removesuffix(', dB')} {query}": evaluation.by_class(metric)[query]
        for metric, head in METRICS.items()
        for query in evaluation.queries
        if metric.endswith("i")
    }
    table = pd.DataFrame(columns).round(2)
    last = list(columns)[len(evaluation.queries) - 1]
    return Section(
        "Every class", tables=[Table(table.sort_values(last, ascending=False), "Medians in dB", folded=True)]
    )


def _examples(evaluation: SeparatorEvaluation) -> list[Section]:
    """The best, the median and the worst mixture: each of its sounds beside its spectrogram."""
    figures: list[CaptionedFigure] = []
    texts = ["All spectrograms of a mixture have the same colours."]
    for place, example in evaluation.examples.items():
        row = example.row
        waves = {"mixture": example.mixture, "target": example.target, "result": example.result}
        captions = {
            f"{place}, mixture": f"{row['class']} ({row['clip']}) in {row['other_class']} ({row['other_clip']}).",
            f"{place}, target": f"{row['class']} alone.",
            f"{place}, result": f"By the {row['query']} query: SDR {signed(row['sdr'], '.1f')} dB, an improvement of "
            f"{signed(row['sdri'], '.1f')} dB.",
        }
        named = {f"{place}, {name}": wave for name, wave in waves.items()}
        figures += sound_cards(named, evaluation.sample_rate, evaluation.folder / "plots", "", captions)
    heading = "The best, the median and the worst mixture"
    return [Section(heading, texts, figures=figures, columns=3)] if figures else []


def _provenance(record: dict[str, Any], n_heard: int) -> Section:
    made, data, settings = record["provenance"], record["data"], record["settings"]
    heard = f"; its autoencoder learnt from {n_heard} of them without labels" if n_heard else ""
    texts = [
        f"{settings['mixtures']} mixtures for each class of {data['n_clips']} clips of {data['path']}, "
        f"drawn from seed {settings['seed']}; none of the clips is known to have been used in training the separator "
        f"or its tagger{heard}.",
        f"{made['machine']['processor']}, {made['machine']['cores']} cores, torch {made['versions']['torch']}, "
        f"auricle {made['versions']['auricle']}, {made['date'][:10]}.",
    ]
    return Section("How this was made", texts, commands=[made["command"]])
