"""Trainings killed by SIGKILL, and given again: nothing is lost, other or left over."""

from __future__ import annotations

import os
import shutil

import pytest

import auricle.tasks.classification.train  # noqa: F401  (imported before forking)
from auricle.__main__ import main
from auricle.errors import AuricleError
from auricle.runs.checkpoints import AtomicCheckpoints
from auricle.runs.folder import FINISHED, SETTINGS
from killing import fault_after_kill, forked, left_in
from sounds import tone_folder

pytestmark = pytest.mark.figures("undrawn")

POINTS = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tone_folder(tmp_path_factory.mktemp("tones"), 4, duration_s=0.2)


def command(data, folder, *options):
    quick = ["--frontend=mel", "--window-s=0.2", "--training.epochs=2", "--training.batch-size=4", "--quiet"]
    return ["train", "classifier", f"--data={data}", f"--output={folder}", *quick, *options]


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    """An undisturbed training, and the number of its writes."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    code, n_writes = forked(command(data, folder), folder)
    assert code == 0
    assert not [name for name in left_in(folder) if "part" in name or "checkpoints" in name or "lock" in name]
    return folder, n_writes


@pytest.mark.parametrize("point", range(POINTS))
def test_a_killed_training_ends_as_an_undisturbed_one(data, undisturbed, tmp_path, point):
    whole, n_writes = undisturbed
    assert n_writes > 50
    kill_at = 1 + point * (n_writes - 1) // (POINTS - 1)
    assert fault_after_kill(command(data, tmp_path / "run"), tmp_path / "run", whole, kill_at) == ""


@pytest.mark.parametrize("point", range(2))
def test_a_killed_replacement_does_too(data, undisturbed, tmp_path, point):
    """With --overwrite, killed while the old run is removed and after."""
    whole, folder = undisturbed[0], tmp_path / "run"
    shutil.copytree(whole, folder)
    (folder / SETTINGS).write_text((folder / SETTINGS).read_text().replace("seed: 0", "seed: 1"))
    assert fault_after_kill(command(data, folder, "--overwrite"), folder, whole, 3 + 10 * point) == ""


def test_what_a_kill_leaves_of_a_tidied_run_is_removed(data, undisturbed, tmp_path):
    """The command given again completes a run whose checkpoints were not removed, without training."""
    folder = tmp_path / "run"
    shutil.copytree(undisturbed[0], folder)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.ckpt").write_text("no checkpoint")
    before = (folder / FINISHED).read_bytes()
    assert forked(command(data, folder), folder)[0] == 0
    assert left_in(folder) == left_in(undisturbed[0])
    assert (folder / FINISHED).read_bytes() == before
    assert forked(command(data, folder), folder)[0] == 2


def test_a_moved_unfinished_training_goes_on(data, undisturbed, tmp_path, monkeypatch):
    """The best epoch so far is found again in the folder's new place."""
    whole, n_writes = undisturbed
    first, second = tmp_path / "first", tmp_path / "second"
    forked(command(data, first), first, n_writes - 40)
    assert (first / "checkpoints" / "last.ckpt").exists()
    first.rename(second)
    monkeypatch.chdir(tmp_path)
    assert forked(command(data, "second"), second)[0] == 0
    assert (second / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_lost_best_epoch_is_noticed_before_training_goes_on(data, undisturbed, tmp_path, capsys):
    folder = tmp_path / "run"
    forked(command(data, folder), folder, undisturbed[1] - 40)
    assert (folder / "checkpoints" / "last.ckpt").exists()
    history = (folder / "history.csv").read_bytes()
    (folder / "checkpoints" / "best.ckpt").unlink()
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(command(data, folder))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line == f"auricle: {folder}/checkpoints/best.ckpt: there is no such checkpoint: remove {folder} and begin again"
    )
    assert (folder / "history.csv").read_bytes() == history


CONTENT = {"epoch": 3, "global_step": 7} | dict.fromkeys(
    ("state_dict", "optimizer_states", "lr_schedulers", "loops", "callbacks"), ()
)


def test_a_checkpoint_never_lies_in_the_temporary_folder(tmp_path, monkeypatch):
    """It is written beside its path: a rename from another file system would be a copy."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    AtomicCheckpoints().save_checkpoint(CONTENT, tmp_path / "run" / "last.ckpt")
    assert AtomicCheckpoints().load_checkpoint(tmp_path / "run" / "last.ckpt") == CONTENT
    assert left_in(tmp_path) == ["run", "run/last.ckpt"]


def test_a_checkpoint_runs_no_code(tmp_path, monkeypatch):
    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    AtomicCheckpoints().save_checkpoint(CONTENT | {"epoch": Harmful()}, tmp_path / "last.ckpt")
    with pytest.raises(AuricleError, match="holds more than tensors"):
        AtomicCheckpoints().load_checkpoint(tmp_path / "last.ckpt")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
def test_a_damaged_checkpoint_is_one_line(tmp_path, damage):
    path = tmp_path / "last.ckpt"
    AtomicCheckpoints().save_checkpoint(CONTENT, path)
    content = {"empty": b"", "text": b"hello", "cut": path.read_bytes()[:-100]}[damage]
    path.write_bytes(content)
    with pytest.raises(AuricleError, match=r"^\S*last.ckpt: .*PyTorch checkpoint"):
        AtomicCheckpoints().load_checkpoint(path)
