"""Write docs/results/learning-curves.md, how LEAF learns by its two methods, from the saved histories of runs.

    python tools/pages/learning_curves.py results/learning-curves --output docs/results/learning-curves.md

The folder holds METHOD-SEED.csv.gz, the history.csv of each run, and command.txt, how the runs were trained.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from auricle.reports.tables import markdown_table
from common import read_text, write_page

METHODS = ("fast", "direct")
COLUMNS = {"train_loss": "training loss", "val_loss": "validation loss", "val_accuracy": "validation accuracy"}


def read_histories(folder: Path) -> pd.DataFrame:
    """One row for each epoch of each run, with the columns method and seed."""
    tables = []
    for path in sorted(folder.glob("*.csv.gz")):
        method, seed = path.name.removesuffix(".csv.gz").split("-")
        tables.append(pd.read_csv(path).assign(method=method, seed=int(seed)))
    return pd.concat(tables, ignore_index=True)


def table(histories: pd.DataFrame, column: str) -> str:
    """By epoch: mean and standard deviation over seeds of each method, and the difference of the means."""
    rows = []
    for epoch, own in histories.groupby("epoch"):
        fast, direct = (own[own["method"] == method][column] for method in METHODS)
        error = (fast.var() / len(fast) + direct.var() / len(direct)) ** 0.5
        cells = [f"{values.mean():.3f} ± {values.std():.3f}" for values in (fast, direct)]
        rows.append([str(epoch), *cells, f"{fast.mean() - direct.mean():+.3f}", f"{error:.3f}"])
    header = ["epoch", "fast, mean ± s.d.", "direct, mean ± s.d.", "difference of means", "standard error of it"]
    return markdown_table(header, rows, [True] * len(header))


def page(folder: Path, command: str) -> str:
    histories = read_histories(folder)
    seeds = sorted(histories["seed"].unique())
    tables = "\n\n".join(f"## {title.capitalize()}\n\n{table(histories, column)}" for column, title in COLUMNS.items())
    return f"""# Does the fast LEAF learn as the direct one does?

Written by `{command}`
from the histories of {len(seeds)} seeds ({", ".join(map(str, seeds))}) for each method, trained with

```
{read_text(folder / "command.txt")}
```

on FSDD (spoken digits). A seed draws the first weights, the windows and their order, the same for both methods, which
then part by rounding. Where differences of means stay within about two of their standard errors, the methods are not
told apart.

{tables}
"""


if __name__ == "__main__":
    write_page(page, __doc__)
