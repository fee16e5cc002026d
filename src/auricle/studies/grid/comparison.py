"""The page of `auricle compare` for grids: their accuracies on several data sets, as trained and as tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from auricle.conditions.suites import CLEAN
from auricle.errors import AuricleError
from auricle.files import write_text
from auricle.identity import display_names
from auricle.metrics.classification import Floats
from auricle.metrics.comparison import Draws
from auricle.readers import read_json
from auricle.registry import unknown_name
from auricle.runs.comparison import TableTask
from auricle.studies.comparison_tables import differences_table, over_datasets, values_table
from auricle.studies.stress.cells import CELLS, read_cells
from auricle.studies.stress.statistics import StressTest

ABOUT = "grid.json"
SCHEMA = 1
ACCURACY = "accuracy"


@dataclass(frozen=True)
class GridTest:
    """A grid's models, trained in one way and tested under one suite."""

    folder: Path
    about: dict[str, Any]
    test: StressTest

    @classmethod
    def read(cls, path: Path) -> GridTest:
        """Read the folder of a suite's report, from the path of its grid.json."""
        needed = {"schema": int, "data": str, "clips": str, "trained": str, "suite": str}
        about = read_json(path, needed)
        if about["schema"] != SCHEMA:
            raise AuricleError(f"{path} is not of schema {SCHEMA}, which this version reads: make the grid again")
        return cls(path.parent, about, StressTest(read_cells(path.with_name(CELLS))))


class GridDraws(Draws):
    """Accuracies on one data set. A condition is how the models were trained and tested, as in "clean → complex"."""

    def __init__(self, tests: Sequence[GridTest]) -> None:
        self._figures: dict[str, tuple[StressTest, Callable[[StressTest, str], Floats]]] = {}
        for each in tests:
            self._figures[f"{each.about['trained']} → {CLEAN}"] = each.test, StressTest.clean
        for each in tests:
            self._figures[f"{each.about['trained']} → {each.about['suite']}"] = each.test, StressTest.overall
        self.conditions, self.metrics = list(self._figures), [ACCURACY]
        self.models = [name for name in tests[0].test.models if all(name in each.test.models for each in tests)]

    @property
    def n_independent(self) -> int:
        test, _ = next(iter(self._figures.values()))
        return int(test.cells["group"].nunique())

    def draws(self, model: str, condition: str, metric: str) -> Floats:
        test, figure = self._figures[condition]
        return figure(test, model)


class GridTables(TableTask):
    """How the tables of grids are headed."""

    metrics: ClassVar[tuple[str, ...]] = (ACCURACY,)
    model_head: ClassVar[str] = "front-end"


def find_grids(folders: Sequence[str]) -> list[GridTest]:
    """The tests of the grids in the folders, each a grid's or one of its reports'; none if these are runs.

    Raises `AuricleError` for some of both.
    """
    found = {folder: sorted([*Path(folder).glob(ABOUT), *Path(folder).glob(f"*/{ABOUT}")]) for folder in folders}
    runs = [folder for folder, paths in found.items() if not paths]
    if runs and len(runs) < len(found):
        raise AuricleError(f"{runs[0]} is no grid of auricle compare --frontends, as the others are")
    paths = dict.fromkeys(path.resolve() for own in found.values() for path in own)
    return [GridTest.read(path) for path in paths]


def compare_grids(tests: Sequence[GridTest], path: Path, *, baseline: str, title: str, preface: str) -> None:
    """Write a Markdown page with the accuracies of every data set and over all of them.

    A data set is known by its clips. Raises `AuricleError` if one was tested twice in the same way.
    """
    by_data: dict[str, list[GridTest]] = {}
    for each in tests:
        by_data.setdefault(each.about["clips"], []).append(each)
    names = display_names(
        [own[0].about["data"] for own in by_data.values()], [own[0].folder for own in by_data.values()]
    )
    task = GridTables()
    lines = [f"# {title}", "", *([preface, ""] if preface else [])]
    every = {}
    for name, own in zip(names, by_data.values(), strict=True):
        every[name] = draws = _draws(own, baseline)
        seeds = sorted({count for each in own for count in each.test.n_seeds.values()})
        lines += [
            f"## {name}",
            "",
            f"{own[0].test.cells['clip'].nunique()} clips; accuracy in %, trained → tested, mean over "
            f"{' or '.join(map(str, seeds))} seeds, with 95 % bootstrap intervals over clips or groups of clips; below "
            "it the differences of every two models, bold where the interval excludes zero.",
            "",
            *values_table(task, draws, ACCURACY),
            *differences_table(draws, ACCURACY),
        ]
    if len(every) > 1:
        lines += over_datasets(task, every, path)
    write_text(path, "\n".join(lines).rstrip() + "\n")


def _draws(tests: Sequence[GridTest], baseline: str) -> GridDraws:
    kinds: dict[tuple[str, str], GridTest] = {}
    for each in tests:
        other = kinds.setdefault((each.about["trained"], each.about["suite"]), each)
        if other is not each:
            raise AuricleError(f"{other.folder} and {each.folder} are the same test of the same clips: give one")
    draws = GridDraws(tests)
    if baseline and baseline not in draws.models:
        raise AuricleError(unknown_name("baseline", baseline, draws.models))
    draws.models = sorted(draws.models, key=lambda name: bool(baseline) and name != baseline)
    return draws
