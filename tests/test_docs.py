"""The pages that commands write are what the commands write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from auricle.__main__ import main

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("config", "page"), [("results/page.yaml", "results.md"), ("results/emotion/page.yaml", "results-emotion.md")]
)
def test_results_are_written_from_the_saved_runs(config, page, tmp_path, monkeypatch):
    if not (ROOT / config).is_file():
        pytest.skip("no saved runs in this copy")
    if page == "results-emotion.md":
        pytest.importorskip("sklearn", reason="t-SNE")
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        main(["compare", "--config", config, "--output", str(tmp_path / page)])
    assert ended.value.code == 0
    assert (tmp_path / page).read_text(encoding="utf-8") == (ROOT / "docs" / page).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("script", "folder", "page"),
    [
        ("results/stress_tables.py", "results/apcen", "results-apcen.md"),
        ("results/stress_tables.py", "results/leaf", "results-leaf.md"),
        ("results/enhancement_tables.py", "results/enhancement", "results-enhancement.md"),
        ("results/stress_tables.py", "results/degram", "results-degram.md"),
        ("results/separation_tables.py", "results/separation", "results-separation.md"),
        ("benchmarks/learning_curves.py", "results/learning-curves", "learning-curves.md"),
    ],
)
def test_pages_are_written_from_what_is_saved(script, folder, page, tmp_path):
    if not (ROOT / folder).is_dir():
        pytest.skip("nothing is saved in this copy")
    written = ROOT / "docs" / page
    command = [sys.executable, script, folder, "--output", str(tmp_path / page)]
    subprocess.run(command, check=True, cwd=ROOT)
    text = (tmp_path / page).read_text(encoding="utf-8").replace(str(tmp_path / page), f"docs/{page}")
    assert text == written.read_text(encoding="utf-8")


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
