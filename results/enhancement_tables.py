"""Write docs/results-enhancement.md from the saved clips of evaluated enhancers.

python results/enhancement_tables.py results/enhancement --output docs/results-enhancement.md

Below the folder: DATA/clips.csv, which `auricle evaluate` of an enhancer writes; DATA/about.md, what was trained and
measured; preface.md.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from auricle.tasks.enhancement.evaluate import EnhancerEvaluation
from written import write


def page(folder: Path, command: str) -> str:
    parts = [(folder / "preface.md").read_text(encoding="utf-8").strip()]
    for data in sorted(path for path in folder.iterdir() if path.is_dir()):
        clips = pd.read_csv(
            data / "clips.csv", dtype={"clip": str, "group": str}, keep_default_na=False, na_values="nan"
        )
        evaluation = EnhancerEvaluation(data, "test", clips)
        about = (data / "about.md").read_text(encoding="utf-8").strip()
        parts += [f"## {data.name}", about, evaluation.text().strip()]
    return "\n\n".join([*parts, f"Written by `{command}`."]) + "\n"


if __name__ == "__main__":
    write("enhancement_tables.py", __doc__, page)
