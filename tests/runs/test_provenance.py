from __future__ import annotations

import pytest

from auricle.runs.provenance import provenance


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
