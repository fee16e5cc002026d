"""What a type checker and an editor see of `import auricle`: types, and names that do not exist."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import auricle

PROGRAM = """
import auricle

reveal_type(auricle.create_frontend("leaf", n_filters=64))
reveal_type(auricle.load("runs/mine"))
reveal_type(auricle.list_frontends("leaf*"))
auricle.create_frontand("leaf")
auricle.train_classifier(dta="sounds", output="run")
"""
REVEALED = {4: "Frontend", 5: "System", 6: "list[str]"}
WRONG = {7, 8}


def run(*command: str) -> str:
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False).stdout


@pytest.mark.slow
def test_mypy(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    output = run("mypy", "--config-file=", "--ignore-missing-imports", "--cache-dir", str(tmp_path), str(program))
    for line, kind in REVEALED.items():
        (said,) = [text for text in output.splitlines() if f"program.py:{line}: note: Revealed type" in text]
        assert kind in said
    assert {
        int(text.split(":")[1]) for text in output.splitlines() if "program.py" in text and ": error:" in text
    } == WRONG
    assert '"create_frontand"; maybe "create_frontend"' in output


@pytest.mark.slow
def test_pyright(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "basic"}')
    command = ["basedpyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(tmp_path)]
    found = json.loads(run(*command))["generalDiagnostics"]
    by_line = {entry["range"]["start"]["line"] + 1: entry for entry in found}
    for line, kind in REVEALED.items():
        assert kind in by_line[line]["message"]
    assert {line for line, entry in by_line.items() if entry["severity"] == "error"} >= WRONG
    assert not {line for line, entry in by_line.items() if entry["severity"] == "error"} - WRONG


def test_names_complete_by_tab() -> None:
    assert {"create_frontend", "list_frontends", "load", "train_classifier", "stress", "predict"} <= set(dir(auricle))
    for name in dir(auricle):
        assert getattr(auricle, name) is not None


def test_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="'create_frontand'"):
        auricle.create_frontand  # noqa: B018
