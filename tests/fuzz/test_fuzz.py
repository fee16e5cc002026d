"""A small part of `make fuzz`: hostile inputs for every verb, and properties of the readers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "fuzz"
sys.path.insert(0, str(TOOL))

import properties  # noqa: E402

CASES, EXAMPLES = 300, 60


def test_no_case_fails(tmp_path):
    """In a process of its own, because cases are forked and forks need a process without threads."""
    command = [sys.executable, str(TOOL), "--cases", str(CASES), "--examples", "1", "--no-kills", "--output", tmp_path]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    assert f"{CASES} cases" in ended.stdout


@pytest.mark.parametrize("prop", properties.PROPERTIES, ids=lambda prop: prop.__name__)
def test_a_property_holds(prop):
    properties.check(prop, EXAMPLES, 0)
