"""Write docs/results/papers.md: what the papers say, and what it came to on the small data sets of `results`.

    python tools/pages/papers.py results --output docs/results/papers.md

A claim is that one model is ahead of another. It is *reproduced* if the 95 % interval of their paired difference,
averaged over data sets, is above zero, *contradicted* if it is below, and *not told apart* if it contains zero. The
folder texts/papers has what may explain a verdict, and its first line says which verdict it explains: another one found
is an error, so that no explanation outlives its figures.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from auricle.metrics import Interval
from auricle.reports.tables import difference_text, markdown_table
from auricle.studies.stress.statistics import interval
from claims import CLAIMS, Claim, Found
from common import TEXTS, read_text, write_page

REPRODUCED, CONTRADICTED, NOT_TOLD_APART = "reproduced", "contradicted", "not told apart"
PAPERS = {
    "leaf": "LEAF",
    "apcen": "LEAF-APCEN",
    "degram": "DEGramNet",
    "trnet": "TRNet",
    "separation": "MAE-ResUNet",
}


def mean(found: list[Found]) -> Interval:
    """The mean over data sets; each is resampled by itself, so that a resample of the mean is a mean of resamples."""
    return interval(np.mean([own.draws for own in found], axis=0))


def verdict(difference: Interval) -> str:
    if difference.low > 0:
        return REPRODUCED
    return CONTRADICTED if difference.high < 0 else NOT_TOLD_APART


def explanation(claim: Claim, found: str) -> str:
    """The text of a claim; an error if it explains another verdict than the one found."""
    path = TEXTS / "papers" / f"{claim.name}.md"
    if not path.is_file():
        return ""
    explained, _, text = read_text(path).partition("\n")
    if explained != f"verdict: {found}":
        raise SystemExit(f"{path}: explains “{explained}”, but the claim is {found}")
    return text.strip()


def shown(difference: Interval, unit: str) -> str:
    return difference_text(difference, 2 if unit == "dB" else 1, " to ")


def section(name: str, claims: Iterable[Claim], results: Path) -> list[str]:
    """One paper: its claims with verdicts, the data sets one by one, and what may explain the verdicts."""
    verdicts, texts = [], []
    by_data: dict[str, dict[str, str]] = {}
    claims = list(claims)
    for claim in claims:
        found = list(claim.found(results))
        pooled = mean(found)
        verdicts.append([claim.text, claim.theirs, shown(pooled, claim.unit), str(len(found)), verdict(pooled)])
        for own in found:
            seeds = f", {own.n_seeds}&nbsp;seed{'s' if own.n_seeds > 1 else ''}"
            by_data.setdefault(own.data, {})[claim.name] = shown(mean([own]), claim.unit) + seeds
        if text := explanation(claim, verdict(pooled)):
            texts.append(f"**{claim.text}: {verdict(pooled)}.** {text}")
    rows = [[data, *(cells.get(claim.name, "") for claim in claims)] for data, cells in by_data.items()]
    unit = claims[0].unit
    return [
        f"## {PAPERS[name]}",
        read_text(TEXTS / "papers" / f"{name}.md"),
        markdown_table(
            ["claim", f"paper, {unit}", f"here, {unit}", "data sets", "verdict"], verdicts, [False, *[True] * 3, False]
        ),
        *texts,
        f"Data set by data set, in {unit}:",
        markdown_table(["data", *(claim.text for claim in claims)], rows),
    ]


def page(folder: Path, command: str) -> str:
    sections = [part for name, claims in CLAIMS.items() for part in section(name, claims, folder)]
    return "\n\n".join([read_text(TEXTS / "papers.md"), *sections, f"Written by `{command}`."]) + "\n"


if __name__ == "__main__":
    write_page(page, __doc__)
