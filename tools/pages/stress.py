"""Write docs/results/leaf.md, docs/results/apcen.md or docs/results/degram.md from the saved results of grids.

    python tools/pages/stress.py results/apcen --output docs/results/apcen.md

The folder holds for each data set a folder with what `auricle compare --frontends` writes:

- TRAINED-SUITE.csv.gz, the cells.csv of models trained clean or under a condition and tested with a suite;
- TRAINED-scores.npz, their scores on clean clips.

Differences are from log-mel, or from the first front-end where log-mel is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from auricle.conditions import stable_seed
from auricle.metrics import Interval
from auricle.reports.tables import difference_text, interval_text, markdown_table
from auricle.studies.grid.scores import GridScores
from auricle.studies.stress.cells import read_cells
from auricle.studies.stress.statistics import StressTest, interval
from common import VARIATIONS, data_sets, join_sections, write_page

RESAMPLES = 10_000
#: The tests of a data set by (trained, suite).
Tests = dict[tuple[str, str], StressTest]
Figure = Callable[[StressTest, str], np.ndarray]


def read_tests(folder: Path) -> Tests:
    """The tests of one data set, with resamples that its name alone chooses."""
    seed, tests = stable_seed(folder.name), {}
    for path in sorted(folder.glob("*.csv.gz")):
        trained, suite = path.name.removesuffix(".csv.gz").split("-", 1)
        tests[trained, suite] = StressTest(read_cells(path), seed, RESAMPLES)
    return tests


def accuracies(tests: Tests) -> str:
    """A row for each front-end: accuracy on clean clips and over each suite, by how it was trained."""
    models = next(iter(tests.values())).models
    header, columns = ["front-end"], []
    for trained in dict.fromkeys(trained for trained, _ in tests):
        suites = [suite for own, suite in tests if own == trained]
        header.append(f"{trained} → clean")
        columns.append([interval_text(interval(tests[trained, suites[0]].clean(m), 100)) for m in models])
        for suite in suites:
            header.append(f"{trained} → {suite}")
            columns.append([interval_text(interval(tests[trained, suite].overall(m), 100)) for m in models])
    return markdown_table(header, [[model, *cells] for model, *cells in zip(models, *columns, strict=True)])


def best_other(model: str, ranked: list[str]) -> str:
    """The best of the ranked models, or the second for the best one itself."""
    return ranked[1] if model == ranked[0] else ranked[0]


def differences(tests: Tests) -> str:
    """Each front-end minus the baseline, and minus the best other one except the baseline, on the same resamples."""
    rows = []
    baseline = baseline_of(next(iter(tests.values())))
    header = ["trained → tested", "front-end", f"from {baseline}", "from the best other"]
    for (trained, suite), test in tests.items():
        learnt = [model for model in test.models if model != baseline]
        ranked = sorted(learnt, key=lambda model: -float(test.overall(model)[0]))
        for model in learnt:
            others = [baseline] if len(learnt) == 1 else [baseline, best_other(model, ranked)]
            from_baseline, *from_other = (
                difference_text(interval(test.difference(test.overall, model, name), 100), 1, " to ") for name in others
            )
            rows.append(
                [f"{trained} → {suite}", model, from_baseline, *(f"{it} from {others[1]}" for it in from_other)]
            )
    return markdown_table(header[: len(rows[0])], rows, [False, False, *[True] * (len(rows[0]) - 2)])


def baseline_of(test: StressTest) -> str:
    """Log-mel, or the first front-end where it is missing."""
    return "mel" if "mel" in test.models else test.models[0]


def pooled(by_data: dict[str, Tests]) -> str:
    """Means over data sets: each front-end's accuracy, and its difference from the best other one except log-mel.

    Data sets count that are no variations and have the most common baseline, and of these for each row all that were
    trained and tested so, with the front-ends that they share. Each is resampled by itself, so a resample of the mean
    is the mean of one resample of each.
    """
    all_tests = [tests for name, tests in by_data.items() if name not in VARIATIONS]
    baselines = [baseline_of(next(iter(tests.values()))) for tests in all_tests]
    usual = Counter(baselines).most_common(1)[0][0]
    all_tests = [tests for tests, own in zip(all_tests, baselines, strict=True) if own == usual]
    keys = dict.fromkeys(key for tests in all_tests for key in tests)
    figures: dict[str, tuple[list[StressTest], Figure]] = {}
    for trained in dict.fromkeys(trained for trained, _ in keys):
        own = [next((test for key, test in tests.items() if key[0] == trained), None) for tests in all_tests]
        figures[f"{trained} → clean"] = [test for test in own if test is not None], StressTest.clean
    for key in keys:
        figures[" → ".join(key)] = [tests[key] for tests in all_tests if key in tests], StressTest.overall
    rows = []
    for name, (tested, figure) in figures.items():
        if len(tested) < 2:
            continue
        models = [model for model in tested[0].models if all(model in test.models for test in tested)]
        means = {model: sum(figure(test, model) for test in tested) / len(tested) for model in models}
        ranked = sorted((model for model in means if model != "mel"), key=lambda model: -float(means[model][0]))
        for model, mean in means.items():
            other = best_other(model, ranked)
            difference = difference_text(interval(mean - means[other], 100), 1, " to ")
            cells = [name, str(len(tested)), model, interval_text(interval(mean, 100))]
            rows.append([*cells, f"{difference} from {other}"])
    head = ["trained → tested", "data sets", "front-end", "accuracy, %", "from the best other"]
    return markdown_table(head, rows, [False, True, False, True, True])


def scores(path: Path) -> str:
    """The form of the DEGramNet paper's Tables 6 and 7, and the front-end that validation would choose."""
    saved = GridScores.read(path)
    table = saved.table()
    rows = [[score_text(value) for value in row] for row in table.itertuples(index=False)]
    return f"{markdown_table(list(table.columns), rows)}\n\nHighest on validation: {saved.best_on_validation()}."


def score_text(value: Any) -> str:
    if isinstance(value, Interval):
        return interval_text(value, 3)
    return value if isinstance(value, str) else f"{value:.3f}"


def page(folder: Path, command: str) -> str:
    sections: list[str] = []
    all_tests: dict[str, Tests] = {}
    for data, start in data_sets(folder):
        sections += start
        for path in sorted(data.glob("*-scores.npz")):
            sections += [f"Trained {path.name.removesuffix('-scores.npz')}, tested on clean clips:", scores(path)]
        tests = read_tests(data)
        if not tests:
            continue
        all_tests[data.name] = tests
        seeds = {trained: max(test.n_seeds.values()) for (trained, _), test in tests.items()}
        sections += [
            "Accuracy in %, trained → tested, with 95 % bootstrap intervals over clips (over groups where clips have "
            "them). They cover the choice of clips and not that of seeds. Seeds: "
            f"{', '.join(f'{count} trained {condition}' for condition, count in seeds.items())}.",
            accuracies(tests),
            "Differences in points, paired; bold where the interval excludes zero.",
            differences(tests),
        ]
    if len(all_tests) > 1:
        sections += [
            "## All data sets",
            "Means over the data sets; differences are in bold where the interval excludes zero.",
            pooled(all_tests),
        ]
    return join_sections(folder, sections, command)


if __name__ == "__main__":
    write_page(page, __doc__)
