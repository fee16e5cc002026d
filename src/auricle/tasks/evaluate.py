"""`auricle evaluate`: any run, measured by its own task."""

from __future__ import annotations

from auricle.config import Evaluate, verb
from auricle.runs.evaluation import EvaluatedTask, Evaluation, refuse_unused, run_evaluation
from auricle.tasks.classification.evaluate import ClassifierEvaluationTask
from auricle.tasks.enhancement.evaluate import EnhancerEvaluationTask
from auricle.tasks.enhancement.open import enhances
from auricle.tasks.separation.evaluate import SeparatorEvaluationTask
from auricle.tasks.separation.open import separates


@verb
def evaluate(options: Evaluate) -> Evaluation:
    """What was measured, as tables and as files in its folder.

    Raises `AuricleError` for an option that the run's task has no use for, for clips that the run was trained with, and
    for a folder that holds an evaluation of other clips.
    """
    task = evaluated_task(options.run)
    refuse_unused(task, options)
    return run_evaluation(task(options))


def evaluated_task(run: str) -> type[EvaluatedTask]:
    """The task of a run: what its folder or its name says that it is."""
    if separates(run):
        return SeparatorEvaluationTask
    if enhances(run):
        return EnhancerEvaluationTask
    return ClassifierEvaluationTask
