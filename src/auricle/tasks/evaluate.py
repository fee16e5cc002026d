"""`auricle evaluate`: evaluate a run of any task."""

from __future__ import annotations

from pathlib import Path

from auricle.config import Evaluate, verb
from auricle.errors import AuricleError
from auricle.runs.evaluation import EvaluatedTask, Evaluation, refuse_unused, run_evaluation
from auricle.runs.provenance import system_name
from auricle.runs.results import FOLDS
from auricle.tasks.classification.evaluate import ClassifierEvaluationTask
from auricle.tasks.enhancement.evaluate import EnhancerEvaluationTask
from auricle.tasks.enhancement.open import enhances
from auricle.tasks.separation.evaluate import SeparatorEvaluationTask
from auricle.tasks.separation.open import separates


@verb
def evaluate(options: Evaluate) -> Evaluation:
    """Evaluate a run and write the results to a folder; returns the evaluation.

    Raises `AuricleError` for an option that the run's task does not use, for clips that the run was trained with, and
    for a folder that holds an evaluation of other clips, of another run or with other settings.
    """
    task = evaluated_task(options.run)
    refuse_unused(task, options)
    return run_evaluation(task(options))


def evaluated_task(run: str) -> type[EvaluatedTask]:
    """The evaluation task of a run folder or of an enhancer's name.

    Raises `AuricleError` for a run of emotion recognition, which its training measures.
    """
    if (Path(run) / FOLDS).is_dir() or system_name(run) == "trnet":
        raise AuricleError(
            f"{run}: emotion recognition is measured in its training, on the speakers left out: see README.md and "
            "results.json of the run, or auricle compare for several runs"
        )
    if separates(run):
        return SeparatorEvaluationTask
    if enhances(run):
        return EnhancerEvaluationTask
    return ClassifierEvaluationTask
