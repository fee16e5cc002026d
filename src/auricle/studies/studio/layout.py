"""The page: what is on it and what happens when it is used; imports Gradio."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import gradio as gr

from auricle.errors import AuricleError, first_line
from auricle.progress import told_to
from auricle.studies.studio.bench import SOUNDS, WHOLE, Bench, Session
from auricle.studies.studio.models import ENHANCES, LABELS, SEPARATES
from auricle.studies.studio.reports import CARD
from auricle.studies.studio.situation import (
    CODECS,
    FAULTS,
    NOISES,
    NONE,
    WITH_BITRATE,
    WITH_QUALITY,
    Situation,
)
from auricle.studies.studio.sounds import LONGEST_STRETCH_S
from auricle.studies.studio.style import SCRIPT, STYLE

WORK: dict[str, Any] = {"concurrency_id": "work", "concurrency_limit": 1}
"""One computation at a time: models are not made for several threads."""
BAR = gr.Progress()
_STRETCH_S = 10.0
_UNUSED_S = 3600.0
_HEAD = """<div class="studio-head"><h1>auricle studio</h1>
<p>Drop a sound or record one: hear and see it in noise, rooms and codecs, and run your models on it. Everything stays
on this machine.</p></div>"""


class Stopped(AuricleError):
    """The work was stopped by the user."""


class Works:
    """The work of each browser tab, which can be stopped between its steps."""

    def __init__(self) -> None:
        self._stops: dict[str, threading.Event] = {}

    @contextmanager
    def begun(self, request: gr.Request, progress: gr.Progress) -> Iterator[None]:
        """Context manager: shows how far the work is, and says errors in words."""
        stop = self._stops[str(request.session_hash)] = threading.Event()

        def tell(what: str, done: int, total: int) -> None:
            if stop.is_set():
                raise Stopped("stopped")
            progress((done, total), desc=what, unit="parts")

        try:
            with told_to(tell):
                yield
        except Stopped:
            raise _error("The work was stopped.", "Stopped", duration=5) from None
        except AuricleError as error:
            raise _error(str(error), "That is not possible") from None
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            raise _error(f"{type(error).__name__}: {first_line(error)}", "An error of auricle") from None

    def stop(self, request: gr.Request) -> None:
        """Stop the work of a tab before its next step."""
        if found := self._stops.get(str(request.session_hash)):
            found.set()


def _error(text: str, title: str, duration: float | None = None) -> gr.Error:
    return gr.Error(escape(text), title=title, duration=duration, print_exception=False)


def theme() -> gr.themes.Base:
    """Gradio's usual theme with the fonts of the system."""
    sans = [gr.themes.Font(name) for name in ("system-ui", "Segoe UI", "Roboto", "Liberation Sans", "sans-serif")]
    mono = [gr.themes.Font(name) for name in ("ui-monospace", "Menlo", "Consolas", "monospace")]
    made = gr.themes.Default(primary_hue="teal", font=sans, font_mono=mono)
    return made.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_title_text_color="*neutral_700",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        color_accent="*primary_700",
        slider_color="*primary_700",
    )


LOOKS: dict[str, Any] = {"css": STYLE, "head": SCRIPT}


def html() -> gr.HTML:
    return gr.HTML("", apply_default_css=False, js_on_load=None)


def page(bench: Bench) -> gr.Blocks:
    """The page over `bench`."""
    works = Works()
    with gr.Blocks(title="auricle studio", analytics_enabled=False, delete_cache=(600, int(_UNUSED_S))) as blocks:
        gr.HTML(_HEAD, apply_default_css=False, js_on_load=None)
        session = gr.State(None, time_to_live=None, delete_callback=_forget)
        dropped = gr.Audio(
            label="Drop or record a sound",
            sources=["upload", "microphone"],
            type="filepath",
            editable=False,
            elem_id="dropped",
            buttons=[],
        )
        whole = html()
        with gr.Tabs():
            with gr.Tab("See and hear"):
                look = _look(bench, works, session, whole)
            with gr.Tab("Label"):
                _label(bench, works, session)
            with gr.Tab("Enhance"):
                _enhance(bench, works, session)
            with gr.Tab("Separate"):
                _separate(bench, works, session)
            with gr.Tab("Compare"):
                _compare(bench, works, session)
            with gr.Tab("Reports"):
                _reports(bench)
        start, length, run_look = look

        def take(path: str | None, before: Session | None, request: gr.Request, progress: Any = BAR) -> Any:
            _forget(before)
            if path is None:
                return None, "", gr.Slider(), gr.Slider()
            with works.begun(request, progress):
                taken = bench.take(path)
                seconds = round(taken.picture.duration_s, 1)
                return (
                    taken,
                    bench.whole(taken),
                    gr.Slider(maximum=max(0.1, round(seconds, 1)), value=0.0),
                    gr.Slider(
                        maximum=round(max(0.1, min(LONGEST_STRETCH_S, seconds)), 1),
                        value=round(min(_STRETCH_S, seconds), 1),
                    ),
                )

        taking = dropped.change(
            take,
            [dropped, session],
            [session, whole, start, length],
            api_name="take",
            show_progress_on=whole,
            **WORK,
        )
        run_look(taking.success)
    return blocks


