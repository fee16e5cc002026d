"""Names in a suite, and labels, never lead out of the output folder."""

from __future__ import annotations

import json

import pytest

from auricle.__main__ import main
from auricle.conditions import create_suite
from auricle.conditions.suites import Suite
from sounds import tone_folder

pytestmark = pytest.mark.figures("undrawn")
NAMES = ("../../x", "/x", "..", ".", "a/b", "a\\b", "C:x", "x\0y", "", " ", "CON", "x" * 300, "\ud800")


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code or 0


def everything(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    root = tmp_path_factory.mktemp("material")
    data = tone_folder(root / "data", 6)
    code = run("train", "classifier", "--data", data, "--frontend", "mel", "--training.epochs=1", "--output",
               root / "run", "--quiet")  # fmt: skip
    assert code == 0
    return root


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_of_hostile_names_stays_in_its_folder(material, tmp_path, monkeypatch, name):
    home = tmp_path / "deep" / "home"
    home.mkdir(parents=True)
    monkeypatch.chdir(home)
    full = create_suite("full")
    spec = Suite("small", (full.cells[0], full.cells[1])).spec()
    spec["suite"] = name
    spec["cells"][1]["corruption"] = name
    (home / "s.json").write_text(json.dumps(spec))
    assert run("corrupt", material / "data", "--suite", "s.json", "--output", "out", "--quiet") in (0, 2)
    assert run("stress", material / "run", "--data", material / "data", "--suite", "s.json", "--quiet") in (0, 2)
    assert {path.split("/")[0] for path in everything(tmp_path)} == {"deep"}
    assert {path.split("/")[1] for path in everything(tmp_path) if "/" in path} == {"home"}
    assert {path.name for path in home.iterdir()} <= {"s.json", "out", "stress"}


@pytest.mark.parametrize(
    ("part", "value"),
    [("severity", "../x"), ("severity", 1.5), ("condition", "../x"), ("condition", ["x"]), ("corruption", 5),
     ("parameters", [1]), ("parameters", {"snr_db": {}}), ("parameters", {"../x": 1})],
)  # fmt: skip
def test_a_cell_of_other_types_is_one_line(material, tmp_path, capsys, part, value):
    spec = create_suite("snr-ladder").spec()
    spec["cells"][1][part] = value
    (tmp_path / "s.json").write_text(json.dumps(spec))
    capsys.readouterr()
    assert (
        run("corrupt", material / "data", "--suite", tmp_path / "s.json", "--output", tmp_path / "out", "--quiet") == 2
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert "s.json" in line
