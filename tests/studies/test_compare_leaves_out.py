"""`auricle compare runs/*` compares what is measured, and names what is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import auricle
from auricle.errors import AuricleError, AuricleWarning
from auricle.runs.folder import FINISHED
from sounds import tone_folder

pytestmark = pytest.mark.figures("undrawn")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A measured run, one that is not measured, one that is not finished, a file, and a folder of predictions."""
    folder = tmp_path_factory.mktemp("work")
    data = tone_folder(folder / "tones", 6)
    quick = {"epochs": 1, "batch_size": 8}
    made = auricle.train_classifier(
        data=data, output=folder / "runs" / "measured", frontend="mel", training=quick, quiet=True
    )
    for name in ("unmeasured", "unfinished"):
        shutil.copytree(made, folder / "runs" / name)
    (folder / "runs" / "unfinished" / FINISHED).unlink()
    (folder / "runs" / "notes.txt").write_text("mine")
    auricle.predict(made, [next(data.rglob("*.wav"))], output=folder / "runs" / "predictions", quiet=True)
    auricle.evaluate(made, data=data, quiet=True)
    return folder / "runs"


def test_what_has_no_results_is_named_and_left_out(runs: Path, tmp_path: Path) -> None:
    with pytest.warns(AuricleWarning) as warned:
        page = auricle.compare(sorted(runs.iterdir()), output=tmp_path / "page.md")
    said = [str(warning.message) for warning in warned]
    assert [line.partition(str(runs))[2].partition(":")[0] for line in said] == [
        "/notes.txt", "/predictions", "/unfinished", "/unmeasured has not been measured yet",
    ]  # fmt: skip
    assert "not the folder of a run" in said[1]
    assert "its training has not finished" in said[2]
    assert "auricle evaluate" in said[3]
    assert "| mel | 0 | 1 |" in page.read_text(encoding="utf-8")


def test_nothing_measured_is_an_error_and_so_is_a_folder_that_is_not_there(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(AuricleError, match=r"not finished.*; .*not been measured"):
        auricle.compare([runs / "unfinished", runs / "unmeasured"], output=tmp_path / "page.md")
    with pytest.raises(AuricleError, match="mesured: no such folder"):
        auricle.compare([runs / "measured", runs / "mesured"], output=tmp_path / "page.md")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options",
    [
        {"training": {"precision": "7"}},
        {"training": {"devices": "1000"}},
        {"frontend": "leef"},
        {"freeze": ["nothing"]},
        {"optimization": {"learning_rate": 1e30}, "training": {"epochs": 1, "batch_size": 8}},
    ],
)
def test_a_training_that_fails_at_its_start_leaves_no_folder(options: dict, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for output in (tmp_path / "new", tmp_path / "deep" / "new", tmp_path / "mine" / "new"):
        with pytest.raises(AuricleError):
            auricle.train_classifier(
                data=runs.parent / "tones", output=output, quiet=True, **{"frontend": "mel", **options}
            )
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]
