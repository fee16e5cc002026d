"""A disk that fills up under a batch: one line, no wrong output, and all is well once there is room.

`tools/fuzz/full_disk.py` tries 32 sizes of the disk with every batch verb.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "fuzz" / "full_disk.py"


def can_mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", "size=4096", "auricle", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
    return mounted and subprocess.run(["umount", str(folder)], check=False).returncode == 0


@pytest.mark.slow
def test_a_disk_that_fills_up(tmp_path):
    if not can_mount(tmp_path):
        pytest.skip("a small disk can only be mounted by root")
    record = tmp_path / "disk.json"
    command = [sys.executable, SCRIPT, "--levels", "3", "--output", record, "--verbs", "predict"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert record.is_file(), process.stderr
    saved = json.loads(record.read_text())
    assert saved["failures"] == []
    assert [(row["tried"], row["held"]) for row in saved["rows"]] == [(3, 3)]
    assert "3 times on a disk that is too small" in saved["rows"][0]["what"]
