"""The page on reliability: one section for each saved experiment, with its totals and its command."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "tools" / "pages" / "reliability.py"


def test_experiments_are_sections_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not SCRIPT.is_file():
        pytest.skip("no scripts in this copy")
    folder = tmp_path / "reliability"
    folder.mkdir()
    for name, rows in (("kills", [("`a` killed", 1200, 1199), ("`b` killed", 3, 3)]), ("fuzz", [("files", 5, 5)])):
        record = {
            "command": f"python tools/fuzz/{name}.py",
            "version": "1.2",
            "machine": "a machine",
            "rows": [{"what": what, "tried": tried, "held": held} for what, tried, held in rows],
        }
        (folder / f"{name}.json").write_text(json.dumps(record))
    monkeypatch.syspath_prepend(SCRIPT.parent)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(folder), "--output", str(tmp_path / "page.md")])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.index("## Hostile input") < page.index("## Kills\n") < page.index("## Known limits")
    assert "| `a` killed | 1,200 | 1,199 |\n| `b` killed | 3 | 3 |\n| **together** | **1,203** | **1,202** |" in page
    assert "| files | 5 | 5 |\n\nBy auricle 1.2 on a machine:" in page
    assert "python tools/fuzz/kills.py" in page
