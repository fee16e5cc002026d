"""The review page: windows to listen to one after the other, with keys for the verdicts, and a table to save."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np

from auricle.audio.embedded import PNG, WAV, data_uri, wav_bytes
from auricle.reports.detections import plain_text
from auricle.reports.page import write_html
from auricle.reports.plots import spectrogram_png


class Window(NamedTuple):
    """A window to review.

    `path` is the recording, `start_s` and `end_s` are in seconds, `why` says why it is shown; `waveform` `(time,)` is
    its sound at `sample_rate` Hz and `spectrogram` `(bands, frames)` its picture, the lowest band first.
    """

    path: str
    start_s: float
    end_s: float
    label: str
    probability: float
    why: str
    waveform: np.ndarray
    sample_rate: int
    spectrogram: np.ndarray


def write_review(
    path: str | os.PathLike[str], title: str, windows: Sequence[Window], labels: Sequence[str], bands_hz: np.ndarray
) -> Path:
    """Write the page; `labels` are offered where a label is corrected. Returns its path.

    `bands_hz` `(bands,)` are the centre frequencies of the spectrograms' bands in Hz, the lowest first.
    """
    heard: dict[tuple[str, float, float], dict[str, str]] = {}
    for window in windows:
        place = window.path, window.start_s, window.end_s
        if place not in heard:
            heard[place] = {
                "sound": data_uri(wav_bytes(window.waveform, window.sample_rate), WAV),
                "picture": data_uri(spectrogram_png(window.spectrogram), PNG),
            }
    numbers = {place: number for number, place in enumerate(heard)}
    items = [
        {
            "path": plain_text(window.path),
            "start": window.start_s,
            "end": window.end_s,
            "label": window.label,
            "probability": window.probability,
            "why": window.why,
            "heard": numbers[window.path, window.start_s, window.end_s],
        }
        for window in windows
    ]
    known = "".join(f'<option value="{escape(label)}"></option>' for label in labels)
    body = _BODY.replace("LABELS", known).replace("FREQUENCIES", _frequencies(bands_hz))
    script = f"const heard = {_json(list(heard.values()))};\nconst items = {_json(items)};\n{_SCRIPT}"
    return write_html(path, title, body, script=script, style=_STYLE)


def _frequencies(bands_hz: np.ndarray) -> str:
    """The marks of the frequency axis, at their heights in a spectrogram of these bands."""
    octaves = [hz for hz in 250.0 * 2.0 ** np.arange(8) if bands_hz[0] <= hz <= bands_hz[-1]]
    heights = (np.interp(octaves, bands_hz, np.arange(len(bands_hz))) + 0.5) / len(bands_hz)
    texts = [f"{hz / 1000:g} kHz" if hz >= 1000 else f"{hz:g} Hz" for hz in octaves]
    marks = zip(heights, texts, strict=True)
    return "".join(f'<span style="bottom: {height:.1%}">{text}</span>' for height, text in marks)


def _json(value: object) -> str:
    """JSON that can stand in a script."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


_BODY = """
<p>Listen, and say of each window whether its label is right. The verdicts stay on this page in this browser until you
save them as a table.</p>
<div id="card">
<div class="head"><h2 id="label"></h2><p id="why"></p></div>
<div class="spectrogram">
<div class="frequencies" aria-hidden="true">FREQUENCIES</div>
<div class="image"><img id="picture" alt="Spectrogram of the window: time to the right, frequency upwards">
<div id="playhead" hidden></div></div>
<div id="times" aria-hidden="true"></div>
</div>
<audio id="sound" controls aria-label="The window's sound"></audio>
<p id="where"></p>
<div class="verdicts">
<button type="button" data-key="a"><kbd>A</kbd> accept</button>
<button type="button" data-key="r"><kbd>R</kbd> reject</button>
<button type="button" data-key="c"><kbd>C</kbd> correct</button>
<button type="button" data-key="n"><kbd>N</kbd> none of the sounds</button>
<button type="button" data-key="u"><kbd>U</kbd> undo</button>
</div>
<form id="correction" hidden><label>The right label: <input id="right" list="labels" autocomplete="off"></label>
<datalist id="labels">LABELS</datalist> <button>Correct</button></form>
<p class="hint"><kbd>&larr;</kbd> <kbd>&rarr;</kbd> go to another window, <kbd>space</kbd> plays it again,
a click into the spectrogram plays from there, <kbd>S</kbd> saves.</p>
</div>
<div class="save"><p id="progress" role="status"></p>
<button type="button" data-key="s"><kbd>S</kbd> save review.csv</button></div>
<div id="all"></div>
"""

