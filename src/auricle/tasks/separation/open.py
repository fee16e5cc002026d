"""Open separators from run folders."""

from __future__ import annotations

from pathlib import Path

from auricle.errors import AuricleError
from auricle.runs.loading import usable_device
from auricle.runs.provenance import system_name
from auricle.systems.separator import Separator
from auricle.systems.system import load


def open_separator(run: str | Path, device: str = "auto") -> Separator:
    """The separator of a run folder; device "auto" is the first GPU if there is one."""
    system = load(run, usable_device(device))
    if not isinstance(system, Separator):
        raise AuricleError(f"{run} does not separate: it is a {system.name}")
    return system


def separates(run: str | Path) -> bool:
    """Whether `run` is the folder of a separator."""
    return system_name(run) == Separator.name
