"""Write docs/results/robust.md: what the recipe robust is worth from a pretrained start, beside the plain head.

    python tools/pages/robust.py results/robust --output docs/results/robust.md

The folder holds fold-N.csv.gz and NAME.csv.gz of other data, one row for each run, cell of the suite full and clip, as
tools/robust.sh writes them, and parts.json of tools/robust_parts.py. `heads` has those of heads for noise, and
when.json of tools/robust_head.py. `tried` has
those of what was taken back, `tried/unlabelled` those of trainings that learnt from more recordings,
`tried/without-them` those of the same trainings without, and `tried/by-distance` those with the former prototypes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auricle.conditions.levels import corruption_text
from auricle.metrics.intervals import bootstrap_weights
from auricle.reports.tables import markdown_table
from common import difference, write_page

PLAIN, ROBUST, KEPT, NO_WHITE = "plain", "robust", "kept", "no-white"
HEAD, HEAD_NO_WHITE = "head", "head-no-white"
LAST = {ROBUST: "last", NO_WHITE: "last-no-white", HEAD: "last-head", HEAD_NO_WHITE: "last-head-no-white"}
"""The same with heads that hear the last features alone."""
N_CHOICE = 80  # clips of fold 3 of ESC-10
SNRS_DB = (20, 15, 10, 5, 0)
CORRUPTIONS = (
    "white", "babble", "music", "noise", "reverberation", "clipping", "low-pass", "codec", "gain", "gain-steps",
    "packet-loss",
)  # fmt: skip

COMPRESSIONS = {"log": "", "pcen": "sPCEN for the logarithm", "apcen": "adaptive PCEN for the logarithm"}
NOISES_HEAD = ["windows trained on", "clean", "full", "music", "speech", "two noises"]
PARTS_HEAD = [
    "data", "network", "clips", "last features", "and last stage", "and answers", "all parts",
]  # fmt: skip
PAIR = ("clean", "noisy")
VALIDATED_HEAD = [
    "data", "clips", "clean, head before", "clean, after", "under conditions, head before", "under conditions, after",
]  # fmt: skip
RIGHT = [False, True, True, True]
LEFT_OUT = """## Gaussian noise left out of training

With `--augmentation.without white coloured`; the recording of white noise is left out of the material too (seed
{seeds}). The recording of pink noise, whose spectrum falls by 3 dB per octave, stays in.

{table}

"""

THREE = (("clean", "clean"), ("recorded noise, 0 dB", "noise-5"), ("Gaussian noise, 0 dB", "white-5"))
SEVERAL = (
    *THREE[:1], ("recorded noise, 10 dB", "noise-3"), THREE[1], ("Gaussian noise, 10 dB", "white-3"), THREE[2],
    ("talkers, 0 dB", "babble-5"), ("music, 0 dB", "music-5"), ("40 dB quieter", "gain-4"),
)  # fmt: skip
GAUSSIAN = (THREE[0], ("Gaussian noise, 10 dB", "white-3"), THREE[2])
OTHERS = {
    "speech-commands": ("Speech Commands", "10 words, unknown words and silence, of other speakers (480 clips)"),
    "fsdd": ("FSDD, speakers", "the 6 speakers of digits (300 clips)"),
    "ravdess": ("RAVDESS", "8 emotions of 4 other actors (240 clips)"),
}
"""Further data: a name, and what is told apart in it."""
OF_OTHERS = """## Other kinds of sound

The same comparison on data that the network was not made for, with one training each (seed 0), tested on one split:
words by speakers who are not in the training (Speech Commands), the voices of six speakers who all are (FSDD), and
emotions of actors who are not (RAVDESS). Training was with `--training.steps-per-epoch 10`, which gives as many steps
as the recipe's own limit does now. Where the speakers in the test are new, intervals are over speakers; the four actors
of RAVDESS are too few for their intervals to be trusted.

{table}

"""

HEADS = """## A head for noise, in about a minute

`auricle teach --recipe robust` leaves the network as it is, like the plain head, and learns from the same clips. It
also embeds up to 800 windows of them as they are and under a condition each, and measures in which directions
conditions move embeddings. Along these the head looks less closely: it is fitted in coordinates in which the moves, and
equal parts of all directions, have no direction of their own (within-class covariance normalisation, Hatch et al.,
2006, with noise as what varies within a class). Windows that are quieter than usual are amplified.

