"""The page of `auricle compare`: paired comparison of all models, from evaluated runs of one task.

Runs and data are identified by digests: evaluations of the same clips belong to one data set, whatever their names and
folders. Names are for display only; equal names are made unique by their folders.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from auricle.errors import AuricleError
from auricle.files import write_text
from auricle.identity import digest_of, display_names, file_names
from auricle.metrics import Comparison, DatasetAverage, DatasetDifference
from auricle.metrics.comparison import Draws
from auricle.readers import blaming
from auricle.registry import unknown_name
from auricle.reports import plots
from auricle.reports.metrics import METRICS
from auricle.reports.tables import to_markdown
from auricle.runs.comparison import ComparedTask
from auricle.runs.results import RESULTS, Result, find_results
from auricle.tasks.classification.compare import ComparedClassifiers
from auricle.tasks.emotion.compare import ComparedEmotions
from auricle.tasks.enhancement.compare import ComparedEnhancers
from auricle.tasks.separation.compare import ComparedSeparators

TASKS: dict[str, Callable[[], ComparedTask]] = {
    "classification": ComparedClassifiers,
    "emotion": ComparedEmotions,
    "enhancement": ComparedEnhancers,
    "separation": ComparedSeparators,
}
_DATA_SETS = "data-sets"
_MAX_DISTRIBUTIONS = 8  # largest number of distributions of differences in one plot


@dataclass
class ComparedModels:
    """Models measured on the same clips with the same settings; `models` maps each name to its runs."""

    title: str
    models: dict[str, list[Result]]
    comparison: Comparison


def compare_runs(
    runs: Sequence[str | Path], path: str | Path, *, baseline: str = "", title: str = "Results", preface: str = ""
) -> list[ComparedModels]:
    """Write a Markdown page that compares the evaluations of `runs`, with plots in a folder named like the page.

    Runs without results are left out, with an `AuricleWarning` each. Runs that differ in their seed only are averaged.
    `baseline` is the model that comes first. Raises `AuricleError` for evaluations of different tasks and for a run
    that is given twice.
    """
    path = Path(path)
    results = find_results(runs)
    task = compared_task(results)
    for result in results:
        with blaming(result.folder / RESULTS, f"an evaluation of {result.task}"):
            task.facts({task.display_name(result): [result]})
            digest_of(task.arrangement(result), task.test(result))
            task.columns([result])
    lines = [f"# {title}", "", *([preface, ""] if preface else [])]
    with blaming(", ".join(str(result.folder) for result in results), "evaluations that fit together"):
        tests = arrange(task, results, baseline)
        images = file_names([test.title for test in tests], reserved=[_DATA_SETS])
        for test in tests:
            lines += _test_section(task, test, path.parent / path.stem / images[test.title])
        if len(tests) > 1:
            lines += _over_datasets(task, tests, path)
    write_text(path, "\n".join(lines).rstrip() + "\n")
    return tests


def compared_task(results: Sequence[Result]) -> ComparedTask:
    """The task of all results; raises `AuricleError` if they have different tasks."""
    by_task: dict[str, list[str]] = defaultdict(list)
    for result in results:
        by_task[result.task].append(str(result.folder))
    if len(by_task) > 1:
        named = "; ".join(f"{task} ({folders[0]})" for task, folders in by_task.items())
        raise AuricleError(f"results of different tasks cannot be compared: {named}")
    (name,) = by_task
    if name not in TASKS:
        raise AuricleError(unknown_name("task", name, TASKS))
    return TASKS[name]()


def arrange(task: ComparedTask, results: Sequence[Result], baseline: str = "") -> list[ComparedModels]:
    """Group the results by test (same clips and settings), each with its models, `baseline` first."""
    by_test: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        by_test[result.data["digest"], _key(task.test(result))].append(result)
    grouped = [group_models(task, members) for members in by_test.values()]
    names = _model_names(task, grouped)
    titles = _titles(task, list(by_test.values()))
    tests = []
    for title, groups in zip(titles, grouped, strict=True):
        models = {names[id(group)]: group for group in groups}
        own = {name: [task.sample(result) for result in group] for name, group in models.items()}
        beside = {name: [sample] for name, sample in task.references(groups[0][0]).items() if name not in own}
        samples = beside | own
        order = sorted(samples, key=lambda name: name != baseline)
        models = {name: models[name] for name in order if name in models}
        tests.append(ComparedModels(title, models, Comparison({name: samples[name] for name in order})))
    known = dict.fromkeys(name for test in tests for name in test.comparison.models)
    if baseline and baseline not in known:
        raise AuricleError(unknown_name("baseline", baseline, known))
    return tests


def group_models(task: ComparedTask, results: Sequence[Result]) -> list[list[Result]]:
    """Group the results of one test by model: results that differ in the training seed only belong to one model.

    Runs with equal settings and seeds but different weights are separate models.
    """
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        groups[_key(task.arrangement(result))].append(result)
    models = []
    for group in groups.values():
        runs = [result.run["digest"] or _key(result.model["training_seed"]) for result in group]
        twice = [run for run, count in Counter(runs).items() if count > 1]
        if twice:
            folders = [str(result.folder) for result, run in zip(group, runs, strict=True) if run == twice[0]]
            raise AuricleError(f"the same run is given more than once: {', '.join(folders)}")
        seeds = [result.model["training_seed"] for result in group]
        models += [group] if len(set(seeds)) == len(seeds) else [[result] for result in group]
    return models


def _model_names(task: ComparedTask, grouped: Sequence[list[list[Result]]]) -> dict[int, str]:
    """A display name for each group of results, with the runs' folders if two groups of a test have the same name."""
    ambiguous: set[str] = set()
    for groups in grouped:
        counts = Counter(task.display_name(group[0]) for group in groups)
        ambiguous |= {name for name, count in counts.items() if count > 1}
    names = {id(group): task.display_name(group[0]) for groups in grouped for group in groups}
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


