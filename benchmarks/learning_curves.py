"""Write the page that compares how LEAF learns by its two methods, from the saved histories of runs.

python benchmarks/learning_curves.py results/learning-curves --output docs/learning-curves.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

METHODS = ("fast", "direct")
COLUMNS = {"train_loss": "training loss", "val_loss": "validation loss", "val_accuracy": "validation accuracy"}


def histories(folder: Path) -> pd.DataFrame:
    """Rows of all METHOD-SEED.csv in `folder`, with columns method and seed."""
    parts = []
    for path in sorted(folder.glob("*.csv")):
        method, seed = path.stem.split("-")
        parts.append(pd.read_csv(path).assign(method=method, seed=int(seed)))
    return pd.concat(parts, ignore_index=True)


def table(rows: pd.DataFrame, column: str) -> str:
    """By epoch: mean and standard deviation over seeds of each method, and the difference of the means."""
    lines = [
        "| epoch | fast, mean ± s.d. | direct, mean ± s.d. | difference of means | standard error of it |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for epoch, own in rows.groupby("epoch"):
        fast, direct = (own[own["method"] == method][column] for method in METHODS)
        error = (fast.var() / len(fast) + direct.var() / len(direct)) ** 0.5
        cells = [f"{part.mean():.3f} ± {part.std():.3f}" for part in (fast, direct)]
        lines.append(f"| {epoch} | {' | '.join(cells)} | {fast.mean() - direct.mean():+.3f} | {error:.3f} |")
    return "\n".join(lines)


def page(rows: pd.DataFrame, command: str, training: str) -> str:
    seeds = sorted(rows["seed"].unique())
    sections = "\n\n".join(f"## {title.capitalize()}\n\n{table(rows, column)}" for column, title in COLUMNS.items())
    return f"""# Does the fast LEAF learn as the direct one does?

Written by `{command}`
from the histories of {len(seeds)} seeds ({", ".join(map(str, seeds))}) for each method, trained with

```
{training.strip()}
```

on FSDD (spoken digits). A seed draws the first weights, the windows and their order, the same for both methods, which
then part by rounding. Where differences of means stay within about two of their standard errors, the methods are not
told apart.

{sections}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of METHOD-SEED.csv and command.txt")
    parser.add_argument("--output", type=Path, default=Path("docs/learning-curves.md"))
    arguments = parser.parse_args()
    command = f"python benchmarks/learning_curves.py {arguments.folder} --output {arguments.output}"
    training = (arguments.folder / "command.txt").read_text(encoding="utf-8")
    arguments.output.write_text(page(histories(arguments.folder), command, training), encoding="utf-8")


if __name__ == "__main__":
    main()