def _forget(session: Session | None) -> None:
    if session is not None:
        session.shelf.clear()


def _look(bench: Bench, works: Works, session: gr.State, whole: gr.HTML) -> Any:
    with gr.Row():
        start = gr.Slider(0, 60, 0, step=0.1, label="Start of the stretch (s)")
        length = gr.Slider(0.1, LONGEST_STRETCH_S, _STRETCH_S, step=0.1, label="Length of the stretch (s)")
        frontend = gr.Dropdown(
            bench.frontends(),
            value="mel",
            label="Front-end",
            info="or with options, as in leaf:n_filters=64",
            allow_custom_value=True,
        )
    with gr.Row():
        noise = gr.Dropdown([NONE, *NOISES], value="noise", label="Noise")
        snr_db = gr.Slider(-10, 40, 10, step=1, label="Signal-to-noise ratio (dB)")
        rt60_s = gr.Slider(0, 3, 0, step=0.1, label="Reverberation time (s)", info="0: no room")
    with gr.Row():
        codec = gr.Dropdown([NONE, *CODECS], value=NONE, label="Codec")
        kbps = gr.Slider(6, 128, 16, step=2, label="Bit rate (kbit/s)", visible=False)
        quality = gr.Slider(0, 1, 0.3, step=0.05, label="Quality", visible=False)
        fault = gr.Dropdown([NONE, *FAULTS], value=NONE, label="Fault")
        amount = gr.Slider(0, 1, 0, label="Amount", visible=False)
        seed = gr.Number(0, label="Seed", info="another seed, another noise", precision=0, minimum=0)
    show = gr.Button("Show", variant="primary")
    looked = html()

    def run(
        session: Session | None,
        start_s: float,
        length_s: float,
        frontend: str,
        noise: str,
        snr_db: float,
        rt60_s: float,
        fault: str,
        amount: float,
        codec: str,
        kbps: float,
        quality: float,
        seed: int,
        request: gr.Request,
        progress: Any = BAR,
    ) -> Any:
        with works.begun(request, progress):
            before = _begun(session)
            situation = Situation(noise, snr_db, rt60_s, fault, amount, codec, kbps, quality, int(seed or 0))
            after, shown = bench.look(before, start_s, length_s, frontend, situation)
            moved = before.stretch is None or before.stretch.start_s != after.stretch.start_s  # type: ignore[union-attr]
            return after, bench.whole(after) if moved else gr.skip(), shown

    def of_codec(codec: str) -> Any:
        return gr.Slider(visible=codec in WITH_BITRATE), gr.Slider(visible=codec in WITH_QUALITY)

    def of_fault(name: str) -> Any:
        if name == NONE or not FAULTS[name].words:
            return gr.Slider(visible=False)
        kind = FAULTS[name]
        return gr.Slider(kind.lowest, kind.highest, kind.usual, step=kind.step, label=kind.words, visible=True)

    values = [start, length, frontend, noise, snr_db, rt60_s, fault, amount, codec, kbps, quality, seed]

    def wire(listener: Any, **options: Any) -> Any:
        return listener(run, [session, *values], [session, whole, looked], show_progress_on=looked, **options, **WORK)

    codec_set = codec.input(of_codec, codec, [kbps, quality], api_visibility="private")
    fault_set = fault.input(of_fault, fault, amount, api_visibility="private")
    wire(show.click, api_name="look")
    private: dict[str, Any] = {"api_visibility": "private", "trigger_mode": "always_last"}
    for slider in (start, length, snr_db, rt60_s, kbps, quality, amount):
        wire(slider.release, **private)
    for chosen in (frontend, noise):
        wire(chosen.input, **private)
    wire(seed.submit, **private)
    for done in (codec_set, fault_set):
        wire(done.success, api_visibility="private")
    return start, length, lambda listener: wire(listener, api_visibility="private")


