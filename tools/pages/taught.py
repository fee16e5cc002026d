"""Write docs/results/taught.md: what a head taught on a frozen embedding is worth, clean and in noise.

    python tools/pages/taught.py results/taught --output docs/results/taught.md

The folder holds fold-N.csv.gz and NAME.csv.gz of other data, one row for each clip and condition, few.csv and
stages.json, as tools/taught.sh writes them, and in `mean` the same of heads that have the last features alone. It also
has what earlier ways gave, with the last features alone: few-own-variances.csv, with the variances of few clips as they
are, and in `distance` the fold whose head is prototypes, from when distances told these apart.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auricle.conditions.levels import signed
from auricle.metrics.intervals import bootstrap_weights
from auricle.reports.tables import markdown_table
from auricle.tasks.classification.fitting import MIN_CLIPS
from common import difference, write_page
from robust import OTHERS

BOTH, RIGHT = ("as they are", "drawn"), 8 * [True]
POOLED = ("last features", "last stage too")
FEW = ("ECE before", "ECE after", "NLL before", "NLL after")


def resampled(values: NDArray[np.float64], groups: pd.Series) -> NDArray[np.float64]:
    """The mean of `values` `(clips,)` in each resample of the groups `(resamples,)`."""
    named = groups.astype(str).where(groups.notna(), groups.index.astype(str) + " alone")
    weights = bootstrap_weights(len(values), groups=named.tolist())
    return weights @ values / weights.sum(axis=1)


def accuracy(rows: pd.DataFrame) -> str:
    """The share of right answers in percent, with its 95 % interval over groups."""
    right = rows["right"].to_numpy(dtype=float)
    low, high = np.percentile(resampled(right, rows["group"]), [2.5, 97.5])
    return f"{100 * right.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def compared(before: pd.DataFrame, after: pd.DataFrame) -> list[list[str]]:
    """A row for each condition: the accuracies of two heads, and the paired difference."""
    rows = []
    for condition, pairs in before.merge(after, on=["condition", "clip", "group"]).groupby("condition", sort=False):
        change = (pairs["right_y"] - pairs["right_x"]).to_numpy(dtype=float)
        shares = (f"{100 * pairs[column].mean():.1f}" for column in ("right_x", "right_y"))
        rows.append([str(condition), *shares, difference(change.mean(), resampled(change, pairs["group"]))])
    return rows


def shown(values: pd.Series, scale: float, form: str) -> str:
    """The mean over the draws, with the lowest and the highest value."""
    mean, least, most = (signed(scale * value, form) for value in (values.mean(), values.min(), values.max()))
    return f"{mean} ({least} to {most})"


def of_sizes(before: pd.DataFrame, after: pd.DataFrame) -> list[list[str]]:
    """A row for each size of a draw: the accuracies of two ways, and how often the second is better and worse."""
    rows = []
    pairs = after.merge(before, on=["labels", "per_label", "draw"], suffixes=("", "_before"))
    for (n_labels, per_label), own in pairs.groupby(["labels", "per_label"]):
        row = [str(n_labels), str(per_label)]
        for name in ("accuracy", "in_noise"):
            earlier, now = own[f"{name}_before"], own[name]
            gain = signed(100 * (now - earlier).mean(), "+.1f")
            row += [f"{100 * earlier.mean():.1f}", f"{100 * now.mean():.1f}"]
            row += [f"{gain} ({(now > earlier).sum()}, {(now < earlier).sum()})"]
        rows.append(row)
    return rows


def judged(draws: pd.DataFrame) -> list[list[str]]:
    """A row for each size of a draw with clips to judge by: what cross-validation tells, and what is true."""
    rows = []
    for (n_labels, per_label), own in draws.groupby(["labels", "per_label"]):
        if own["cross_validated"].notna().any():
            rates = [shown(own[name], 100, ".1f") for name in ("cross_validated", "accuracy")]
            others = [shown(own[name], 1, ".2f") for name in ("ece_before", "ece_after", "nll_before", "nll_after")]
            rows.append([str(n_labels), str(per_label), *rates, *others])
    return rows


def read_folds(folder: Path) -> pd.DataFrame:
    tables = [pd.read_csv(file).assign(fold=file.name[5]) for file in sorted(folder.glob("fold-*.csv.gz"))]
    return pd.concat(tables, ignore_index=True)


def tested(folder: Path) -> list[list[str]]:
    """A row for each data set and condition: the last features alone, the last stage too, and the paired difference."""
    rows = []
    pairs = [("ESC-50", read_folds(folder / "mean"), read_folds(folder))]
    for name, (data, _) in OTHERS.items():
        pairs.append((data, *(pd.read_csv(where / f"{name}.csv.gz") for where in (folder / "mean", folder))))
    for data, *both in pairs:
        for row in compared(*both):
            rows.append([data, *row])
            data = ""
    return rows


def stages(folder: Path) -> tuple[list[str], list[list[str]]]:
    """The header of stages.json as a table, and a row for each data set and condition."""
    found = pd.read_json(folder / "stages.json")
    rows = []
    for data, own in found.groupby("data", sort=False):
        for condition, words in (("clean", "clean"), ("Gaussian", "Gaussian noise, 0 dB")):
            rows.append([str(data) if condition == "clean" else "", words, *(f"{100 * x:.1f}" for x in own[condition])])
    sizes = found.drop_duplicates("blocks")
    names = [f"{blocks} ({size})" for blocks, size in zip(sizes["blocks"], sizes["size"], strict=True)]
    return ["data", "condition", *names], rows


def page(folder: Path, command: str) -> str:
    rows = read_folds(folder)
    clean = rows[rows["condition"] == "clean"]
    lines = []
    for condition, own in rows.groupby("condition", sort=False):
        each = [accuracy(part) for _, part in own.groupby("fold")]
        lines.append([str(condition), accuracy(own), *each])
    draws = pd.read_csv(folder / "few.csv")
    n_draws = draws["draw"].nunique()
    calibrated = draws[draws["cross_validated"].notna() & (draws["n_taught"] >= MIN_CLIPS)]
    change = calibrated["nll_after"] - calibrated["nll_before"]
    lowered, raised = (change < 0).sum(), (change > 0).sum()
    earlier = pd.read_csv(folder / "mean" / "few.csv")
    drawn = of_sizes(pd.read_csv(folder / "few-own-variances.csv"), earlier)
    pooled = of_sizes(earlier, draws)
    blocks, shares = stages(folder)
    distance, direction = (pd.read_csv(folder / way / "fold-1.csv.gz") for way in ("distance", "mean"))
    counts = ["labels", "clips of each"]
    header = ["condition", "all folds", *(f"fold {fold}" for fold in sorted(rows["fold"].unique()))]
    return f"""# A model taught from a few examples

