"""The tabs in which models and reports are used."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from auricle.studies.studio.bench import SOUNDS, WHOLE, Bench
from auricle.studies.studio.models import ENHANCES, LABELS, SEPARATES
from auricle.studies.studio.reports import CARD
from auricle.studies.studio.works import Works


def html() -> gr.HTML:
    """A place for cards."""
    return gr.HTML("", apply_default_css=False, js_on_load=None)


def label_tab(bench: Bench, works: Works, session: gr.State) -> None:
    """Labels with events on the time axis."""
    which = _which()
    with gr.Row():
        model = _models(bench, LABELS)
        threshold, hop_s = _thresholds()
    run = _run_and_stop(works, "Label")
    works.on(run.click, bench.label, [session, which, model, threshold, hop_s], html(), "label")


def enhance_tab(bench: Bench, works: Works, session: gr.State) -> None:
    """A sound beside its enhanced version."""
    which = _which()
    model = _models(bench, ENHANCES)
    run = _run_and_stop(works, "Enhance")
    works.on(run.click, bench.enhance, [session, which, model], html(), "enhance")


def separate_tab(bench: Bench, works: Works, session: gr.State) -> None:
    """The sources of a sound."""
    which = _which()
    with gr.Row():
        model = _models(bench, SEPARATES)
        classes = gr.Dropdown(
            bench.models.classes(model.value),
            value=[],
            multiselect=True,
            allow_custom_value=True,
            label="Classes",
            info="none: whatever is found",
        )
        threshold = gr.Slider(0, 1, 0.2, step=0.05, label="Threshold", info="from which a class counts as found")
    run = _run_and_stop(works, "Separate")

    def offered(model: str | None) -> Any:
        return gr.Dropdown(bench.models.classes(model), value=[])

    works.on(model.input, offered, [model], classes, show_progress="hidden")
    works.on(run.click, bench.separate, [session, which, model, classes, threshold], html(), "separate")


def compare_tab(bench: Bench, works: Works, session: gr.State) -> None:
    """Two models on the same sound."""
    which = _which()
    kinds = (LABELS, ENHANCES, SEPARATES)
    with gr.Row():
        first = _models(bench, *kinds, label="First model")
        second = _models(bench, *kinds, label="Second model", place=1)
        threshold, hop_s = _thresholds()
    run = _run_and_stop(works, "Compare")
    works.on(run.click, bench.compare, [session, which, first, second, threshold, hop_s], html(), "compare")


def reports_tab(bench: Bench, works: Works) -> None:
    """Pages and model cards."""
    names = list(bench.reports.found)
    info = None if names else "none here: give a folder, as in auricle studio runs --reports stress"
    chosen = gr.Dropdown(names, value=None, label="Report", info=info)
    shown, card = html(), gr.Markdown("")

    def opened(name: str | None) -> tuple[str, str]:
        if not name:
            return "", ""
        if bench.reports.found[name].file.name == CARD:
            return "", bench.reports.card(name)
        address, title = escape(bench.reports.address(name)), escape(name)
        link = f'<a href="{address}" target="_blank" rel="noopener">Open {title} in a tab of its own</a>'
        frame = f'<iframe src="{address}" title="{title}" sandbox="allow-scripts"></iframe>'
        return f'<div class="opened"><p class="note">{link}</p>{frame}</div>', ""

    works.on(chosen.change, opened, [chosen], [shown, card], "report")


def _which() -> gr.Radio:
    return gr.Radio(list(SOUNDS), value=WHOLE, label="Sound")


def _models(bench: Bench, *kinds: str, label: str = "Model", place: int = 0) -> gr.Dropdown:
    names = bench.models.names(*kinds)
    info = None if names else "none here: give a folder of runs, as in auricle studio runs"
    return gr.Dropdown(names, value=names[place] if len(names) > place else None, label=label, info=info)


def _thresholds() -> tuple[gr.Slider, gr.Number]:
    threshold = gr.Slider(0, 1, 0, step=0.05, label="Threshold", info="0: the run's own, else 0.5")
    hop_s = gr.Number(0, label="Hop (s)", info="0: windows follow each other", minimum=0)
    return threshold, hop_s


def _run_and_stop(works: Works, words: str) -> gr.Button:
    with gr.Row():
        run = gr.Button(words, variant="primary")
        works.stop_button()
    return run
