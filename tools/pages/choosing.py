"""Write docs/choosing.md: which front-end when, which start when, with figures from saved results.

python tools/pages/choosing.py results --output docs/choosing.md
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from auricle.metrics import Interval
from auricle.reports.tables import difference_text, interval_text, markdown_table
from auricle.studies.stress.statistics import StressTest, interval
from common import TEXTS, data_sets, filled, write_page
from robust import PLAIN, ROBUST, Answers, shown
from stress import Tests, read_tests

DIGITS = ("mel", "mel-spcen", "leaf", "sincnet", "sincnet+", "td-filterbanks")
DIGITS_NOISE_DB = 10.0
SETS = {"fsdd-speakers": "digits, new speakers", "esc50-fold4": "ESC-50", "emodb-2s": "emotions"}
PRETRAINED = {
    PLAIN: "`auricle teach --model efficientat-mn04`",
    ROBUST: "`--init-from efficientat-mn04 --recipe robust`",
}
SUITES = {"complex": "complex", "snr-ladder": "noise"}


def digits(results: Path, frontend: str) -> dict[float | None, Interval]:
    """Accuracy on digits in percent by the level of Gaussian noise in dB; None is clean."""
    found: dict[float | None, Interval] = {}
    for entry in read_digits(results, frontend)["measured"]:
        value = entry["metrics"]["accuracy"]
        found[entry["snr_db"]] = Interval(*(100 * value[part] for part in ("value", "low", "high")))
    return found


def read_digits(results: Path, frontend: str) -> dict[str, Any]:
    return json.loads((results / f"digits-{frontend}" / "results.json").read_text(encoding="utf-8"))


def digits_table(results: Path) -> str:
    rows = []
    for frontend in DIGITS:
        found = digits(results, frontend)
        accuracies = [interval_text(found[db]) for db in (None, DIGITS_NOISE_DB, 0.0)]
        count = read_digits(results, frontend)["model"]["parameters"]["frontend"]
        rows.append([f"`{frontend}`", f"{count:,}", *accuracies])
    head = ["front-end", "parameters", "clean", f"{DIGITS_NOISE_DB:.0f} dB", "0 dB"]
    return markdown_table(head, rows, [False, *[True] * 4])


def adaptive(results: Path) -> dict[str, Tests]:
    """The tests of results/apcen by data set, with the resamples of its page."""
    return {data.name: read_tests(data) for data, _ in data_sets(results / "apcen")}


def by_set(results: Path, trained: str) -> str:
    """A row for each front-end, a column for each data set and suite that the models of `trained` were tested on."""
    columns: list[tuple[str, StressTest]] = []
    tests = adaptive(results)
    for name, words in SETS.items():
        for suite, short in SUITES.items():
            if (trained, suite) in tests[name]:
                columns.append((f"{words}: {short}", tests[name][trained, suite]))
    rows = []
    for model in columns[0][1].models:
        row = [f"`{model}`"]
        for _, test in columns:
            value = f"{100 * float(test.overall(model)[0]):.1f}"
            difference = difference_text(interval(test.difference(test.overall, model, "mel"), 100), 1, " to ")
            row.append(value if model == "mel" else f"{value}<br>{difference}")
        rows.append(row)
    return markdown_table(["front-end", *(name for name, _ in columns)], rows, [False, *[True] * len(columns)])


def starts(results: Path) -> str:
    answers = Answers(results / "robust")
    rows = []
    tests = adaptive(results)["esc50-fold4"]
    for trained, words in (("clean", "on clean clips"), ("complex", "under `complex`")):
        test = tests[trained, "snr-ladder"]
        clean, noise = (interval(figure("leaf-apcen"), 100) for figure in (test.clean, test.overall))
        rows.append([f"from scratch, `leaf-apcen` {words}", *(interval_text(value) for value in (clean, noise))])
    for system, words in PRETRAINED.items():
        noise = np.mean([answers.right(system, f"noise-{k}") for k in range(1, 6)], axis=0)
        texts = [shown(*answers.mean(values)) for values in (answers.right(system, "clean"), noise)]
        rows.append([words, *(text.replace("[", "(").replace("]", ")").replace(", ", "–") for text in texts)])
    return markdown_table(["start", "clean clips", "noise, mean of 20 to 0 dB"], rows, [False, True, True])


def page(folder: Path, command: str) -> str:
    text = filled(
        TEXTS / "choosing.md",
        noise=f"{DIGITS_NOISE_DB:.0f}",
        starts=starts(folder),
        digits=digits_table(folder),
        clean=by_set(folder, "clean"),
        trained=by_set(folder, "complex"),
    )
    return f"{text}\n\nWritten by `{command}`.\n"


if __name__ == "__main__":
    write_page(page, __doc__)
