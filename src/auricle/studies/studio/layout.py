"""The page: a sound above, and what can be done with it in tabs below."""

from __future__ import annotations

from typing import Any

import gradio as gr

from auricle.conditions.noises import NOISES
from auricle.studies.studio.bench import Bench, Session
from auricle.studies.studio.situation import CODECS, FAULTS, NONE, WITH_BITRATE, WITH_QUALITY, Situation
from auricle.studies.studio.sounds import LONGEST_STRETCH_S
from auricle.studies.studio.tabs import compare_tab, enhance_tab, html, label_tab, reports_tab, separate_tab
from auricle.studies.studio.works import Works

_STRETCH_S = 10.0
_CLEARED_S = (600, 3600)  # how often Gradio removes its copies of dropped files, and how old they are then
_HEAD = """<div class="studio-head"><h1>auricle studio</h1>
<p>Drop a sound or record one: hear and see it in noise, rooms and codecs, and run your models on it. Everything stays
on this machine.</p></div>"""


def page(bench: Bench) -> gr.Blocks:
    """The page over `bench`."""
    works = Works()
    with gr.Blocks(title="auricle studio", analytics_enabled=False, delete_cache=_CLEARED_S) as blocks:
        gr.HTML(_HEAD, apply_default_css=False, js_on_load=None)
        session = gr.State(None, delete_callback=_forget)
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
                stretch, look = _look_tab(bench, works, session, whole)
            with gr.Tab("Label"):
                label_tab(bench, works, session)
            with gr.Tab("Enhance"):
                enhance_tab(bench, works, session)
            with gr.Tab("Separate"):
                separate_tab(bench, works, session)
            with gr.Tab("Compare"):
                compare_tab(bench, works, session)
            with gr.Tab("Reports"):
                reports_tab(bench, works)

        def take(path: str | None, before: Session | None) -> Any:
            taken = None if path is None else bench.take(path)
            _forget(before)
            if taken is None:
                return None, "", gr.Slider(), gr.Slider()
            seconds = round(taken.picture.duration_s, 1)
            starts = gr.Slider(maximum=max(0.1, seconds), value=0.0)
            lengths = gr.Slider(maximum=max(0.2, min(LONGEST_STRETCH_S, seconds)), value=min(_STRETCH_S, seconds))
            return taken, bench.whole(taken), starts, lengths

        outputs = [session, whole, *stretch]
        taking = works.on(dropped.change, take, [dropped, session], outputs, "take", show_progress_on=whole)
        look(taking.success)
    return blocks


def _forget(session: Session | None) -> None:
    """Remove the files of a session."""
    if session is not None:
        session.shelf.clear()


def _look_tab(bench: Bench, works: Works, session: gr.State, whole: gr.HTML) -> Any:
    """A stretch, clean and in a condition; returns its sliders, and what shows it when a listener says so."""
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

    def look(
        session: Session | None,
        start_s: float,
        length_s: float,
        frontend: str | None,
        noise: str,
        snr_db: float,
        rt60_s: float,
        fault: str,
        amount: float,
        codec: str,
        kbps: float,
        quality: float,
        seed: int | None,
    ) -> Any:
        situation = Situation(noise, snr_db, rt60_s, fault, amount, codec, kbps, quality, seed or 0)
        after, shown = bench.look(session, start_s, length_s, frontend, situation)
        moved = session is None or after.marked != session.marked
        return after, bench.whole(after) if moved else gr.skip(), shown

    def of_codec(codec: str) -> Any:
        return gr.Slider(visible=codec in WITH_BITRATE), gr.Slider(visible=codec in WITH_QUALITY)

    def of_fault(name: str) -> Any:
        kind = FAULTS.get(name)
        if kind is None or not kind.words:
            return gr.Slider(visible=False)
        return gr.Slider(kind.lowest, kind.highest, kind.usual, step=kind.step, label=kind.words, visible=True)

    values = [session, start, length, frontend, noise, snr_db, rt60_s, fault, amount, codec, kbps, quality, seed]

    def run_on(listener: Any, name: str | None = None, **options: Any) -> None:
        works.on(listener, look, values, [session, whole, looked], name, show_progress_on=looked, **options)

    run_on(show.click, "look")
    for slider in (start, length, snr_db, rt60_s, kbps, quality, amount):
        run_on(slider.release, trigger_mode="always_last")
    for chosen in (frontend.input, noise.input, seed.submit):
        run_on(chosen, trigger_mode="always_last")
    run_on(works.on(codec.input, of_codec, [codec], [kbps, quality]).success)
    run_on(works.on(fault.input, of_fault, [fault], amount).success)
    return [start, length], run_on
