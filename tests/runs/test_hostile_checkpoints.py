"""A checkpoint that is resumed or converted runs no code, whatever the environment says."""

from __future__ import annotations

import os
import zipfile

import pytest
import torch

from auricle import train_classifier
from auricle.errors import AuricleError
from auricle.runs.fit import check_unfinished
from auricle.systems.checkpoints import read_checkpoint
from auricle.systems.published import read_state_dict
from sounds import tone_folder

pytestmark = pytest.mark.figures("undrawn")
WHOLE = {
    "epoch": 0, "global_step": 3, "state_dict": {}, "loops": {}, "callbacks": {}, "optimizer_states": [],
    "lr_schedulers": [], "pytorch-lightning_version": "2.6.0",
}  # fmt: skip


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture(params=["", "1"])
def environment(request, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", request.param)


def test_resuming_runs_no_code(tmp_path, environment):
    data = tone_folder(tmp_path / "data", 6)
    options = {"data": str(data), "output": tmp_path / "run", "frontend": "mel", "training": {"epochs": 1}}
    train_classifier(**options, quiet=True)
    (tmp_path / "run" / "run.json").unlink()
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    for content in (WHOLE | {"hyper_parameters": Payload(tmp_path / "ran")}, Payload(tmp_path / "ran")):
        torch.save(content, last)
        with pytest.raises(AuricleError, match=r"last.ckpt: .* remove .*run and begin again"):
            train_classifier(**options, quiet=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", WHOLE)
def test_a_checkpoint_without_a_part_is_refused(tmp_path, name):
    torch.save(WHOLE, tmp_path / "last.ckpt")
    assert check_unfinished(tmp_path / "last.ckpt") == 3
    torch.save({key: value for key, value in WHOLE.items() if key != name}, tmp_path / "last.ckpt")
    with pytest.raises(AuricleError, match=name):
        check_unfinished(tmp_path / "last.ckpt")
    torch.save(WHOLE | {name: torch.zeros(1)}, tmp_path / "last.ckpt")
    with pytest.raises(AuricleError, match=name):
        check_unfinished(tmp_path / "last.ckpt")


def test_converting_runs_no_code(tmp_path, environment):
    torch.save({"state_dict": {"a": torch.ones(2)}, "x": Payload(tmp_path / "ran")}, tmp_path / "c.pth")
    with pytest.raises(AuricleError, match="holds more than tensors"):
        read_state_dict(tmp_path / "c.pth")
    assert not (tmp_path / "ran").exists()


def test_damaged_checkpoints_are_one_line(tmp_path):
    path = tmp_path / "c.pth"
    torch.save({"a": torch.arange(1000.0)}, path)
    data = path.read_bytes()
    assert torch.equal(read_checkpoint(path)["a"], torch.arange(1000.0))
    for damaged in (b"", b"x" * 100, data[: len(data) // 2], data[:-30], data[100:], b"\x80\x02}q\x00.", b"\x80\x05K"):
        path.write_bytes(damaged)
        with pytest.raises(AuricleError) as raised:
            read_checkpoint(path)
        assert len(str(raised.value).splitlines()) == 1
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**20))
    with pytest.raises(AuricleError, match="compressed"):
        read_checkpoint(path)
