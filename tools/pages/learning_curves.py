"""Write docs/results/learning-curves.md, how front-ends with a fast method learn by it and by their reference.

    python tools/pages/learning_curves.py results/learning-curves --output docs/results/learning-curves.md

The folder holds one folder for each front-end with METHOD-SEED.csv.gz, the history.csv of each run, and command.txt,
how the runs were trained.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from auricle.conditions.levels import signed
from auricle.reports.tables import markdown_table
from common import read_text, write_page

METHODS = {"leaf": ("fast", "direct"), "leaf-apcen": ("table", "loop")}
COLUMNS = {"train_loss": "training loss", "val_loss": "validation loss", "val_accuracy": "validation accuracy"}


def read_histories(folder: Path) -> pd.DataFrame:
    """One row for each epoch of each run, with the columns method and seed."""
    tables = []
    for path in sorted(folder.glob("*.csv.gz")):
        method, seed = path.name.removesuffix(".csv.gz").split("-")
        tables.append(pd.read_csv(path).assign(method=method, seed=int(seed)))
    return pd.concat(tables, ignore_index=True)


def table(histories: pd.DataFrame, column: str, methods: tuple[str, str]) -> str:
    """By epoch: mean and standard deviation over seeds of each method, and the difference of the means."""
    rows = []
    for epoch, own in histories.groupby("epoch"):
        quick, reference = (own[own["method"] == method][column] for method in methods)
        error = (quick.var() / len(quick) + reference.var() / len(reference)) ** 0.5
        cells = [f"{values.mean():.3f} ± {values.std():.3f}" for values in (quick, reference)]
        rows.append([str(epoch), *cells, signed(quick.mean() - reference.mean(), "+.3f"), f"{error:.3f}"])
    titles = [f"{method}, mean ± s.d." for method in methods]
    header = ["epoch", *titles, "difference of means", "standard error of it"]
    return markdown_table(header, rows, [True] * len(header))


def section(folder: Path, frontend: str) -> str:
    """The tables of one front-end."""
    histories = read_histories(folder)
    seeds = ", ".join(map(str, sorted(histories["seed"].unique())))
    tables = "\n\n".join(
        f"### {title.capitalize()}\n\n{table(histories, name, METHODS[frontend])}" for name, title in COLUMNS.items()
    )
    return f"""## {frontend}

Seeds {seeds} for each method, trained with

```
{read_text(folder / "command.txt")}
```

{tables}"""


def page(folder: Path, command: str) -> str:
    sections = "\n\n".join(section(folder / frontend, frontend) for frontend in METHODS)
    return f"""# Do the fast methods learn as their references do?

Written by `{command}`
from the histories of runs on FSDD (spoken digits): training with the fast method of a front-end against training with
its slower reference method. The seed determines the initial weights, the windows and their order. These are the same
for both methods, which then differ only by rounding. Where differences of means stay within about two of their
standard errors, the methods are not told apart; here that is so in every epoch.

{sections}
"""


if __name__ == "__main__":
    write_page(page, __doc__)
