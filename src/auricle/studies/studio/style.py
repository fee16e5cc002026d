"""How the page looks, and its script: players that move a line over the spectrogram, and events that play."""

from __future__ import annotations

from typing import Any

import gradio as gr

STYLE = """
.gradio-container { max-width: 76rem !important; width: 100% !important; margin: 0 auto !important; }
.dark { --color-accent: var(--primary-400); }
.studio-head h1 { font-size: 1.75rem; margin: 0.5rem 0 0.25rem; color: var(--body-text-color); }
.studio-head p, .note { margin: 0.25rem 0 0.5rem; color: var(--body-text-color); overflow-wrap: anywhere; }
.note:has(+ .table) { margin-bottom: 0; }
#dropped { --neutral-400: var(--body-text-color-subdued); }
.cards { display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.cards > * { min-width: 0; }
figure.sound { --gutter: 2.75rem; margin: 0.75rem 0; color: var(--body-text-color); min-width: 0; }
.sound figcaption { font-weight: 600; margin-bottom: 0.375rem; overflow-wrap: anywhere; }
.sound .plot { display: flex; }
.sound .hertz { position: relative; flex: 0 0 var(--gutter); font-size: 0.75rem; }
.sound .hertz span { position: absolute; right: 0.375rem; transform: translateY(50%); }
.sound .box { position: relative; flex: 1; min-width: 0; height: 9rem; cursor: pointer; overflow: hidden;
  border-radius: 4px; }
.sound .box img { display: block; width: 100%; height: 100%; image-rendering: auto; }
.sound .marked { position: absolute; inset: 0 auto 0 0; border: 2px solid #fff; background: #ffffff2e; min-width: 4px; }
.sound .playhead { position: absolute; inset: 0 auto 0 0; width: 2px; background: #fff; box-shadow: 0 0 2px #000;
  display: none; }
.sound .times { position: relative; height: 1.25rem; margin: 0.125rem 0.75rem 0.25rem var(--gutter);
  font-size: 0.75rem; }
.sound .times span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.sound audio { display: block; width: 100%; height: 40px; margin-top: 0.5rem; }
.lane { margin: 0.25rem 0 0.375rem var(--gutter); }
.lane .of { display: block; font-size: 0.8125rem; line-height: 1.3; overflow-wrap: anywhere; }
.lane .events { position: relative; height: 1.125rem; border-radius: 3px; overflow: hidden;
  background: var(--border-color-primary); --event: #0072b2; }
.lane .whose-1 { --event: #d55e00; }
.lane button { position: absolute; inset: 0 auto 0 0; padding: 0; border: 0; border-radius: 3px; cursor: pointer;
  min-width: 3px; background: color-mix(in srgb, var(--event) calc(35% + 65% * var(--p)), transparent); }
.lane button:focus-visible, .sound .box:focus-visible, .table:focus-visible { outline: 3px solid var(--body-text-color);
  outline-offset: -3px; }
.table { overflow-x: auto; margin: 0.75rem 0; color: var(--body-text-color); }
.table table { border-collapse: collapse; }
.note a { color: var(--link-text-color); text-decoration: underline; margin-left: 0.5rem; }
.table th, .table td { padding: 0.25rem 0.75rem 0.25rem 0; text-align: left;
  border-bottom: 1px solid var(--border-color-primary); }
.table .number { text-align: right; font-variant-numeric: tabular-nums; }
.opened a { margin-left: 0; }
.opened iframe { width: 100%; height: 80vh; border: 1px solid var(--border-color-primary); border-radius: 6px; }
@media (max-width: 40rem) {
  figure.sound { --gutter: 2.25rem; }
  .sound .box { height: 7rem; }
}
"""

SCRIPT = """<script>
(() => {
  const sound = (element) => element.closest && element.closest("figure.sound");
  const player = (element) => sound(element).querySelector("audio");
  const playAt = (element, second) => {
    const audio = player(element);
    audio.currentTime = second;
    audio.play().catch(() => {});
  };
  const move = (audio) => {
    const figure = sound(audio);
    if (!figure) return;
    const head = figure.querySelector(".playhead");
    head.style.display = "block";
    head.style.left = 100 * Math.min(1, audio.currentTime / Number(figure.dataset.duration)) + "%";
  };
  const follow = (audio) => {
    move(audio);
    if (!audio.paused && audio.isConnected) requestAnimationFrame(() => follow(audio));
  };
  for (const name of ["play", "seeked"])
    document.addEventListener(name, (event) => {
      if (!(event.target instanceof HTMLAudioElement) || !sound(event.target)) return;
      if (name === "play")
        for (const other of document.querySelectorAll("figure.sound audio"))
          if (other !== event.target) other.pause();
      follow(event.target);
    }, true);
  document.addEventListener("click", (event) => {
    const target = event.target;
    if (!(target instanceof Element) || !sound(target)) return;
    const button = target.closest("[data-seek]"), box = target.closest(".box");
    if (button) playAt(button, Number(button.dataset.seek));
    else if (box) {
      const place = box.getBoundingClientRect();
      playAt(box, (event.clientX - place.left) / place.width * Number(sound(box).dataset.duration));
    }
  });
  document.addEventListener("keydown", (event) => {
    const button = event.target instanceof Element && event.target.closest(".events button");
    const step = { ArrowLeft: "previousElementSibling", ArrowRight: "nextElementSibling" }[event.key];
    if (!button || !step) return;
    event.preventDefault();
    if (button[step]) button[step].focus();
  });
  // Gradio gives the field of a sound another name than its text, which those who speak to the page would say.
  new MutationObserver(() => {
    for (const field of document.querySelectorAll(".upload-container[aria-label]")) field.removeAttribute("aria-label");
  }).observe(document, { childList: true, subtree: true });
})();
</script>"""

_SANS = ("system-ui", "Segoe UI", "Roboto", "Liberation Sans", "sans-serif")
_MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")


def looks() -> dict[str, Any]:
    """What Gradio needs to know: a theme with the system's fonts and contrast enough, the style, and the script."""
    sans, mono = ([gr.themes.Font(name) for name in names] for names in (_SANS, _MONO))
    theme = gr.themes.Default(primary_hue="teal", font=sans, font_mono=mono).set(
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
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )
    return {"theme": theme, "css": STYLE, "head": SCRIPT}
