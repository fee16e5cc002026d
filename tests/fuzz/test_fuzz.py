"""A small part of `make fuzz`: hostile inputs for every verb, and properties of the readers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "fuzz"
sys.path.insert(0, str(TOOL))

import confine  # noqa: E402
import properties  # noqa: E402

CASES, EXAMPLES = 60, 60


@pytest.mark.slow
@pytest.mark.skipif(not confine.version(), reason="hostile cases are confined by Landlock, which this kernel lacks")
def test_no_case_fails(tmp_path):
    """In a process of its own, because cases are forked and forks need a process without threads."""
    command = [sys.executable, str(TOOL), "--cases", str(CASES), "--examples", "1", "--output", tmp_path]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    assert f"{CASES} cases" in ended.stdout


@pytest.mark.skipif(not confine.version(), reason="this kernel has no Landlock")
def test_a_confined_process_changes_its_folder_only(tmp_path):
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    inner.mkdir()
    outer.write_text("old")
    program = (
        f"import sys, os; sys.path.insert(0, {str(TOOL)!r}); import confine; from pathlib import Path\n"
        f"confine.confine(Path({str(inner)!r})); open({str(inner / 'a')!r}, 'w').write('new')\n"
        f"os.system({f'echo new > {outer}; rm -f {outer}'!r})\n"
        f"try: os.replace({str(inner / 'a')!r}, {str(outer)!r})\n"
        "except PermissionError: print('refused')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "refused\n", ended.stderr
    assert (inner / "a").read_text() == "new"
    assert outer.read_text() == "old"


@pytest.mark.parametrize("prop", properties.PROPERTIES, ids=lambda prop: prop.__name__)
def test_a_property_holds(prop):
    properties.check(prop, EXAMPLES, 0)
