"""The page of `auricle compare`: paired comparison of all models, from evaluated runs of one task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from auricle.errors import AuricleError
from auricle.files import write_text
from auricle.identity import digest_of, file_names
from auricle.readers import blaming
from auricle.registry import unknown_name
from auricle.reports.metrics import METRICS
from auricle.runs.comparison import ComparedTask
from auricle.runs.results import RESULTS, Result, find_results
from auricle.studies.compared_models import ComparedModels, arrange
from auricle.studies.comparison_tables import (
    DATA_SETS,
    differences_table,
    flat_note,
    over_datasets,
    overview_table,
    shared_metrics,
    undefined_note,
    values_table,
)
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
        images = file_names([test.title for test in tests], reserved=[DATA_SETS])
        for test in tests:
            lines += _test_section(task, test, path.parent / path.stem / images[test.title])
        if len(tests) > 1:
            lines += over_datasets(task, {test.title: test.comparison for test in tests}, path)
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


def _test_section(task: ComparedTask, test: ComparedModels, image: Path) -> list[str]:
    comparison = test.comparison
    about = {name: task.columns(group) | {"seeds": len(group)} for name, group in test.models.items()}
    n_clips = next(iter(test.models.values()))[0].data["n_clips"]
    lines = [f"## {test.title}", "", task.facts(test.models), ""]
    if len(comparison.models) > 1:
        lines += [
            "Below each table are the differences of every two models (of shares in points), paired on the same "
            "resampled clips or groups; bold where the interval excludes zero.",
            "",
        ]
    if comparison.left_out:
        lines += [f"Not measured for every model, and left out: {', '.join(comparison.left_out)}.", ""]
    lines += overview_table(task, test)
    for metric in shared_metrics(task, comparison):
        lines += [f"### {METRICS[metric].head}", ""]
        lines += values_table(task, comparison, metric, about)
        lines += flat_note(comparison, metric, n_clips)
        lines += undefined_note(comparison, metric)
        lines += differences_table(comparison, metric)
    lines += task.sections(test.models, comparison, image)
    return lines + _provenance(test)


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