A head taught by `auricle teach` on the embedding of EfficientAT's MobileNet of width 0.4. The network has a million
parameters and is not trained. The clips are fold 4 of ESC-50 without the one class that has a single source:
{len(clean)} clips of 49 classes, about six of each, in three folds by source. In turn, two folds are used for teaching
and one for the test. Noise (five recorded noises and Gaussian noise) is used only in the test; it costs little at 20 dB
and much at 0 dB. The Gaussian noise is that of `auricle evaluate --snr`, whose level is relative to the whole clip. In
stress tests, as on the page on [training for noise](robust.md), it is relative to the clip's active parts, which makes
it louder.

Accuracy in percent, with 95 % bootstrap intervals over sources:

{markdown_table(header, lines, [False, *[True] * (len(header) - 1)])}

Made by `tools/taught.sh`, and written from the saved answers by `{command}`. One seed: nothing in the fitting is
random but the choice of the validation clips.

## What of the network a head hears

An embedding used to be the mean of the network's last features over bands and frames. Within its blocks the network
weighs channels by their means over bands and frames (squeeze and excitation). Such means know more of sounds that a
network was not trained for (Schmid et al., EUSIPCO 2023, arXiv:2303.01879). Heads that have those of the last blocks
too were compared in cross-validation over four parts of the clips, by group: ESC-10, and the clips for teaching of data
that AudioSet's labels say little about. Accuracy in percent, by the number of blocks, with the size of the embedding:

