"""What a task adds to the comparison of its evaluations (`auricle compare`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from auricle.metrics import Comparison, Sample
from auricle.runs.results import Result


class ComparedTask(ABC):
    """How evaluations of one task are read back, told apart and shown."""

    metrics: ClassVar[tuple[str, ...]]
    """Those that are compared, the one to look at first at its beginning."""
    model_head: ClassVar[str] = "model"
    """What stands above the models in a table."""

    @abstractmethod
    def display_name(self, result: Result) -> str:
        """What the model is called in tables, as long as no other one is called so."""

    def arrangement(self, result: Result) -> dict[str, Any]:
        """All that was chosen but the seed: evaluations that agree in it may be averaged."""
        return {"config": result.model["config"], "training": result.model["training"]}

    @abstractmethod
    def test(self, result: Result) -> dict[str, Any]:
        """The settings that two evaluations on the same clips have to share to be compared."""

    @abstractmethod
    def sample(self, result: Result) -> Sample:
        """What the run scored, to be drawn again."""

    def references(self, result: Result) -> dict[str, Sample]:
        """What else was measured beside the run, by name."""
        return {}

    def columns(self, results: Sequence[Result]) -> dict[str, Any]:
        """More about a model, in columns before the metrics; `results` differ in their seed alone."""
        return {}

    @abstractmethod
    def facts(self, models: dict[str, list[Result]]) -> str:
        """What was measured, on what, and what the intervals are over: the words above the tables."""

    def sections(self, models: dict[str, list[Result]], comparison: Comparison, image: Path) -> list[str]:
        """Markdown below the tables; figures are files whose names begin with `image`'s, in its folder."""
        return []