def _test_section(task: ComparedTask, test: ComparedModels, image: Path) -> list[str]:
    comparison = test.comparison
    lines = [f"## {test.title}", "", task.facts(test.models), ""]
    if len(comparison.models) > 1:
        lines += [
            "Below each table are the differences of every two models (of shares in points), the same units drawn for "
            "both; bold where the interval excludes zero.",
            "",
        ]
    if comparison.left_out:
        lines += [f"Not measured for every model, and left out: {', '.join(comparison.left_out)}.", ""]
    for metric in _metrics(task, comparison):
        lines += [f"### {METRICS[metric].head}", ""]
        lines += _values(task, test, comparison, metric)
        lines += _differences(comparison, metric)
    lines += task.sections(test.models, comparison, image)
    return lines + _provenance(test)


def _metrics(task: ComparedTask, draws: Draws) -> list[str]:
    return [metric for metric in task.metrics if metric in draws.metrics]


def _values(task: ComparedTask, test: ComparedModels | None, draws: Draws, metric: str) -> list[str]:
    """A table with a row for each model: its columns, number of seeds, and the metric under each condition."""
    groups = test.models if test else {}
    about = {name: task.columns(group) | {"seeds": len(group)} for name, group in groups.items()}
    heads = list(dict.fromkeys(head for columns in about.values() for head in columns))
    rows = []
    flat = False
    for name in draws.models:
        row: dict[str, Any] = {task.model_head: name} | {head: about.get(name, {}).get(head) for head in heads}
        for condition in draws.conditions:
            interval = draws.interval(name, condition, metric)
            row[condition] = METRICS[metric].value(interval)
            flat = flat or interval.low == interval.high
        rows.append(row)
    table = pd.DataFrame(rows, dtype=object)
    lines = [to_markdown(table).rstrip(), ""]
    if flat and test and metric == "accuracy":
        n_clips = next(iter(test.models.values()))[0].data["n_clips"]
        lines += [
            "An interval without width means that no clip was wrong (or right), so that none can be drawn that is: "
            f"with {n_clips} clips a rate of up to {300 / n_clips:.1f} % goes with that.",
            "",
        ]
    return lines