{table}

With Gaussian noise left out, as above:

{left_out}

How much the moves count was chosen on ESC-10 and on parts of the training clips, in recordings of music, speech and two
noises. As the folds exchange roles, these are also the clips of the tests, though not their noises. Between 20 and 70 %
the answers hardly differ; the recipe has half. The within-class covariance of clean clips, without noise, gained
nothing.

"""

WHEN = """## When the head is fitted

The recipe fits its head after the training, to the embeddings of the trained network, and like the head for noise it
looks less closely along directions in which conditions still move them. Before, its head was the plain one, fitted to
what the pretrained network makes of the clean clips. That was changed because of answers on validation clips (seed 0),
which no head was fitted to, as they are and under eleven conditions of `full`:

{validation}

On the test clips (ESC-50: seeds {seeds}, the others: 0; both heads are of the same trainings, and hear the last
features alone):

{table}

"""

HEARS = """## What a head for noise hears

The plain head above hears the mean of the network's last features. A head for noise, and so that of the recipe, also
hears the [means of the last stage](taught.md#what-of-the-network-a-head-hears), and what the pretrained model answers
about its own labels: the 527 logits that its head gives for the last features. What a sound resembles tells more of it
in noise than single features do. Each part counts alike, and how features of different parts move together under
conditions is taken to be nothing. Both were chosen in cross-validation over clips for teaching, as they are and under
the conditions of the training, with the networks of the recipe (seed 0) and the pretrained one. As the folds of ESC-50
and ESC-10 exchange roles, their clips are also those of the tests, though not in these noises. Accuracy in percent,
clean / under conditions:

{validation}

A head that discounts nothing gains nothing by the answers: on these clips of ESC-50, as the pretrained network hears
them, {without} % are right with the answers and {with_stage} % with the last stage alone. So `auricle teach` without
conditions leaves them out. `--answers` and `--pooling` choose what is heard.

On the test clips, with mean corruption errors relative to the plain head. On ESC-50 the recipe has seeds {seeds};
without white in training it has seeds {without_white} on clean clips and in Gaussian noise, otherwise
{others_without_white}. On ESC-10 it has seeds {esc10}. All else has seed 0.

{table}

"""

NEW = {"mel": "log-mel", "leaf": "LEAF", "leaf-apcen": "LEAF-APCEN"}
FROM_NOTHING = """## From a pretrained start and from scratch

ESC-10, three folds of 80 clips, each tested in turn. From scratch, `--recipe robust` trains `cnn-small` with
`--frontend mel`, `leaf` or `leaf-apcen` (its default), with the same noises to learn from (seed {seeds}; from a
pretrained start seeds {own_seeds}). The recipe from a pretrained start was chosen on these clips, as described below,
so they are not a new test for it. The mean corruption error is relative to the plain head's.

{table}

Paired differences, in points:

{differences}

"""

UNLABELLED = """## Recordings without labels

Distillation uses no labels, so it was tried with further recordings: the 240 clips of ESC-10, none of which is in fold
4, beside the 200 of a training. The head and the number of steps are those of the recipe, so that each clip is used
less often (seed {seeds}, the same for both).

{table}

None of the differences is told apart from zero, so the option for this was removed again. Longer training with more
recordings was not tried.

"""

TAKEN_BACK = """## What was removed again

The network was also trained to match its features before pooling (one number for each channel, band and moment), with
three windows out of nineteen left clean. On ESC-10 that changed little: for {with_features} of the clean clips the
network's own head still ranked the same class of AudioSet's 527 first as before the training, against {without} where
only the embedding is learnt. On the 49 classes:

{table}

Nothing is gained on clean clips, and noise that was left out of the training costs more than before, so the recipe does
not use it. That was seen on the test clips, which have therefore been used to choose between these two.

"""

BY_DIRECTION = """## The head of one fold

In fold 1 no label has more than four examples, so that its head is [prototypes](taught.md): formerly the nearest by
distance, now the nearest in direction; the page on prototypes says how that was chosen. On the test clips of this fold:

{table}

"""

Rights = NDArray[np.float64]
Conditions = tuple[tuple[str, str], ...]  # the words for each, and its cell


class Answers:
    """Shares of right answers `(clips,)` of each system in each cell, averaged over seeds; clips are in one order."""

    def __init__(
        self, folder: Path, name: str = "fold-*", more: Path | None = None, pairs: Mapping[str, str] | None = None
    ) -> None:
        """From the files `name` of `folder`; with `more`, also from those there, and of the seeds alone that it has.

        The second of each of the `pairs` of systems has in each cell those seeds alone that the first has.
        """
        files = [file for place in (folder, more) if place for file in sorted(place.glob(f"{name}.csv.gz"))]
        of_files = [pd.read_csv(file).assign(file=file.name, more=file.parent == more) for file in files]
        rows = pd.concat(of_files, ignore_index=True)
        rows["clip"] = rows["file"] + " " + rows["clip"]
        rows["system"] = rows["run"].str.replace(rf"(-{name})?(-\d+)*$", "", regex=True)
        rows["seed"] = rows["run"].str.extract(r"-\d+-(\d+)$", expand=False).fillna("0")
        if more is not None:
            rows = rows[rows["seed"].isin(rows.loc[rows["more"], "seed"])]
        for one, other in (pairs or {}).items():
            measured = rows["seed"] + " " + rows["cell"]
            lacking = ~measured.isin(measured[rows["system"].eq(one)])
            rows = rows[~(rows["system"].eq(other) & lacking)]
        self.rows = rows
        clips = rows[["clip", "group"]].drop_duplicates("clip").sort_values("clip")
        self.clips = clips["clip"].tolist()
        self.weights = bootstrap_weights(len(clips), groups=clips["group"].astype(str).tolist())
        means = rows.groupby(["system", "cell", "clip"])["right"].mean()
        self._right = {key: own.droplevel([0, 1]) for key, own in means.groupby(level=[0, 1])}

    def right(self, system: str, cell: str) -> Rights:
        return self._right[system, cell].reindex(self.clips).to_numpy(dtype=float)

    def seeds(self, system: str, cell: str) -> str:
        """The seeds that a system has in a cell, in words."""
        own = self.rows.loc[self.rows["system"].eq(system) & self.rows["cell"].eq(cell), "seed"]
        return ", ".join(sorted(own.unique()))

    def cells(self, corruption: str) -> list[str]:
        names = self.rows["cell"].unique()
        return [name for name in names if name == corruption or name.rpartition("-")[0] == corruption]

    def error(self, system: str, corruption: str) -> Rights:
        """The share of wrong answers `(clips,)`, averaged over the corruption's severities."""
        return 1.0 - np.mean([self.right(system, cell) for cell in self.cells(corruption)], axis=0)

    def mean(self, values: Rights) -> tuple[float, Rights]:
        """The mean over the clips, and that of each resample."""
        return float(values.mean()), self.weights @ values / self.weights.sum(axis=1)


def shown(value: float, resampled: Rights, factor: float = 100.0, digits: int = 1) -> str:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return f"{factor * value:.{digits}f} [{factor * low:.{digits}f}, {factor * high:.{digits}f}]"


def accuracy_row(answers: Answers, name: str, cell: str, systems: list[str]) -> list[str]:
    plain = answers.right(PLAIN, cell)
    row = [name, shown(*answers.mean(plain))]
    for system in systems:
        own = answers.right(system, cell)
        row += [shown(*answers.mean(own)), difference(*answers.mean(own - plain))]
    return row


def error_rows(answers: Answers, system: str = ROBUST, earlier: Answers | None = None) -> tuple[list[list[str]], str]:
    """A row for each corruption, and the mean corruption error of the system, by default the recipe.

    It is relative to the plain head, of `earlier` answers if these are given.
    """
    rows, ratios = [], []
    for corruption in CORRUPTIONS:
        plain = answers.mean((earlier or answers).error(PLAIN, corruption))
        own = answers.mean(answers.error(system, corruption))
        ratio = own[0] / plain[0], own[1] / plain[1]
        ratios.append(ratio)
        rows.append([corruption_text(corruption), shown(*plain), shown(*own), shown(*ratio, factor=1.0, digits=2)])
    mean = float(np.mean([value for value, _ in ratios])), np.mean([resampled for _, resampled in ratios], axis=0)
    return rows, shown(*mean, factor=1.0, digits=2)


def compared(
    answers: Answers, conditions: Conditions, one: str, other: str, earlier: Answers | None = None
) -> list[list[str]]:
    """A row for each condition: the accuracies of two systems and the difference; then their mean corruption errors.

    The first are of `earlier` answers if these are given.
    """
    rows, first = [], earlier or answers
    for what, cell in conditions:
        before, after = first.right(one, cell), answers.right(other, cell)
        accuracies = (shown(*answers.mean(right)) for right in (before, after))
        rows.append([what, *accuracies, difference(*answers.mean(after - before))])
    errors = error_rows(first, one)[1], error_rows(answers, other, first)[1]
    return [*rows, ["mean corruption error", *errors, ""]]


def page(folder: Path, command: str) -> str:
    answers = Answers(folder)
    more = {name: Answers(folder, name) for name in OTHERS if (folder / f"{name}.csv.gz").is_file()}
    noise = [("clean", "clean")]
    noise += [(f"recorded noise, {db} dB", f"noise-{k}") for k, db in enumerate(SNRS_DB, 1)]
    gaussian = [(f"Gaussian noise, {db} dB", f"white-{k}") for k, db in enumerate(SNRS_DB, 1)]
    rows = [accuracy_row(answers, name, cell, [ROBUST]) for name, cell in noise + gaussian]
    of_left_out = ""
    if seeds := answers.seeds(NO_WHITE, "white-5"):
        left_out = [accuracy_row(answers, name, cell, [NO_WHITE]) for name, cell in noise[:1] + gaussian]
        of_left_out = LEFT_OUT.format(
            seeds=seeds,
            table=markdown_table(["condition", "plain head", "without white", "difference"], left_out, RIGHT),
        )
    errors, mce = error_rows(answers)
    on_clean, verdict = rows[0][-1].rsplit(", ", 1)
    clean = answers.rows[answers.rows["cell"].eq("clean") & answers.rows["system"].eq(ROBUST)]
    each = clean.groupby("seed")["right"].mean()
    of_seeds = ", ".join(f"{100 * value:.1f}" for value in each)
    head = ["condition", "plain head"]
    own_seeds = f"Seed{'s' if len(each) > 1 else ''} {answers.seeds(ROBUST, 'clean')}"
    sections = (
        heads(folder) + hears(folder, answers, more) + when(folder, answers, more) + others(more) + from_nothing(folder)
    )
    return f"""# Training that survives noise

The recipe `robust` from a pretrained start, against the plain head (`auricle teach --pooling mean`) on the same start,
EfficientAT's MobileNet of width 0.4. Under eleven corruptions its errors are on average {mce} times those of
the plain head; on clean clips it differs by {on_clean} points ({verdict}). It is trained by

```
auricle train classifier --init-from efficientat-mn04 --recipe robust --data esc50 ...
```

The clips are fold 4 of ESC-50 without the one class that has a single source: {len(answers.clips)} clips of 49 classes
in three folds by source; in turn, two are used for training and one for testing. {own_seeds}; the
plain head has one, as nothing in its fitting is random except the choice of the validation clips. The Gaussian noise of
a stress test is louder than that of `auricle evaluate --snr` at the same number of decibels, which are relative to the
active parts of a clip here, and to the whole clip there.

Noise for training: the six long recordings of `background` (Speech Commands), of which five fall into the training
half, with synthetic music and talkers. Noise for testing: five other recordings, Gaussian noise, and the synthetic
music and talkers of the suite `full` with its test seeds. Figures are in percent, with 95 % bootstrap intervals over
sources; differences are paired, in points. *Not told apart* means that the interval of the difference includes zero.

## Accuracy

{markdown_table([*head, "recipe robust", "difference"], rows, RIGHT)}

The recipe trains in Gaussian noise too. The accuracy on clean clips, seed by seed: {of_seeds}.

{of_left_out}## Errors under the eleven corruptions of the suite full

Averaged over the severities of each corruption; the last column is the ratio of the errors. The training has all of
these kinds too, at severities drawn anew, but not these recorded noises.

{markdown_table(["corruption", "plain head", "recipe robust", "ratio"], errors, RIGHT)}

Mean corruption error, the mean of the ratios: **{mce}**.

{sections}## How the recipe was chosen

On ESC-10, which has other recordings: folds 1 and 2 to train on, fold 3 to choose by, with recordings of music and
speech as noises that no training had used. One seed each, accuracy in percent: on clean clips, and the mean over the
corruptions of `full` and the two recordings at severities 3 and 5.

{markdown_table(["what was tried", "clean", "under corruptions"], choice(folder), [False, True, True])}

Differences of one or two points may be chance with one seed and {N_CHOICE} clips.

- **What is learnt.** A loss on the labels makes the results worse, alone or in addition: a few hundred clips have few
  labels, while the clean embedding gives hundreds of numbers for every clip. Half of the windows are two clips at once:
  the teacher gives the embedding of the two together without a label, and less was lost on clean clips than without
  such windows.
- **Step size.** Ten classes do not show everything: on validation clips of the 49 classes (of two folds, never their
  test clips) a step size of 3e-3 cost clean accuracy, so the recipe uses 5e-4. Averaging the weights with the initial
  ones helped only after large steps, and is left out. Step sizes that rise or fall from layer to layer are no better
  than equal ones: all layers have to learn.
- **Length.** Longer training brought the embeddings in noises that it does not contain closer to the clean ones, on
  validation clips as on ESC-10; ninety epochs are what fits into minutes. Three times as many gained nothing more on
  the validation clips of one fold of the 49 classes.
- **Quiet clips.** A network that was trained with quiet clips still fails on very quiet ones. Amplifying windows
  that are quieter than almost any clip of ESC-10 costs nothing on clean clips and saves the quiet ones, also
  without training.
- **Without gain.** Nothing was gained by three sounds at once at other speeds and through other filters, by a head
  fitted to degraded clips too, or by using the answers of the untrained network beside those of the trained one. A head
  that hears each third of a second by itself, and averages what it makes of them by weight, by probability or by
  maximum, is worse than one that hears the mean of all, the more so the more the clearest moments count (clips for
  teaching, folds 1 and 2 of the 49 classes). A penalty of the head that is chosen by the loss in cross-validation over
  all clips for teaching, instead of on a fifth of them, and may be up to thirty times as large, gained two points there
  for heads without the answers, none for those with them, and lost two to five points on the test clips of two folds
  (seed 0), so that it was taken back. On
  validation clips of the 49 classes nothing was gained by windows that begin anywhere in their clip, or by dilated
  convolutions in place of the last two strides along time; but with the latter, networks that were trained on the 49
  classes gain one to two points on clean clips if they are then taught the labels of ESC-10. Statistics of batch norm
  from the clip that is heard, even in a share of 5 %, make the plain head worse on ESC-10 in all conditions that were
  tried except babble. PCEN and adaptive PCEN in place of the logarithm, with each band scaled to the mean and deviation
  that the logarithm has over the clips, lose two to four points under corruptions. Spectral gating in front of the
  network helps the plain head in noise no more than it costs elsewhere, and nothing is gained by training with it
  either.

## Which noises to learn from

Also on ESC-10, each fold tested in turn, 30 epochs, one seed: accuracy in percent on clean clips, under the corruptions
of `full`, and in recordings of music, of speech and of two noises (a running tap, a miaowing man) that no training had
used, at severities 3 and 5.

{markdown_table(NOISES_HEAD, noises(folder), [False] + 5 * [True])}

The suite's own noises are synthetic here. A few minutes of three recorded ones, used in a quarter of the windows, help
most in the noise of other recordings. Where no recordings are at hand, Gaussian noise of random spectra and levels
gives a quarter of that gain, and so do other training clips, or noise with their spectra. Each of these costs about
half a point under `full`, whose corruptions are then drawn less often. So `noise` is drawn four times as often as
another corruption of the suite `training`, and `coloured` twice as often.

{by_direction(folder)}{taken_back(folder)}{unlabelled(folder)}Trained and measured by `tools/robust.sh`,
`tools/robust_choice.py`, `tools/robust_noises.py` and `tools/robust_head.py`, written from the saved answers by
`{command}`.
"""


def heads(folder: Path) -> str:
    """The section on the head for noise."""
    answers = Answers(folder / "heads")
    rows = [accuracy_row(answers, what, cell, [HEAD]) for what, cell in SEVERAL]
    rows.append(["mean corruption error", "1", error_rows(answers, HEAD)[1], ""])
    left_out = [accuracy_row(answers, what, cell, [HEAD_NO_WHITE]) for what, cell in GAUSSIAN]
    head = ["condition", "plain head", "head for noise", "difference"]
    return HEADS.format(table=markdown_table(head, rows, RIGHT), left_out=markdown_table(head, left_out, RIGHT))


def when(folder: Path, answers: Answers, more: Mapping[str, Answers]) -> str:
    """The section on the head before and after the training, of which all have both; `more` are of `OTHERS`."""
    rows = []
    further = [(OTHERS[name][0], own, THREE) for name, own in more.items()]
    for data, own, conditions in (("ESC-50", answers, SEVERAL), *further):
        for row in compared(own, conditions, KEPT, LAST[ROBUST]):
            rows.append([data, *row])
            data = ""
    head = ["data", "condition", "head before", "head after", "difference"]
    return WHEN.format(
        validation=markdown_table(VALIDATED_HEAD, validated(folder), [False, *5 * [True]]),
        seeds=answers.seeds(KEPT, "clean"),
        table=markdown_table(head, rows, [False, *RIGHT]),
    )


def hears(folder: Path, answers: Answers, more: Mapping[str, Answers]) -> str:
    """The section on what a head hears; `more` are of `OTHERS`."""
    rows = []
    further = [(OTHERS[name][0], own, THREE) for name, own in more.items()]
    names = {HEAD: "head for noise", ROBUST: "recipe robust", NO_WHITE: "without white"}
    for data, own, conditions in (
        ("ESC-50", Answers(folder / "heads"), THREE),
        ("", Answers(folder, pairs=LAST), THREE),
        ("ESC-10", Answers(folder, "esc10-*"), THREE),
        *further,
    ):
        for system, words in names.items():
            if not {system, LAST[system]} <= set(own.rows["system"]):
                continue
            for row in compared(own, conditions, LAST[system], system):
                rows.append([data, words, *row])
                data = words = ""
    parts = [(entry["data"], entry) for entry in json.loads((folder / "parts.json").read_text(encoding="utf-8"))]
    plain = [entry for name, entry in parts if name == "ESC-50" and entry["model"] == "mn04"]
    undiscounted = {
        what: np.average([e["undiscounted"][what]["clean"] for e in plain], weights=[e["clips"] for e in plain])
        for what in ("stage", "all")
    }
    return HEARS.format(
        without=f"{100 * undiscounted['all']:.1f}",
        with_stage=f"{100 * undiscounted['stage']:.1f}",
        validation=markdown_table(PARTS_HEAD, heard_parts(parts), [False, False, *5 * [True]]),
        seeds=answers.seeds(ROBUST, "clean"),
        without_white=answers.seeds(NO_WHITE, "white-5"),
        others_without_white=answers.seeds(NO_WHITE, "noise-5"),
        esc10=Answers(folder, "esc10-*").seeds(ROBUST, "clean"),
        table=markdown_table(
            ["data", "model", "condition", "last features", "all parts", "difference"], rows, [False, False, *RIGHT]
        ),
    )


def heard_parts(entries: list[tuple[str, dict[str, Any]]]) -> list[list[str]]:
    """A row for each data set and kind of model: percentages of right answers by what heads hear, over the clips."""
    rows = []
    for data in dict.fromkeys(name for name, _ in entries):
        for model in ("mn04", "trained"):
            own = [entry for name, entry in entries if name == data and (entry["model"] == "mn04") == (model == "mn04")]
            if not own:
                continue
            clips = [entry["clips"] for entry in own]
            found = [
                " / ".join(f"{100 * np.average([entry[heard][c] for entry in own], weights=clips):.1f}" for c in PAIR)
                for heard in ("last", "stage", "answers", "all")
            ]
            rows.append([data, "pretrained" if model == "mn04" else "recipe", str(sum(clips)), *found])
    return rows


def validated(folder: Path) -> list[list[str]]:
    """A row for each entry of when.json: its data, number of clips, and percentages of right answers."""
    rows = []
    for entry in json.loads((folder / "heads" / "when.json").read_text(encoding="utf-8")):
        found = [str(entry["clips"])]
        for cells in (("clean",), [cell for cell in entry["before"] if cell != "clean"]):
            found += [f"{100 * np.mean([entry[when][cell] for cell in cells]):.1f}" for when in ("before", "after")]
        rows.append([entry["data"], *found])
    return rows


def others(more: Mapping[str, Answers]) -> str:
    """The section on other data; empty if there are none."""
    rows = []
    for name, answers in more.items():
        told = OTHERS[name][1]
        for what, cell in THREE:
            rows.append([told, *accuracy_row(answers, what, cell, [ROBUST])])
            told = ""
        rows.append(["", "mean corruption error", "1", error_rows(answers, ROBUST)[1], ""])
    head = ["data", "condition", "plain head", "recipe robust", "difference"]
    return OF_OTHERS.format(table=markdown_table(head, rows, [False, *RIGHT])) if rows else ""


def unlabelled(folder: Path) -> str:
    """The section on recordings without labels."""
    tried = folder / "tried"
    answers = Answers(tried / "without-them", more=tried / "unlabelled")
    rows = compared(answers, THREE, ROBUST, "unlabelled")
    return UNLABELLED.format(
        seeds=", ".join(sorted(answers.rows.loc[answers.rows["more"], "seed"].unique())),
        table=markdown_table(
            ["condition", "recipe robust", "with recordings without labels", "difference"], rows, RIGHT
        ),
    )


def from_nothing(folder: Path) -> str:
    """The section on ESC-10 with trainings from scratch beside; empty if none are saved."""
    if not list(folder.glob("esc10-*.csv.gz")):
        return ""
    answers = Answers(folder, "esc10-*")
    systems = [PLAIN, ROBUST, *NEW]
    rows = [[what, *(shown(*answers.mean(answers.right(s, cell))) for s in systems)] for what, cell in THREE]
    rows.append(["mean corruption error", "1", *(error_rows(answers, system)[1] for system in systems[1:])])
    pairs = {
        "recipe from a pretrained start − plain head": (ROBUST, PLAIN),
        "recipe from a pretrained start − from scratch": (ROBUST, "leaf-apcen"),
        "from scratch, LEAF-APCEN − log-mel": ("leaf-apcen", "mel"),
        "from scratch, LEAF-APCEN − LEAF": ("leaf-apcen", "leaf"),
        "from scratch, LEAF − log-mel": ("leaf", "mel"),
    }
    differences = [
        [what, *(difference(*answers.mean(answers.right(one, cell) - answers.right(other, cell))) for _, cell in THREE)]
        for what, (one, other) in pairs.items()
    ]
    head = ["condition", "plain head", "recipe, pretrained", *(f"from scratch, {name}" for name in NEW.values())]
    return FROM_NOTHING.format(
        seeds=answers.seeds("leaf-apcen", "clean"),
        own_seeds=answers.seeds(ROBUST, "clean"),
        table=markdown_table(head, rows, [False, *[True] * 5]),
        differences=markdown_table(["", *(what for what, _ in THREE)], differences, [False, *[True] * 3]),
    )


def choice(folder: Path) -> list[list[str]]:
    """A row for each trial of choice.json: what it was, and its accuracies in percent."""
    rows = []
    for trial in json.loads((folder / "choice.json").read_text(encoding="utf-8")):
        corruptions: dict[str, list[float]] = {}
        for cell, value in trial["accuracy"].items():
            corruptions.setdefault(re.sub(r"-\d$", "", cell), []).append(value)
        clean = corruptions.pop("full clean")[0]
        mean = float(np.mean([np.mean(values) for values in corruptions.values()]))
        rows.append([in_words(trial["trial"]), f"{100 * clean:.1f}", f"{100 * mean:.1f}"])
    return rows


def noises(folder: Path) -> list[list[str]]:
    """A row for each trial of noises.json: the shares of what windows heard, and accuracies in percent."""
    rows = []
    for trial in json.loads((folder / "noises.json").read_text(encoding="utf-8")):
        shares = trial["shares"]
        heard = ", ".join(f"{100 * share / sum(shares.values()):.0f} % {name}" for name, share in shares.items())
        rows.append([heard or "plain head on the frozen network", *by_test(trial["accuracy"])])
    return rows


def by_test(shares: dict[str, float]) -> list[str]:
    """Percentages: of clean clips, and the means over the corruptions of `full` and each kind of recording."""
    found = [shares["full clean"]]
    for test in ("full", "music", "speech", "noise"):
        corrupted = [value for name, value in shares.items() if name.split()[0] == test and name != "full clean"]
        found.append(float(np.mean(corrupted)))
    return [f"{100 * share:.1f}" for share in found]


def by_direction(folder: Path) -> str:
    """The section on the head of the fold with prototypes."""
    before, after = (Answers(folder / "tried" / where, "fold-1") for where in ("by-distance", "without-them"))
    rows = []
    for system, model in ((PLAIN, "plain head"), (ROBUST, "recipe robust")):
        for what, cell in THREE:
            own, other = (answers.right(system, cell) for answers in (after, before))
            means = (f"{100 * rights.mean():.1f}" for rights in (other, own))
            rows.append([model, what, *means, difference(*after.mean(own - other))])
            model = ""
    head = ["model", "condition", "by distance", "by direction", "difference"]
    return BY_DIRECTION.format(table=markdown_table(head, rows, [False, *RIGHT]))


def taken_back(folder: Path) -> str:
    """The section on what was tried and left out again."""
    answers, tried, rows = Answers(folder / "tried" / "by-distance"), Answers(folder / "tried"), []
    for what, system, cell in (
        ("clean", ROBUST, "clean"),
        ("recorded noise, 0 dB", ROBUST, "noise-5"),
        ("Gaussian noise, 0 dB", ROBUST, "white-5"),
        ("clean, Gaussian noise left out", NO_WHITE, "clean"),
        ("Gaussian noise, 0 dB, left out", NO_WHITE, "white-5"),
    ):
        before, after = (each.right(system, cell) for each in (answers, tried))
        own = shown(*answers.mean(before)), shown(*answers.mean(after))
        rows.append([what, *own, difference(*answers.mean(after - before))])
    rows.append(["mean corruption error", error_rows(answers)[1], error_rows(tried)[1], ""])
    table = markdown_table(["condition", "recipe", "with features, seed 0", "difference"], rows, RIGHT)
    trials = json.loads((folder / "features.json").read_text(encoding="utf-8"))
    same = {bool(trial["features"]): f"{100 * trial['agreement']['full clean']:.1f} %" for trial in trials}
    return TAKEN_BACK.format(table=table, with_features=same[True], without=same[False])


def in_words(trial: dict[str, Any]) -> str:
    enhancer = trial.get("enhancer", "identity")
    in_front = {f"{enhancer} in front": enhancer != "identity"}
    if not trial.get("epochs"):
        return ", ".join(["plain head on the frozen network", *(words for words, holds in in_front.items() if holds)])
    losses = {"embedding": "distance of the embedding", "labels": "labels' loss", "logits": "distance of the logits"}
    parts = [f"{words} × {trial[name]:g}" for name, words in losses.items() if trial[name]]
    parts += [f"{trial['epochs']} epochs", f"step {trial['learning_rate']:g}"]
    decay = trial.get("layer_decay")
    more = {
        f"mixup {trial['mixup']:g}": trial["mixup"] > 0,
        "SpecAugment": trial["masks"] > 0,
        "half the window": trial["frames"] < 500,
        f"batches of {trial['batch_size']}": trial["batch_size"] != 20,
        "batch norm in training mode": trial["batch_norm"] == "train",
        f"without {trial['without']}": bool(trial["without"]),
        f"steps × {decay} from layer to layer": decay not in (None, 1),
        "again, with a later suite `training`, as all below": decay == 1 and "compression" not in trial,
        COMPRESSIONS[trial.get("compression", "log")]: trial.get("compression", "log") != "log",
    }
    return ", ".join([*parts, *(words for words, holds in (more | in_front).items() if holds)])


if __name__ == "__main__":
    write_page(page, __doc__)
