"""What a command writes replaces neither what it reads nor what is no file, and --overwrite removes runs alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from auricle.__main__ import main
from auricle.errors import AuricleError
from auricle.files import write_text
from sounds import tone_folder, tone_manifest
from untrained import classifier_run

pytestmark = pytest.mark.figures("undrawn")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return classifier_run(folder / "m", tone_manifest(folder / "tones", 4))


@pytest.fixture
def place(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with recordings in `data`, a run in `m`, predictions in `pr`, and embeddings in `e.parquet`."""
    monkeypatch.chdir(tmp_path)
    data = tone_folder(tmp_path / "data", 4)
    shutil.copytree(model, tmp_path / "m")
    rows = [f"{path},{path.parent.name}" for path in sorted(data.rglob("*.wav"))]
    (tmp_path / "m.csv").write_text("\n".join(["path,label", *rows]))
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def call(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, arguments)))
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().err

    return call


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "command",
    [
        "check m.csv --output m.csv",
        "check m.csv --output link.csv",
        "export m --format onnx --output m/model.safetensors",
        "export m --format onnx --output m/labels.json",
        "bench m --lengths-s 1 --repeats 1 --output m/config.json",
        "search e.parquet --like data/low/low-0.wav --output e.parquet",
        "search e.parquet --like data/low/low-0.wav --output data/low/low-0.wav",
        "review pr --output pr/low-0.csv",
    ],
)
def test_no_input_is_replaced(command: str, place: Path, run: Callable[..., tuple[int, str]]):
    (place / "link.csv").symlink_to(place / "m.csv")
    if "e.parquet" in command:
        pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
        assert run("embed", "m", "data/low", "--output", "e.parquet", "--quiet")[0] == 0
    if "pr" in command:
        assert run("predict", "m", "data/low", "--output", "pr", "--quiet")[0] == 0
    before = contents(place)
    code, said = run(*command.split())
    assert code == 2
    assert said.count("\n") == 1
    assert "is an input" in said
    assert contents(place) == before


@pytest.mark.parametrize(
    "command",
    ["search e.parquet --like data/low/low-0.wav --output data/low/low-1.wav", "review pr --output data/low/low-1.wav"],
)
def test_no_recording_that_a_table_names_is_replaced(command: str, place: Path, run: Callable[..., tuple[int, str]]):
    before = contents(place)
    code, said = run(*command.split())
    assert code == 2
    assert said == "auricle: data/low/low-1.wav is a sound file: give another --output, so that it is not lost\n"
    assert contents(place) == before


@pytest.mark.slow
def test_an_earlier_report_beside_the_inputs_is_replaced(place: Path, run: Callable[..., tuple[int, str]]):
    for _ in range(2):
        assert run("check", "data", "--output", "data/report.json")[0] == 0
        assert run("export", "m", "--format", "torch", "--output", "m/model.pt2")[0] == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_folders_are_no_files_to_replace(place: Path, run: Callable[..., tuple[int, str]]):
    os.mkfifo(place / "pipe")
    (place / "link").symlink_to(place / "pipe")
    for name, said in (("pipe", "is not a file"), ("link", "is not a file"), ("data", "is a folder")):
        with pytest.raises(AuricleError, match=said):
            write_text(place / name, "x")
    code, said = run("check", "data", "--output", "pipe")
    assert (code, "is not a file" in said) == (2, True)
    assert not (place / "pipe").is_file()


@pytest.mark.parametrize(
    ("command", "work", "said"),
    [
        ("bench m --output data", "auricle.studies.costs.trained", "data is a folder: give a file"),
        ("bench m --output b.md --preface nope.md", "auricle.studies.costs.trained", "nope.md: "),
        ("check data --output data/low", "auricle.data.check.check_data", "data/low is a folder: give a file"),
        ("compare m --output data", "auricle.studies.compare.find_grids", "data is a folder: give a file"),
    ],
)
def test_what_cannot_be_written_or_read_is_said_before_the_work(
    command: str, work: str, said: str, place: Path, run: Callable[..., tuple[int, str]], monkeypatch
):
    monkeypatch.setattr(work, lambda *_, **__: pytest.fail("the work has begun"))
    before = contents(place)
    code, line = run(*command.split())
    assert (code, line.count("\n")) == (2, 1)
    assert line.startswith(f"auricle: {said}")
    assert contents(place) == before


@pytest.mark.parametrize("overwrite", [["--overwrite"], []])
@pytest.mark.parametrize("settings", ["theme: dark\n", "- 1\n", "seed: 3\n", "[\n"])
def test_a_folder_with_a_file_called_settings_is_no_run(
    settings: str, overwrite: list[str], place: Path, run: Callable[..., tuple[int, str]]
):
    (place / "project").mkdir()
    (place / "project" / "settings.yaml").write_text(settings)
    shutil.copytree(place / "data", place / "project" / "recordings")
    before = contents(place)
    for command in (["train", "classifier", "--frontend", "mel", "--training.epochs", 1], ["teach", "--model", "m"]):
        code, said = run(*command, "--data", "project/recordings", "--output", "project", "--quiet", *overwrite)
        assert code == 2
        assert "holds files that are not a run's" in said
        assert contents(place) == before


def test_other_files_in_a_run_survive_its_replacement(place: Path, run: Callable[..., tuple[int, str]]):
    command = ["train", "classifier", "--frontend", "mel", "--training.epochs", 1, "--data", "data", "--output", "run"]
    assert run(*command, "--quiet")[0] == 0
    (place / "run" / "notes.txt").write_text("mine")
    (place / "run" / "mine").mkdir()
    (place / "run" / "mine" / "more.txt").write_text("too")
    assert run(*command, "--seed", 1, "--overwrite", "--quiet")[0] == 0
    assert (place / "run" / "notes.txt").read_text() == "mine"
    assert (place / "run" / "mine" / "more.txt").read_text() == "too"
    assert "seed: 1" in (place / "run" / "settings.yaml").read_text()


@pytest.mark.parametrize(
    "command",
    [
        "train classifier --init-from run --data data --training.epochs 1",
        "train classifier --init-from link --data data --training.epochs 1",
        "train classifier --frontend mel --data one=run/clips.csv --label-column labels --training.epochs 1",
        "teach --model run --data data",
    ],
)
def test_overwrite_does_not_remove_what_the_training_uses(
    command: str, place: Path, run: Callable[..., tuple[int, str]]
):
    first = ["train", "classifier", "--frontend", "mel", "--training.epochs", 1, "--data", "data", "--output", "run"]
    assert run(*first, "--quiet")[0] == 0
    (place / "link").symlink_to(place / "run")
    before = contents(place)
    code, said = run(*command.split(), "--output", "run", "--overwrite", "--quiet")
    assert code == 2
    assert "which the training uses: give another --output" in said
    assert contents(place) == before
