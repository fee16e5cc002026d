"""Which evaluations `auricle compare` puts beside each other: the tests, their models, and the names of both.

Runs and data are identified by digests: evaluations of the same clips belong to one data set, whatever their names and
folders. Names are for display only; equal names are made unique by their folders.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auricle.errors import AuricleError
from auricle.identity import display_names
from auricle.metrics import Comparison
from auricle.registry import unknown_name
from auricle.runs.comparison import ComparedTask
from auricle.runs.results import EVALUATIONS, Result


@dataclass
class ComparedModels:
    """Models measured on the same clips with the same settings; `models` maps each name to its runs."""

    title: str
    models: dict[str, list[Result]]
    comparison: Comparison


def arrange(task: ComparedTask, results: Sequence[Result], baseline: str = "") -> list[ComparedModels]:
    """Group the results by test (same clips and settings), each with its models, `baseline` first.

    `baseline` is the name of a model in the tables, its short name if no other model has it, or a run's folder.
    """
    by_test: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        by_test[result.data["digest"], _key(task.test(result))].append(result)
    grouped = [group_models(task, members) for members in by_test.values()]
    names = _model_names(task, grouped)
    titles = _titles(task, list(by_test.values()))
    baseline = _baseline(task, baseline, grouped, names)
    tests = []
    for title, groups in zip(titles, grouped, strict=True):
        models = {names[id(group)]: group for group in groups}
        own = {name: [task.sample(result) for result in group] for name, group in models.items()}
        beside = {name: [sample] for name, sample in task.references(groups[0][0]).items() if name not in own}
        samples = beside | own
        order = sorted(samples, key=lambda name: name != baseline)
        models = {name: models[name] for name in order if name in models}
        tests.append(ComparedModels(title, models, Comparison({name: samples[name] for name in order})))
    return tests


def _baseline(
    task: ComparedTask, baseline: str, grouped: Sequence[list[list[Result]]], names: Mapping[int, str]
) -> str:
    """The name in the tables of the model that `baseline` stands for; raises `AuricleError` unless there is one."""
    groups = [group for own in grouped for group in own]
    known = dict.fromkeys([name for own in grouped for name in task.references(own[0][0])])
    known |= dict.fromkeys(names[id(group)] for group in groups)
    if not baseline or baseline in known:
        return baseline
    place = Path(baseline).resolve()
    meant = dict.fromkeys(
        names[id(group)]
        for group in groups
        if task.short_name(group[0]) == baseline or any(place in _places(result) for result in group)
    )
    if len(meant) > 1:
        raise AuricleError(f"baseline {baseline!r}: it may be any of {', '.join(meant)}")
    if not meant:
        raise AuricleError(unknown_name("baseline", baseline, known))
    return next(iter(meant))


def _places(result: Result) -> list[Path]:
    return [Path(place).resolve() for place in (result.run["path"], result.folder) if place]


def group_models(task: ComparedTask, results: Sequence[Result]) -> list[list[Result]]:
    """Group the results of one test by model: results that differ in the training seed only belong to one model.

    Runs with equal settings and seeds but different weights are separate models. Options that are not set count as
    those that a run of an earlier version does not have.
    """
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        groups[_key(_set_options(task.arrangement(result)))].append(result)
    models = []
    for group in map(_fullest, groups.values()):
        runs = [_run(result) for result in group]
        twice = [run for run, count in Counter(runs).items() if count > 1]
        if twice:
            folders = [str(result.folder) for result, run in zip(group, runs, strict=True) if run == twice[0]]
            raise AuricleError(f"the same run is given more than once: {', '.join(folders)}: give one of these")
        seeds = [result.model["training_seed"] for result in group]
        models += [group] if len(set(seeds)) == len(seeds) else [[result] for result in group]
    return models


def _run(result: Result) -> str:
    return result.run["digest"] or _key(result.model["training_seed"])


def _fullest(results: Sequence[Result]) -> list[Result]:
    """The results without evaluations of a run of which another in the same run folder has all conditions too."""
    kept: list[Result] = []
    for result in sorted(results, key=lambda result: -len(result.measured)):
        place, conditions = result.folder.parent, {row.condition for row in result.measured}
        others = [o for o in kept if o.folder.parent == place and o.folder != result.folder and _run(o) == _run(result)]
        covered = any(conditions <= {row.condition for row in other.measured} for other in others)
        if place.name != EVALUATIONS or not covered:
            kept.append(result)
    return [result for result in results if result in kept]


def _model_names(task: ComparedTask, grouped: Sequence[list[list[Result]]]) -> dict[int, str]:
    """A display name for each group of results.

    Where display names are alike within a test and full names tell more models apart, all have their full names. Names
    that are still alike are followed by the runs' folders.
    """
    short, full = (
        {id(group): name_of(group[0]) for groups in grouped for group in groups}
        for name_of in (task.display_name, task.full_name)
    )
    n_short, n_full = (sum(len({own[id(group)] for group in groups}) for groups in grouped) for own in (short, full))
    names = full if n_full > n_short else short
    ambiguous: set[str] = set()
    for groups in grouped:
        counts = Counter(names[id(group)] for group in groups)
        ambiguous |= {name for name, count in counts.items() if count > 1}
    for name in ambiguous:
        own = [group for groups in grouped for group in groups if names[id(group)] == name]
        places = [Path(group[0].run["path"] or group[0].folder) for group in own]
        keys = [
            (place, _key([task.arrangement(group[0]), sorted(result.run["digest"] or "" for result in group)]))
            for place, group in zip(places, own, strict=True)
        ]
        of_a_place = {place: len({key for key in keys if key[0] == place}) for place in places}
        models = [(own[i][0].folder if of_a_place[place] > 1 else place, key) for i, (place, key) in enumerate(keys)]
        unique = list(dict.fromkeys(models))
        shown = dict(zip(unique, display_names([name] * len(unique), [place for place, _ in unique]), strict=True))
        names |= {id(group): shown[model] for group, model in zip(own, models, strict=True)}
    return names


def _titles(task: ComparedTask, tests: Sequence[list[Result]]) -> list[str]:
    """Titles such as 'fsdd, valid', with folders for data sets of equal names, and settings that differ."""
    by_digest: dict[str, Result] = {}
    for members in tests:
        by_digest.setdefault(members[0].data["digest"], members[0])
    data = [result.data for result in by_digest.values()]
    names = display_names([f"{own['name']}, {own['split']}" for own in data], [own["path"] for own in data])
    plain = dict(zip(by_digest, names, strict=True))
    titles = []
    for members in tests:
        digest = members[0].data["digest"]
        others = [task.test(other[0]) for other in tests if other[0].data["digest"] == digest]
        own = task.test(members[0])
        differing = [name for name in own if any(_key(other[name]) != _key(own[name]) for other in others)]
        titles.append(", ".join([plain[digest], *(f"{name} {_short(own[name])}" for name in differing)]))
    return [title if titles.count(title) == 1 else f"{title} ({place + 1})" for place, title in enumerate(titles)]


def _set_options(value: Any) -> Any:
    """`value` without the entries of dictionaries that are None, at any depth."""
    if not isinstance(value, dict):
        return value
    return {name: _set_options(own) for name, own in value.items() if own is not None}


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 20 else f"{text[:20]}…"