def _begun(session: Session | None) -> Session:
    if session is None:
        raise AuricleError("drop or record a sound first")
    return session


def _which() -> gr.Radio:
    return gr.Radio(list(SOUNDS), value=WHOLE, label="Sound")


def _run_and_stop(works: Works, words: str) -> gr.Button:
    with gr.Row():
        run = gr.Button(words, variant="primary")
        stop = gr.Button("Stop")
    stop.click(works.stop, api_visibility="private", queue=False)
    return run


def _models(bench: Bench, *kinds: str, label: str = "Model", place: int = 0) -> gr.Dropdown:
    names = bench.models.names(*kinds)
    info = None if names else "none here: give a folder of runs, as in auricle studio runs"
    return gr.Dropdown(names, value=names[place] if len(names) > place else None, label=label, info=info)


def _thresholds() -> tuple[gr.Slider, gr.Number]:
    threshold = gr.Slider(0, 1, 0, step=0.05, label="Threshold", info="0: the run's own, else 0.5")
    hop_s = gr.Number(0, label="Hop (s)", info="0: windows follow each other", minimum=0)
    return threshold, hop_s


def _label(bench: Bench, works: Works, session: gr.State) -> None:
    which = _which()
    with gr.Row():
        model = _models(bench, LABELS)
        threshold, hop_s = _thresholds()
    run = _run_and_stop(works, "Label")
    shown = html()

    def label(
        session: Session | None,
        which: str,
        model: str,
        threshold: float,
        hop_s: float,
        request: gr.Request,
        progress: Any = BAR,
    ) -> str:
        with works.begun(request, progress):
            return bench.label(_begun(session), which, model or "", threshold or None, hop_s or None)

    run.click(label, [session, which, model, threshold, hop_s], shown, api_name="label", **WORK)


def _enhance(bench: Bench, works: Works, session: gr.State) -> None:
    which = _which()
    model = _models(bench, ENHANCES)
    run = _run_and_stop(works, "Enhance")
    shown = html()

    def enhance(session: Session | None, which: str, model: str, request: gr.Request, progress: Any = BAR) -> str:
        with works.begun(request, progress):
            return bench.enhance(_begun(session), which, model or "")

    run.click(enhance, [session, which, model], shown, api_name="enhance", **WORK)


def _separate(bench: Bench, works: Works, session: gr.State) -> None:
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
    shown = html()

    def offered(model: str | None) -> Any:
        return gr.Dropdown(bench.models.classes(model), value=[])

    def separate(
        session: Session | None,
        which: str,
        model: str,
        classes: list[str],
        threshold: float,
        request: gr.Request,
        progress: Any = BAR,
    ) -> str:
        with works.begun(request, progress):
            return bench.separate(_begun(session), which, model or "", classes, threshold)

    model.input(offered, model, classes, api_visibility="private", show_progress="hidden")
    run.click(separate, [session, which, model, classes, threshold], shown, api_name="separate", **WORK)


def _compare(bench: Bench, works: Works, session: gr.State) -> None:
    which = _which()
    kinds = (LABELS, ENHANCES, SEPARATES)
    with gr.Row():
        first = _models(bench, *kinds, label="First model")
        second = _models(bench, *kinds, label="Second model", place=1)
        threshold, hop_s = _thresholds()
    run = _run_and_stop(works, "Compare")
    shown = html()

    def compare(
        session: Session | None,
        which: str,
        first: str,
        second: str,
        threshold: float,
        hop_s: float,
        request: gr.Request,
        progress: Any = BAR,
    ) -> str:
        with works.begun(request, progress):
            return bench.compare(_begun(session), which, (first or "", second or ""), threshold or None, hop_s or None)

    run.click(compare, [session, which, first, second, threshold, hop_s], shown, api_name="compare", **WORK)


def _reports(bench: Bench) -> None:
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
        return (
            f'<div class="opened"><p class="note"><a href="{address}" target="_blank" rel="noopener">Open {title} in a '
            f'tab of its own</a></p><iframe src="{address}" title="{title}" sandbox="allow-scripts"></iframe></div>',
            "",
        )

    chosen.change(opened, chosen, [shown, card], api_name="report")
