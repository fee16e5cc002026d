"""What results.json of any task has."""

from __future__ import annotations

from typing import Any

from auricle.runs.results import SCHEMA


def check_schema(record: dict[str, Any]) -> None:
    """Fail unless `record` has all that `auricle.runs.results` describes, and nothing else."""
    own = [name for name in ("calibration", "false_alarms") if name in record]
    assert list(record) == [
        "schema", "task", "run", "data", "settings", "model", "measured", *own, "skipped", "provenance"
    ]  # fmt: skip
    assert ("calibration" in own) == (record["task"] == "classification")
    assert record["schema"] == SCHEMA == 2
    assert list(record["run"]) == ["name", "path", "digest"]
    assert list(record["data"]) == ["name", "path", "split", "n_clips", "digest"]
    assert len(record["run"]["digest"]) == len(record["data"]["digest"]) == 64
    assert {"config", "parameters", "sample_rate", "training_seed", "training"} == set(record["model"])
    assert record["measured"]
    for row in record["measured"]:
        assert {"condition", "snr_db", "metrics"} <= set(row) <= {"condition", "snr_db", "metrics", "enhancer", "query"}
        for values in row["metrics"].values():
            assert list(values) == ["value", "low", "high"]
    assert {"date", "command", "versions", "machine"} <= set(record["provenance"])
