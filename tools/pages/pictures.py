"""Make the pictures and sounds of the front page: a synthetic scene and its enhancement, and accuracy against noise.

python tools/pages/pictures.py results --output docs/assets/front
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imsave

from auricle import Sound, audio
from auricle.conditions import create_condition
from auricle.conditions.levels import signed
from auricle.data.sound import RANGE_DB
from auricle.data.synthetic import sound_event
from auricle.metrics import Interval
from auricle.metrics.signals import si_sdr
from auricle.systems.spectral_gating import SpectralGating
from choosing import digits
from robust import PLAIN, ROBUST, SNRS_DB, Answers

CURVES = ("pretrained", "front-ends")
SOUNDS = ("clean", "noisy", "enhanced")
RATE, SECONDS = 16_000, 4.0
INKS = {"light": ("#1f2933", "#d9dee3", "#0b5f63", "#b3541e"), "dark": ("#dde4ea", "#3a454e", "#6fd0cf", "#ffb27a")}
"""Text, grid, what is better and what is not."""


def scene() -> dict[str, np.ndarray]:
    """Float32 `(time,)` at 16 kHz: a bird and a siren, the same in Gaussian noise at 0 dB, and that enhanced."""
    bird, siren = (sound_event(label, 3, 1, sample_rate=RATE, duration_s=SECONDS) for label in ("bird", "siren"))
    clean = 0.2 * (bird / bird.std() + 0.6 * siren / siren.std())
    clean = (clean * 0.5 / np.abs(clean).max()).astype(np.float32)
    noisy = create_condition("white", snr_db=0)(clean, RATE, seed=1)
    return dict(zip(SOUNDS, (clean, noisy, SpectralGating().enhance(noisy, RATE)), strict=True))


def improvement_db() -> float:
    """The improvement of SI-SDR by the enhancement of the scene."""
    made = scene()
    return float(si_sdr(made["enhanced"], made["clean"]) - si_sdr(made["noisy"], made["clean"]))


def draw(axes: Axes, lines: dict[str, list[Interval]], ticks: list[str], title: str, inks: tuple[str, ...]) -> None:
    """Curves with their intervals, each named where they are apart."""
    ink, grid, better, worse = inks
    places = np.arange(len(ticks))
    for (name, values), colour in zip(lines.items(), (better, worse), strict=True):
        axes.fill_between(places, [v.low for v in values], [v.high for v in values], color=colour, alpha=0.18, lw=0)
        axes.plot(places, [v.value for v in values], color=colour, lw=2.2, marker="o", ms=5)
        above = values[-3].value == max(own[-3].value for own in lines.values())
        axes.annotate(
            name,
            (places[-3], values[-3].value),
            (8, 9) if above else (-8, -9),
            textcoords="offset points",
            ha="left" if above else "right",
            va="bottom" if above else "top",
            color=colour,
            fontsize=10,
            weight="bold",
        )
    axes.set_xticks(places, ticks)
    axes.set_ylim(0, 103)
    axes.set_title(title, loc="left", fontsize=10, color=ink, weight="bold")
    axes.set_xlabel("Signal-to-noise ratio, dB (Gaussian noise)", color=ink)
    axes.tick_params(colors=ink, length=0)
    axes.grid(axis="y", color=grid, lw=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def curves(results: Path, scheme: str) -> dict[str, Figure]:
    """Accuracy from a pretrained start, and with front-ends trained on clean clips."""
    answers = Answers(results / "robust")

    def accuracies(system: str) -> list[Interval]:
        found = []
        for cell in ("clean", *(f"white-{k}" for k in range(1, len(SNRS_DB) + 1))):
            value, resampled = answers.mean(answers.right(system, cell))
            low, high = np.percentile(resampled, [2.5, 97.5])
            found.append(Interval(100 * value, 100 * float(low), 100 * float(high)))
        return found

    saved = {frontend: digits(results, frontend) for frontend in ("leaf", "mel")}
    levels = list(saved["mel"])
    figures = {}
    for name in CURVES:
        figures[name] = Figure(figsize=(4.7, 3.5), dpi=170)
        figures[name].set_layout_engine("constrained", w_pad=0.1)
    pretrained, frontends = (figure.subplots() for figure in figures.values())
    draw(pretrained, {"recipe robust": accuracies(ROBUST), "head alone": accuracies(PLAIN)},
         ["clean", *(str(db) for db in SNRS_DB)],
         "49 kinds of sound, pretrained start: accuracy, %", INKS[scheme])  # fmt: skip
    draw(frontends, {"LEAF": [saved["leaf"][db] for db in levels], "log-mel": [saved["mel"][db] for db in levels]},
         ["clean" if db is None else signed(db, ".0f") for db in levels],
         "Spoken digits, trained on clean clips: accuracy, %", INKS[scheme])  # fmt: skip
    return figures


def write(results: Path, folder: Path) -> list[Path]:
    """Write all files to `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, waveform in scene().items():
        audio.write(folder / f"{name}.mp3", waveform, RATE)
        picture = Sound(waveform, RATE).spectrogram()
        enlarged = np.kron(picture[::-1], np.ones((3, 2)))
        imsave(folder / f"{name}.png", enlarged, cmap="magma", vmin=-RANGE_DB, vmax=0)
        written += [folder / f"{name}.mp3", folder / f"{name}.png"]
    for scheme in INKS:
        for name, figure in curves(results, scheme).items():
            path = folder / f"{name}-{scheme}.png"
            figure.savefig(path, transparent=True)
            written.append(path)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    for path in write(arguments.results, arguments.output):
        print(path, path.stat().st_size)