_STYLE = """
#card { border: 1px solid var(--line); border-radius: 8px; padding: 1.25rem; margin: 1.5rem 0; }
#card h2 { margin: 0; overflow-wrap: anywhere; }
.head { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; align-items: baseline; margin-bottom: 0.75rem; }
.head p, #where, .hint, .save p { margin: 0; color: var(--muted); font-size: 0.9375rem; }
.spectrogram { display: grid; grid-template: 12rem 1.5rem / 3.5rem 1fr; font-size: 0.8125rem; color: var(--muted); }
.image, .frequencies, #times { position: relative; }
.image { cursor: pointer; }
#picture { display: block; width: 100%; height: 100%; border-radius: 4px; background: #000; }
#playhead { position: absolute; top: 0; bottom: 0; width: 2px; background: #fff; pointer-events: none; }
.frequencies span { position: absolute; right: 0.5rem; transform: translateY(50%); white-space: nowrap; }
#times { grid-column: 2; }
#times span { position: absolute; top: 0.25rem; transform: translateX(-50%); white-space: nowrap; }
#times span:first-child { transform: none; }
#times span:last-child { transform: translateX(-100%); }
#sound { margin: 0.75rem 0; }
#where { overflow-wrap: anywhere; }
.verdicts, .save, .windows { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; }
.verdicts { margin: 1rem 0; }
.save { justify-content: space-between; margin: 1.5rem 0; }
#correction { margin: 1rem 0; }
#correction[hidden] { display: none; }
button, input { font: inherit; font-size: 0.9375rem; color: var(--ink); background: var(--tint);
  border: 1px solid var(--line); border-radius: 6px; padding: 0.375rem 0.75rem; }
button { cursor: pointer; }
kbd { font: 600 0.8125em ui-monospace, monospace; border: 1px solid var(--muted); border-radius: 3px;
  padding: 0 0.3em; }
#all h3 { font-size: 1rem; margin: 1.25rem 0 0.5rem; overflow-wrap: anywhere; }
.windows button { min-width: 3.25rem; font-variant-numeric: tabular-nums; }
.windows .current { outline: 2px solid var(--link); outline-offset: 1px; }
.windows .accepted { border-color: #009e73; box-shadow: inset 0 -3px #009e73; }
.windows .rejected, .windows .none { border-color: #d55e00; box-shadow: inset 0 -3px #d55e00; }
.windows .corrected { border-color: #0072b2; box-shadow: inset 0 -3px #0072b2; }
"""

