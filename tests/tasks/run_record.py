"""What run.json of any training has."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from auricle.runs.folder import OF_A_RUN
from auricle.runs.train import SCHEMA

PROVENANCE = {"date", "command", "python", "versions", "machine"}
COURSE = {"epochs", "best_epoch", "best_val_loss", "training_hours"}
KEYS = {"schema", "system", "seed", "seconds_of_last_session"} | COURSE | PROVENANCE


def check_run_record(folder: Path, system: str, *, more: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Fail unless run.json has what that of every training has, and nothing but `more`, the keys of several trainings.

    Returns what it holds.
    """
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} <= OF_A_RUN
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert set(record) == KEYS | more
    assert (record["schema"], record["system"]) == (SCHEMA, system)
    assert SCHEMA == 1
    assert isinstance(record["seed"], int)
    assert record["epochs"] >= 1
    if more:
        assert record["best_epoch"] is None
    else:
        assert 1 <= record["best_epoch"] <= record["epochs"]
    assert math.isfinite(record["best_val_loss"])
    assert record["training_hours"] > 0
    assert record["seconds_of_last_session"] > 0
    return dict(record)
