from __future__ import annotations

from pathlib import Path

import pytest

from auricle.errors import AuricleError
from auricle.runs.provenance import provenance, system_name


@pytest.mark.parametrize(
    ("called", "named"),
    [
        ("/env/bin/auricle", "auricle --output 'a b'"),
        ("/src/auricle/__main__.py", "auricle --output 'a b'"),
        ("benchmarks/apcen.py", "apcen.py --output 'a b'"),
    ],
)
def test_a_command_is_named_as_it_can_be_given_again(monkeypatch, called, named):
    monkeypatch.setattr("sys.argv", [called, "--output", "a b"])
    assert provenance()["command"] == named


def test_the_name_of_a_folders_system(tmp_path: Path):
    assert system_name(tmp_path / "model.onnx") == ""
    (tmp_path / "config.json").write_text('{"system": "trnet"}')
    assert system_name(tmp_path) == "trnet"
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(AuricleError, match=r"config\.json"):
        system_name(tmp_path)