_SCRIPT = """
const at = (id) => document.getElementById(id);
const memory = "auricle review " + JSON.stringify(items.map((i) => [i.path, i.start, i.label, i.probability]));
let verdicts = {}, current = 0;
const decided = [];
try { verdicts = JSON.parse(localStorage.getItem(memory)) || {}; } catch (error) { verdicts = {}; }

const places = items.map((item, index) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = item.probability.toFixed(2);
  button.addEventListener("click", () => show(index, true));
  return button;
});
for (const label of new Set(items.map((item) => item.label))) {
  const heading = document.createElement("h3"), row = document.createElement("div");
  heading.textContent = label;
  row.className = "windows";
  row.append(...places.filter((_, index) => items[index].label === label));
  at("all").append(heading, row);
}

function show(index, play) {
  current = Math.max(0, Math.min(items.length - 1, index));
  const item = items[current], own = verdicts[current];
  at("label").textContent = item.label;
  at("why").textContent = item.why + ", " + item.probability.toFixed(2) + (own ? " \\u2013 " + said(own) : "");
  at("where").textContent = item.path + ", " + item.start.toFixed(2) + " to " + item.end.toFixed(2) + " s";
  at("picture").src = heard[item.heard].picture;
  at("sound").src = heard[item.heard].sound;
  at("times").replaceChildren(...times(item));
  at("correction").hidden = true;
  places.forEach((button, place) => {
    const verdict = verdicts[place];
    button.className = (verdict ? verdict.verdict : "") + (place === current ? " current" : "");
    const about = items[place].label + ", " + items[place].probability.toFixed(2);
    button.setAttribute("aria-label", about + (verdict ? ", " + said(verdict) : ""));
  });
  const open = byWindow().filter((every) => !complete(every)).length;
  at("progress").textContent = Object.keys(verdicts).length + " of " + items.length + " windows reviewed"
    + (open ? "; not saved until their other labels have a verdict too: " + open : "");
  if (play) at("sound").play().catch(() => {});
}

// The marks of the time axis, in seconds of the recording: the beginning, round times, and the end.
function times(item) {
  const length = item.end - item.start, decade = 10 ** Math.floor(Math.log10(length / 2));
  const step = [5, 2, 1].map((factor) => factor * decade).find((wide) => wide <= length / 2);
  const round = [];
  for (let time = Math.ceil(item.start / step) * step; time < item.end; time += step)
    if (Math.min(time - item.start, item.end - time) > length / 8) round.push(time);
  return [item.start, ...round, item.end].map((time) => {
    const mark = document.createElement("span");
    mark.style.left = 100 * (time - item.start) / length + "%";
    mark.textContent = +time.toFixed(length < 0.1 ? 4 : 2) + " s";
    return mark;
  });
}

function follow() {
  const sound = at("sound");
  at("playhead").hidden = !sound.duration;
  at("playhead").style.left = 100 * sound.currentTime / sound.duration + "%";
  if (!sound.paused) requestAnimationFrame(follow);
}

const said = (own) => own.verdict === "corrected" ? "corrected: " + own.label
  : own.verdict === "none" ? "none of the sounds" : own.verdict;

function keep() {
  try { localStorage.setItem(memory, JSON.stringify(verdicts)); } catch (error) {}
}

function decide(verdict, label) {
  verdicts[current] = { verdict, label };
  decided.push(current);
  keep();
  show(current + 1, current + 1 < items.length);
}

function undo() {
  const last = decided.length ? decided.pop() : current;
  delete verdicts[last];
  keep();
  show(last, true);
}

// The verdicts by window, which may be listed under several labels; null for a label without one.
function byWindow() {
  const windows = new Map();
  items.forEach((item, index) => {
    const place = JSON.stringify([item.path, item.start, item.end]);
    windows.set(place, [...(windows.get(place) || []), { item, verdict: null, ...verdicts[index] }]);
  });
  return [...windows.values()].filter((every) => every.some((own) => own.verdict));
}

// Whether nothing is left open: a label without a verdict would be taken for one that is not there.
const complete = (every) => every.every((own) => own.verdict) || every.some((own) => own.verdict === "none");

// A row for each complete window, with the labels that are accepted or corrected.
function table() {
  const cell = (value) => /[",\\r\\n]/.test(value) ? '"' + String(value).replaceAll('"', '""') + '"' : String(value);
  const rows = [["path", "start", "end", "label", "verdict", "predicted", "probability"]];
  const joined = (values) => [...new Set(values)].join(";");
  for (const every of byWindow().filter(complete)) {
    const right = every.filter((own) => own.verdict === "accepted" || own.verdict === "corrected");
    const none = every.filter((own) => own.verdict === "none");
    const chosen = right.length ? right : none.length ? none : every;
    const verdict = chosen.every((own) => own.verdict === chosen[0].verdict) ? chosen[0].verdict : "corrected";
    const { path, start, end } = every[0].item;
    rows.push([path, start, end, joined(chosen.map((own) => own.label)), verdict,
      joined(every.map((own) => own.item.label)), every.map((own) => own.item.probability).join(";")]);
  }
  return rows.map((row) => row.map(cell).join(",") + "\\n").join("");
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
  link.download = "review.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const keys = {
  a: () => decide("accepted", items[current].label),
  r: () => decide("rejected", ""),
  n: () => decide("none", ""),
  u: undo,
  c: () => { at("correction").hidden = false; at("right").value = ""; at("right").focus(); },
  s: save,
  " ": () => { at("sound").currentTime = 0; at("sound").play().catch(() => {}); },
  ArrowLeft: () => show(current - 1, true),
  ArrowRight: () => show(current + 1, true),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof HTMLInputElement) {
    if (event.key === "Escape") show(current, false);
    return;
  }
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || (event.key === " " && event.target instanceof HTMLButtonElement)) return;
  event.preventDefault();
  act();
});
for (const button of document.querySelectorAll("[data-key]"))
  button.addEventListener("click", () => keys[button.dataset.key]());
at("correction").addEventListener("submit", (event) => {
  event.preventDefault();
  const label = at("right").value.trim();
  if (label) decide("corrected", label);
});
for (const event of ["play", "seeked", "loadedmetadata"]) at("sound").addEventListener(event, follow);
at("picture").addEventListener("click", (event) => {
  at("sound").currentTime = event.offsetX / at("picture").clientWidth * (at("sound").duration || 0);
  at("sound").play().catch(() => {});
});
show(0, false);
"""
