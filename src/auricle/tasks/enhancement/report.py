"""Report of an enhancer's evaluation: metrics, curves, spectrograms and sounds in one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from auricle.conditions.levels import signed, true_minus
from auricle.errors import counted
from auricle.metrics.intervals import Interval
from auricle.reports import plots
from auricle.reports.examples import sound_cards
from auricle.reports.metrics import METRICS as TEXTS
from auricle.reports.page import CaptionedFigure, Section, Table, write_page
from auricle.tasks.enhancement.evaluation import ALL, GAIN, METRICS, NOISY, SAMPLE_RATE, EnhancerEvaluation

REPORT = "report.html"
_DRAWN = ("pesq", "stoi", "si_sdr")


def write_report(evaluation: EnhancerEvaluation, record: dict[str, Any]) -> Path:
    """Write report.html and the plots to the evaluation's folder; returns the page's path.

    `record` is the content of results.json.
    """
    made, settings = record["provenance"], record["settings"]
    unit = "groups of clips" if evaluation.by_group else "clips"
    n_clips = counted(evaluation.n_clips, "clip")
    sections = [
        Section(
            "Speech quality",
            [f"{n_clips} ({evaluation.split}), with 95 % intervals by bootstrap over {unit}."],
            tables=[
                Table(_table(evaluation, GAIN), "Gain over the noisy clips, paired"),
                Table(_table(evaluation, ""), "Means", folded=True),
            ],
            figures=_curves(evaluation),
            columns=2,
        ),
        *_examples(evaluation),
        Section(
            "How this was made",
            [
                f"Data: {record['data']['path']}; seed {settings['seed']}.",
                f"{made['machine']['processor']}, {made['machine']['cores']} cores, torch {made['versions']['torch']}, "
                f"auricle {made['versions']['auricle']}, {made['date'][:10]}.",
            ],
            commands=[made["command"]],
        ),
    ]
    title = f"Enhancement: {record['run']['name']}"
    return write_page(evaluation.folder / REPORT, title, sections, gain_in_words(evaluation))


def gain_in_words(evaluation: EnhancerEvaluation) -> str:
    """What the enhancer gains over the noisy clips, over all SNRs; only what its interval shows is called a gain."""
    row = [row for row in evaluation.measured if row.enhancer != NOISY][-1]
    up: list[str] = []
    down: list[str] = []
    rest: list[str] = []
    for metric in _DRAWN:
        gain, text = row.metrics[metric + GAIN], TEXTS[metric]
        places = text.decimals
        shown = f"{text.label} by {abs(gain.value):.{places}f}{f' {text.unit}' if text.unit else ''}"
        shown += f" ({signed(gain.low, f'.{places}f')} to {signed(gain.high, f'.{places}f')})"
        where = up if gain.low > 0 else down if gain.high < 0 else rest
        where.append(text.label if where is rest else shown)
    parts = [f"raises {', '.join(up)}"] if up else []
    parts += [f"lowers {', '.join(down)}"] if down else []
    parts += [f"does not show a change of {', '.join(rest)}"] if rest else []
    return f"`{row.enhancer}` {'; it '.join(parts)}, over the noisy clips."


def _table(evaluation: EnhancerEvaluation, suffix: str) -> pd.DataFrame:
    rows = []
    for row in evaluation.measured:
        if suffix and row.enhancer == NOISY:
            continue
        metrics = {TEXTS[metric].head: row.metrics[metric + suffix] for metric in METRICS}
        rows.append({"SNR": true_minus(row.condition), "enhancer": row.enhancer, **metrics})
    return pd.DataFrame(rows)


def _curves(evaluation: EnhancerEvaluation) -> list[CaptionedFigure]:
    """Metrics against the SNR, a line for each enhancer, where there are several levels."""
    rows = [row for row in evaluation.measured if row.condition != ALL and row.snr_db is not None]
    if len({row.snr_db for row in rows}) < 2:
        return []
    figures = []
    for metric in _DRAWN:
        curves: dict[str, list[tuple[float | None, Interval]]] = {}
        for row in rows:
            curves.setdefault(str(row.enhancer), []).append((row.snr_db, row.metrics[metric]))
        figure = plots.accuracy_against_snr(curves, TEXTS[metric].head)
        plots.save(figure, evaluation.folder / "plots" / f"{metric}.png")
        lowest = min(row.snr_db for row in rows if row.snr_db is not None)
        there = [f"{name} {signed(own.value, f'.{TEXTS[metric].decimals}f')}" for name, curve in curves.items()
                 for snr, own in curve if snr == lowest]  # fmt: skip
        caption = f"{TEXTS[metric].head} against the SNR; at {signed(lowest)} dB: {', '.join(there)}."
        figures.append(CaptionedFigure(figure, caption))
    return figures


def _examples(evaluation: EnhancerEvaluation) -> list[Section]:
    """The clips of the best, the median and the worst gain in PESQ: noisy, enhanced and clean."""
    figures: list[CaptionedFigure] = []
    for place, example in evaluation.examples.items():
        row = example.row
        waves = {"noisy": example.noisy, "enhanced": example.enhanced, "clean": example.clean}
        level = row["snr"] if isinstance(row["snr"], str) else f"{signed(row['snr'])} dB"
        captions = {
            f"{place}, noisy": f"{row['clip']}, {level}: PESQ {example.noisy_pesq:.2f}.",
            f"{place}, enhanced": f"By {row['enhancer']}: PESQ {row['pesq']:.2f}.",
        }
        named = {f"{place}, {name}": wave for name, wave in waves.items()}
        figures += sound_cards(named, SAMPLE_RATE, evaluation.folder / "plots", "", captions)
    heading = "The best, the median and the worst gain"
    texts = ["Clips in the order of their gain in PESQ. All spectrograms of a clip have the same colours."]
    return [Section(heading, texts, figures=figures, columns=3)] if figures else []
