"""The pages that commands write are what the commands write."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
import re
import runpy
import sys
from pathlib import Path

import pytest
import yaml

import auricle
from auricle.__main__ import main
from auricle.commands import every_verb

ROOT = Path(__file__).parents[1]


PAGES = ROOT / "docs" / "results"


@pytest.mark.parametrize("name", ["digits", pytest.param("emotion", marks=pytest.mark.slow)])
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
        pytest.param("stress", "leaf", marks=pytest.mark.slow),
        pytest.param("stress", "apcen", marks=pytest.mark.slow),
        ("stress", "degram"),
        ("enhancement", "enhancement"),
        pytest.param("separation", "separation", marks=pytest.mark.slow),
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


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("front", "index"),
        ("choosing", "choosing"),
        pytest.param("papers", "results/papers", marks=pytest.mark.slow),
    ],
)
def test_pages_of_all_results_are_written_from_the_saved_results(script, name, tmp_path, monkeypatch):
    if not (ROOT / "results").is_dir():
        pytest.skip("nothing is saved in this copy")
    page = tmp_path / "page.md"
    path = f"tools/pages/{script}.py"
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", [path, "results", "--output", str(page)])
    monkeypatch.syspath_prepend(ROOT / "tools" / "pages")
    runpy.run_path(path, run_name="__main__")
    text = page.read_text(encoding="utf-8").replace(str(page), f"docs/{name}.md")
    assert text == (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def test_the_front_page_has_its_pictures_and_sounds(tmp_path, monkeypatch):
    if not (ROOT / "results").is_dir():
        pytest.skip("nothing is saved in this copy")
    monkeypatch.syspath_prepend(ROOT / "tools" / "pages")
    written = runpy.run_path(str(ROOT / "tools" / "pages" / "pictures.py"))["write"](ROOT / "results", tmp_path)
    page = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert {path.name for path in written} == set(re.findall(r"assets/front/([^#)\" ]+)", page))
    for path in written:
        assert (ROOT / "docs" / "assets" / "front" / path.name).is_file()


def test_code_in_a_list_is_indented_as_the_site_needs_it():
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    odd = [page.name for page in pages if re.search(r"^(?! {4}| {8}) +```", page.read_text(encoding="utf-8"), re.M)]
    assert not odd


def test_an_item_after_a_paragraph_of_the_one_before_begins_after_an_empty_line():
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    ran_on = re.compile(r"\n\n {4}\S.*\n(?: {4}.*\n)*- ")
    assert not [page.name for page in pages if ran_on.search(page.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def reference():
    """The pages of the reference, as the site has them, and what made them."""
    if not (ROOT / "tools" / "site").is_dir():
        pytest.skip("the site's tools are not in this copy")
    made = runpy.run_path(str(ROOT / "tools" / "site" / "reference_pages.py"))
    return made["pages"](), made


def test_the_reference_has_every_command_with_every_option(reference):
    pages, _ = reference
    sections = {}
    for page in pages.values():
        for part in page.split("\n## ")[1:]:
            sections[part.partition(" {")[0]] = part
    for command, verb in every_verb().items():
        part = sections[f"auricle {command}"]
        assert f"auricle.{verb.name}(" in part
        rows = [line for line in part.splitlines() if line.startswith("| `")]
        for field in dataclasses.fields(verb.options):
            flag = f"--{field.name.replace('_', '-')}" if field.kw_only else field.name.upper()
            (row,) = [row for row in rows if row.startswith(f"| `{flag}` |")]
            assert all(cell.strip() for cell in (row.split(" | ")[1], row.split(" | ")[-1].rstrip("| ")))
            if dataclasses.is_dataclass(field.default):
                assert type(field.default).__name__ in sections


def test_the_reference_leads_to_everything_that_the_package_offers(reference):
    pages, _ = reference
    for name in set(auricle.__all__) - {"__version__"}:
        assert f"`auricle.{name}`" in pages["reference/index.md"]


def test_the_reference_names_what_there_is_and_all_of_it(reference):
    pages, made = reference
    shown = set()
    for module, members in re.findall(
        r"^::: (\S+)\n    options:\n      members: \[(.*)\]", "\n".join(pages.values()), re.M
    ):
        found = importlib.import_module(module)
        names = set(members.split(", "))
        shown |= {f"{module}.{name}" for name in names}
        own = {
            name
            for name, value in vars(found).items()
            if (inspect.isclass(value) or inspect.isfunction(value))
            and value.__module__ == module
            and value.__qualname__ == name
            and not name.startswith("_")
            and value.__doc__
            and not hasattr(value, "with_options")
        }
        assert own - names == set(), f"{module} has more than the reference shows"
        assert all(hasattr(found, name) for name in names)
    assert {"auricle.frontends.factory.create_frontend", "auricle.hear.load_model"} <= shown
    assert len(shown) > 500
    for room in made["ROOMS"]:
        assert "::: auricle." in pages[f"reference/{room}.md"]


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