def _differences(draws: Draws, metric: str) -> list[str]:
    """A table with a row for each pair of models: the later minus the earlier."""
    rows = [
        {"difference": f"{model} − {other}"}
        | {
            condition: METRICS[metric].difference(draws.difference(model, other, condition, metric))
            for condition in draws.conditions
        }
        for other, model in _pairs(draws)
    ]
    return [to_markdown(pd.DataFrame(rows)).rstrip(), ""] if rows else []


def _pairs(draws: Draws) -> list[tuple[str, str]]:
    """All pairs of models, those with the first model first."""
    return list(combinations(draws.models, 2))


def _over_datasets(task: ComparedTask, tests: Sequence[ComparedModels], path: Path) -> list[str]:
    """Section on means over data sets with LEAF's bootstrap over them, for the models measured on all of them."""
    mean = DatasetAverage([test.comparison for test in tests])
    metrics = _metrics(task, mean)
    if len(mean.models) < 2 or not mean.conditions or not metrics:
        return []
    lines = [
        "## Over data sets",
        "",
        f"Means over {len(tests)} tests ({'; '.join(test.title for test in tests)}). Two tables of differences follow: "
        "with units drawn anew within each data set, and with the data sets drawn with replacement (p is the share of "
        "draws in which the first model is no better).",
        "",
    ]
    for metric in metrics:
        lines += [f"### Over data sets: {METRICS[metric].head}", "", *_values(task, None, mean, metric)]
        lines += _differences(mean, metric)
        rows = []
        for other, model in _pairs(mean):
            row = {"data sets drawn": f"{model} − {other}"}
            for condition in mean.conditions:
                drawn = mean.over_datasets(model, other, condition, metric)
                row[condition] = f"{METRICS[metric].difference(drawn)}, p = {drawn.p_value:.2g}" if drawn else "–"
            rows.append(row)
        lines += [to_markdown(pd.DataFrame(rows)).rstrip(), ""]
    return lines + _distributions(mean, metrics[0], path)


def _distributions(mean: DatasetAverage, metric: str, path: Path) -> list[str]:
    """The plot of the differences from the first model, in the metric's unit."""
    first, *others = mean.models
    scale = METRICS[metric].scale
    found = {}
    for model in others[:_MAX_DISTRIBUTIONS]:
        drawn = mean.over_datasets(model, first, mean.conditions[0], metric)
        if drawn:
            value, low, high = (scale * number for number in (drawn.value, drawn.low, drawn.high))
            scaled = DatasetDifference(value, low, high, drawn.p_value, scale * drawn.distribution)
            found[f"{model} − {first}"] = scaled
    if not found:
        return []
    image = f"{path.stem}/{_DATA_SETS}.png"
    plots.save(plots.difference_distribution(found, METRICS[metric].label), path.parent / image)
    return [f"![difference distributions]({image})", ""]


def _provenance(test: ComparedModels) -> list[str]:
    results = [result for group in test.models.values() for result in group]
    seeds = sorted({result.model["training_seed"] for result in results if result.model["training_seed"] is not None})
    made = results[0].record["provenance"]
    trained = f"Seeds {', '.join(map(str, seeds))}. " if seeds else ""
    return [
        f"{trained}{made['machine']['processor']}, {made['machine']['cores']} cores; torch "
        f"{made['versions']['torch']}, auricle {made['versions']['auricle']}; {made['date'][:10]}. Measured by:",
        "",
        "```",
        *(result.record["provenance"]["command"] for result in results),
        "```",
        "",
    ]


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 20 else f"{text[:20]}…"
