"""Every verb that writes many files is killed at some of its writes, and run again: nothing is lost, left or doubled.

`tools/fuzz/kills.py` tries all writes, and random times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "fuzz" / "kills.py"


BATCHES, OTHERS = ("predict", "enhance", "separate", "corrupt"), ("evaluate",)


@pytest.mark.slow
def test_after_a_kill_the_same_command_gives_what_an_undisturbed_one_gives(tmp_path):
    record = tmp_path / "kills.json"
    command = [sys.executable, SCRIPT, "--output", record, "--random", "0", "--points", "5", "--other-points", "1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)}
    process = subprocess.run(
        [*command, "--verbs", *BATCHES, *OTHERS], env=environment, capture_output=True, text=True, check=False
    )
    assert record.is_file(), process.stderr
    saved = json.loads(record.read_text())
    assert saved["failures"] == []
    assert {row["what"]: row["held"] for row in saved["rows"]} == {
        f"`{name}` killed": 5 if name in BATCHES else 1 for name in (*BATCHES, *OTHERS)
    }
