"""Interface that a task implements to have its evaluations compared (`auricle compare`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from auricle.metrics import Comparison, Sample
from auricle.metrics.comparison import Draws
from auricle.runs.results import Result


class TableTask:
    """What the tables of a comparison show."""

    metrics: ClassVar[tuple[str, ...]]
    """Names of the metrics that are compared, the main one first."""
    model_head: ClassVar[str] = "model"
    """Heading of the column of models in tables."""


class ComparedTask(TableTask, ABC):
    """How evaluations of one task are read, distinguished and displayed in a comparison."""

    @abstractmethod
    def display_name(self, result: Result) -> str:
        """The model's name in tables, if it is unique."""

    def full_name(self, result: Result) -> str:
        """A longer name, for comparisons in which `display_name` is not unique."""
        return self.display_name(result)

    def short_name(self, result: Result) -> str:
        """The shortest name that someone may call the model by."""
        return self.display_name(result)

    def arrangement(self, result: Result) -> dict[str, Any]:
        """All settings except the seed; evaluations with equal settings may be averaged."""
        return {"config": result.model["config"], "training": result.model["training"]}

    @abstractmethod
    def test(self, result: Result) -> dict[str, Any]:
        """The settings that evaluations on the same clips must have in common to be comparable."""

    @abstractmethod
    def sample(self, result: Result) -> Sample:
        """The run's scores by unit, for resampling."""

    def references(self, result: Result) -> dict[str, Sample]:
        """Samples of other systems measured in the same evaluation, by name."""
        return {}

    def columns(self, results: Sequence[Result]) -> dict[str, Any]:
        """Further columns about a model, before the metrics; `results` differ in their seed only."""
        return {}

    def overview(self, draws: Draws) -> list[tuple[str, str]]:
        """The (condition, metric) pairs of the table that papers print; by default all metrics of the first condition.

        Those that some model lacks are left out.
        """
        return [(draws.conditions[0], metric) for metric in self.metrics if metric in draws.metrics]

    @abstractmethod
    def facts(self, models: dict[str, list[Result]]) -> str:
        """The text above the tables: what was measured on which clips, and what the intervals are over."""

    def sections(self, models: dict[str, list[Result]], comparison: Comparison, image: Path) -> list[str]:
        """Markdown below the tables; plots are saved beside `image`, with file names that begin with its name."""
        return []
