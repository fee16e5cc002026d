"""The pages that commands write are what the commands write."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import runpy
import sys
from pathlib import Path

import pytest
import yaml

import auricle
from auricle.__main__ import main

ROOT = Path(__file__).parents[1]


PAGES = ROOT / "docs" / "results"


@pytest.mark.parametrize("name", ["digits", "emotion"])
def test_pages_of_runs_are_written_from_the_saved_runs(name, tmp_path, monkeypatch):
    config = ROOT / "tools" / "pages" / f"{name}.yaml"
    if not config.is_file():
        pytest.skip("no saved runs in this copy")
    if name == "emotion":
        pytest.importorskip("sklearn", reason="t-SNE")
    monkeypatch.chdir(ROOT)
    page = tmp_path / f"{name}.md"
    with pytest.raises(SystemExit) as ended:
        main(["compare", "--config", str(config), "--output", str(page)])
    assert ended.value.code == 0
    assert page.read_text(encoding="utf-8") == (PAGES / page.name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("stress", "leaf"),
        ("stress", "apcen"),
        ("stress", "degram"),
        ("enhancement", "enhancement"),
        ("separation", "separation"),
        ("learning_curves", "learning-curves"),
        ("reliability", "reliability"),
        ("taught", "taught"),
        ("robust", "robust"),
    ],
)
def test_pages_of_scripts_are_written_from_the_saved_results(script, name, tmp_path, monkeypatch):
    if not (ROOT / "results" / name).is_dir():
        pytest.skip("nothing is saved in this copy")
    page = tmp_path / f"{name}.md"
    path = f"tools/pages/{script}.py"
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", [path, f"results/{name}", "--output", str(page)])
    monkeypatch.syspath_prepend(ROOT / "tools" / "pages")
    runpy.run_path(path, run_name="__main__")
    saved = PAGES / page.name if (PAGES / page.name).is_file() else ROOT / "docs" / page.name
    text = page.read_text(encoding="utf-8").replace(str(page), saved.relative_to(ROOT).as_posix())
    assert text == saved.read_text(encoding="utf-8")


def documented_names() -> list[str]:
    """Every object and member that docs/api.md shows; mkdocs silently leaves out members that do not exist."""
    names: list[str] = []
    for line in (ROOT / "docs" / "api.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("::: "):
            names.append(line.removeprefix("::: "))
        elif line.strip().startswith("members: "):
            parent = names[-1]
            names += [f"{parent}.{member}" for member in line.partition("[")[2].rstrip("]").split(", ")]
    return names


@pytest.mark.parametrize("name", documented_names())
def test_the_python_page_names_what_there_is(name):
    pkgutil.resolve_name(name)


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").rglob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_are_configurations_of_the_command(recipe, tmp_path, capsys):
    settings = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    verb, data = ["train", "classifier"], "--data"
    if recipe.parent.name == "cmgan":
        verb, data = ["train", "enhancer"], "--speech"
    elif recipe.parent.name == "trnet":
        verb = ["train", "trnet", "--noise", "x"]
    elif recipe.parent.name == "separation" and "backbone" not in settings:
        verb = ["train", "audiomae"] if "mask_ratio" in settings else ["train", "separator", "--tagger", "x"]
    elif "frontends" in settings:
        verb = ["compare"]
    with pytest.raises(SystemExit) as ended:
        main([*verb, "--config", str(recipe), data, "x", "--output", "y", "--print_config"])
    assert ended.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert settings
    for key, value in settings.items():
        if isinstance(value, dict):
            assert printed[key] | value == printed[key]
        else:
            assert printed[key] == value


def with_examples() -> list[str]:
    """The modules of auricle whose docstrings hold examples."""
    source = Path(auricle.__file__).parent
    files = [file for file in source.rglob("*.py") if ">>> " in file.read_text(encoding="utf-8")]
    return [".".join(["auricle", *file.relative_to(source).with_suffix("").parts]) for file in sorted(files)]


@pytest.mark.parametrize("name", with_examples())
def test_examples_in_docstrings_give_what_they_say(name):
    result = doctest.testmod(importlib.import_module(name.removesuffix(".__init__")))
    assert result.attempted > 0
    assert result.failed == 0