{markdown_table(blocks, shares, [False, False, *5 * [True]])}

The three blocks of the last stage, from the last stride on, cost nothing on the network's own kind of sounds and gain
most of what there is to gain on others; means of earlier blocks say more of the noise too. So `auricle teach` has these
three (`--pooling stage`) unless it is told `--pooling mean`; a head for noise
[hears even more](robust.md#what-a-head-for-noise-hears). The last features and the blocks count alike in
the head, whatever their numbers are: at first every entry counted the same, and accuracy on clean clips fell, with one
or two clips of each label of ESC-10 by one point, and on the test clips of ESC-50, which were seen before this was
changed, to 89.0 %. On the test clips:

{markdown_table(["data", "condition", *POOLED, "difference"], tested(folder), [False, False, *3 * [True]])}

With few clips of ESC-50 (the draws are those of the next section):

{markdown_table([*counts, *POOLED, "difference", *(f"0 dB, {way}" for way in POOLED), "difference"], pooled, RIGHT)}

## With one to four clips of each label

Labels of the same data were drawn at random, and of each label one or four recordings. One clip of each was taught,
and the head was tested on the labels' clips of all other recordings, clean and in Gaussian noise at 0 dB. The tables
have means over {n_draws} draws. Draws overlap, so the ranges below are no confidence intervals.

An embedding is standardised before a head is fitted: each of its entries is divided by its deviation over the clips.
Where these are few, an entry in which they happen to agree would outweigh all others. So the variance of an entry over
n clips, fewer than a hundred, is n % its own, and for the rest the mean of all entries'. How much was chosen on ESC-10,
which has other recordings. Accuracy in percent with variances as they are and with those drawn to their mean, and the
difference in points with the numbers of draws in which accuracy rose and fell (heads with the last features alone):

{markdown_table([*counts, *BOTH, "difference", *(f"0 dB, {way}" for way in BOTH), "difference"], drawn, RIGHT)}

With a single clip of each label accuracy rises in most draws; with four it rises in some draws and falls in others.

The model card of a taught head says how well it does in cross-validation, and the same answers calibrate its
probabilities. How far can both be trusted? ECE is the expected calibration error and NLL the negative log-likelihood,
both on the other clips, before and after calibration, with the lowest and the highest value of a draw. A single clip of
each label cannot be judged by others.

{markdown_table([*counts, "cross-validation, %", "other clips, %", *FEW], judged(draws), RIGHT)}

Fewer than ten clips do not calibrate anything. In the other {len(change)} draws calibration lowered the NLL
in {lowered}, raised it in {raised}, and left the probabilities as they were in the rest, as it was not shown to help.

Made by `tools/taught_few.py`, which `tools/taught.sh` calls.

## Prototypes by direction and by distance

When fold 1 is tested, no label has more than four examples, so the head consists of prototypes. At first a clip got the
label of the prototype at the smallest distance; now it is the prototype in the most similar direction, as seen from the
mean of all prototypes. On validation clips of the three folds the two are equally good on clean clips, and direction is
better in noise, most of all after [training for noise](robust.md). Heads taught on one fold were also tested on
another, on clean clips, where direction was a point ahead; for the choice between the two, these clips are therefore no
new test. On the test clips of fold 1, in percent with the paired difference in points (*not told apart* means that its
95 % interval includes zero; heads with the last features alone):

{markdown_table(["condition", "by distance", "by direction", "difference"], compared(distance, direction), RIGHT)}

## What was tried without gain

Teaching with four copies of each clip under conditions of the suites `snr-ladder` or `full`, with other recorded noises
as material, and the same frozen network: on two folds the accuracy on clean clips fell by four to six points, and in
recorded noise at 0 dB it did not rise. What does help without training the network is a head that
[gives less weight to what conditions change](robust.md#a-head-for-noise-in-about-a-minute):
`auricle teach --recipe robust`.
"""


if __name__ == "__main__":
    write_page(page, __doc__)
