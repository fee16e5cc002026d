"""`auricle compare` of grids: the tables of the LEAF-APCEN paper, from cells that are written here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auricle.errors import AuricleError
from auricle.metrics import bootstrap_over_datasets
from auricle.studies.compare import compare
from pages import number, table_of

MODELS = ("leaf-fixed", "leaf-apcen")
CELLS = ("clean", "babble", "music", "loudness")


def write_test(folder: Path, data: str, trained: str, seed: int) -> pd.DataFrame:
    """One report of a grid: two seeds of two models on 24 clips, each clip clean and in one cell of the suite."""
    rng = np.random.default_rng(seed)
    rows = []
    for model in MODELS:
        for of_training in (0, 1):
            for clip in range(24):
                own = CELLS[clip % 4]
                for cell in dict.fromkeys(("clean", own)):
                    rows.append((model, of_training, cell, 0, cell, f"{clip}.wav", f"g{clip // 2}",
                                 int(rng.random() < 0.6), int(cell == own)))  # fmt: skip
    heads = ["model", "seed", "corruption", "severity", "cell", "clip", "group", "right", "own"]
    cells = pd.DataFrame(rows, columns=heads)
    folder.mkdir(parents=True)
    cells.to_csv(folder / "cells.csv", index=False)
    about = {"schema": 1, "data": data, "clips": f"digest of {data}", "trained": trained, "suite": "complex"}
    (folder / "grid.json").write_text(json.dumps(about))
    return cells


@pytest.fixture
def grids(tmp_path):
    return {
        (data, trained): write_test(tmp_path / data / f"{trained}-complex", data, trained, seed)
        for seed, (data, trained) in enumerate((d, t) for d in ("esc-50", "crema-d") for t in ("clean", "complex"))
    }


def expected(cells: pd.DataFrame, model: str, tested: str) -> float:
    rows = cells[cells["model"] == model]
    rows = rows[rows["cell"] == "clean"] if tested == "clean" else rows[rows["own"] == 1]
    return 100 * rows["right"].mean()


def test_tables_of_several_data_sets_in_one_call(grids, tmp_path):
    page = compare([str(tmp_path / name) for name in ("esc-50", "crema-d")], output=str(tmp_path / "apcen.md"))
    conditions = [(trained, tested) for tested in ("clean", "complex") for trained in ("clean", "complex")]
    for data in ("esc-50", "crema-d"):
        table = table_of(page, data)
        assert list(table) == [f"{trained} → {tested}" for trained, tested in conditions]
        for model in MODELS:
            for trained, tested in conditions:
                value = expected(grids[data, trained], model, tested)
                assert number(table.loc[model, f"{trained} → {tested}"]) == pytest.approx(value, abs=0.051)
        drawn = table_of(page, data, 1)
        assert drawn.index.tolist() == ["leaf-apcen − leaf-fixed"]
    for trained, tested in (("clean", "clean"), ("complex", "complex")):
        table = table_of(page, f"Data set by data set: {trained} → {tested}, accuracy, %")
        assert table.index.tolist() == ["esc-50", "crema-d", "average"]
        for model in MODELS:
            values = [expected(grids[data, trained], model, tested) for data in ("esc-50", "crema-d")]
            assert table[model].map(number).tolist() == pytest.approx([*values, np.mean(values)], abs=0.051)
    assert ", p = " not in page.read_text()


def test_six_data_sets_are_drawn_with_replacement(tmp_path):
    names = [f"set-{place}" for place in range(6)]
    found = [write_test(tmp_path / name / "clean-clean", name, "clean", seed) for seed, name in enumerate(names)]
    page = compare([str(tmp_path / name) for name in names], output=str(tmp_path / "page.md"))
    values = [[expected(cells, model, "clean") for cells in found] for model in reversed(MODELS)]
    wanted = bootstrap_over_datasets(*values)
    (drawn,) = table_of(page, "Over data sets: accuracy, %", 2)["clean → clean"]
    assert drawn.strip("*").startswith(f"{wanted.value:+.1f} (".replace("-", "−"))
    assert drawn.endswith(f", p = {wanted.p_value:.2g}")
    assert (tmp_path / "page" / "data-sets.png").is_file()


def test_the_baseline_comes_first(grids, tmp_path):
    page = compare([str(tmp_path / "esc-50")], output=str(tmp_path / "page.md"), baseline="leaf-apcen")
    assert table_of(page, "esc-50").index.tolist() == ["leaf-apcen", "leaf-fixed"]
    with pytest.raises(AuricleError, match="unknown baseline 'mel'"):
        compare([str(tmp_path / "esc-50")], output=str(tmp_path / "page.md"), baseline="mel")


def test_what_cannot_be_compared_is_refused(grids, tmp_path):
    write_test(tmp_path / "again" / "clean-complex", "esc-50", "clean", 9)
    with pytest.raises(AuricleError, match="are the same test of the same clips"):
        compare([str(tmp_path / "esc-50"), str(tmp_path / "again")], output=str(tmp_path / "page.md"))
    (tmp_path / "run").mkdir()
    with pytest.raises(AuricleError, match="run is no grid"):
        compare([str(tmp_path / "esc-50"), str(tmp_path / "run")], output=str(tmp_path / "page.md"))
