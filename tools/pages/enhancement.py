"""Write docs/results/enhancement.md from the saved clips of evaluated enhancers.

    python tools/pages/enhancement.py results/enhancement --output docs/results/enhancement.md

The folder holds for each data set a folder with

- clips.csv.gz, the clips.csv that `auricle evaluate` of an enhancer writes;
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from auricle.tasks.enhancement.evaluation import EnhancerEvaluation
from common import data_sets, join_sections, write_page


def page(folder: Path, command: str) -> str:
    sections = []
    for data, start in data_sets(folder):
        clips = pd.read_csv(
            data / "clips.csv.gz", dtype={"clip": str, "group": str}, keep_default_na=False, na_values="nan"
        )
        sections += [*start, EnhancerEvaluation(data, "test", clips).text().strip()]
    return join_sections(folder, sections, command)


if __name__ == "__main__":
    write_page(page, __doc__)
