"""Write docs/results-leaf.md, docs/results-apcen.md or docs/results-degram.md from saved cells and scores of grids.

python results/stress_tables.py results/apcen --output docs/results-apcen.md

Below the folder, for each DATA: TRAINED-SUITE.csv.gz, the cells.csv, and TRAINED-scores.npz, the scores, that
`auricle compare --frontends` writes; about.md, a paragraph on the data and the training. And preface.md. Differences
are from log-mel, or where it is missing from the first front-end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from auricle.reports.tables import difference_text, interval_text, markdown_table
from auricle.studies.grid.scores import GridScores
from auricle.studies.stress.cells import read_cells
from auricle.studies.stress.statistics import StressTest, interval
from written import write

Figure = Callable[[StressTest, str], np.ndarray]


def tests(folder: Path, seed: int) -> dict[tuple[str, str], StressTest]:
    """By (trained, suite); `seed` of the resamples."""
    found = {}
    for path in sorted(folder.glob("*.csv.gz")):
        trained, suite = path.name.removesuffix(".csv.gz").split("-", 1)
        found[trained, suite] = StressTest(read_cells(path), seed)
    return found


def accuracies(found: dict[tuple[str, str], StressTest]) -> str:
    """A row for each front-end: accuracy on clean clips and over each suite, by how it was trained."""
    models = next(iter(found.values())).models
    header, columns = ["front-end"], []
    for trained in dict.fromkeys(trained for trained, _ in found):
        suites = [suite for own, suite in found if own == trained]
        header.append(f"{trained} → clean")
        columns.append([interval_text(interval(found[trained, suites[0]].clean(m), 100)) for m in models])
        for suite in suites:
            header.append(f"{trained} → {suite}")
            columns.append([interval_text(interval(found[trained, suite].overall(m), 100)) for m in models])
    return markdown_table(header, [[model, *cells] for model, *cells in zip(models, *columns, strict=True)])


def differences(found: dict[tuple[str, str], StressTest]) -> str:
    """Each front-end from the baseline, and from the best other one but the baseline, on the same resamples."""
    rows = []
    models = next(iter(found.values())).models
    baseline = "mel" if "mel" in models else models[0]
    for (trained, suite), test in found.items():
        ranked = sorted((m for m in test.models if m != baseline), key=lambda m: -float(test.overall(m)[0]))
        for model in test.models:
            if model == baseline:
                continue
            after = ranked[1] if model == ranked[0] else ranked[0]
            from_baseline, ahead = (
                difference_text(interval(test.difference(test.overall, model, other), 100), separator=" to ")
                for other in (baseline, after)
            )
            rows.append([f"{trained} → {suite}", model, from_baseline, f"{ahead} from {after}"])
    return markdown_table(["trained → tested", "front-end", f"from {baseline}", "from the best other"], rows)


def pooled(everywhere: list[dict[tuple[str, str], StressTest]]) -> str:
    """Means over the data sets: every front-end's accuracy, and its difference from the best other one but log-mel.

    Counted are the data sets with the most common selection of front-ends. They are resampled each by itself, so a
    resample of the mean is the mean of one resample of each.
    """
    rows = []
    models = [frozenset(model for test in found.values() for model in test.models) for found in everywhere]
    usual = Counter(models).most_common(1)[0][0]
    everywhere = [found for found, own in zip(everywhere, models, strict=True) if own == usual]
    shared = [key for key in everywhere[0] if all(key in found for found in everywhere)]
    figures: dict[str, tuple[tuple[str, str], Figure]] = {}
    for trained, suite in shared:
        figures.setdefault(f"{trained} → clean", ((trained, suite), StressTest.clean))
    for trained, suite in shared:
        figures[f"{trained} → {suite}"] = (trained, suite), StressTest.overall
    for name, (key, figure) in figures.items():
        tests = [found[key] for found in everywhere]
        means = {model: sum(figure(test, model) for test in tests) / len(tests) for model in tests[0].models}
        ranked = sorted((model for model in means if model != "mel"), key=lambda model: -float(means[model][0]))
        for model, mean in means.items():
            after = ranked[1] if model == ranked[0] else ranked[0]
            ahead = difference_text(interval(mean - means[after], 100), separator=" to ")
            rows.append([name, model, interval_text(interval(mean, 100)), f"{ahead} from {after}"])
    return markdown_table(["trained → tested", "front-end", "accuracy, %", "from the best other"], rows)


def scores(path: Path) -> str:
    """The form of the DEGramNet paper's Tables 6 and 7, and what validation would choose."""
    saved = GridScores.read(path)
    header, rows = [], []
    for row in saved.table().to_dict("records"):
        header = list(row)
        rows.append([
            value if isinstance(value, str) else f"{value:.3f}" if isinstance(value, float) else
            interval_text(value, 3).replace("inf", "∞")
            for value in row.values()
        ])  # fmt: skip
    return f"{markdown_table(header, rows)}\n\nHighest on validation: {saved.best_on_validation()}."


def page(folder: Path, command: str) -> str:
    parts = [(folder / "preface.md").read_text(encoding="utf-8").strip()]
    everywhere = []
    for seed, data in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        parts += [f"## {data.name}", (data / "about.md").read_text(encoding="utf-8").strip()]
        for path in sorted(data.glob("*-scores.npz")):
            parts += [f"Trained {path.name.removesuffix('-scores.npz')}, tested on clean clips:", scores(path)]
        found = tests(data, seed)
        if not found:
            continue
        everywhere.append(found)
        seeds = {trained: max(test.n_seeds.values()) for (trained, _), test in found.items()}
        parts += [
            "Accuracy in %, trained → tested, with the 95 % interval by bootstrap over clips (over groups where clips "
            "have them), which covers the choice of clips and not that of seeds; seeds: "
            f"{', '.join(f'{count} trained {condition}' for condition, count in seeds.items())}.",
            accuracies(found),
            "Differences in points, paired; bold where the interval excludes zero.",
            differences(found),
        ]
    if len(everywhere) > 1:
        parts += [
            "## All data sets",
            "Means over the data sets, bold where the interval excludes zero.",
            pooled(everywhere),
        ]
    return "\n\n".join([*parts, f"Written by `{command}`."]) + "\n"


if __name__ == "__main__":
    write("stress_tables.py", __doc__, page)
