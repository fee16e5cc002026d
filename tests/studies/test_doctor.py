"""`auricle doctor` tells what is there, and what does not work."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest
import torch

import auricle
from auricle.__main__ import main
from auricle.extras import EXTRAS
from auricle.studies import doctor as module
from auricle.version import __version__


def test_what_it_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AURICLE_HOME", str(tmp_path / "new" / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    before = torch.random.get_rng_state()
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json"])
    assert ended.value.code == 0
    rows = json.loads(capsys.readouterr().out)
    found = {(row["section"], row["name"]): row["found"] for row in rows}
    assert found["versions", "auricle"] == importlib.metadata.version("auricle")
    assert found["versions", "torch"].startswith(torch.__version__.partition("+")[0])
    extras = {name for section, name in found if section == "extras"}
    assert {"scikit-learn" if name == "sklearn" else name for name in EXTRAS} < extras
    assert found["devices", "cpu"] == "1 thread"
    assert found["write access", "models"] == f"{tmp_path}/new/home: yes"
    assert found["self-test", "sound files"].startswith("ok (")
    assert found["self-test", "training"].startswith("ok, on ")
    assert not list(tmp_path.iterdir())
    assert torch.equal(before, torch.random.get_rng_state())
    assert __version__


def test_what_does_not_work_is_told_and_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> str:
        raise OSError("no room")

    monkeypatch.setattr(module, "_sound_files", broken)
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert "  sound files      OSError: no room (" in captured.out
    assert captured.err.startswith("auricle: sound files: OSError: no room (")
    assert "next:" not in captured.err


def test_the_users_name_is_not_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AURICLE_HOME", str(tmp_path / "kept"))
    monkeypatch.setattr(module, "_training", lambda: "ok")
    assert "~/kept: yes" in str(auricle.doctor())


def test_a_folder_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module.os, "access", lambda path, mode: path != tmp_path)
    monkeypatch.setattr(module, "_training", lambda: "ok")
    monkeypatch.chdir(tmp_path)
    diagnosis = auricle.doctor()
    assert diagnosis.complaint.startswith(f"this folder: {tmp_path}: no")
    assert diagnosis.exit_code == 2
