"""Write docs/index.md, the front page: the text of texts/index.md, and what is measured, from all saved results.

python tools/pages/front.py results --output docs/index.md
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from auricle.conditions.levels import signed
from auricle.reports.tables import markdown_table
from choosing import DIGITS_NOISE_DB, digits
from common import TEXTS, filled, write_page
from pictures import CURVES, INKS, SOUNDS, improvement_db
from robust import PLAIN, ROBUST, Answers, error_rows, shown
from separation import evaluation, read_models
from taught import accuracy

ASSETS = "assets/front"


def measured(results: Path) -> str:
    """What is gained by what, with the page that tells how it was measured."""
    answers = Answers(results / "robust")
    plain, robust = (shown(*answers.mean(answers.right(system, "white-5"))) for system in (PLAIN, ROBUST))
    _, mce = error_rows(answers)
    mel, leaf = (digits(results, frontend)[DIGITS_NOISE_DB] for frontend in ("mel", "leaf"))
    clips = pd.read_csv(results / "enhancement" / "emodb-librispeech" / "clips.csv.gz")
    noisy, enhanced = (
        clips[clips["enhancer"].eq(model) & clips["snr"].eq(5)][["si_sdr", "pesq"]].mean()
        for model in ("noisy", "longer")
    )
    separators = read_models(results / "separation" / "esc50-fold4")
    separated = evaluation(separators["more-clips-sdr"]).mean("sdri", "average")
    rows = [
        [
            "Training the pretrained network itself for noise, instead of a head alone: [49 kinds of sound in "
            "Gaussian noise at 0 dB](results/robust.md), accuracy",
            f"{plain} %",
            f"**{robust} %**",
        ],
        ["The same under eleven corruptions, errors relative to the head alone", "1", f"**{mce}**"],
        [
            f"LEAF instead of log-mel: [spoken digits in Gaussian noise at {DIGITS_NOISE_DB:.0f} dB]"
            "(results/digits.md), trained on clean clips, accuracy",
            f"{mel.value:.1f} [{mel.low:.1f}, {mel.high:.1f}] %",
            f"**{leaf.value:.1f} [{leaf.low:.1f}, {leaf.high:.1f}] %**",
        ],
        [
            "A small enhancer: [speech in noise at 5 dB](results/enhancement.md), SI-SDR and PESQ",
            f"{noisy['si_sdr']:.1f} dB, {noisy['pesq']:.2f}",
            f"**{enhanced['si_sdr']:.1f} dB, {enhanced['pesq']:.2f}**",
        ],
        [
            "A small separator: [one of two sounds](results/separation.md) extracted by its name, SDR "
            "(halving the mixture's amplitude alone gives 3 dB)",
            "0 dB",
            f"**{separated.value:.1f} dB**",
        ],
    ]
    return markdown_table(["what", "before", "after"], rows, [False, True, True])


def taught(results: Path) -> str:
    tables = [pd.read_csv(file) for file in sorted((results / "taught").glob("fold-*.csv.gz"))]
    rows = pd.concat(tables, ignore_index=True)
    return accuracy(rows[rows["condition"] == "clean"]).partition(" ")[0]


def sounds() -> str:
    """The players, each below its spectrogram."""
    gained = improvement_db()
    captions = dict(zip(SOUNDS, ("A bird and a siren", "In noise at 0 dB", "After `auricle enhance`"), strict=True))
    captions["enhanced"] += f" with spectral gating, which needs no training: SI-SDR {signed(gained, '+.0f')} dB"
    figures = [
        f"<figure markdown>\n![Spectrogram: {caption.replace('`', '')}]({ASSETS}/{name}.png)\n"
        f'<audio controls preload="metadata" aria-label="{caption.replace("`", "")}" '
        f'src="{ASSETS}/{name}.mp3"></audio>\n'
        f"<figcaption markdown>{caption}</figcaption>\n</figure>"
        for name, caption in captions.items()
    ]
    return "\n\n".join(['<div class="pair" markdown>', *figures, "</div>"])


def curves(results: Path) -> str:
    answers = Answers(results / "robust")
    falls = [float(np.mean(answers.right(PLAIN, cell))) for cell in ("clean", "white-5")]
    told = (
        f"The accuracy of a head on a pretrained network falls from {100 * falls[0]:.0f} to {100 * falls[1]:.0f} % in "
        "Gaussian noise at 0 dB; with the recipe robust it falls far less.",
        "On digits, the accuracy of log-mel falls further in noise than that of LEAF.",
    )
    pictures = [
        f"![{text}]({ASSETS}/{name}-{scheme}.png#only-{scheme})"
        for name, text in zip(CURVES, told, strict=True)
        for scheme in INKS
    ]
    return "\n".join(['<div class="curves" markdown>', *pictures, "</div>"])


def page(folder: Path, command: str) -> str:
    text = filled(
        TEXTS / "index.md",
        curves=curves(folder),
        measured=measured(folder),
        sounds=sounds(),
        taught=taught(folder),
    )
    return f"{text}\n\n<small>Written by `{command}`.</small>\n"


if __name__ == "__main__":
    write_page(page, __doc__)
