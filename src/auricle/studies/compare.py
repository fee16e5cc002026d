"""`auricle compare`: evaluated runs side by side, with paired differences, as the tables of a page."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from auricle.errors import AuricleError
from auricle.frontends.spec import frontend_name
from auricle.metrics import (
    DatasetDifference,
    Difference,
    Interval,
    accuracy,
    bootstrap_over_datasets,
    bootstrap_weights,
    central_interval,
    mean_average_precision,
)
from auricle.registry import unknown_name
from auricle.reports import plots
from auricle.reports.tables import percent, signed_percent, to_markdown
from auricle.tasks.classification.evaluate import RESULTS, SCHEMA

METRICS = {"accuracy": accuracy, "mean_average_precision": mean_average_precision}


@dataclass
class Evaluated:
    """One evaluation of one run, read back from its folder."""

    folder: Path
    result: dict[str, Any]

    @property
    def frontend(self) -> str:
        """The front-end's name, with the options that make it another one."""
        return frontend_name(self.result["frontend"])

    @property
    def problem(self) -> tuple[str, str, str]:
        """What has to be the same for two evaluations to be compared: task, part, and clips and labels as a hash."""
        arrays = self.scores()
        digest = hashlib.sha256(repr((arrays["clips"].tolist(), arrays["labels"].tolist())).encode()).hexdigest()
        return self.result["task"], self.result["part"], digest

    @property
    def arrangement(self) -> str:
        """Everything that was chosen but the seed: evaluations that agree in it may be averaged."""
        kept = ("model", "training", "noise", "continuous", "seed")
        return json.dumps({key: self.result[key] for key in kept}, sort_keys=True)

    @property
    def conditions(self) -> list[str]:
        return [row["condition"] for row in self.result["measured"]]

    @property
    def metric(self) -> str:
        """The metric to look at first."""
        return next(name for name in METRICS if name in self.result["measured"][0]["metrics"])

    def scores(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / "scores.npz") as file:
            return dict(file)


def read_evaluations(runs: list[str]) -> list[Evaluated]:
    """All evaluations below the folders given (runs, or single evaluations)."""
    found: dict[Path, Evaluated] = {}
    for run in runs:
        if not Path(run).is_dir():
            raise AuricleError(f"{run}: no such folder; give runs that `auricle evaluate` has measured")
        files = sorted(Path(run).rglob(RESULTS))
        if not files:
            raise AuricleError(f"{run} has not been measured yet: run `auricle evaluate {run} --data …` first")
        for file in files:
            result = json.loads(file.read_text(encoding="utf-8"))
            if result.get("schema") != SCHEMA:
                raise AuricleError(f"{file}: written with schema {result.get('schema')}, this version reads {SCHEMA}")
            found[file.parent.resolve()] = Evaluated(file.parent, result)
    return list(found.values())


def pooled(evaluations: list[Evaluated], condition: str, resamples: int = 1000) -> Interval:
    """The metric's mean over seeds of one front-end, with an interval over clips that keeps all seeds of a clip."""
    return Interval(*_spread(*_resampled_means(evaluations, condition, resamples)))


def paired(first: list[Evaluated], second: list[Evaluated], condition: str, resamples: int = 1000) -> Difference:
    """Mean over seeds of `first` minus that of `second`, resampling the same clips for both."""
    names = [list(e.scores()["clips"]) for e in (*first, *second)]
    if any(other != names[0] for other in names):
        raise AuricleError("these evaluations are of different clips: measure all runs on the same part")
    value_a, draws_a = _resampled_means(first, condition, resamples)
    value_b, draws_b = _resampled_means(second, condition, resamples)
    draws = draws_a - draws_b
    return Difference(*_spread(value_a - value_b, draws), p_value=float(np.mean(draws <= 0)))


def _resampled_means(evaluations: list[Evaluated], condition: str, resamples: int) -> tuple[float, np.ndarray]:
    metric = METRICS[evaluations[0].metric]
    values, draws = [], []
    for evaluated in evaluations:
        arrays = evaluated.scores()
        targets = arrays["targets"].astype(int)
        targets = targets.argmax(axis=1) if evaluated.metric == "accuracy" else targets
        weights = bootstrap_weights(len(targets), resamples)
        values.append(metric(arrays[condition], targets))
        draws.append(metric(arrays[condition], targets, weights))
    return float(np.mean(values)), np.mean(draws, axis=0)


def _spread(value: float, draws: np.ndarray) -> tuple[float, float, float]:
    return value, *central_interval(draws)


@dataclass
class Comparison:
    """Front-ends against conditions for one problem, and the differences from a baseline."""

    problem: tuple[str, str, str]
    conditions: list[str]
    left_out: list[str]
    table: pd.DataFrame
    differences: pd.DataFrame | None
    curves: dict[str, list[tuple[float | None, Interval]]]
    by_frontend: dict[str, list[Evaluated]]


def compare(evaluations: list[Evaluated], baseline: str = "mel") -> list[Comparison]:
    """One comparison per problem; runs of one front-end that differ in their seed are averaged."""
    problems: dict[tuple[str, str, str], list[Evaluated]] = defaultdict(list)
    for evaluated in evaluations:
        problems[evaluated.problem].append(evaluated)
    comparisons = []
    for problem, members in problems.items():
        by_frontend = _by_name(members)
        everyone = [evaluated for group in by_frontend.values() for evaluated in group]
        conditions = [c for c in everyone[0].conditions if all(c in other.conditions for other in everyone)]
        left_out = sorted({c for other in everyone for c in other.conditions} - set(conditions))
        snrs = {row["condition"]: row["snr_db"] for row in everyone[0].result["measured"]}
        intervals = {name: {c: pooled(group, c) for c in conditions} for name, group in by_frontend.items()}
        table = pd.DataFrame(
            [
                {
                    "front-end": name,
                    "learnt": group[0].result["parameters"]["frontend"],
                    "seeds": len(group),
                    **{c: percent(intervals[name][c]) for c in conditions},
                }
                for name, group in by_frontend.items()
            ]
        )
        differences = None
        if baseline in by_frontend and len(by_frontend) > 1:
            differences = pd.DataFrame(
                [
                    {"front-end": name}
                    | {c: signed_percent(paired(group, by_frontend[baseline], c)) for c in conditions}
                    for name, group in by_frontend.items()
                    if name != baseline
                ]
            )
        curves = {name: [(snrs[c], values[c]) for c in conditions] for name, values in intervals.items()}
        comparisons.append(Comparison(problem, conditions, left_out, table, differences, curves, dict(by_frontend)))
    return comparisons


def _by_name(members: list[Evaluated]) -> dict[str, list[Evaluated]]:
    """Evaluations that differ in nothing but the training's seed, by front-end, and by run where that is not enough."""
    groups: dict[str, list[Evaluated]] = defaultdict(list)
    for evaluated in members:
        groups[evaluated.arrangement].append(evaluated)
    named: dict[str, list[Evaluated]] = {}
    counts = Counter(group[0].frontend for group in groups.values())
    for group in groups.values():
        seeds = [evaluated.result["training_seed"] for evaluated in group]
        if len(set(seeds)) < len(seeds):
            listed = ", ".join(str(evaluated.folder) for evaluated in group)
            raise AuricleError(f"the same front-end, settings and seed more than once: {listed}")
        first = group[0]
        named[first.frontend if counts[first.frontend] == 1 else f"{first.frontend}: {first.result['run']}"] = group
    return named


def over_datasets(comparisons: list[Comparison], baseline: str) -> dict[str, DatasetDifference]:
    """The paper's bootstrap over data sets, clean accuracy (Figs. A.1, A.2): each front-end minus `baseline`."""
    shared = set.intersection(*(set(c.by_frontend) for c in comparisons)) if len(comparisons) > 1 else set()
    if baseline not in shared:
        return {}

    def accuracies(name: str) -> list[float]:
        return [100.0 * dict(c.curves[name])[None].value for c in comparisons]

    return {
        name: bootstrap_over_datasets(accuracies(name), accuracies(baseline)) for name in sorted(shared - {baseline})
    }


def write_comparison(path: Path, evaluations: list[Evaluated], baseline: str, title: str, preface: str = "") -> None:
    """A Markdown page of all comparisons, its figures beside it in a folder of the page's name."""
    comparisons = compare(evaluations, baseline or "mel")
    known = {name for comparison in comparisons for name in comparison.by_frontend}
    if baseline and baseline not in known:
        raise AuricleError(unknown_name("baseline", baseline, known))
    baseline = baseline or "mel"
    lines = [f"# {title}", ""]
    if preface:
        lines += [preface, ""]
    for comparison in comparisons:
        first = next(iter(comparison.by_frontend.values()))[0]
        task, part, _ = comparison.problem
        result = first.result
        lines += [
            f"## {task}, {part}",
            "",
            f"{result['n_clips']} clips, {result['backbone']['name']} at {result['sample_rate']} Hz, "
            f"{first.metric.replace('_', ' ')} in % (95 % bootstrap interval over clips), mean over seeds; "
            "learnt: the front-end's parameters.",
            "",
            to_markdown(comparison.table).rstrip(),
            "",
        ]
        if any(interval.low == interval.high for curve in comparison.curves.values() for _, interval in curve):
            lines += [
                "An interval without width means that no clip was wrong (or right), so that none can be drawn that is: "
                f"with {result['n_clips']} clips a rate of up to {300 / result['n_clips']:.1f} % goes with that.",
                "",
            ]
        if comparison.left_out:
            lines += [f"Not measured for every front-end, and left out: {', '.join(comparison.left_out)}.", ""]
        if comparison.differences is not None:
            lines += [
                f"Difference from {baseline} in points, the same clips resampled for both; bold where the interval "
                "excludes zero.",
                "",
                to_markdown(comparison.differences).rstrip(),
                "",
            ]
        if len(comparison.conditions) > 1:
            image = f"{path.stem}/{task}-{part}-snr.png"
            plots.save(plots.accuracy_against_snr(comparison.curves, metric=first.metric), path.parent / image)
            lines += [f"![{first.metric} against SNR]({image})", ""]
        lines += _provenance(comparison)
    distribution = over_datasets(comparisons, baseline)
    if distribution:
        image = f"{path.stem}/data-sets.png"
        plots.save(plots.difference_distribution(distribution), path.parent / image)
        lines += [
            "## Over data sets",
            "",
            f"Mean difference in clean accuracy from {baseline} when data sets are drawn with replacement.",
            "",
            *[
                f"- {name}: {d.value:+.2f} points ({d.low:+.2f} … {d.high:+.2f}), p = {d.p_value:.2g}"
                for name, d in distribution.items()
            ],
            "",
            f"![difference distributions]({image})",
            "",
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _provenance(comparison: Comparison) -> list[str]:
    everyone = [evaluated for group in comparison.by_frontend.values() for evaluated in group]
    seeds = sorted({evaluated.result["training_seed"] for evaluated in everyone})
    first = everyone[0].result["provenance"]
    commands = [evaluated.result["provenance"]["command"] for evaluated in everyone]
    return [
        f"Seeds {', '.join(map(str, seeds))}. {first['machine']['processor']}, {first['machine']['cores']} cores; "
        f"torch {first['versions']['torch']}, auricle {first['versions']['auricle']}; {first['date'][:10]}. "
        "Measured by:",
        "",
        "```",
        *commands,
        "```",
        "",
    ]
